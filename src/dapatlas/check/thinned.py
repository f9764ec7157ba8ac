"""A case thinned to some two millimetres, in pieces, on which place and shape are judged.

Order, sides, ribs and gaps do not need every voxel: a map of 512×512×390 becomes an eighth of it or less. Positions are
in mm (index times spacing, to the right, the front, and up), so they mean the same in the full map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.labels import LabelScheme
from dapatlas.refine.anatomy import FILLING, Anatomy
from dapatlas.refine.piece import Piece
from dapatlas.refine.pieces import Pieces
from dapatlas.volumes import Box

THIN_MM = 2.0  # voxels are left out while those that stay are no farther apart
NOT_IN_PIECES = (*FILLING, "skin")
ALL_OPEN = ((True, True),) * 3


@dataclass(frozen=True, eq=False)
class Thinned:
    """Every n-th voxel of a case.

    Attributes
    ----------
    anatomy
        Its pieces, as guidelines know them; what is asked of it is measured once.
    step
        How many voxels of the full map one of its own spans, along each axis.
    shape
        Of the full map.
    """

    anatomy: Anatomy
    step: tuple[int, int, int]
    shape: tuple[int, ...]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Mm between its voxels."""
        return self.anatomy.pieces.spacing

    def thin_box(self, box: Box) -> Box:
        """What it has of a box of the full map."""
        i, j, k = (slice(-(-s.start // n), -(-s.stop // n)) for s, n in zip(box, self.step, strict=True))
        return i, j, k

    def full_box(self, box: Box) -> Box:
        """A box of its own in the full map."""
        i, j, k = (
            slice(s.start * n, min(size, s.stop * n))
            for s, n, size in zip(box, self.step, self.shape, strict=True)
        )
        return i, j, k

    def mask(self, name: str, box: Box) -> NDArray[np.bool_]:
        """A structure within a box of its own."""
        found: NDArray[np.bool_] = self.anatomy.pieces.labels[box] == self.anatomy.id(name)
        return found

    def extent_mm(self, piece: Piece, axis: int) -> tuple[float, float]:
        """Lowest and highest voxel centre of a piece along an axis."""
        return self.anatomy.pieces.extent_mm(piece, axis)


def thinned(labels: NDArray[Any], spacing: tuple[float, float, float], scheme: LabelScheme) -> Thinned:
    """Thin a label map with axes to the right, the front, and up, and split it into pieces."""
    a, b, c = (max(1, int(THIN_MM / mm + 1e-6)) for mm in spacing)
    few = np.array(labels[::a, ::b, ::c], np.uint8, order="F")
    own = (a * spacing[0], b * spacing[1], c * spacing[2])
    filling = [scheme[name].id for name in NOT_IN_PIECES]
    pieces = Pieces.of_map(few, own, ALL_OPEN, filling, dense=True)
    return Thinned(Anatomy(pieces, scheme=scheme), (a, b, c), labels.shape)
