"""What lies within what, and beside what.

The heart's chambers make one heart; the canal runs in the column; skin is the outside; nothing hangs in the air. A
stray piece that breaks this is mended. Where a whole organ breaks it (an adrenal far from its kidney, a prostate above
the bladder) the map cannot say which of the two is wrong, so that is reported.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from dapatlas.refine.anatomy import BESIDE, Anatomy
from dapatlas.refine.guideline import Guideline, Thresholds
from dapatlas.refine.landmarks import VERTEBRAE, Column, column
from dapatlas.refine.piece import Piece, Reason
from dapatlas.volumes import connected

HEART = (
    "heart", "heart_tissue", "heart_myocardium", "heart_atrium_left", "heart_atrium_right", "heart_ventricle_left",
    "heart_ventricle_right",
)  # fmt: skip
LUNGS = (
    "lung_lower_lobe_left", "lung_upper_lobe_left", "lung_lower_lobe_right", "lung_middle_lobe_right",
    "lung_upper_lobe_right",
)  # fmt: skip

OUTSIDE = Reason("outside-body", "it hangs in the air beside the body")
DEEP_SKIN = Reason(
    "skin-inside", "skin is the outside of the body, and this lies within; replaced by what surrounds it"
)
OFF_HEART = Reason("off-the-heart", "it touches no part of the heart; replaced by what surrounds it")
OFF_COLUMN = Reason(
    "off-the-column", "the spinal canal runs within the vertebrae; replaced by what surrounds it"
)


class ContainmentThresholds(Thresholds):
    """How far is off."""

    part_ml: float = Field(50.0, ge=0, description="smaller parts that hang in the air are not body")
    heart_gap_mm: float = Field(10.0, ge=0, description="parts of the heart are no farther from each other")
    column_mm: float = Field(40.0, ge=0, description="the canal is no farther from the line of the spine")


def apply(anatomy: Anatomy, thresholds: ContainmentThresholds) -> None:
    """Mend stray pieces, report whole organs."""
    if anatomy.pieces.dense:
        _clear_the_air(anatomy, thresholds)
        _skin_outermost(anatomy)
    _one_heart(anatomy, thresholds)
    vertebrae = column(anatomy)
    if vertebrae:
        _canal_in_column(anatomy, vertebrae, thresholds)
        _report_lungs(anatomy, vertebrae)
    _report_neighbours(anatomy)


def _clear_the_air(anatomy: Anatomy, thresholds: ContainmentThresholds) -> None:
    """Nothing outside the body: what no label joins to it is background, unless it is as large as a limb."""
    import cc3d

    if not anatomy.outline_is_new("air"):
        return
    pieces = anatomy.pieces
    parts, count = connected(pieces.labels != 0)
    if count < 2:
        return
    found = cc3d.statistics(parts)
    voxels, boxes = found["voxel_counts"].astype(np.int64), found["bounding_boxes"]
    voxels[0] = 0
    small = np.flatnonzero((voxels > 0) & (voxels * pieces.voxel_ml < thresholds.part_ml))
    small = small[small != voxels.argmax()]
    for number in small.tolist():
        box = boxes[number]
        if pieces.reaches_edge(box):
            continue  # a finger or a toe whose hand is out of view
        own = parts[box] == number
        held = {int(n): 0 for n in np.unique(pieces.numbers[box][own]) if n}
        pieces.relabel(held, OUTSIDE)
        rest = own & (pieces.labels[box] != 0)
        pieces.paint(box, rest, np.zeros(int(rest.sum()), np.uint8), OUTSIDE)


def _skin_outermost(anatomy: Anatomy) -> None:
    deep = [
        piece
        for piece in anatomy.all_of("skin")[1:]
        if not piece.at_edge and 0 not in anatomy.pieces.contacts(piece).labels
    ]
    anatomy.pieces.dissolve(deep, DEEP_SKIN)


def _one_heart(anatomy: Anatomy, thresholds: ContainmentThresholds) -> None:
    """Keep what hangs together, over small gaps, with the largest part of the heart."""
    parts = anatomy.all_of(*HEART)
    if len(parts) < 2:
        return
    joined, apart = parts[:1], parts[1:]
    grew = True
    while grew and apart:
        near = [
            piece
            for piece in apart
            if anatomy.pieces.distance_mm(piece, joined, thresholds.heart_gap_mm) <= thresholds.heart_gap_mm
        ]
        grew = bool(near)
        joined, apart = joined + near, [piece for piece in apart if piece not in near]
    anatomy.pieces.dissolve([piece for piece in apart if not piece.at_edge], OFF_HEART)


def _canal_in_column(anatomy: Anatomy, vertebrae: Column, thresholds: ContainmentThresholds) -> None:
    low, high = vertebrae.bottom_mm - vertebrae.spacing_mm, vertebrae.top_mm + vertebrae.spacing_mm
    off = [
        piece
        for piece in anatomy.all_of("spinal_canal")
        if low <= piece.centre_mm[2] <= high
        and vertebrae.away_mm(np.array([piece.centre_mm]))[0] > thresholds.column_mm
    ]
    anatomy.pieces.dissolve(off, OFF_COLUMN)


def _report_lungs(anatomy: Anatomy, vertebrae: Column) -> None:
    """The lungs end above L1, and begin no higher than C7."""
    first_lumbar = vertebrae.pieces.get(VERTEBRAE.index("vertebrae_L1"))
    for name in LUNGS:
        lobe = anatomy.main(name)
        if lobe and first_lumbar and lobe.centre_mm[2] < first_lumbar.centre_mm[2]:
            anatomy.note("lung-outside-chest", f"{name} is centred below vertebrae_L1", lobe)


def _report_neighbours(anatomy: Anatomy) -> None:
    for name, (neighbour, reach_mm) in BESIDE.items():
        piece = anatomy.main(name)
        if piece is not None and not piece.at_edge and not anatomy.lies_beside(piece, neighbour, reach_mm):
            anatomy.note("far-from-neighbour", f"{name} is more than {reach_mm:g} mm from {neighbour}", piece)
    prostate, bladder = anatomy.main("prostate"), anatomy.main("bladder")
    if prostate and bladder and _above(prostate, bladder):
        anatomy.note("prostate-above-bladder", "the prostate is centred above the bladder", prostate)


def _above(one: Piece, other: Piece) -> bool:
    return one.centre_mm[2] > other.centre_mm[2]


GUIDELINE = Guideline(
    "containment",
    "Parts lie within their whole, neighbours beside each other, skin outermost, and nothing in the air.",
    ContainmentThresholds,
    apply,
)
