"""Left and right of what an expert does not divide: cut at the mid-sagittal plane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.claims import Claim, Slabs
from dapatlas.aggregate.wholes import Wholes
from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme
from dapatlas.refine.landmarks import MIDLINE, MidPlane, fit_mid_plane
from dapatlas.volumes import Grid, measure, remap

Points = NDArray[np.float64]  # shape (n, 3)

MIDLINE_NAMES = (*MIDLINE, "spinal_canal")


@dataclass(frozen=True, slots=True)
class _Pair:
    whole: int
    left: int
    right: int


def split_sides(
    claims: Sequence[Claim], wholes: Wholes, grid: Grid, case: str = ""
) -> tuple[list[Claim], list[Finding]]:
    """Cut every whole that is nothing but a pair, such as kidneys, into left and right.

    The plane is fitted to the vertebrae, sacrum and sternum of the claim itself, else of the most trusted claim
    that has two of them. Where nobody has, it stands upright in the middle of all that the claim holds.

    Parameters
    ----------
    claims
        Most trusted first.
    wholes
        What the ids beyond the atlas's stand for.
    grid
        The CT's grid.
    case
        Case id for the findings.
    """
    pairs = [_Pair(whole, *sides) for whole in wholes.parts if (sides := wholes.sides_of(whole))]
    if not pairs:
        return list(claims), []

    @cache  # the most trusted claim is asked for every one that has no spine
    def landmarks(number: int) -> Points:
        return _landmarks(claims[number].words, wholes.atlas, grid)

    made, findings = [], []
    for number, claim in enumerate(claims):
        counts = claim.words.counts()
        own = [pair for pair in pairs if counts[pair.whole]]
        if own:
            plane, of = _plane(number, claims, landmarks, grid)
            claim = replace(claim, words=_cut(claim, own, plane, grid))
            findings += [_told(claim.expert, pair, int(counts[pair.whole]), of, wholes, case) for pair in own]
        made.append(claim)
    return made, findings


def _plane(
    number: int, claims: Sequence[Claim], landmarks: Callable[[int], Points], grid: Grid
) -> tuple[MidPlane, str]:
    """The mid-sagittal plane in world mm, and whose landmarks it was fitted to (or that there were none)."""
    for other in (number, *range(len(claims))):
        points = landmarks(other)
        if len(points) > 1:
            return fit_mid_plane(points), f"of {claims[other].expert}"
    points = landmarks(number)
    if not len(points):
        found = [one for one in measure(claims[number].label_map, grid) if one.id]
        points = np.average(
            [one.centroid_mm for one in found], axis=0, weights=[one.voxels for one in found]
        )[None]
    return MidPlane(float(points[0, 0]), 0.0, 0.0, 0.0), ""


def _landmarks(words: Slabs, atlas: LabelScheme, grid: Grid) -> Points:
    """Centres of what lies on the mid-line, shape (n, 3), world mm."""
    table = np.zeros(256, np.uint8)
    ids = [atlas[name].id for name in MIDLINE_NAMES if name in atlas]
    table[ids] = ids
    found = measure(remap(words.inflated(), table), grid)
    return np.array([one.centroid_mm for one in found if one.id], np.float64).reshape(-1, 3)


def _cut(claim: Claim, pairs: Sequence[_Pair], plane: MidPlane, grid: Grid) -> Slabs:
    label_map = claim.label_map
    for number in range(len(claim.words)):
        slices = claim.words.slices(number)
        slab = label_map[..., slices]
        for pair in pairs:
            index = np.argwhere(slab == pair.whole)
            if len(index):
                world = grid.to_world(index + np.array([0, 0, slices.start]))
                left, right = (0 if side in claim.leaves else side for side in (pair.left, pair.right))
                slab[tuple(index.T)] = np.where(plane.right_mm(world) > 0, right, left)
    return Slabs.of(label_map)


def _told(expert: str, pair: _Pair, voxels: int, of: str, wholes: Wholes, case: str) -> Finding:
    name = wholes.name(pair.whole)
    left, right = wholes.atlas[pair.left].name, wholes.atlas[pair.right].name
    where = f"at the mid-sagittal plane through the spine {of}" if of else "in the middle of what it labels"
    return Finding(
        case,
        Severity.INFO if of else Severity.WARNING,
        "split-by-midline",
        f"{expert}: {name} was cut into {left} and {right} {where}",
        structure=name,
        voxels=voxels,
        remedy=""
        if of
        else "nobody found two of vertebrae, sacrum and sternum to fit a plane to: look at this case",
    )
