"""Left is left: what lies on the wrong side of the mid-sagittal plane gets its partner's label.

Paired structures develop on either side of the median plane, and but for a few vessels none of them crosses it by
more than its own contour does. A voxel of the left kidney on the right is therefore the right kidney's, or nobody's.

Some reach over the plane in healthy people, and are only touched beyond a wider margin: the lungs (the anterior
junction line is often oblique), the breasts, the lobes of the thyroid where they meet in the isthmus, the muscles
along the spine, the arteries of the neck. The left brachiocephalic vein runs to the right to join its partner and is
left alone. The common iliac vessels part in front of L4 to L5, a little left or right of the plane: they are
looked at only below the top of the sacrum. The chambers of the heart are "left" and "right" by their circulation, not
by their place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from dapatlas.findings import Severity
from dapatlas.labels import Side
from dapatlas.refine.anatomy import Anatomy
from dapatlas.refine.guideline import Guideline, Thresholds
from dapatlas.refine.landmarks import MidPlane, mid_plane
from dapatlas.refine.piece import Mask, Piece, Reason
from dapatlas.volumes import connected

NOT_BY_PLACE = ("heart_",)
CROSSES = ("vein_brachiocephalic_left",)
ILIAC = ("iliac_artery", "iliac_vena")
LUNGS = ("lung_",)
SOFT = (
    "breast", "thyroid", "autochthon", "gluteus_maximus", "iliopsoas", "artery_", "internal_jugular", "vein_",
)  # fmt: skip

MOVED = Reason("wrong-side", "it lies on that side of the mid-sagittal plane")
CUT = Reason("wrong-side-part", "this part lies beyond the mid-sagittal plane")
REJOINED = Reason("rejoined-at-plane", "it lies at the mid-sagittal plane and touches that structure alone")


class LateralityThresholds(Thresholds):
    """How far over the plane a structure may reach."""

    margin_mm: float = Field(5.0, ge=0, description="bones, kidneys and all else that keeps to its side")
    soft_margin_mm: float = Field(12.0, ge=0, description="breasts, thyroid, spinal muscles, vessels")
    lung_margin_mm: float = Field(25.0, ge=0, description="lobes of the lungs")
    whole_share: float = Field(
        0.9, gt=0.5, le=1, description="a piece with so much of it beyond the plane moves whole, uncut"
    )
    own_share: float = Field(
        0.3,
        gt=0,
        le=1,
        description="a part of so much of the partner is cut off even where it does not touch it",
    )
    liver_mm: float = Field(
        10.0, ge=0, description="a liver centred so far left means situs inversus or a mirrored scan"
    )


@dataclass(frozen=True)
class _Half:
    """One structure of a pair: where it belongs, and how far over the plane it may reach."""

    name: str
    opposite: str
    sign: int  # 1 if it belongs on the right
    margin_mm: float
    below_mm: float = float("inf")


def apply(anatomy: Anatomy, thresholds: LateralityThresholds) -> None:
    """Move and cut what lies on the wrong side."""
    halves = _halves(anatomy, thresholds)
    if not halves:
        return
    plane = mid_plane(anatomy)
    if plane is None:
        anatomy.not_applicable(
            "laterality", "fewer than two of vertebrae, sacrum and sternum are in view: no plane to fit"
        )
        return
    if _is_mirrored(anatomy, plane, halves, thresholds):
        return
    moves: dict[int, int] = {}
    cuts: list[tuple[Piece, Mask, int]] = []
    for half in halves:
        target = anatomy.id(half.opposite)
        for piece in anatomy.all_of(half.name):
            part = _wrong_part(anatomy, piece, plane, half)
            if part is None:
                continue
            if part.sum() >= thresholds.whole_share * piece.voxels:
                moves[piece.number] = target
            else:
                cuts.append((piece, part, target))
    anatomy.pieces.relabel(moves, MOVED)
    for piece, part, target in cuts:
        if piece in anatomy.pieces:  # else a moved one joined it: the next round sees them as one
            _cut(anatomy, piece, part, target, thresholds)
    _rejoin_at_plane(anatomy, plane, halves)


def _cut(anatomy: Anatomy, piece: Piece, part: Mask, target: int, thresholds: LateralityThresholds) -> None:
    """Give the part of a piece to its partner, where it is more than a bulge that would hang there as an island."""
    partner = anatomy.main(anatomy.name(target))
    made = anatomy.pieces.split(piece, part)
    moves = {}
    for one in made[True]:
        large = partner is None or one.voxels >= thresholds.own_share * partner.voxels
        if large or target in anatomy.pieces.contacts(one).labels:
            moves[one.number] = target
        else:
            anatomy.note(
                "crosses-midline",
                f"{anatomy.name(piece.label)} reaches over the mid-sagittal plane, away from its partner; "
                "left as it is",
                one,
            )
    anatomy.pieces.relabel(moves, CUT)
    anatomy.pieces.rejoin([*made[False], *(one for one in made[True] if one.number not in moves)])


def _halves(anatomy: Anatomy, thresholds: LateralityThresholds) -> list[_Half]:
    sacrum = anatomy.main("sacrum")
    halves = []
    for structure in anatomy.structures():
        name, opposite = structure.name, structure.opposite
        if opposite is None or structure.side is Side.NONE or name.startswith((*NOT_BY_PLACE, *CROSSES)):
            continue
        below = float("inf")
        if name.startswith(ILIAC):
            if sacrum is None:
                continue
            below = anatomy.pieces.extent_mm(sacrum, 2)[1]
        margin = thresholds.margin_mm
        if name.startswith(LUNGS):
            margin = thresholds.lung_margin_mm
        elif name.startswith((*SOFT, *ILIAC)):
            margin = thresholds.soft_margin_mm
        halves.append(_Half(name, opposite, 1 if structure.side is Side.RIGHT else -1, margin, below))
    return halves


def _is_mirrored(
    anatomy: Anatomy, plane: MidPlane, halves: list[_Half], thresholds: LateralityThresholds
) -> bool:
    """Whether the scan or the patient is mirrored: then no side can be trusted, and none is changed."""
    liver = anatomy.main("liver")
    if liver is not None and plane.right_mm(liver.centre_mm) < -thresholds.liver_mm:
        anatomy.note(
            "liver-on-left",
            "the liver lies left of the mid-sagittal plane: a mirrored affine, or situs inversus; sides were left "
            "as they are",
            liver,
            severity=Severity.ERROR,
            remedy="compare the affine with the original scan's; if it is right, switch laterality off for this case",
        )
        return True
    placed = [
        half.sign * float(plane.right_mm(piece.centre_mm)) > 0
        for half in halves
        if (piece := anatomy.main(half.name)) is not None
    ]
    mirrored = liver is None and len(placed) >= 6 and sum(placed) <= 0.2 * len(placed)
    if mirrored:
        anatomy.note(
            "sides-reversed",
            f"{len(placed) - sum(placed)} of {len(placed)} paired structures lie on the other side, and no liver is in "
            "view to tell whether the scan is mirrored; sides were left as they are",
            severity=Severity.ERROR,
            remedy="compare the affine with the original scan's",
        )
    return mirrored


def _wrong_part(anatomy: Anatomy, piece: Piece, plane: MidPlane, half: _Half) -> Mask | None:
    """What of a piece is beyond the plane, as far as it hangs together with something beyond the margin."""
    corners = np.array([[s.start, s.stop - 1] for s in piece.box]) * np.array(anatomy.pieces.spacing)[:, None]
    points = np.stack(np.meshgrid(*corners, indexing="ij"), axis=-1)
    if (half.sign * plane.right_mm(points)).min() >= -half.margin_mm:
        return None
    beyond = half.sign * plane.right_mm_in(piece.box, anatomy.pieces.spacing)
    own = anatomy.pieces.mask(piece)
    if half.below_mm < float("inf"):
        heights = np.arange(piece.box[2].start, piece.box[2].stop) * anatomy.pieces.spacing[2]
        own = own & (heights < half.below_mm)
    far = own & (beyond < -half.margin_mm)
    if not far.any():
        return None
    over = own & (beyond < 0)
    parts, _ = connected(np.asfortranarray(over))
    reached = np.zeros(int(parts.max()) + 1, np.bool_)
    reached[np.unique(parts[far])] = True
    reached[0] = False
    part: Mask = reached[parts]
    return part


def _rejoin_at_plane(anatomy: Anatomy, plane: MidPlane, halves: list[_Half]) -> None:
    """Slivers at the plane that touch the partner but not their own structure go to the partner."""
    moves = {}
    for half in halves:
        main, partner = anatomy.main(half.name), anatomy.main(half.opposite)
        if main is None or partner is None:
            continue
        for piece in anatomy.all_of(half.name):
            if piece is main:
                continue
            if np.abs(plane.right_mm(anatomy.pieces.points_mm(piece))).max() > half.margin_mm:
                continue
            touched = anatomy.pieces.contacts(piece).pieces
            if partner.number in touched and main.number not in touched and piece.voxels < partner.voxels:
                moves[piece.number] = partner.label
    anatomy.pieces.relabel(moves, REJOINED)


GUIDELINE = Guideline(
    "laterality",
    "Paired structures keep to their side of the mid-sagittal plane.",
    LateralityThresholds,
    apply,
)
