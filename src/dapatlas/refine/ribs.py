"""Ribs are counted where they meet the spine: rib n at T n, costa_1 the lowest.

Along the chest ribs look alike, and a field of view that cuts the chest leaves nothing to count from at either end.
At the spine each rib names itself (:mod:`dapatlas.refine.rib_heads`). Pieces that show no head, such as front ends
whose backs lie above the field of view, follow the rib of the same name, and failing that the shift that all others of
their side had.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from dapatlas.labels import Side
from dapatlas.refine.anatomy import Anatomy
from dapatlas.refine.guideline import Guideline, Thresholds
from dapatlas.refine.landmarks import FIRST_THORACIC, VERTEBRAE, Column, column
from dapatlas.refine.piece import Piece, Reason
from dapatlas.refine.rib_heads import RIBS, RibHead, anatomical_number, nearest_vertebra, rib_heads, rib_name
from dapatlas.volumes import connected

RIB_PAIRS = 12
LAST_THORACIC = FIRST_THORACIC + RIB_PAIRS - 1
NECK_STEP_MM = 5.0

JOINED = Reason("rib-joined", "it shows no head and continues that rib, which it touches")
SEPARATED = Reason(
    "ribs-separated", "two ribs ran into one; this one meets the spine at that number's vertebra"
)
RENUMBERED = Reason("rib-renumbered", "that is the number of the vertebra it meets")
FOLLOWED = Reason("rib-followed", "it shows no head, and the ribs of its side were counted one or more off")


class RibThresholds(Thresholds):
    """What is a fragment of a rib, and what a second head."""

    fragment_share: float = Field(
        0.3, gt=0, lt=1, description="what is smaller than so much of the rib it touches joins it in any case"
    )
    neck_mm: float = Field(
        45.0, gt=0, description="how far from the line of the spine heads and necks are told apart"
    )
    head_ml: float = Field(0.15, ge=0, description="what is less, within that distance, is no head")


def apply(anatomy: Anatomy, thresholds: RibThresholds) -> None:
    """Join, separate, number."""
    if not anatomy.all_of(*RIBS):
        return
    vertebrae = column(anatomy)
    if not any(FIRST_THORACIC <= n <= LAST_THORACIC for n in vertebrae.pieces):
        anatomy.not_applicable("ribs", "no thoracic vertebra is in view to count ribs from")
        return
    if not _counts_down(vertebrae):
        anatomy.not_applicable(
            "ribs", "the vertebrae do not count down in order: ribs cannot be counted from them"
        )
        return
    _join_fragments(anatomy, thresholds)
    parted = _separate(anatomy, vertebrae, thresholds)
    _number(
        anatomy,
        rib_heads(anatomy),
        {piece.number: n for n, piece in vertebrae.pieces.items()},
        {piece.number for piece in parted},
    )
    anatomy.pieces.rejoin(parted)
    _report_count(anatomy, vertebrae)


def _counts_down(vertebrae: Column) -> bool:
    heights = [piece.centre_mm[2] for _, piece in sorted(vertebrae.pieces.items())]
    return all(above > below for above, below in pairwise(heights))


def _join_fragments(anatomy: Anatomy, thresholds: RibThresholds) -> None:
    heads = rib_heads(anatomy)
    headed = {head.piece.number: head.piece for head in heads}
    moves = {}
    for piece in anatomy.all_of(*RIBS):
        if piece.number in headed:
            continue
        touched = anatomy.pieces.contacts(piece).pieces
        side = anatomy.scheme[piece.label].side
        hosts = [
            headed[number]
            for number in touched
            if number in headed and anatomy.scheme[headed[number].label].side is side
        ]
        host = max(hosts, key=lambda one: (touched[one.number], -one.number), default=None)
        if host is None or host.label == piece.label:
            continue
        # a stub at the spine is what this piece broke off from, not the rib of that name
        elsewhere = any(
            other.label == piece.label and other.voxels > thresholds.fragment_share * host.voxels
            for other in headed.values()
        )
        if piece.voxels <= thresholds.fragment_share * host.voxels or (
            elsewhere and not piece.at_edge and piece.voxels <= host.voxels
        ):
            moves[piece.number] = host.label
    anatomy.pieces.relabel(moves, JOINED)


def _separate(anatomy: Anatomy, vertebrae: Column, thresholds: RibThresholds) -> list[Piece]:
    """Part pieces that meet the spine twice: each voxel goes with the head that is nearer along the bone.

    They keep their label until all ribs are numbered at once, lest they join the next rib before it is.
    """
    made: list[Piece] = []
    numbers = {piece.number: n for n, piece in vertebrae.pieces.items()}
    for head in rib_heads(anatomy):
        if head.piece not in anatomy.pieces:
            continue  # an earlier part joined it: the next round sees them as one
        seeds = _heads_of(anatomy, head.piece, vertebrae, thresholds)
        thoracic = {v: s for v, s in seeds.items() if FIRST_THORACIC <= numbers[v] <= LAST_THORACIC}
        if len(thoracic) < 2:
            continue
        owners = _nearer_along(anatomy, head.piece, list(thoracic.values()))
        made += [piece for pieces in anatomy.pieces.split(head.piece, owners).values() for piece in pieces]
    return made


def _heads_of(
    anatomy: Anatomy, piece: Piece, vertebrae: Column, thresholds: RibThresholds
) -> dict[int, NDArray[np.intp]]:
    """Vertebra to the voxels (n, 3) of the head that meets it, for a piece with several; empty for one with one."""
    points = anatomy.pieces.points_mm(piece)
    away = vertebrae.away_mm(points)
    index = np.rint(points / anatomy.pieces.spacing).astype(np.intp)
    # the ribs may touch close to the spine, so heads are looked for closer and closer to it
    for reach_mm in np.arange(thresholds.neck_mm, away.min(), -NECK_STEP_MM):
        ends = _apart(index[away <= reach_mm])
        ends = [end for end in ends if len(end) * anatomy.pieces.voxel_ml >= thresholds.head_ml]
        heights = [float(end[:, 2].mean()) * anatomy.pieces.spacing[2] for end in ends]
        if len(ends) < 2 or max(heights) - min(heights) < vertebrae.spacing_mm / 2:
            continue
        found: dict[int, NDArray[np.intp]] = {}
        for end in ends:
            vertebra = nearest_vertebra(anatomy, end, vertebrae)
            if vertebra is not None:
                found.setdefault(vertebra, end)
        if len(found) > 1:
            return found
    return {}


def _apart(index: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """The connected pieces of some voxels, each of shape (n, 3)."""
    low = index.min(axis=0)
    mask = np.zeros(index.max(axis=0) - low + 1, np.bool_)
    mask[tuple((index - low).T)] = True
    parts, count = connected(mask)
    return [np.argwhere(parts == part) + low for part in range(1, count + 1)]


def _nearer_along(anatomy: Anatomy, piece: Piece, seeds: list[NDArray[np.intp]]) -> NDArray[np.uint8]:
    """For each voxel of the piece's box, the seed (from 1) that is nearest by a way within the piece."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    mask = anatomy.pieces.mask(piece)
    place = np.full(np.array(mask.shape) + 2, -1)
    inside = place[1:-1, 1:-1, 1:-1]
    inside[mask] = np.arange(piece.voxels)
    here = np.argwhere(place >= 0)
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[14:]
    rows, columns, lengths = [], [], []
    for step in steps:
        there = place[tuple((here + step).T)]
        rows.append(np.flatnonzero(there >= 0))
        columns.append(there[there >= 0])
        lengths.append(np.full(len(columns[-1]), np.linalg.norm(step * np.array(anatomy.pieces.spacing))))
    edges = (np.concatenate(lengths), (np.concatenate(rows), np.concatenate(columns)))
    graph = coo_array(edges, shape=(piece.voxels,) * 2).tocsr()
    corner = np.array([side.start for side in piece.box])
    starts = [inside[tuple((seed - corner).T)] for seed in seeds]
    owner = np.zeros(piece.voxels, np.uint8)
    for number, start in enumerate(starts, 1):
        owner[start] = number
    _, _, source = dijkstra(
        graph, directed=False, indices=np.concatenate(starts), return_predecessors=True, min_only=True
    )
    nearest = np.zeros(mask.shape, np.uint8)
    nearest[mask] = owner[source]
    return nearest


def _number(
    anatomy: Anatomy, heads: list[RibHead], vertebrae: dict[int, int], parted: Collection[int]
) -> None:
    """Give every rib the number of its vertebra; pieces without a head follow."""
    moves: dict[int, int] = {}
    followers: dict[int, int] = {}
    for side in (Side.LEFT, Side.RIGHT):
        own = _one_a_vertebra(anatomy, [head for head in heads if head.side is side], vertebrae)
        shifts: dict[int, set[int]] = {}
        for head in own:
            number = vertebrae[head.vertebra] - FIRST_THORACIC + 1
            if not 1 <= number <= RIB_PAIRS:
                _note_supernumerary(anatomy, head, vertebrae[head.vertebra])
                continue
            shifts.setdefault(head.anatomical, set()).add(number - head.anatomical)
            if number != head.anatomical:
                moves[head.piece.number] = anatomy.id(rib_name(number, side))
        headed = {head.piece.number for head in own}
        for piece in anatomy.all_of(*(name for name in RIBS if name.endswith(side.value))):
            if piece.number not in headed:
                anatomical = anatomical_number(anatomy.name(piece.label))
                shift = _shift_of(anatomical, shifts)
                if shift and 1 <= anatomical + shift <= RIB_PAIRS:
                    followers[piece.number] = anatomy.id(rib_name(anatomical + shift, side))

    def reason(number: int) -> Reason:
        if number in parted:
            return SEPARATED
        return FOLLOWED if number in followers else RENUMBERED

    # all at once: one after the other, each rib would run into the next of the same name
    anatomy.pieces.relabel(moves | followers, reason)


def _one_a_vertebra(anatomy: Anatomy, heads: list[RibHead], vertebrae: dict[int, int]) -> list[RibHead]:
    """The heads of one side that can be counted: of several at one vertebra, the one that it bears.

    Where a vertebra was missed, the ribs that it bears are nearest to the one above or below. The rib at that one's own
    height is its own, and of equals the one that bears its number already; the others follow.
    """

    def strangeness(head: RibHead) -> tuple[float, bool]:
        away = abs(head.height_mm - anatomy.pieces[head.vertebra].centre_mm[2])
        return away, head.anatomical != vertebrae[head.vertebra] - FIRST_THORACIC + 1

    counted: dict[int, RibHead] = {}
    for head in sorted(heads, key=strangeness):
        counted.setdefault(head.vertebra, head)
    return list(counted.values())


def _shift_of(anatomical: int, shifts: dict[int, set[int]]) -> int:
    """By how much a rib without a head is off: as the rib of its name, else as all others; 0 if they differ.

    The first and the last number say nothing of the others: a count that is off ends there.
    """
    same = shifts.get(anatomical, set())
    if len(same) == 1:
        return next(iter(same))
    others = {
        shift for number, seen in shifts.items() for shift in seen if shift or number not in (1, RIB_PAIRS)
    }
    return next(iter(others)) if len(others) == 1 else 0


def _note_supernumerary(anatomy: Anatomy, head: RibHead, vertebra: int) -> None:
    kind = "a cervical rib" if vertebra < FIRST_THORACIC else "a thirteenth rib"
    anatomy.note(
        "supernumerary-rib",
        f"{anatomy.name(head.piece.label)} meets {VERTEBRAE[vertebra]}: {kind}, or a vertebra counted one off",
        head.piece,
        remedy="look at the coronal plane; its number was left as it is",
    )


def _report_count(anatomy: Anatomy, vertebrae: Column) -> None:
    """Twelve pairs, where the whole thoracic spine is in view."""
    ends = [vertebrae.pieces.get(FIRST_THORACIC - 1), vertebrae.pieces.get(LAST_THORACIC + 1)]
    if None in ends:
        return
    for side in (Side.LEFT, Side.RIGHT):
        ribs = {head.anatomical for head in rib_heads(anatomy) if head.side is side}
        missing = sorted(set(range(1, RIB_PAIRS + 1)) - ribs)
        if missing:
            names = ", ".join(rib_name(number, side) for number in missing)
            anatomy.note(
                "rib-count",
                f"{RIB_PAIRS - len(missing)} {side.value} ribs meet the spine; {names} was not found there",
                remedy="a rib that was missed, or a variant such as eleven pairs",
            )


GUIDELINE = Guideline(
    "ribs",
    "Ribs are one piece each and bear the number of the thoracic vertebra that they meet.",
    RibThresholds,
    apply,
)
