"""Vessels: how wide the aorta and the inferior vena cava are, by cross-section.

Needs in view: the vertebrae of the stretch (the ascending and descending aorta lie side by side at T5 to T8, the
infrarenal aorta at L3 and L4, the renal veins at L1 and L2), and a few slices of the vessel there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from dapatlas.check.codes import Code
from dapatlas.check.cross_sections import CrossSection, cross_sections
from dapatlas.check.geometry import Calibre, geometry
from dapatlas.check.judged import judged
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.check.ranges import ADULT_YEARS, USUAL_SD
from dapatlas.findings import Finding
from dapatlas.refine.landmarks import VERTEBRAE, column

# Levels of the stretches that published values are of.
SEGMENTS = {
    "ascending": ("vertebrae_T5", "vertebrae_T8"),
    "descending": ("vertebrae_T6", "vertebrae_T10"),
    "infrarenal": ("vertebrae_L3", "vertebrae_L4"),
    "renal": ("vertebrae_L1", "vertebrae_L2"),
}
LEAST_SLICES = 2
LEAST_MM = 10.0  # of its length
# Beyond so many times the mean no adult's vessel is; the widest aneurysms on record are narrower.
NARROWEST, WIDEST = 0.3, 6.0


def check(case: MeasuredCase) -> Iterator[Finding]:
    """Judge each stretch of each vessel that has published values."""
    if case.patient.age_years is not None and case.patient.age_years < ADULT_YEARS:
        return
    rows = [row for row in geometry().vessels if row.structure in case and row.holds_for(case.patient)]
    for structure in dict.fromkeys(row.structure for row in rows):
        box = case[structure].box
        start = (box[0].start, box[1].start, box[2].start)
        sections = cross_sections(case.mask(structure), start, case.grid.spacing)
        for segment in dict.fromkeys(row.segment for row in rows if row.structure == structure):
            own = [row for row in rows if (row.structure, row.segment) == (structure, segment)]
            yield from _judge(case, own, diameter_mm(case, sections, segment))


def diameter_mm(case: MeasuredCase, sections: list[CrossSection], segment: str) -> float | None:
    """Median diameter of a stretch; ``None`` where too little of it is in view."""
    levels = _levels_mm(case, *SEGMENTS[segment])
    if levels is None:
        return None
    inside = [one for one in sections if levels[0] <= one.z_mm <= levels[1]]
    if segment == "ascending":
        chosen = [one for one in inside if one.others == 1 and one is _first(inside, one.z_mm)]
    elif segment == "descending":
        chosen = [one for one in inside if one is _last(inside, one.z_mm)]
    else:
        chosen = [one for one in inside if not one.others]
    length = len(chosen) * case.grid.spacing[2]
    if len(chosen) < LEAST_SLICES or length < LEAST_MM:
        return None
    return float(np.median([one.minor_mm for one in chosen]))


def _levels_mm(case: MeasuredCase, upper: str, lower: str) -> tuple[float, float] | None:
    """Heights between the middles of two vertebrae; of as many as are in view between them, at least two."""
    vertebrae = column(case.thinned.anatomy).pieces
    between = range(VERTEBRAE.index(upper), VERTEBRAE.index(lower) + 1)
    heights = [vertebrae[n].centre_mm[2] for n in between if n in vertebrae]
    return (min(heights), max(heights)) if len(heights) > 1 else None


def _first(sections: list[CrossSection], z_mm: float) -> CrossSection:
    """The foremost piece in a slice."""
    return max((one for one in sections if one.z_mm == z_mm), key=lambda one: one.y_mm)


def _last(sections: list[CrossSection], z_mm: float) -> CrossSection:
    return min((one for one in sections if one.z_mm == z_mm), key=lambda one: one.y_mm)


def _judge(case: MeasuredCase, rows: list[Calibre], diameter: float | None) -> Iterator[Finding]:
    if diameter is None:
        return
    structure, segment, unit = rows[0].structure, rows[0].segment, rows[0].unit
    value = diameter if unit == "mm" else math.pi / 4 * diameter**2
    voxel = max(case.grid.spacing[:2])
    slack = voxel if unit == "mm" else math.pi / 2 * diameter * voxel  # what half a voxel all around makes
    low = 0.0 if rows[0].upper else min(row.middle - USUAL_SD * row.spread for row in rows) - slack
    high = max(row.middle + USUAL_SD * row.spread for row in rows) + slack
    middles = [row.middle if unit == "mm" else math.sqrt(4 / math.pi * row.middle) for row in rows]
    narrow = not rows[0].upper and diameter < NARROWEST * min(middles)
    impossible = narrow or diameter > WIDEST * max(middles)
    if low <= value <= high and not impossible:
        return
    cited = geometry().short(*dict.fromkeys(key for row in rows for key in row.cited()))
    shown = [limit if unit == "mm" else math.sqrt(4 / math.pi * max(0.0, limit)) for limit in (low, high)]
    yield judged(
        case,
        Code.DIAMETER_IMPOSSIBLE if impossible else Code.DIAMETER_UNUSUAL,
        f"the {segment} part of {structure} is {diameter:.0f} mm wide",
        structure,
        far_out=abs(2 * value - low - high) / (high - low),
        expected=f"{max(0.0, shown[0]):.0f} to {shown[1]:.0f} mm ({cited})",
        found=f"{diameter:.0f} mm",
    )
