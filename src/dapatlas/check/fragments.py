"""Pieces: what is one organ lies in one piece.

Which structures may rightly lie in several is said by the label scheme; long thin ones, and ribs, may have the gaps
that the guideline allows that mends them (:mod:`dapatlas.refine.fragments`). Pieces that the field of view cuts may
hang together beyond it.

Needs in view: nothing but the structure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dapatlas.check.codes import Code
from dapatlas.check.judged import judged
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.check.thinned import NOT_IN_PIECES
from dapatlas.findings import Finding, Severity
from dapatlas.labels import Structure
from dapatlas.refine.fragments import FragmentThresholds
from dapatlas.refine.rib_heads import RIBS
from dapatlas.volumes import Box, Grid, components

LEAST_ML = 0.3  # smaller pieces are crumbs,
LEAST_SHARE = 0.05  # unless they are so much of a small structure,
LEAST_VOXELS = 4  # and more than a few voxels
# There is one of each, never two, however ill or operated on, and none is so thin that a middle part goes missing.
ONE_ONLY = ("liver", "brain", "bladder", "heart_myocardium", "sacrum", "skull")
TWO_SHARE = 0.3  # a second piece of so much of the first,
TWO_MM = 15.0  # and so far from it, is a second organ


@dataclass(frozen=True, slots=True)
class _Stray:
    """A piece apart from the main one; its box is that of the full map."""

    ml: float
    share: float
    away_mm: float
    box: Box


def check(case: MeasuredCase) -> Iterator[Finding]:
    """Judge every structure that should be in one piece."""
    for name in case.names:
        structure = case.scheme[name]
        if structure.pieces or name in NOT_IN_PIECES or len(case.thinned.anatomy.all_of(name)) == 1:
            continue
        stray = list(_stray(case, structure))
        if stray:
            yield _told(case, name, stray)


def _told(case: MeasuredCase, name: str, stray: list[_Stray]) -> Finding:
    largest = max(stray, key=lambda one: one.ml)
    second = name in ONE_ONLY and largest.share >= TWO_SHARE and largest.away_mm >= TWO_MM
    ml = sum(one.ml for one in stray)
    words = "a second one" if second else "a piece" if len(stray) == 1 else f"{len(stray)} pieces"
    far = f"{largest.away_mm:.0f} mm" if np.isfinite(largest.away_mm) else "far"
    return judged(
        case,
        Code.SEVERAL_PIECES,
        f"{name} has {words} of {ml:.1f} ml apart from its main piece, the largest {far} away",
        name,
        severity=Severity.ERROR if second else None,
        far_out=max(largest.share / LEAST_SHARE, min(largest.ml, 100.0)),
        box=largest.box,
        expected="one piece",
        found=f"{1 + len(stray)} pieces",
    )


def _stray(case: MeasuredCase, structure: Structure) -> Iterator[_Stray]:
    """Pieces apart, measured at full resolution: a thinned map loses thin bridges."""
    box = case[structure.name].box
    mask = case.mask(structure.name)
    found = components(
        np.asfortranarray(mask.view(np.uint8)), Grid.from_spacing(mask.shape, case.grid.spacing)
    )
    order = np.argsort(-found.voxels, kind="stable")
    main = int(order[0])
    limits = FragmentThresholds()
    reach = (
        limits.tubular_gap_mm if structure.tubular else limits.rib_gap_mm if structure.name in RIBS else 0.0
    )
    voxel_ml = case.grid.voxel_ml
    for row in order[1:].tolist():
        ml, share = found.voxels[row] * voxel_ml, found.voxels[row] / found.voxels[main]
        if found.voxels[row] < LEAST_VOXELS or (ml < LEAST_ML and share < LEAST_SHARE):
            continue
        if all(_at_edge(case, box, found.boxes[piece]) for piece in (row, main)):
            continue
        away = _away_mm(found.component_map, row + 1, main + 1, case.grid.spacing)
        if reach and away <= reach:
            continue
        yield _Stray(float(ml), float(share), away, _moved(box, found.boxes[row]))


def _moved(box: Box, inner: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Box:
    i, j, k = (slice(o.start + int(a), o.start + int(b)) for o, (a, b) in zip(box, inner, strict=True))
    return i, j, k


def _at_edge(case: MeasuredCase, box: Box, inner: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> bool:
    moved = _moved(box, inner)
    low, high = case.scanned_slices
    ends = moved[2].start == low or moved[2].stop == high
    sides = zip(moved, case.labels.shape, strict=True)
    return ends or any(side.start == 0 or side.stop == n for side, n in sides)


def _away_mm(
    numbers: np.ndarray[tuple[int, ...], np.dtype[np.uint32]],
    one: int,
    other: int,
    spacing: tuple[float, float, float],
) -> float:
    """Distance of two pieces, between the nearest of their voxels on a coarse grid of points."""
    from scipy.spatial import cKDTree

    ends = []
    for number in (one, other):
        points = np.argwhere(numbers == number)
        ends.append(points[:: max(1, len(points) // 20000)] * np.array(spacing))
    return float(cKDTree(ends[1]).query(ends[0])[0].min())
