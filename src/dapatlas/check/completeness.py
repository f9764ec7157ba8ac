"""Completeness: what should be in view and is missing, and what is one organ and lies in several pieces.

What must show is told by the vertebrae, or the bones, that are wholly in view (``data/geometry.toml``): the field of
view that cuts them excuses all else. What surgery removes is missing rightly: look. Pieces are looked at by
:mod:`dapatlas.check.fragments`.

Needs in view: vertebrae that are in order, or the bones named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from dapatlas.check import fragments
from dapatlas.check.codes import Code
from dapatlas.check.geometry import Level, geometry
from dapatlas.check.judged import Judged, judged
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.check.order import ends_cut
from dapatlas.findings import Finding, Severity
from dapatlas.labels import Side
from dapatlas.refine.landmarks import FIRST_THORACIC, VERTEBRAE, Column, column
from dapatlas.refine.rib_heads import RIBS, rib_name

GAP_SHARE = 0.5  # of a vertebra's distance: so much more than those in the map make is a gap
NEAR = 3  # vertebrae on either side from which their distance is told


def check(case: MeasuredCase) -> Iterator[Finding]:
    """Judge vertebrae, ribs, then all else, then pieces."""
    vertebrae = column(case.thinned.anatomy)
    yield from _vertebrae(case, vertebrae)
    yield from _ribs(case)
    yield from _missing(case)
    yield from fragments.check(case)


def _vertebrae(case: MeasuredCase, vertebrae: Column) -> Iterator[Judged]:
    """Numbers that are left out: with a gap in the column a vertebra was missed; without, the count is off."""
    numbers = sorted(vertebrae.pieces)
    for above, below in pairwise(numbers):
        left_out = range(above + 1, below)
        if not left_out:
            continue
        names = ", ".join(VERTEBRAE[n] for n in left_out)
        usual = _distance_mm(vertebrae, above, below)
        apart = _between_mm(vertebrae, above, below)
        count = round(apart / usual) - 1 if usual else len(left_out)
        box = case.thinned.full_box(vertebrae.pieces[below].box)
        if not usual or apart > (1 + GAP_SHARE) * usual:
            words = f"{names} missing between {VERTEBRAE[above]} and {VERTEBRAE[below]}, {apart:.0f} mm apart"
            yield judged(case, Code.MISSING_BETWEEN, words, far_out=float(max(1, count)), box=box)
        else:
            yield judged(
                case,
                Code.MISSING_BETWEEN,
                f"no {names}: {VERTEBRAE[below]} follows {VERTEBRAE[above]} without a gap",
                severity=Severity.WARNING,
                far_out=float(len(left_out)),
                box=box,
                remedy="count the vertebrae: one too few (a variant), or the numbers are off",
            )


def _between_mm(vertebrae: Column, one: int, other: int) -> float:
    apart = np.subtract(vertebrae.pieces[one].centre_mm, vertebrae.pieces[other].centre_mm)
    return float(np.linalg.norm(apart))


def _distance_mm(vertebrae: Column, above: int, below: int) -> float:
    """Usual distance of neighbours near a gap; 0 where there are none."""
    near = [
        n for n in range(above - NEAR, below + NEAR) if n in vertebrae.pieces and n + 1 in vertebrae.pieces
    ]
    return float(np.median([_between_mm(vertebrae, n, n + 1) for n in near])) if near else 0.0


def _ribs(case: MeasuredCase) -> Iterator[Judged]:
    """Ribs whose vertebra is wholly in view; a side, or a map, without any in one finding."""
    if not any(rib in case for rib in RIBS):
        return
    for side in (Side.LEFT, Side.RIGHT):
        present = {n for n in range(1, 13) if rib_name(n, side) in case}
        for n in range(1, 13):
            vertebra = VERTEBRAE[FIRST_THORACIC + n - 1]
            if n in present or not _is_in_view(case, vertebra):
                continue
            name = rib_name(n, side)
            if {n - 1, n + 1} <= present:
                words = f"{name}, rib {n}, is missing though those above and below it are there"
                yield judged(case, Code.MISSING_BETWEEN, words, severity=Severity.WARNING, far_out=1.0)
            else:
                words = f"{name}, rib {n}, is missing though {vertebra} is wholly in view"
                yield judged(case, Code.MISSING, words, far_out=1.0)


def _is_in_view(case: MeasuredCase, name: str) -> bool:
    return name in case and not ends_cut(case, name)


def _missing(case: MeasuredCase) -> Iterator[Judged]:
    """What should show; that of one row, and of one reason, in one finding each structure."""
    told: defaultdict[str, list[Level]] = defaultdict(list)
    for row in geometry().levels:
        if row.sex not in (None, case.patient.sex) or (row.wide and _cuts_sides(case)):
            continue
        if all(_is_in_view(case, name) for name in row.needs):
            for name in row.structures:
                if name not in case:
                    told[name].append(row)
    for name, rows in told.items():
        row = rows[0]
        where = f"{row.needs[0]} to {row.needs[-1]}" if row.first else " and ".join(row.needs)
        yield judged(
            case,
            Code.MISSING,
            f"no {name}, though {where} {'is' if len(row.needs) == 1 else 'are'} wholly in view",
            far_out=1.0,
            expected=f"{name} ({geometry().short(row.source)})",
        )


def _cuts_sides(case: MeasuredCase) -> bool:
    """Whether anything labelled reaches the left or right face of the field of view."""
    boxes = case.measured.boxes[case.measured.ids != 0]
    return bool((boxes[:, 0, 0] == 0).any() or (boxes[:, 0, 1] == case.labels.shape[0]).any())
