"""Vertebrae: heights and volumes that rise smoothly down the column.

A vertebra is compared with its two neighbours, so that neither the size of the person nor the way of measuring matters.
The height is that of the body, of which the part in front of the spinal canal is measured, along the column.

Needs in view: a vertebra from C3 down, and the ones above and below it, whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dapatlas.check.codes import Code
from dapatlas.check.geometry import geometry
from dapatlas.check.judged import judged
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.findings import Finding
from dapatlas.refine.landmarks import VERTEBRAE, Column, column

FIRST = VERTEBRAE.index("vertebrae_C3")  # above it there are no bodies to compare
FRONT_SHARE = 0.45  # of a vertebra from back to front, where no spinal canal is in view
CANAL_MM = 2.0  # in front of the canal the body begins
VOLUME_RATIO = 1.7  # to the geometric mean of the neighbours
TALL_SHARE = 0.30  # so much higher than the neighbours is two in one, or part of one
# Regions in which volumes are compared as a whole; each is larger than the one before it.
REGIONS = {
    name: [VERTEBRAE.index(f"vertebrae_{v}") for v in levels]
    for name, levels in {
        "the neck (C3 to C6)": ("C3", "C4", "C5", "C6"),
        "the upper chest (T3 to T8)": ("T3", "T4", "T5", "T6", "T7", "T8"),
        "the loins (L1 to L5)": ("L1", "L2", "L3", "L4", "L5"),
    }.items()
}
LEAST_IN_REGION = 3


def check(case: MeasuredCase) -> Iterator[Finding]:
    """Judge heights and volumes against the neighbours, then regions against each other."""
    vertebrae = column(case.thinned.anatomy)
    whole = {
        n for n, piece in vertebrae.pieces.items() if not case.cut_by(VERTEBRAE[n]) and not piece.at_edge
    }
    ml = {n: case.thinned.anatomy.pieces.ml(vertebrae.pieces[n]) for n in whole}
    heights = {n: body_height_mm(case, vertebrae, n) for n in whole if n >= FIRST}
    for n in sorted(whole):
        if n > FIRST and {n - 1, n + 1} <= whole:
            yield from _height(case, n, heights)
            yield from _volume(case, n, ml)
    yield from _trend(case, ml)


def body_height_mm(case: MeasuredCase, vertebrae: Column, n: int) -> float:
    """Height of a vertebral body along the column: the median of the columns of voxels in its middle; 0 without one."""
    name = VERTEBRAE[n]
    body = _body(case, name)
    depth = np.count_nonzero(body, axis=2)
    filled = np.argwhere(depth)
    if len(filled) < 4:
        return 0.0
    (low_x, low_y), (high_x, high_y) = filled.min(0), filled.max(0)
    quarter_x, quarter_y = (high_x - low_x) // 4, (high_y - low_y) // 4
    middle = depth[low_x + quarter_x : high_x - quarter_x + 1, low_y + quarter_y : high_y - quarter_y + 1]
    counts = middle[middle > 0]
    return float(np.median(counts)) * case.grid.spacing[2] * _upright(vertebrae, n) if counts.size else 0.0


def _body(case: MeasuredCase, name: str) -> NDArray[np.bool_]:
    """The part of a vertebra in front of the canal."""
    box = case[name].box
    own = case.mask(name)
    canal = case.labels[box] == case.scheme["spinal_canal"].id
    rows = np.flatnonzero(canal.any(axis=(0, 2)))
    if rows.size:
        # the front edge half-way up, for a column that leans has it elsewhere above and below
        middle = np.flatnonzero(canal[:, :, canal.shape[2] // 2].any(axis=0))
        first = int((middle if middle.size else rows)[-1]) + 1 + math.ceil(CANAL_MM / case.grid.spacing[1])
    else:
        first = int(own.shape[1] * (1 - FRONT_SHARE))
    own[:, :first] = False
    return own


def _upright(vertebrae: Column, n: int) -> float:
    """Cosine of the angle between the column at a vertebra and the vertical."""
    ends = [vertebrae.pieces[m].centre_mm for m in (n - 1, n, n + 1) if m in vertebrae.pieces]
    if len(ends) < 2:
        return 1.0
    along = np.subtract(ends[0], ends[-1])
    return float(abs(along[2]) / np.linalg.norm(along))


def _height(case: MeasuredCase, n: int, heights: dict[int, float]) -> Iterator[Finding]:
    """A body that is lower or higher than both neighbours let expect, beyond what a voxel may make."""
    own, above, below = heights[n], heights[n - 1], heights[n + 1]
    if not min(own, above, below):
        return
    usual = math.sqrt(above * below)
    known = geometry().vertebrae
    voxel = case.grid.spacing[2] / usual
    low, high = 1 - known.fracture - voxel, 1 + TALL_SHARE + voxel
    ratio = own / usual
    if low <= ratio <= high:
        return
    # a neighbour that is itself out of line makes this one seem so: the one farther from its own is told of
    if min(above, below) / max(above, below) < low and not min(above, below) > own:
        return
    limit = low if ratio < low else high
    yield judged(
        case,
        Code.VERTEBRA_HEIGHT,
        f"the body of {VERTEBRAE[n]} is {own:.0f} mm high, {ratio:.2f} times as high as its neighbours' "
        f"({above:.0f} and {below:.0f} mm)",
        VERTEBRAE[n],
        far_out=abs(math.log(ratio) / math.log(limit)),
        expected=f"{low:.2f} to {high:.2f} times ({geometry().short(known.fracture_source, known.step_source)})",
        found=f"{ratio:.2f} times",
    )


def _volume(case: MeasuredCase, n: int, ml: dict[int, float]) -> Iterator[Finding]:
    ratio = ml[n] / math.sqrt(ml[n - 1] * ml[n + 1])
    if 1 / VOLUME_RATIO <= ratio <= VOLUME_RATIO:
        return
    yield judged(
        case,
        Code.VERTEBRA_VOLUME,
        f"{VERTEBRAE[n]} has {ml[n]:.1f} ml, {ratio:.2f} times the volume of its neighbours",
        VERTEBRAE[n],
        far_out=abs(math.log(ratio)) / math.log(VOLUME_RATIO),
        expected=f"{1 / VOLUME_RATIO:.2f} to {VOLUME_RATIO:.2f} times",
        found=f"{ratio:.2f} times",
    )


def _trend(case: MeasuredCase, ml: dict[int, float]) -> Iterator[Finding]:
    """Regions whose vertebrae are no larger than those of the region above."""
    usual = {
        name: float(np.median([ml[n] for n in numbers if n in ml]))
        for name, numbers in REGIONS.items()
        if sum(n in ml for n in numbers) >= LEAST_IN_REGION
    }
    for above, below in pairwise(usual):
        if usual[below] <= usual[above]:
            yield judged(
                case,
                Code.VERTEBRA_VOLUME,
                f"vertebrae of {below} are no larger ({usual[below]:.0f} ml) than those of {above} "
                f"({usual[above]:.0f} ml)",
                far_out=usual[above] / usual[below],
                expected=f"larger further down ({geometry().short(geometry().vertebrae.volume_source)})",
                remedy="look whether the vertebrae are counted right, and whole",
            )
