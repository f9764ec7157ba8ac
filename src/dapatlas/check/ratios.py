"""Left against right, lobes against lungs, chambers against each other.

A healthy left organ is about as large as its right one. How far they may differ follows from how far each differs
between people, as if the two sides of one body had nothing to do with each other: wider than the truth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from dapatlas.check.codes import Code
from dapatlas.check.judged import out_of_range
from dapatlas.check.limits import Expected, Quantity, Range
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.check.ranges import USUAL_SD, Row, table
from dapatlas.check.volumes import is_child, named, rows_for
from dapatlas.findings import Finding
from dapatlas.labels import Side

CODES = Code.RATIO_IMPOSSIBLE, Code.RATIO_UNUSUAL


def check(case: MeasuredCase) -> Iterator[Finding]:
    """Judge the ratios of volumes that lie wholly in view, of adults."""
    if is_child(case):
        return
    ratios = table("ratios")
    told = dict.fromkeys((row.structures, row.of) for row in ratios.rows)
    for structures, of in told:
        rows = [row for row in ratios.rows if (row.structures, row.of) == (structures, of)]
        expected = ratios.expected(row for row in rows if row.holds_for(case.patient))
        if expected is not None:
            yield from _ratio(case, structures, of, expected)
    for left in case.scheme:
        if left.side is not Side.LEFT or left.opposite is None or ((left.name,), (left.opposite,)) in told:
            continue
        expected = left_to_right(case, left.name, left.opposite)
        if expected is not None:
            yield from _ratio(case, (left.name,), (left.opposite,), expected)


def left_to_right(case: MeasuredCase, left: str, right: str) -> Expected | None:
    """How a left structure compares with its right one, by the spread of each; none where that is not known.

    Disease enlarges or wastes one side alone, so that no ratio is impossible.
    """
    usual: Range | None = None
    cited: dict[str, None] = {}
    for own in rows_for(case, (left,)):
        for other in rows_for(case, (right,)):
            if _kin(own) != _kin(other) or math.isnan(own.log_spread[1] + other.log_spread[1]):
                continue
            (middle, sd), (other_middle, other_sd) = own.log_spread, other.log_spread
            half = USUAL_SD * math.hypot(sd, other_sd)
            between = Range(*(math.exp(middle - other_middle + side * half) for side in (-1, 1)))
            usual = between if usual is None else usual.hull(between)
            cited |= dict.fromkeys(table("volumes").sources[key].short for key in own.sources)
    return None if usual is None else Expected(Quantity.RATIO, usual, Range(), tuple(cited))


def _kin(row: Row) -> tuple[object, ...]:
    """What two rows share that were measured in the same people."""
    return row.sources, row.sex, row.ages, row.note


def _ratio(
    case: MeasuredCase, structures: tuple[str, ...], of: tuple[str, ...], expected: Expected
) -> Iterator[Finding]:
    if not all(map(case.is_whole, (*structures, *of))):
        return
    value = sum(map(case.ml, structures)) / sum(map(case.ml, of))
    what = f"volume of {named(case, structures)} over {named(case, of)}"
    yield from out_of_range(case, expected, value, what, CODES, structures[0] if len(structures) == 1 else "")
