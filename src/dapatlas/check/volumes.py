"""Volumes of organs against published values of adults, by sex and age where known."""

from __future__ import annotations

from collections.abc import Iterator

from dapatlas.check.codes import Code
from dapatlas.check.judged import judged, out_of_range
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.check.ranges import ADULT_YEARS, Row, table
from dapatlas.findings import Finding

CODES = Code.VOLUME_IMPOSSIBLE, Code.VOLUME_UNUSUAL


def check(case: MeasuredCase) -> Iterator[Finding]:
    """Judge what lies wholly in view; of a sum, all of it must.

    Where the sex is not known, what either sex has is usual. Children are not judged: the values are of adults.
    """
    if is_child(case):
        yield judged(case, Code.NOT_JUDGED, f"patient under {ADULT_YEARS} years: no volumes are judged")
        return
    volumes = table("volumes")
    for structures in dict.fromkeys(row.structures for row in volumes.rows):
        expected = volumes.expected(rows_for(case, structures))
        if expected is None or not all(map(case.is_whole, structures)):
            continue
        ml = sum(map(case.ml, structures))
        only = structures[0] if len(structures) == 1 else ""
        yield from out_of_range(case, expected, ml, f"volume of {named(case, structures)}", CODES, only)


def is_child(case: MeasuredCase) -> bool:
    """Whether the patient is known to be no adult."""
    return case.patient.age_years is not None and case.patient.age_years < ADULT_YEARS


def rows_for(case: MeasuredCase, structures: tuple[str, ...]) -> list[Row]:
    """Published volumes of some structures together that hold for the patient."""
    rows = table("volumes").rows
    return [row for row in rows if row.structures == structures and row.holds_for(case.patient)]


def named(case: MeasuredCase, structures: tuple[str, ...]) -> str:
    """Names for people."""
    return " + ".join(case.scheme[name].display_name for name in structures)
