"""Many binary masks into one label map, in the memory of little more than that map.

Where masks overlap the smaller structure keeps the voxel, since it is the more specific statement; of two of one
size the one with the larger id. That does not depend on the order in which masks arrive.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme
from dapatlas.labels.scheme import MAX_ID

Plane = NDArray[Any]
Bits = NDArray[np.uint8]


@dataclass(slots=True)
class PackedMask:
    """A binary mask, one bit a voxel, of which only planes are kept that have any.

    Attributes
    ----------
    voxels
        How many lie in it.
    planes
        Position along the axis of the stack to the plane's bits, in Fortran order.
    """

    voxels: int = 0
    planes: dict[int, Bits] = field(default_factory=dict)

    @classmethod
    def of(cls, planes: Iterable[Plane]) -> PackedMask:
        """Pack planes as they come, from position 0 on; each is forgotten before the next is asked for."""
        mask = cls()
        for k, plane in enumerate(planes):
            mask.put(k, plane)
        return mask

    def put(self, k: int, plane: Plane) -> None:
        """Add a plane, bool or uint8 of which all but 0 counts; what lies there already stays."""
        if not plane.max():  # most planes of most masks; three times as fast as counting
            return
        voxels = int(np.count_nonzero(plane))
        bits = np.packbits(plane.ravel(order="F"))
        before = self.planes.get(k)
        if before is not None:
            self.voxels -= _count(before)
            bits |= before
            voxels = _count(bits)
        self.planes[k] = bits
        self.voxels += voxels


def _count(bits: Bits) -> int:
    return int.from_bytes(bits.tobytes(), "little").bit_count()


class Overlay:
    """A label map under construction.

    Parameters
    ----------
    shape
        Of the map.
    axis
        Along which the planes are stacked that it is made from.

    Attributes
    ----------
    label_map
        uint8, Fortran order: what was laid so far.
    """

    def __init__(self, shape: tuple[int, int, int], axis: int = 2) -> None:
        self.label_map = np.zeros(shape, np.uint8, order="F")
        self._planes = np.moveaxis(self.label_map, axis, 2)
        self._voxels = np.zeros(MAX_ID + 1, np.int64)
        self._rank = np.zeros(MAX_ID + 1, np.uint8)  # the larger keeps the voxel; background has the least
        self._contested: dict[int, Bits] = {}

    def expect(self, id_: int, voxels: int) -> None:
        """Say how large a structure is, before any of it is laid; more for the same structure adds up."""
        self._voxels[id_] += voxels
        ids = np.flatnonzero(self._voxels)
        self._rank[ids[np.lexsort((ids, -self._voxels[ids]))]] = np.arange(1, len(ids) + 1)

    def add(self, id_: int, mask: PackedMask) -> None:
        """Lay the whole mask of one structure."""
        self.expect(id_, mask.voxels)
        shape = self._planes.shape[:2]
        for k, bits in mask.planes.items():
            ids = np.unpackbits(bits, count=shape[0] * shape[1])
            ids *= np.uint8(id_)
            self.lay(k, ids.reshape(shape, order="F"))

    def lay(self, k: int, ids: Plane) -> None:
        """Lay one plane of structures that were expected, uint8 ids with 0 where nothing is."""
        plane = self._planes[:, :, k]
        both = (plane != 0) & (ids != 0)
        both &= plane != ids
        if not both.any():
            np.maximum(plane, ids, out=plane)
            return
        bits = np.packbits(both.ravel(order="F"))
        self._contested[k] = self._contested[k] | bits if k in self._contested else bits
        np.copyto(plane, ids, where=self._rank[ids] > self._rank[plane])

    def contested(self) -> dict[int, int]:
        """Structures that keep voxels which another structure claims too: id to how many, in the order of ids."""
        counts = np.zeros(MAX_ID + 1, np.int64)
        for k, bits in self._contested.items():
            plane = self._planes[:, :, k].ravel(order="F")
            kept = plane[np.unpackbits(bits, count=plane.size).view(np.bool_)]
            counts += np.bincount(kept, minlength=MAX_ID + 1)
        return {int(id_): int(counts[id_]) for id_ in np.flatnonzero(counts)}

    def findings(self, expert: str, case: str, scheme: LabelScheme) -> tuple[Finding, ...]:
        """One finding for each structure that keeps voxels of a larger one."""
        return tuple(
            Finding(
                case=case,
                severity=Severity.INFO,
                code="masks-overlap",
                message=f"expert {expert}: {scheme[id_].name} keeps {voxels} voxels that a larger mask claims too",
                structure=scheme[id_].name,
                voxels=voxels,
            )
            for id_, voxels in self.contested().items()
        )


def overlaid(shape: tuple[int, int, int], masks: dict[int, PackedMask], axis: int = 2) -> Overlay:
    """All masks, by id, laid over one another."""
    overlay = Overlay(shape, axis)
    for id_, mask in masks.items():
        overlay.add(id_, mask)
    return overlay
