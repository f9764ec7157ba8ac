"""How much of the body is muscle, fat and bone."""

from __future__ import annotations

from collections.abc import Iterator

from dapatlas.check.codes import Code
from dapatlas.check.judged import judged, out_of_range
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.check.ranges import table
from dapatlas.check.volumes import is_child
from dapatlas.findings import Finding

CODES = Code.COMPOSITION_IMPOSSIBLE, Code.COMPOSITION_UNUSUAL
# A view of less than the lumbar spine has too little of a body to say what it consists of.
IN_VIEW = tuple(f"vertebrae_L{number}" for number in range(1, 6))


def check(case: MeasuredCase) -> Iterator[Finding]:
    """Judge shares of all that is labelled, where the lumbar spine is wholly in view."""
    if is_child(case):
        return
    if not all(map(case.is_whole, IN_VIEW)):
        yield judged(
            case, Code.NOT_JUDGED, "lumbar spine not wholly in view: the body's composition is not judged"
        )
        return
    shares = table("composition")
    body_ml = sum(map(case.ml, case.names))
    for name in dict.fromkeys(row.name for row in shares.rows):
        rows = [row for row in shares.rows if row.name == name]
        expected = shares.expected(row for row in rows if row.holds_for(case.patient))
        ml = sum(map(case.ml, rows[0].structures))
        if expected is not None and ml:  # a scheme without fillings says nothing of them
            yield from out_of_range(case, expected, ml / body_ml, f"share of {name} in the body", CODES)
