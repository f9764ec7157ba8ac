"""Ribs: rib n starts at T n; lengths rise to the middle of the cage and fall again, alike on both sides.

Where a rib meets the spine is measured as for the guideline that counts ribs (:mod:`dapatlas.refine.rib_heads`).
Lengths are compared with published proportions, whatever the size of the person.

Needs in view: for the count thoracic vertebrae that are in order; for lengths ribs that are wholly in view.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from dapatlas.check.codes import Code
from dapatlas.check.geometry import geometry
from dapatlas.check.judged import Judged, judged
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.check.rib_lengths import way_mm
from dapatlas.findings import Finding
from dapatlas.labels import Side
from dapatlas.refine.landmarks import FIRST_THORACIC, VERTEBRAE, Column, column
from dapatlas.refine.piece import Piece
from dapatlas.refine.rib_heads import RIBS, RibHead, anatomical_number, rib_heads, rib_name

SIDES = (Side.LEFT, Side.RIGHT)
FULL_SHARE = (
    0.75  # with a second piece that leaves less to the first a rib is broken: its length is not judged
)
# A rib whose own vertebra was missed is nearest to the one below, about a vertebra's distance above it.
OWN_HEIGHT = 0.6
MANY = 3  # so many ribs of a side that are off alike are told of together
SHORT, LONG = 0.65, 1.45  # times the expected length, of ribs 2 to 10
SHORT_END, LONG_END = 0.45, 1.8  # of the first and the eleventh; the twelfth has any length
LEAST_RIBS = 4  # to tell the person's size from
SIDES_RATIO = 1.25  # of the lengths of a pair


def check(case: MeasuredCase) -> Iterator[Finding]:
    """Judge the count, then what is attached to nothing, then lengths."""
    anatomy = case.thinned.anatomy
    if not anatomy.all_of(*RIBS):
        return
    vertebrae = column(anatomy)
    if any(FIRST_THORACIC <= n < FIRST_THORACIC + 12 for n in vertebrae.pieces):
        heads = rib_heads(anatomy)
        miscounted = list(_count(case, vertebrae, heads))
        yield from miscounted
        yield from _unattached(case, vertebrae, heads)
        if miscounted:
            return  # lengths under wrong numbers say nothing new
    else:
        yield judged(case, Code.NOT_JUDGED, "ribs: no thoracic vertebra is in view to count them from")
    yield from _lengths(case)


def _count(case: MeasuredCase, vertebrae: Column, heads: list[RibHead]) -> Iterator[Judged]:
    """Ribs at another vertebra than their own; a side that is off alike in one finding."""
    number_of = {piece.number: n for n, piece in vertebrae.pieces.items()}
    off: defaultdict[tuple[Side, int], list[RibHead]] = defaultdict(list)
    for head in heads:
        found = number_of[head.vertebra] - FIRST_THORACIC + 1
        if found != head.anatomical and not _is_excused(head, found, vertebrae):
            off[head.side, found - head.anatomical].append(head)
    for (side, shift), wrong in off.items():
        if len(wrong) >= MANY:
            yield _side_off(case, side, shift, wrong)
        else:
            for head in wrong:
                yield _rib_off(case, head, head.anatomical + shift)


def _is_excused(head: RibHead, found: int, vertebrae: Column) -> bool:
    """Whether the rib's own vertebra is not in the map, and the rib lies about where that would be."""
    if FIRST_THORACIC + head.anatomical - 1 in vertebrae.pieces or abs(found - head.anatomical) != 1:
        return False
    nearest = vertebrae.pieces[FIRST_THORACIC + found - 1]
    above = (head.height_mm - nearest.centre_mm[2]) * (found - head.anatomical)
    return above > OWN_HEIGHT * abs(vertebrae.spacing_mm) or nearest.at_edge


def _rib_off(case: MeasuredCase, head: RibHead, found: int) -> Judged:
    name = rib_name(head.anatomical, head.side)
    return judged(
        case,
        Code.RIB_VERTEBRA,
        f"{name}, rib {head.anatomical}, starts at {VERTEBRAE[FIRST_THORACIC + found - 1]}",
        name,
        far_out=float(abs(found - head.anatomical)),
        expected=f"{VERTEBRAE[FIRST_THORACIC + head.anatomical - 1]} ({geometry().short(geometry().ribs.attached)})",
        found=VERTEBRAE[FIRST_THORACIC + found - 1],
    )


def _side_off(case: MeasuredCase, side: Side, shift: int, wrong: list[RibHead]) -> Judged:
    names = [rib_name(head.anatomical, side) for head in sorted(wrong, key=lambda one: one.anatomical)]
    way = "lower" if shift > 0 else "higher"
    return judged(
        case,
        Code.RIB_VERTEBRA,
        f"{len(wrong)} {side.value} ribs start {abs(shift)} vertebra{'e' if abs(shift) > 1 else ''} {way} than "
        f"their own: {names[0]} to {names[-1]}",
        names[0],
        far_out=float(abs(shift) * len(wrong)),
        expected=f"rib n at T n ({geometry().short(geometry().ribs.attached)})",
    )


def _unattached(case: MeasuredCase, vertebrae: Column, heads: list[RibHead]) -> Iterator[Judged]:
    """Ribs with no head, though their vertebra and they themselves are wholly in view."""
    attached = {head.piece.label for head in heads}
    for name in RIBS:
        piece = case.thinned.anatomy.main(name)
        own = vertebrae.pieces.get(FIRST_THORACIC + anatomical_number(name) - 1)
        if piece is None or own is None or piece.label in attached or piece.at_edge or own.at_edge:
            continue
        yield judged(
            case,
            Code.RIB_UNATTACHED,
            f"{name} comes nowhere near the spine, though {case.scheme[own.label].name} is in view",
            name,
            far_out=1.0,
        )


def _lengths(case: MeasuredCase) -> Iterator[Judged]:
    """Ribs out of proportion, and pairs that differ."""
    lengths = {(n, side): mm for n in range(1, 13) for side in SIDES if (mm := _length_mm(case, n, side))}
    usual = geometry().ribs.lengths_mm
    typical = [mm / usual[n - 1] for (n, _), mm in lengths.items() if 2 <= n <= 10]
    if len(typical) >= LEAST_RIBS:
        size = float(np.median(typical))
        for (n, side), mm in lengths.items():
            yield from _out_of_proportion(case, rib_name(n, side), n, mm, size * usual[n - 1])
    for n in range(2, 11):
        left, right = (lengths.get((n, side), 0.0) for side in SIDES)
        if left and right and max(left / right, right / left) > SIDES_RATIO:
            yield judged(
                case,
                Code.RIB_SIDES,
                f"rib {n} is {left:.0f} mm long on the left and {right:.0f} mm on the right",
                rib_name(n, Side.LEFT if left < right else Side.RIGHT),
                far_out=abs(math.log(left / right)) / math.log(SIDES_RATIO),
                expected=f"a ratio of at most {SIDES_RATIO:g}",
            )


def _out_of_proportion(case: MeasuredCase, name: str, n: int, mm: float, usual: float) -> Iterator[Judged]:
    short, long = (SHORT_END, LONG_END) if n in (1, 11) else (SHORT, LONG)
    ratio = mm / usual
    if n == 12 or short <= ratio <= long:
        return
    yield judged(
        case,
        Code.RIB_LENGTH,
        f"{name} is {mm:.0f} mm long, {ratio:.2f} times what the other ribs let expect",
        name,
        far_out=abs(math.log(ratio)) / math.log(long),
        expected=f"about {usual:.0f} mm ({geometry().short(geometry().ribs.source)})",
        found=f"{mm:.0f} mm",
    )


def _length_mm(case: MeasuredCase, number: int, side: Side) -> float:
    """Length of a rib that is wholly in view and in one piece; 0 of others."""
    name = rib_name(number, side)
    pieces = case.thinned.anatomy.all_of(name)
    if not pieces or case.cut_by(name) or not _is_one(pieces):
        return 0.0
    return way_mm(case.thinned.anatomy.pieces.mask(pieces[0]), case.thinned.spacing)


def _is_one(pieces: list[Piece]) -> bool:
    return pieces[0].voxels >= FULL_SHARE * sum(piece.voxels for piece in pieces)
