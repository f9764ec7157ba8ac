"""What an expert claims, kept deflated: many experts of a full-size case fit into memory at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from dapatlas.volumes import Box, FieldOfView, remap

LabelMap = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# Worked on at a time: large enough for numpy, small enough for many experts side by side.
SLAB_VOXELS = 1 << 22
LEVEL = 1  # of ISA-L's four: label maps shrink thirtyfold and come back at over 1 GB/s


@dataclass(frozen=True, slots=True)
class Slabs:
    """A label map, deflated in slabs of whole slices along its last axis.

    Attributes
    ----------
    shape
        Of the map.
    thickness
        Slices in a slab; the last may have fewer.
    blocks
        The deflated slabs, voxels in Fortran order.
    """

    shape: tuple[int, ...]
    thickness: int
    blocks: tuple[bytes, ...]

    @classmethod
    def of(cls, label_map: NDArray[Any], table: LabelMap | None = None) -> Slabs:
        """Deflate a label map of ids up to 255, renamed by ``table``, shape (256,), on the way where one is given."""
        thickness = max(1, SLAB_VOXELS // max(1, math.prod(label_map.shape[:-1])))
        return cls(
            label_map.shape,
            thickness,
            tuple(
                _deflated(label_map[..., start : start + thickness], table)
                for start in range(0, label_map.shape[-1], thickness)
            ),
        )

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, number: int) -> LabelMap:
        """The voxels of a slab, flat, in Fortran order; read-only."""
        block = self.blocks[number]
        size = math.prod(self.shape[:-1]) * (self.slices(number).stop - self.slices(number).start)
        return np.frombuffer(isal_zlib.decompress(block, bufsize=max(1, size)), np.uint8)

    def __iter__(self) -> Iterator[LabelMap]:
        return (self[number] for number in range(len(self)))

    def slices(self, number: int) -> slice:
        """Which slices of the last axis a slab holds."""
        start = number * self.thickness
        return slice(start, min(start + self.thickness, self.shape[-1]))

    def counts(self) -> NDArray[np.int64]:
        """How many voxels each id has, shape (256,)."""
        counts = np.zeros(256, np.int64)
        for slab in self:
            counts += np.bincount(slab, minlength=256)
        return counts

    def rewritten(self, rule: Callable[..., LabelMap], *label_maps: LabelMap) -> Slabs:
        """The same with other ids: ``rule`` gets a slab and what lies there in other maps, all flat, and returns it."""
        blocks = []
        for number, slab in enumerate(self):
            slices = self.slices(number)
            others = (label_map[..., slices].ravel(order="F") for label_map in label_maps)
            blocks.append(_deflated(rule(slab, *others), None))
        return replace(self, blocks=tuple(blocks))

    def inflated(self) -> LabelMap:
        """The whole map, Fortran order."""
        whole = np.concatenate(list(self)) if self.blocks else np.zeros(0, np.uint8)
        return whole.reshape(self.shape, order="F")

    def part(self, box: Box) -> LabelMap:
        """What lies in a box of a three-dimensional map; only the slabs that it meets are inflated."""
        i, j, k = box
        parts = []
        for number in range(len(self)):
            own = self.slices(number)
            first, last = max(k.start, own.start), min(k.stop, own.stop)
            if first < last:
                slab = self[number].reshape((*self.shape[:-1], own.stop - own.start), order="F")
                parts.append(slab[i, j, first - own.start : last - own.start])
        return np.asfortranarray(np.concatenate(parts, axis=2))


def _deflated(slab: NDArray[Any], table: LabelMap | None) -> bytes:
    ids = slab if table is None else remap(slab, table)
    flat = np.ascontiguousarray(ids.astype(np.uint8, copy=False).ravel(order="F"))
    return isal_zlib.compress(flat.data, LEVEL)


@dataclass(frozen=True, slots=True)
class Claim:
    """What one expert says of one CT, in the atlas's ids and those of :class:`~dapatlas.aggregate.wholes.Wholes`.

    Attributes
    ----------
    expert
        The expert's name.
    words
        Its map; 0 where it says nothing.
    knows
        Ids that mean the same to it as to the atlas, so that its word can be compared with others'.
    denies
        Ids of which its silence is evidence: it would have said so; empty where silence says nothing.
    leaves
        Atlas ids that are not to be taken from it.
    seen
        How much of the CT it sees; all of it where ``None``. What lies beyond it has no opinion of.
    unseen
        Id of voxels that it did not annotate, of which it has no opinion either; 0 where there is none.
    """

    expert: str
    words: Slabs
    knows: frozenset[int] = frozenset()
    denies: frozenset[int] = frozenset()
    leaves: frozenset[int] = frozenset()
    seen: FieldOfView | None = None
    unseen: int = 0

    @classmethod
    def of(cls, expert: str, label_map: NDArray[Any], **more: Any) -> Claim:
        """A claim from a map in the atlas's ids, of the CT's shape; ``more`` are the other attributes."""
        return cls(expert, Slabs.of(label_map), **more)

    @property
    def label_map(self) -> LabelMap:
        """Its map, inflated."""
        return self.words.inflated()

    def says(self, number: int) -> tuple[LabelMap, Mask | None]:
        """Its words for the voxels of a slab (flat, Fortran order), and which it sees; all of them where ``None``."""
        words, seen = self.words[number], None
        if self.seen is not None and not self.seen.covers_all:
            i, j, _ = self.words.shape
            seen = self.seen.mask((slice(0, i), slice(0, j), self.words.slices(number))).ravel(order="F")
        if not self.unseen:
            return words, seen
        hidden = words == self.unseen
        return np.where(hidden, np.uint8(0), words), ~hidden if seen is None else seen & ~hidden
