"""Neighbours: what always lies side by side, and what never touches.

Contacts of all structures are counted in one pass (:mod:`dapatlas.check.contacts`); distances are measured only between
those that should touch and do not.

Needs in view: both structures, not cut by the field of view where they should meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from dapatlas.check.codes import Code
from dapatlas.check.geometry import Touching, geometry
from dapatlas.check.judged import Judged, judged
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.check.order import ends_cut
from dapatlas.findings import Finding
from dapatlas.labels import Side
from dapatlas.refine.landmarks import VERTEBRAE
from dapatlas.refine.rib_heads import anatomical_number, rib_name

LEAST_FACES = 2  # one face may be the edge of a voxel
LEAST_MM2 = 8.0
VERTEBRAE_APART = 3  # those with so many numbers between them never touch; spines overlap the next but one
RIBS_APART = 3
SEARCH_FACTOR = 3.0  # distances are told up to so many times what is expected


def check(case: MeasuredCase) -> Iterator[Finding]:
    """Judge pairs that should touch, then those that should not, then numbers that do not follow each other."""
    for row in geometry().touching:
        yield from _apart(case, row)
    told = set[frozenset[str]]()
    for never in geometry().never:
        pairs = {
            frozenset((a, b)) for a in never.one for b in never.other if a in case and b in case and a != b
        }
        for pair in sorted(pairs - told, key=sorted):
            one, other = sorted(pair)
            yield from _touch(case, one, other, geometry().short(never.source))
        told |= pairs
    for one, other in _far_numbers(case):
        yield from _touch(case, one, other, "")


def _apart(case: MeasuredCase, row: Touching) -> Iterator[Judged]:
    if row.one not in case or row.other not in case or _faces(case, row.one, row.other):
        return
    if any(_is_excused(case, row, name) for name in (row.one, row.other)):
        return
    anatomy = case.thinned.anatomy
    piece, others = anatomy.main(row.one), anatomy.all_of(row.other)
    if piece is None or not others:
        return
    away = anatomy.pieces.distance_mm(piece, others, SEARCH_FACTOR * row.within_mm)
    if away <= row.within_mm + max(case.thinned.spacing):
        return
    told = f"{away:.0f} mm" if away < float("inf") else f"over {SEARCH_FACTOR * row.within_mm:.0f} mm"
    yield judged(
        case,
        Code.NOT_ADJACENT,
        f"{row.one} lies {told} from {row.other}",
        row.one,
        far_out=min(away / row.within_mm, SEARCH_FACTOR),
        expected=f"within {row.within_mm:g} mm ({geometry().short(row.source)})",
        found=told,
    )


def _is_excused(case: MeasuredCase, row: Touching, name: str) -> bool:
    cut = ends_cut(case, name)
    if not row.ends:
        return bool(cut)
    return bool(cut & set(row.ends.get(name, ())))


def _touch(case: MeasuredCase, one: str, other: str, source: str) -> Iterator[Judged]:
    faces = _faces(case, one, other)
    area = faces * max(a * b for a, b in combinations(case.grid.spacing, 2))
    if faces < LEAST_FACES or area < LEAST_MM2:
        return
    small, large = sorted((one, other), key=case.ml)
    yield judged(
        case,
        Code.IMPOSSIBLE_CONTACT,
        f"{small} touches {large} ({faces} voxel faces)",
        small,
        far_out=1 + area / 1000,
        expected=f"never ({source})" if source else "never: their numbers do not follow each other",
    )


def _faces(case: MeasuredCase, one: str, other: str) -> int:
    return int(case.contacts[case.scheme[one].id, case.scheme[other].id])


def _far_numbers(case: MeasuredCase) -> Iterator[tuple[str, str]]:
    """Vertebrae, and ribs of a side, in view whose numbers are far apart; and ribs of the two sides."""
    for a, b in combinations(range(len(VERTEBRAE)), 2):
        if b - a >= VERTEBRAE_APART and VERTEBRAE[a] in case and VERTEBRAE[b] in case:
            yield VERTEBRAE[a], VERTEBRAE[b]
    ribs = [rib_name(n, side) for side in (Side.LEFT, Side.RIGHT) for n in range(1, 13)]
    for one, other in combinations([rib for rib in ribs if rib in case], 2):
        same_side = case.scheme[one].side is case.scheme[other].side
        if not same_side or abs(anatomical_number(one) - anatomical_number(other)) >= RIBS_APART:
            yield one, other
