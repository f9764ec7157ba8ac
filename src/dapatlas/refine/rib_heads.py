"""Where ribs meet the spine: the one mark by which a rib can be counted without its fellows.

The head of rib n lies against T n and the disc above, and its tubercle against the transverse process of T n
(ribs 11 and 12, which have none, against the body of T n alone): so of all vertebrae T n is nearest to a rib's
first few centimetres.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from dapatlas.labels import Side
from dapatlas.refine.anatomy import Anatomy, while_unchanged
from dapatlas.refine.landmarks import FIRST_THORACIC, Column, column
from dapatlas.refine.piece import Piece
from dapatlas.volumes import box_of_points, padded

COSTAE = tuple(f"costa_{number}" for number in range(1, 13))  # costa_1 is the lowest: the twelfth rib
RIBS = tuple(f"{costa}_{side}" for costa in COSTAE for side in ("left", "right"))

HEAD_MM = 50.0  # a rib that comes no nearer to the line of the spine shows no head
NECK_MM = 12.0  # head and neck: what is not farther from the line than the nearest voxel and this
REACH_MM = 15.0  # vertebrae are looked for so far around head and neck
SOFT_MM = 2.0  # a voxel at distance d votes with 1 / (d + SOFT_MM)


@dataclass(frozen=True, slots=True)
class RibHead:
    """One rib's attachment.

    Attributes
    ----------
    piece
        The rib.
    anatomical
        The number its label says, 1 for the highest rib.
    side
        The side its label says.
    vertebra
        Number of the piece of the vertebra it is attached to.
    height_mm
        Height of head and neck.
    """

    piece: Piece
    anatomical: int
    side: Side
    vertebra: int
    height_mm: float


def anatomical_number(name: str) -> int:
    """The anatomical number of a rib, 1 for the highest, by its DAP name."""
    return 13 - int(name.split("_")[1])


def rib_name(anatomical: int, side: Side) -> str:
    """The DAP name of a rib by its anatomical number."""
    return f"costa_{13 - anatomical}_{side.value}"


@while_unchanged
def rib_heads(anatomy: Anatomy) -> list[RibHead]:
    """The attachments in view, highest first."""
    vertebrae = column(anatomy)
    if not vertebrae:
        return []
    heads = [head for piece in anatomy.all_of(*RIBS) if (head := _head(anatomy, piece, vertebrae))]
    return sorted(heads, key=lambda head: (-head.height_mm, head.side))


def _head(anatomy: Anatomy, piece: Piece, vertebrae: Column) -> RibHead | None:
    structure = anatomy.scheme[piece.label]
    points = anatomy.pieces.points_mm(piece)
    away = vertebrae.away_mm(points)
    if away.min() > HEAD_MM:
        return None
    index = np.rint(points[away <= away.min() + NECK_MM] / anatomy.pieces.spacing).astype(np.intp)
    vertebra = nearest_vertebra(anatomy, index, vertebrae)
    if vertebra is None:
        return None
    height = float(index[:, 2].mean() * anatomy.pieces.spacing[2])
    return RibHead(piece, anatomical_number(structure.name), structure.side, vertebra, height)


def nearest_vertebra(
    anatomy: Anatomy, index: np.ndarray[tuple[int, int], np.dtype[np.intp]], vertebrae: Column
) -> int | None:
    """Number of the piece of the vertebra that most of these voxels, shape (n, 3), are nearest to.

    Near ones count more; ``None`` where no vertebra is within reach.
    """
    from scipy.ndimage import distance_transform_edt

    pads = [int(REACH_MM / mm) + 1 for mm in anatomy.pieces.spacing]
    box = padded(box_of_points(index), pads, anatomy.pieces.labels.shape)
    numbers = anatomy.pieces.numbers[box]
    candidates = {piece.number for n, piece in vertebrae.pieces.items() if n >= FIRST_THORACIC - 1}
    theirs = np.isin(numbers, list(candidates))
    if not theirs.any():
        return None
    away, nearest = distance_transform_edt(~theirs, sampling=anatomy.pieces.spacing, return_indices=True)
    place = tuple((index - [side.start for side in box]).T)
    owners = numbers[tuple(axis[place] for axis in nearest)]
    votes: defaultdict[int, float] = defaultdict(float)
    for owner in np.unique(owners).tolist():
        distances = away[place][owners == owner]
        votes[owner] = float((1 / (distances[distances <= REACH_MM] + SOFT_MM)).sum())
    best = max(votes, key=lambda number: (votes[number], -number))
    return best if votes[best] > 0 else None
