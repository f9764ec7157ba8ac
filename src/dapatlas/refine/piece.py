"""What pieces of a label map are made of: a piece, what touches it, and why it was changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes import Box

Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Piece:
    """One connected piece of one structure, voxels that touch by corners included.

    Attributes
    ----------
    number
        Its value in :attr:`Pieces.numbers`.
    label
        Its structure.
    voxels
        Its size.
    box
        Slices that just hold it, in the axes of the pieces.
    centre_mm
        Mean of its voxels' positions (see :meth:`Pieces.points_mm`).
    at_edge
        Whether it reaches a face of the field of view, so that it may go on beyond.
    """

    number: int
    label: int
    voxels: int
    box: Box
    centre_mm: tuple[float, float, float]
    at_edge: bool


@dataclass(frozen=True, slots=True)
class Contacts:
    """What lies within one voxel around a piece.

    Attributes
    ----------
    labels
        Label to number of voxels; 0 is the background.
    pieces
        Number of a neighbouring piece to number of its voxels.
    """

    labels: dict[int, int]
    pieces: dict[int, int]

    def share(self, label: int) -> float:
        """The label's part of all that lies around, 0…1."""
        return self.labels.get(label, 0) / max(1, sum(self.labels.values()))


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a label was changed: the code of the finding, and the words after "became X:"."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Change:
    """Voxels of one piece that went from one label to another; the box is in the axes of the pieces."""

    reason: Reason
    old: int
    new: int
    voxels: int
    box: Box


def size_then_place(piece: Piece) -> tuple[float, ...]:
    """Sort key: largest first; of equals, the one that starts further left, back, down."""
    return (-piece.voxels, *(side.start for side in piece.box), *piece.centre_mm)
