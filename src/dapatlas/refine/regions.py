"""Nothing lies where it cannot: no bowel in the head, no brain in the belly.

Networks that see a patch at a time name what looks like something from elsewhere: eyeballs look like gonads, the
cells of the nose like bowel with gas, cheeks like a thyroid, a gallbladder like a bladder, the trachea like a
bronchus. Where size, place and neighbours fit, such a piece gets the name of what was mistaken (the renamings of the
published post-processing). What lies inside one other structure becomes that structure. All else becomes unknown
tissue, or background in a map that does not label the whole body.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from dapatlas.labels import Region
from dapatlas.refine.anatomy import Anatomy
from dapatlas.refine.guideline import Guideline, Thresholds
from dapatlas.refine.landmarks import VERTEBRAE, Column, column, mid_plane
from dapatlas.refine.piece import Piece, Reason

# Of the chest, what never reaches above C6 to C7. Oesophagus, trachea, clavicles, ribs and vessels do.
NEVER_IN_HEAD_OF_THORAX = (
    "rib_cartilage", "sternum_corpus", "breast_left", "breast_right", "thymus", "heart", "heart_tissue",
    "heart_atrium_left", "heart_atrium_right", "heart_myocardium", "heart_ventricle_left", "heart_ventricle_right",
    "lung_lower_lobe_left", "lung_lower_lobe_right", "lung_middle_lobe_right", "pulmonary_artery", "bronchus",
)  # fmt: skip
BOWEL = ("small_bowel", "colon")
THYROIDS = ("thyroid_left", "thyroid_right")
UPPER_LOBES = ("lung_upper_lobe_left", "lung_upper_lobe_right")


class RegionThresholds(Thresholds):
    """What a misnamed organ must be like to get its right name."""

    eyeball_ml: tuple[float, float] = Field((1.0, 15.0), description="volume of an eyeball; adults have 7 ml")
    front_mm: float = Field(
        20.0, ge=0, description="eyes and nose lie so far in front of the middle of brain or C1"
    )
    cheek_ml: float = Field(0.5, ge=0, description="least volume of a cheek")
    gallbladder_ml: tuple[float, float] = Field((3.0, 200.0), description="volume of a gallbladder")
    liver_mm: float = Field(10.0, ge=0, description="a gallbladder is no farther from the liver")
    enclosed_share: float = Field(
        0.8, gt=0.5, le=1, description="what has so much of one structure around it lies inside it"
    )


@dataclass(frozen=True)
class _Levels:
    """Heights in mm of what divides the body; ``None`` where it is not in view."""

    head: float | None  # between C6 and C7; above is head and neck
    upper_head: float | None  # middle of C1
    face: float | None  # middle of C3: the thyroid ends well below
    chest: float | None  # middle of T1: the head ends well above
    lumbar: float | None  # mean of L3 to L5


def apply(anatomy: Anatomy, thresholds: RegionThresholds) -> None:
    """Rename what can be named, give away what lies inside something, and call the rest unknown."""
    levels = _levels(anatomy, column(anatomy))
    _bronchus_above_lungs(anatomy)
    if levels.head is None:
        anatomy.not_applicable("regions-head", "neither neck nor head is in view")
    else:
        _above_neck(anatomy, levels, levels.head, thresholds)
    if levels.face is not None:
        _thyroid_at_skull(anatomy, levels.face, thresholds)
    if levels.chest is not None:
        for structure in anatomy.structures():
            if structure.region is Region.HEAD:
                for piece in anatomy.all_of(structure.name):
                    if anatomy.pieces.extent_mm(piece, 2)[1] < levels.chest:
                        _give_away(anatomy, piece, "below T1", thresholds)
    if levels.lumbar is not None:
        _bladder_in_belly(anatomy, levels.lumbar, thresholds)


def _levels(anatomy: Anatomy, vertebrae: Column) -> _Levels:
    def height(*names: str) -> float | None:
        found = [vertebrae.pieces.get(VERTEBRAE.index(f"vertebrae_{name}")) for name in names]
        heights = [piece.centre_mm[2] for piece in found if piece is not None]
        return float(np.mean(heights)) if heights else None

    neck = height("C6", "C7")
    if neck is None:  # the scan begins higher up: above its lowest vertebra, or above the brain's base
        higher = [h for n in range(1, 6) if (h := height(f"C{n}")) is not None]
        brain = anatomy.main("brain")
        if higher:
            neck = min(higher)
        elif brain is not None and not vertebrae:
            neck = anatomy.pieces.extent_mm(brain, 2)[0]
    return _Levels(neck, height("C1"), height("C3"), height("T1"), height("L3", "L4", "L5"))


def _above_neck(anatomy: Anatomy, levels: _Levels, head: float, thresholds: RegionThresholds) -> None:
    for structure in anatomy.structures():
        below_only = structure.region in (Region.ABDOMEN, Region.PELVIS)
        if not below_only and structure.name not in NEVER_IN_HEAD_OF_THORAX:
            continue
        for piece in anatomy.all_of(structure.name):
            if anatomy.pieces.extent_mm(piece, 2)[0] <= head:
                continue
            in_face = levels.upper_head is not None and piece.centre_mm[2] > levels.upper_head
            in_face = in_face and _is_in_front(anatomy, piece, thresholds)
            if structure.name == "gonads" and in_face and _fits(anatomy, piece, thresholds.eyeball_ml):
                _to_eyeball(anatomy, piece)
            elif structure.name in BOWEL and in_face:
                _rename(anatomy, piece, "nasal_cavity", "cells of the nose look like bowel with gas")
            else:
                _give_away(anatomy, piece, "above C7", thresholds)


def _is_in_front(anatomy: Anatomy, piece: Piece, thresholds: RegionThresholds) -> bool:
    """Whether a piece lies in the face, and not in the brain."""
    brain, atlas = anatomy.main("brain"), anatomy.main("vertebrae_C1")
    behind = brain or atlas
    if behind is None or piece.centre_mm[1] < behind.centre_mm[1] + thresholds.front_mm:
        return False
    return anatomy.pieces.contacts(piece).share(anatomy.id("brain")) < 0.5


def _fits(anatomy: Anatomy, piece: Piece, limits_ml: tuple[float, float]) -> bool:
    return limits_ml[0] <= anatomy.pieces.ml(piece) <= limits_ml[1]


def _to_eyeball(anatomy: Anatomy, piece: Piece) -> None:
    plane = mid_plane(anatomy)
    if plane is None:
        return
    side = "right" if plane.right_mm(piece.centre_mm) > 0 else "left"
    _rename(anatomy, piece, f"eyeball_{side}", "eyeballs look like gonads")


def _thyroid_at_skull(anatomy: Anatomy, face: float, thresholds: RegionThresholds) -> None:
    for name in THYROIDS:
        for piece in anatomy.all_of(name):
            if anatomy.pieces.extent_mm(piece, 2)[0] <= face:
                continue
            inside = anatomy.encloser(piece, thresholds.enclosed_share)
            organ = inside is not None and inside not in anatomy.pieces.filling
            if anatomy.pieces.ml(piece) >= thresholds.cheek_ml and not organ:
                _rename(anatomy, piece, name.replace("thyroid", "cheek"), "cheeks look like the thyroid")
            else:
                _give_away(anatomy, piece, "above C3", thresholds)


def _bladder_in_belly(anatomy: Anatomy, lumbar: float, thresholds: RegionThresholds) -> None:
    liver = anatomy.main("liver")
    for piece in anatomy.all_of("bladder"):
        if anatomy.pieces.extent_mm(piece, 2)[0] <= lumbar:
            continue
        near = liver is not None and (
            anatomy.pieces.distance_mm(piece, [liver], thresholds.liver_mm) <= thresholds.liver_mm
        )
        if near and _fits(anatomy, piece, thresholds.gallbladder_ml):
            _rename(
                anatomy, piece, "gallbladder", "it lies at the liver, and a gallbladder looks like a bladder"
            )
        else:
            _give_away(anatomy, piece, "above L3 to L5", thresholds)


def _bronchus_above_lungs(anatomy: Anatomy) -> None:
    """The bronchi begin where the trachea ends, in the middle of the chest; above the lungs there is trachea alone."""
    lobes = [lobe for name in UPPER_LOBES if (lobe := anatomy.main(name)) is not None]
    if not lobes or any(lobe.box[2].stop == anatomy.pieces.labels.shape[2] for lobe in lobes):
        return
    top = max(lobe.box[2].stop for lobe in lobes)
    for piece in anatomy.all_of("bronchus"):
        if piece.box[2].stop <= top:
            continue
        heights = np.arange(piece.box[2].start, piece.box[2].stop)
        above = np.broadcast_to(heights >= top, tuple(s.stop - s.start for s in piece.box))
        made = anatomy.pieces.split(piece, above)
        reason = Reason("bronchus-above-lungs", "above the lungs there is trachea alone")
        anatomy.pieces.relabel({one.number: anatomy.id("trachea") for one in made[True]}, reason)
        anatomy.pieces.rejoin(made.get(False, []))


def _rename(anatomy: Anatomy, piece: Piece, name: str, why: str) -> None:
    if piece not in anatomy.pieces:
        return  # joined another that was renamed: the next round sees them as one
    anatomy.pieces.relabel({piece.number: anatomy.id(name)}, Reason("renamed-by-region", why))


def _give_away(anatomy: Anatomy, piece: Piece, where: str, thresholds: RegionThresholds) -> None:
    if piece not in anatomy.pieces:
        return
    inside = anatomy.encloser(piece, thresholds.enclosed_share)
    if inside is not None:
        words = f"it cannot be {where}, and lies inside that"
        anatomy.pieces.relabel({piece.number: inside}, Reason("impossible-place", words))
    else:
        unknown = anatomy.id("unknown_tissue") if anatomy.pieces.dense else 0
        anatomy.pieces.relabel({piece.number: unknown}, Reason("impossible-place", f"it cannot be {where}"))


GUIDELINE = Guideline(
    "regions",
    "Nothing lies in a part of the body where it cannot be.",
    RegionThresholds,
    apply,
)
