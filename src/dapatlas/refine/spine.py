"""The spine is a column: one vertebra under the other, each in one piece, numbered without gap or repetition.

Networks see a vertebra at a time, and neighbours look alike. So a side of one gets its neighbour's number, and now
and then a whole stretch is off by one. The first shows in the shape alone. For the second the column needs something
that does not depend on counting: L5 stands on the sacrum, and T1 to T12 are the vertebrae that bear ribs.

People differ: some 5 % have 23 or 25 presacral vertebrae (T13, L6, a sacralised L5, eleven pairs of ribs; Tins and
Balain 2016, Insights Imaging 7:411). Where the anchors contradict each other, that may be why, so nothing is changed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from dapatlas.refine.anatomy import Anatomy
from dapatlas.refine.guideline import Guideline, Thresholds
from dapatlas.refine.landmarks import FIRST_THORACIC, VERTEBRAE, Column, column
from dapatlas.refine.piece import Piece, Reason
from dapatlas.refine.rib_heads import rib_heads

COLUMN = (*VERTEBRAE, "sacrum")
LAST = len(VERTEBRAE) - 1

FRAGMENT = Reason("vertebra-fragment", "it is part of that vertebra, which it touches, and none of its own")
CRUMB = Reason("vertebra-crumb", "a crumb that touches no vertebra, replaced by what surrounds it")
RENUMBERED = Reason("vertebra-renumbered", "its place in the column, and all anchors in view, say so")


class SpineThresholds(Thresholds):
    """What is a fragment, what a gap, and how much evidence a new number needs."""

    fragment_share: float = Field(
        0.6, gt=0, lt=1, description="a fragment is smaller than so much of the vertebra it joins"
    )
    crumb_ml: float = Field(0.2, ge=0, description="smaller pieces that touch no vertebra are crumbs")
    gap_ratio: float = Field(
        1.6,
        gt=1,
        description="centres so much farther apart than their neighbours have one missing in between",
    )
    own_share: float = Field(
        0.6, gt=0.5, le=1, description="so many vertebrae must keep their number for others to be renumbered"
    )
    rib_share: float = Field(0.7, gt=0.5, le=1, description="so many ribs must agree to be an anchor")
    sacrum_gap_mm: float = Field(20.0, ge=0, description="L5 ends no farther above the sacrum")
    size_ratio: float = Field(
        2.5, gt=1, description="a vertebra so much larger or smaller than its neighbours is reported"
    )


@dataclass(frozen=True)
class _Sequence:
    """Vertebrae from the top down: pieces, their numbers, and their places counted along the column."""

    pieces: list[Piece]
    numbers: list[int]
    places: list[int]

    @property
    def starts(self) -> list[int]:
        """For each vertebra, which number the first would have if this one is right."""
        return [number - place for number, place in zip(self.numbers, self.places, strict=True)]


def apply(anatomy: Anatomy, thresholds: SpineThresholds) -> None:
    """Give fragments back, remove crumbs, then check the numbering."""
    vertebrae = column(anatomy)
    if not vertebrae:
        anatomy.not_applicable("spine", "no vertebra is in view")
        return
    _give_fragments_back(anatomy, vertebrae, thresholds)
    _check_numbers(anatomy, thresholds)
    _report_sizes(anatomy, column(anatomy), thresholds)


def _give_fragments_back(anatomy: Anatomy, vertebrae: Column, thresholds: SpineThresholds) -> None:
    hosts = {piece.number: piece for piece in vertebrae.pieces.values()}
    sacrum = anatomy.main("sacrum")
    if sacrum is not None:
        hosts[sacrum.number] = sacrum
    moves: dict[int, int] = {}
    crumbs: list[Piece] = []
    for piece in anatomy.all_of(*COLUMN):
        if piece.number in hosts:
            continue
        touched = {n: v for n, v in anatomy.pieces.contacts(piece).pieces.items() if n in hosts}
        # networks mistake a vertebra for the next: that one is meant, though the one after it may touch more
        host = max(touched, key=lambda n: (_adjacent(anatomy, hosts[n], piece), touched[n], -n), default=None)
        if host is not None and piece.voxels <= thresholds.fragment_share * hosts[host].voxels:
            moves[piece.number] = hosts[host].label
        elif host is None and anatomy.pieces.ml(piece) < thresholds.crumb_ml and not piece.at_edge:
            crumbs.append(piece)
    anatomy.pieces.dissolve(crumbs, CRUMB)
    anatomy.pieces.relabel(moves, FRAGMENT)


def _adjacent(anatomy: Anatomy, one: Piece, other: Piece) -> bool:
    """Whether the labels of two pieces follow each other down the column."""
    places = [COLUMN.index(anatomy.name(piece.label)) for piece in (one, other)]
    return abs(places[0] - places[1]) == 1


def _check_numbers(anatomy: Anatomy, thresholds: SpineThresholds) -> None:
    sequence = _sequence(anatomy, thresholds)
    if len(sequence.pieces) < 2:
        return
    start, support = Counter(sequence.starts).most_common(1)[0]
    anchors = _anchors(anatomy, sequence, thresholds)
    wrong = [n for n, own in enumerate(sequence.starts) if own != start]
    told = set(anchors.values())
    if not wrong and told <= {start}:
        return
    if len(told) > 1:
        _note_anchors_differ(anatomy, sequence, anchors)
    unanimous = len(told) == 1 and (
        (told == {start} and support >= thresholds.own_share * len(sequence.pieces)) or len(anchors) > 1
    )
    if unanimous and _renumber(anatomy, sequence, told.pop()):
        return
    if wrong:
        _note_inconsistent(anatomy, sequence, wrong)
    elif len(told) == 1:
        _note_anchor_objects(anatomy, sequence, anchors, start)


def _sequence(anatomy: Anatomy, thresholds: SpineThresholds) -> _Sequence:
    """Every piece that is a vertebra of its own, two of one number included, from the top down."""
    mains = column(anatomy).pieces.values()
    usual = float(np.median([piece.voxels for piece in mains]))
    numbers = {main.number for main in mains}
    twins = [
        piece
        for piece in anatomy.all_of(*VERTEBRAE)
        if piece.number not in numbers and piece.voxels > thresholds.fragment_share * usual
    ]
    pieces = sorted([*mains, *twins], key=lambda piece: -piece.centre_mm[2])
    numbers_down = [VERTEBRAE.index(anatomy.name(piece.label)) for piece in pieces]
    places = [0]
    for n in range(1, len(pieces)):
        places.append(places[-1] + _steps(pieces, n, thresholds))
    return _Sequence(pieces, numbers_down, places)


def _steps(pieces: list[Piece], n: int, thresholds: SpineThresholds) -> int:
    """How many places the ``n``-th vertebra is below the one before it, by their distance alone."""
    heights = np.array([piece.centre_mm[2] for piece in pieces])
    steps = -np.diff(heights)
    near = np.delete(steps, n - 1)[max(0, n - 4) : n + 2]
    if not near.size or pieces[n].at_edge or pieces[n - 1].at_edge:
        return 1
    usual = float(np.median(near))
    if usual <= 0 or steps[n - 1] <= thresholds.gap_ratio * usual:
        return 1
    return round(float(steps[n - 1]) / usual)


def _anchors(anatomy: Anatomy, sequence: _Sequence, thresholds: SpineThresholds) -> dict[str, int]:
    """What each anchor in view says the first vertebra's number is."""
    anchors = {}
    sacrum, lowest = anatomy.main("sacrum"), sequence.pieces[-1]
    if sacrum is not None and not lowest.at_edge:
        gap = anatomy.pieces.extent_mm(lowest, 2)[0] - anatomy.pieces.extent_mm(sacrum, 2)[1]
        if gap <= thresholds.sacrum_gap_mm:
            anchors["sacrum"] = LAST - sequence.places[-1]
    places = {piece.number: place for piece, place in zip(sequence.pieces, sequence.places, strict=True)}
    votes = [
        FIRST_THORACIC + head.anatomical - 1 - places[head.vertebra]
        for head in rib_heads(anatomy)
        if head.vertebra in places
    ]
    if len(votes) >= 3:
        start, count = Counter(votes).most_common(1)[0]
        if count >= thresholds.rib_share * len(votes):
            anchors["ribs"] = start
    return anchors


def _renumber(anatomy: Anatomy, sequence: _Sequence, start: int) -> bool:
    """Number the column from ``start``; false where that would need numbers that do not exist."""
    numbers = [start + place for place in sequence.places]
    if numbers[0] < 0 or numbers[-1] > LAST:
        return False
    anatomy.pieces.relabel(
        {
            piece.number: anatomy.id(VERTEBRAE[number])
            for piece, number in zip(sequence.pieces, numbers, strict=True)
        },
        RENUMBERED,
    )
    return True


def _note_anchors_differ(anatomy: Anatomy, sequence: _Sequence, anchors: dict[str, int]) -> None:
    by_sacrum, by_ribs = anchors["sacrum"], anchors["ribs"]
    more = by_ribs - by_sacrum
    anatomy.note(
        "transitional-anatomy" if abs(more) == 1 else "spine-anchors-differ",
        f"between the ribs and the sacrum there {'is' if abs(more) == 1 else 'are'} {abs(more)} vertebra"
        f"{'' if abs(more) == 1 else 'e'} {'more' if more > 0 else 'fewer'} than usual"
        + (
            " (T13 or L6, or ribs counted one too high)"
            if more > 0
            else " (eleven pairs of ribs, a sacralised L5, or ribs counted one too low)"
        ),
        sequence.pieces[-1],
        remedy="count from C2; the numbers were left as they are",
    )


def _note_inconsistent(anatomy: Anatomy, sequence: _Sequence, wrong: list[int]) -> None:
    read = " ".join(VERTEBRAE[number].removeprefix("vertebrae_") for number in sequence.numbers)
    anatomy.note(
        "spine-order",
        f"the vertebrae do not count down without gap or repetition: {read}",
        sequence.pieces[wrong[0]],
        remedy="the evidence does not settle which are right; look at the sagittal plane",
    )


def _note_anchor_objects(anatomy: Anatomy, sequence: _Sequence, anchors: dict[str, int], start: int) -> None:
    (anchor,) = anchors
    shift = anchors[anchor] - start
    if anchor == "ribs":
        return  # vertebrae count for more than one rib's number: the ribs are renumbered by them
    anatomy.note(
        "spine-off-by-one" if abs(shift) == 1 else "spine-offset",
        f"the vertebra on the sacrum is labelled {anatomy.name(sequence.pieces[-1].label)}, not vertebrae_L5",
        sequence.pieces[-1],
        remedy="a vertebra too many or too few, or all numbers shifted: count from C2",
    )


def _report_sizes(anatomy: Anatomy, vertebrae: Column, thresholds: SpineThresholds) -> None:
    """Volumes grow smoothly down the column; one that is out of line is half missing, or two in one."""
    for n, piece in sorted(vertebrae.pieces.items()):
        neighbours = [vertebrae.pieces[m] for m in (n - 1, n + 1) if m in vertebrae.pieces]
        if len(neighbours) < 2 or any(one.at_edge for one in (piece, *neighbours)):
            continue
        ratio = piece.voxels / (sum(one.voxels for one in neighbours) / 2)
        if not 1 / thresholds.size_ratio <= ratio <= thresholds.size_ratio:
            anatomy.note(
                "vertebra-size",
                f"{anatomy.name(piece.label)} has {ratio:.2g} times the volume of its neighbours",
                piece,
            )


GUIDELINE = Guideline(
    "spine",
    "Vertebrae are in one piece each, and count down the column without gap or repetition.",
    SpineThresholds,
    apply,
)
