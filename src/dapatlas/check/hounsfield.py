"""Density of structures: air in lungs and airways, fat below water, bone above it, blood and organs in between."""

from __future__ import annotations

from collections.abc import Iterator

from dapatlas.check.codes import Code
from dapatlas.check.judged import judged, out_of_range
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.check.ranges import table
from dapatlas.findings import Finding

CODES = Code.HU_IMPOSSIBLE, Code.HU_UNUSUAL
MIN_VOXELS = 50  # fewer are mostly surface, which holds something of what lies beside it


def check(case: MeasuredCase) -> Iterator[Finding]:
    """Judge the median HU of every structure in view, cut off or not; the median is deaf to metal and to edges."""
    if case.ct is None:
        yield judged(case, Code.NOT_JUDGED, "no CT: densities are not judged")
        return
    ranges = table("hounsfield")
    for row in ranges.rows:
        expected = ranges.expected([row])
        for name in row.structures:
            if expected is None or name not in case or case[name].voxels < MIN_VOXELS:
                continue
            what = f"density of {case.scheme[name].display_name}"
            yield from out_of_range(case, expected, case.density[name].median, what, CODES, name)
