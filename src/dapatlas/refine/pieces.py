"""A label map as connected pieces, kept true while guidelines move, cut and dissolve them.

Every structure is split into pieces in one sweep. From then on a guideline decides about pieces, and what it
decides costs no more than the box around them.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.refine.piece import Change, Contacts, Labels, Mask, Piece, Points, Reason, size_then_place
from dapatlas.volumes import Box, Grid, components, connected, hull, overlap, padded, remap

FIRST_PAD_VOXELS = 2  # how far around a piece its surroundings are looked for at first


@dataclass(eq=False)
class Pieces:
    """The pieces of a label map.

    Attributes
    ----------
    labels
        uint8 map, Fortran order, axes running right, front, up; changed in place.
    numbers
        uint32, the piece of each voxel; 0 in the background and in labels that are not split into pieces.
    spacing
        Mm between voxels along each axis.
    open_faces
        For each axis, whether its first and its last face are faces of the field of view.
    filling
        Labels that fill the space between structures; they are not split into pieces.
    dense
        Whether the whole body is labelled, so that nothing within it may become background.
    changes
        What has been done so far, in order.
    """

    labels: Labels
    numbers: NDArray[np.uint32]
    spacing: tuple[float, float, float]
    open_faces: tuple[tuple[bool, bool], ...]
    filling: frozenset[int]
    dense: bool
    changes: list[Change] = field(default_factory=list)
    _pieces: dict[int, Piece] = field(default_factory=dict)
    _by_label: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    _next: int = 1
    _version: int = 0
    _outline_version: int = 0

    @classmethod
    def of_map(
        cls,
        labels: Labels,
        spacing: tuple[float, float, float],
        open_faces: tuple[tuple[bool, bool], ...],
        filling: Iterable[int],
        *,
        dense: bool,
    ) -> Pieces:
        """Split every label but the ``filling`` into pieces: one sweep to find, one to measure them."""
        table = np.arange(256, dtype=np.uint8)
        table[list(filling)] = 0
        local = Grid.from_spacing(labels.shape, spacing)
        found = components(remap(labels, table), local)
        numbers = found.component_map.astype(np.uint32, copy=False)
        made = cls(labels, numbers, spacing, open_faces, frozenset(filling), dense)
        rows = zip(
            found.labels.tolist(),
            found.voxels.tolist(),
            found.boxes.tolist(),
            found.centroids_mm.tolist(),
            strict=True,
        )
        for number, (label, voxels, box, centre) in enumerate(rows, 1):
            i, j, k = (slice(start, stop) for start, stop in box)
            made._put(number, label, voxels, (i, j, k), centre)
        made._next = len(found) + 1
        return made

    def __getitem__(self, number: int) -> Piece:
        return self._pieces[number]

    def __contains__(self, piece: Piece) -> bool:
        """Whether a piece is still as it was: not joined, cut, dissolved, or of another label."""
        return self._pieces.get(piece.number) is piece

    def __iter__(self) -> Iterator[Piece]:
        return iter(sorted(self._pieces.values(), key=size_then_place))

    def __len__(self) -> int:
        return len(self._pieces)

    @property
    def version(self) -> int:
        """A number that is another after every change of labels or pieces."""
        return self._version

    @property
    def outline_version(self) -> int:
        """A number that is another after every change of what is background."""
        return self._outline_version

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in ml."""
        return self.spacing[0] * self.spacing[1] * self.spacing[2] / 1000

    def of(self, *labels: int) -> list[Piece]:
        """The pieces of these labels, largest first."""
        numbers = [number for label in labels for number in self._by_label.get(label, ())]
        return sorted((self._pieces[number] for number in numbers), key=size_then_place)

    def present(self) -> set[int]:
        """The labels that have a piece."""
        return {label for label, numbers in self._by_label.items() if numbers}

    def ml(self, piece: Piece) -> float:
        """Volume of a piece in ml."""
        return piece.voxels * self.voxel_ml

    def mask(self, piece: Piece) -> Mask:
        """Where it is within its box."""
        own: Mask = self.numbers[piece.box] == piece.number
        return own

    def points_mm(self, piece: Piece) -> Points:
        """Positions of its voxels, shape (n, 3): index times spacing, so mm to the right, the front, and up."""
        index = np.argwhere(self.mask(piece)) + [side.start for side in piece.box]
        points: Points = index * np.array(self.spacing)
        return points

    def extent_mm(self, piece: Piece, axis: int) -> tuple[float, float]:
        """Lowest and highest voxel centre along an axis."""
        side = piece.box[axis]
        return side.start * self.spacing[axis], (side.stop - 1) * self.spacing[axis]

    def gap_mm(self, one: Piece, other: Piece) -> float:
        """Distance of their boxes; no more than that of the pieces themselves."""
        gaps = [
            max(a.start - b.stop + 1, b.start - a.stop + 1, 0) * mm
            for a, b, mm in zip(one.box, other.box, self.spacing, strict=True)
        ]
        return float(np.linalg.norm(gaps))

    def distance_mm(self, piece: Piece, others: Sequence[Piece], reach_mm: float) -> float:
        """Distance of a piece to the nearest voxel of others; infinity beyond ``reach_mm``."""
        import edt

        near = [other for other in others if self.gap_mm(piece, other) <= reach_mm]
        if not near:
            return float("inf")
        around = self._around(piece.box, [int(reach_mm / mm) + 1 for mm in self.spacing])
        box = overlap(around, functools.reduce(hull, [other.box for other in near], piece.box))
        theirs = np.isin(self.numbers[box], [other.number for other in near])
        if not theirs.any():
            return float("inf")
        away = edt.edt(np.asfortranarray(~theirs), anisotropy=self.spacing)
        nearest = float(away[self.numbers[box] == piece.number].min())
        return nearest if nearest <= reach_mm else float("inf")

    def contacts(self, piece: Piece) -> Contacts:
        """What touches a piece, by faces, edges or corners."""
        box = self._around(piece.box, (1, 1, 1))
        own = self.numbers[box] == piece.number
        rim = grown(own) & ~own
        return Contacts(_counted(self.labels[box][rim]), _counted(self.numbers[box][rim], without=0))

    def relabel(self, moves: Mapping[int, int], reason: Reason | Callable[[int], Reason]) -> None:
        """Give pieces (by number) other labels, all at once; those that then touch under one label become one."""
        reason_for = reason if callable(reason) else lambda _: reason
        moved = [(self._pieces[number], label) for number, label in sorted(moves.items())]
        moved = [(piece, label) for piece, label in moved if label != piece.label]
        for piece, label in moved:
            own = self.mask(piece)
            np.copyto(self.labels[piece.box], label, where=own)
            self._record(Change(reason_for(piece.number), piece.label, label, piece.voxels, piece.box))
            if label in self.filling or label == 0:
                np.copyto(self.numbers[piece.box], 0, where=own)
                self._drop(piece)
            else:
                self._put(piece.number, label, piece.voxels, piece.box, piece.centre_mm)
        for piece, _ in moved:
            if piece.number in self._pieces:
                self._join_touching(piece.number)

    def split(self, piece: Piece, parts: NDArray[Any]) -> dict[int, list[Piece]]:
        """Cut a piece up by an array of integers (or a mask) over its box; labels stay as they are.

        Returns the pieces that each value makes, largest first. The piece itself is gone, and so is its number.
        What it makes may touch and have one label, which only lasts until :meth:`rejoin`: cut only to relabel.
        """
        own = self.mask(piece)
        self._drop(piece)
        values = np.unique(parts[own]).tolist()
        return {int(value): self._number(own & (parts == value), piece.box, piece.label) for value in values}

    def rejoin(self, pieces: Iterable[Piece]) -> None:
        """Undo cuts that led to nothing: pieces that touch others of their own label become one with them."""
        for piece in pieces:
            if piece in self:
                self._join_touching(piece.number)

    def dissolve(self, pieces: Sequence[Piece], reason: Reason) -> None:
        """Give each voxel of some pieces the nearest label that remains.

        In a dense map that is never the background, but for a piece that hangs in it, touching nothing else.
        """
        gone = np.array([piece.number for piece in pieces], np.uint32)
        fillings = [(piece, self.mask(piece), self._surroundings(piece, gone)) for piece in pieces]
        for piece, own, _ in fillings:
            np.copyto(self.numbers[piece.box], 0, where=own)
            self._drop(piece)
        for piece, own, labels in fillings:
            self.paint(piece.box, own, labels, reason)

    def paint(self, box: Box, where: Mask, labels: Labels, reason: Reason) -> None:
        """Write labels, one for each voxel of ``where`` (C order), over voxels that belong to no piece."""
        block = np.zeros(where.shape, np.uint8)
        block[where] = labels
        for old in np.unique(self.labels[box][where]).tolist():
            here = where & (self.labels[box] == old)
            for new in np.unique(block[here]).tolist():
                chosen = here & (block == new)
                if new != old:
                    voxels, tight, _ = _measured(chosen, box)
                    self._record(Change(reason, old, new, voxels, tight))
        np.copyto(self.labels[box], block, where=where)
        made = [
            piece
            for new in np.unique(block[where]).tolist()
            if new and new not in self.filling
            for piece in self._number(block == new, box, new)
        ]
        self.rejoin(made)

    def _surroundings(self, piece: Piece, gone: NDArray[np.uint32]) -> Labels:
        """The nearest label that remains for each voxel of a piece, in C order."""
        from scipy.ndimage import distance_transform_edt

        background = not self.dense or set(self.contacts(piece).labels) <= {0}
        pad = FIRST_PAD_VOXELS
        while True:
            box = self._around(piece.box, (pad, pad, pad))
            remains = ~np.isin(self.numbers[box], gone)
            if not background:
                remains &= self.labels[box] != 0
            own = self.numbers[box] == piece.number
            whole = all(side == slice(0, n) for side, n in zip(box, self.labels.shape, strict=True))
            if remains.any():
                far, index = distance_transform_edt(~remains, sampling=self.spacing, return_indices=True)
                if whole or far[own].max() <= pad * min(self.spacing):
                    found: Labels = self.labels[box][tuple(axis[own] for axis in index)]
                    return found
            elif whole:
                return np.zeros(piece.voxels, np.uint8)
            pad *= 2

    def _record(self, change: Change) -> None:
        self.changes.append(change)
        self._version += 1
        self._outline_version += 0 in (change.old, change.new)

    def _number(self, mask: Mask, box: Box, label: int) -> list[Piece]:
        """Make pieces of a mask; its voxels get their numbers."""
        parts, count = connected(mask)
        made = []
        for part in range(1, count + 1):
            own = parts == part
            np.copyto(self.numbers[box], self._next, where=own)
            voxels, tight, centre = _measured(own, box)
            centre_mm = [index * mm for index, mm in zip(centre, self.spacing, strict=True)]
            made.append(self._put(self._next, label, voxels, tight, centre_mm))
            self._next += 1
        return sorted(made, key=size_then_place)

    def _join_touching(self, number: int) -> None:
        """Make one of a piece and all of its label that it touches."""
        piece = self._pieces[number]
        rivals = [self._pieces[other] for other in self._by_label[piece.label] if other != number]
        if not any(_boxes_touch(piece.box, rival.box) for rival in rivals):
            return
        touched = [
            self._pieces[other]
            for other in self.contacts(piece).pieces
            if self._pieces[other].label == piece.label
        ]
        for other in touched:
            piece = self._merge(piece, other)

    def _merge(self, one: Piece, other: Piece) -> Piece:
        keep, lose = (
            (one, other) if (one.voxels, -one.number) > (other.voxels, -other.number) else (other, one)
        )
        np.copyto(self.numbers[lose.box], keep.number, where=self.mask(lose))
        voxels = keep.voxels + lose.voxels
        centre = tuple(
            (a * keep.voxels + b * lose.voxels) / voxels
            for a, b in zip(keep.centre_mm, lose.centre_mm, strict=True)
        )
        self._drop(lose)
        return self._put(keep.number, keep.label, voxels, hull(keep.box, lose.box), centre)

    def _put(self, number: int, label: int, voxels: int, box: Box, centre_mm: Sequence[float]) -> Piece:
        self._version += 1
        if number in self._pieces:
            self._by_label[self._pieces[number].label].discard(number)
        x, y, z = centre_mm
        piece = Piece(number, label, voxels, box, (x, y, z), self.reaches_edge(box))
        self._pieces[number] = piece
        self._by_label[label].add(number)
        return piece

    def _drop(self, piece: Piece) -> None:
        self._version += 1
        del self._pieces[piece.number]
        self._by_label[piece.label].discard(piece.number)

    def reaches_edge(self, box: Box) -> bool:
        """Whether a box reaches a face of the field of view."""
        return any(
            (first and side.start == 0) or (last and side.stop == n)
            for side, n, (first, last) in zip(box, self.labels.shape, self.open_faces, strict=True)
        )

    def _around(self, box: Box, voxels: Sequence[int]) -> Box:
        return padded(box, voxels, self.labels.shape)


def grown(mask: Mask, voxels: int = 1) -> Mask:
    """The mask and its neighbours by faces, edges and corners."""
    out = mask.copy(order="K")
    for _ in range(voxels):
        for axis in range(3):
            along = np.moveaxis(out, axis, 0)
            before = along.copy()
            along[1:] |= before[:-1]
            along[:-1] |= before[1:]
    return out


def _boxes_touch(one: Box, other: Box) -> bool:
    return all(a.start <= b.stop and b.start <= a.stop for a, b in zip(one, other, strict=True))


def _measured(mask: Mask, box: Box) -> tuple[int, Box, list[float]]:
    """Voxels, box and mean index of a mask that lies in ``box``."""
    sides, centre, voxels = [], [], 0
    for axis, side in enumerate(box):
        others = tuple(other for other in range(3) if other != axis)
        profile = np.count_nonzero(mask, axis=others)
        hits = np.flatnonzero(profile)
        voxels = int(profile.sum())
        sides.append(slice(side.start + int(hits[0]), side.start + int(hits[-1]) + 1))
        centre.append(side.start + float(profile @ np.arange(len(profile))) / voxels)
    i, j, k = sides
    return voxels, (i, j, k), centre


def _counted(values: NDArray[Any], without: int | None = None) -> dict[int, int]:
    ids, counts = np.unique(values, return_counts=True)
    return {int(i): int(n) for i, n in zip(ids, counts, strict=True) if i != without}
