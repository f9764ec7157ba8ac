"""What is one organ is one piece, without islands and without holes.

Which structures come in several pieces is said by the label scheme (``pieces``): bowel whose collapsed stretches
vanish between slices, vessels thinner than a voxel, gonads. Long thin structures may have gaps (``tubular``). Of all
others the largest piece is kept. A second piece that is nearly as large is no island: it may be a fracture, a
resection, a variant, so it is kept and reported. What the field of view cuts may hang together beyond it.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from dapatlas.findings import Severity
from dapatlas.labels import Structure, TissueClass
from dapatlas.refine.anatomy import Anatomy
from dapatlas.refine.guideline import Guideline, Thresholds
from dapatlas.refine.landmarks import VERTEBRAE, column
from dapatlas.refine.piece import Piece, Reason
from dapatlas.refine.rib_heads import RIBS
from dapatlas.volumes import connected

ISLAND = Reason("island", "a stray piece, replaced by what surrounds it")
HOLE = Reason("hole", "a hole inside it")

# Solid all through. Skull, lungs, breasts, nasal cavity and the heart's parts hold other structures.
SOLID = frozenset({TissueClass.ORGAN, TissueClass.MUSCLE, TissueClass.NERVOUS, TissueClass.BONE})
NOT_SOLID = ("skull", "muscles", "breast_left", "breast_right", "spinal_canal", "hip_left", "hip_right")


class FragmentThresholds(Thresholds):
    """When a piece is an island, and a hole a hole."""

    second_share: float = Field(
        0.3, gt=0, le=1, description="a piece of so much of the largest is kept and reported"
    )
    tubular_gap_mm: float = Field(30.0, ge=0, description="gap over which a long thin structure goes on")
    rib_gap_mm: float = Field(15.0, ge=0, description="gap over which a broken rib goes on")
    hole_ml: float = Field(5.0, ge=0, description="larger holes are kept and reported: a cyst, a metastasis")


def apply(anatomy: Anatomy, thresholds: FragmentThresholds) -> None:
    """Dissolve islands, fill holes."""
    islands = [
        piece
        for structure in anatomy.structures()
        if not structure.pieces
        for piece in _islands(anatomy, structure, thresholds)
    ]
    anatomy.pieces.dissolve(islands, ISLAND)
    _fill_background_holes(anatomy)
    for structure in anatomy.structures():
        if structure.tissue in SOLID and not structure.tubular and structure.name not in NOT_SOLID:
            _fill_holes(anatomy, structure, thresholds)


def _islands(anatomy: Anatomy, structure: Structure, thresholds: FragmentThresholds) -> list[Piece]:
    main = _main(anatomy, structure.name)
    if main is None:
        return []
    islands = []
    for piece in anatomy.all_of(structure.name):
        if piece.number == main.number or (piece.at_edge and main.at_edge):
            continue
        if structure.tubular or structure.name in RIBS:
            reach = thresholds.tubular_gap_mm if structure.tubular else thresholds.rib_gap_mm
            if anatomy.pieces.distance_mm(piece, [main], reach) <= reach:
                continue
        if piece.voxels >= thresholds.second_share * main.voxels and not structure.tubular:
            anatomy.note(
                "second-piece",
                f"{structure.name} is in two pieces of {anatomy.pieces.ml(main):.1f} and "
                f"{anatomy.pieces.ml(piece):.1f} ml",
                piece,
                remedy="one of them may be something else; both were kept",
            )
        else:
            islands.append(piece)
    return islands


def _main(anatomy: Anatomy, name: str) -> Piece | None:
    if name in VERTEBRAE:
        return column(anatomy).pieces.get(VERTEBRAE.index(name))
    return anatomy.main(name)


def _fill_background_holes(anatomy: Anatomy) -> None:
    """A dense map has no background within the body: each such voxel gets the nearest label."""
    import cc3d
    import fill_voids
    from scipy.ndimage import distance_transform_edt

    pieces = anatomy.pieces
    if not pieces.dense or not anatomy.outline_is_new("holes"):
        return
    body = pieces.labels != 0
    filled, count = fill_voids.fill(body, return_fill_count=True)
    if not count:
        return
    parts, _ = connected(filled & ~body)
    boxes = cc3d.statistics(parts)["bounding_boxes"][1:]
    for number, tight in enumerate(boxes, 1):
        i, j, k = (slice(max(0, s.start - 1), s.stop + 1) for s in tight)
        own = parts[i, j, k] == number
        labels = pieces.labels[i, j, k]
        index = distance_transform_edt(
            labels == 0, sampling=pieces.spacing, return_distances=False, return_indices=True
        )
        found = labels[tuple(axis[own] for axis in index)]
        pieces.paint((i, j, k), own, found, Reason("background-hole", "background inside the body"))


def _fill_holes(anatomy: Anatomy, structure: Structure, thresholds: FragmentThresholds) -> None:
    """Fill what a solid structure encloses on all sides: filling tissue, background, or small pieces of others."""
    import fill_voids

    pieces = anatomy.pieces
    for piece in pieces.of(structure.id):
        mask = pieces.mask(piece)
        filled, count = fill_voids.fill(np.asfortranarray(mask), return_fill_count=True)
        if not count:
            continue
        holes, count = connected(filled & ~mask, connectivity=6)
        for number in range(1, count + 1):
            _fill_hole(anatomy, piece, holes == number, thresholds)


def _fill_hole(
    anatomy: Anatomy,
    piece: Piece,
    hole: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    thresholds: FragmentThresholds,
) -> None:
    pieces = anatomy.pieces
    held = [pieces[n] for n in np.unique(pieces.numbers[piece.box][hole]).tolist() if n]
    if any(_is_main(anatomy, one) for one in held):
        return  # something that belongs there, such as a stone's gallbladder in the liver's bed
    ml = int(hole.sum()) * pieces.voxel_ml
    if ml > thresholds.hole_ml:
        anatomy.note(
            "large-hole",
            f"{anatomy.name(piece.label)} has a hole of {ml:.1f} ml",
            piece,
            severity=Severity.INFO,
            remedy="a cyst or a tumour, which belongs to the organ, or an error; left as it is",
        )
        return
    pieces.relabel({one.number: piece.label for one in held}, HOLE)
    rest = hole & (pieces.labels[piece.box] != piece.label)
    if rest.any():
        pieces.paint(piece.box, rest, np.full(int(rest.sum()), piece.label, np.uint8), HOLE)


def _is_main(anatomy: Anatomy, piece: Piece) -> bool:
    structure = anatomy.scheme[piece.label]
    main = _main(anatomy, structure.name)
    return structure.pieces or main is None or main.number == piece.number


GUIDELINE = Guideline(
    "fragments",
    "A structure that is one piece in the body is one piece in the map, without islands or holes.",
    FragmentThresholds,
    apply,
)
