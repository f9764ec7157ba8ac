"""Measurements of all labels in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import cc3d
import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes.grid import Grid

Box = tuple[slice, slice, slice]

CHUNK_VOXELS = 1 << 20  # pairs of ids are counted in pieces of this size, which stay in the cache


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of one label.

    Attributes
    ----------
    id
        The label.
    voxels
        How many it has.
    ml
        Their volume.
    box
        Slices along i, j, k that just hold it.
    centroid_mm
        Mean world position of its voxel centres.
    """

    id: int
    voxels: int
    ml: float
    box: Box
    centroid_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Measurements:
    """What was measured of every label present, in the order of ids; indexed by id.

    Attributes
    ----------
    ids
        Labels present, background 0 among them if it is; shape (n,).
    voxels, ml
        Count and volume of each; shape (n,).
    boxes
        First and last index along i, j, k of each, ``stop`` exclusive; shape (n, 3, 2).
    centroids_mm
        Mean world position; shape (n, 3).
    """

    ids: NDArray[np.int64]
    voxels: NDArray[np.int64]
    ml: NDArray[np.float64]
    boxes: NDArray[np.int64]
    centroids_mm: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, id_: object) -> bool:
        return isinstance(id_, (int, np.integer)) and self._place(int(id_)) is not None

    def __iter__(self) -> Iterator[Measurement]:
        return (self[id_] for id_ in self.ids.tolist())

    def __getitem__(self, id_: int) -> Measurement:
        """One label's measurements; KeyError where it is not present."""
        place = self._place(id_)
        if place is None:
            raise KeyError(id_)
        i, j, k = (slice(start, stop) for start, stop in self.boxes[place].tolist())
        x, y, z = self.centroids_mm[place].tolist()
        return Measurement(id_, int(self.voxels[place]), float(self.ml[place]), (i, j, k), (x, y, z))

    def _place(self, id_: int) -> int | None:
        place = int(np.searchsorted(self.ids, id_))
        return place if place < len(self.ids) and self.ids[place] == id_ else None


def hull(one: Box, other: Box) -> Box:
    """The box around two boxes."""
    i, j, k = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return i, j, k


def overlap(one: Box, other: Box) -> Box:
    """What two boxes have in common; a side's stop is not above its start where they have nothing."""
    i, j, k = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return i, j, k


def padded(box: Box, pads: Sequence[int], shape: Sequence[int]) -> Box:
    """A box with so many voxels more on both sides of each axis, as far as an array of this shape goes."""
    i, j, k = (
        slice(max(0, side.start - pad), min(n, side.stop + pad))
        for side, pad, n in zip(box, pads, shape, strict=True)
    )
    return i, j, k


def bounding_box(mask: NDArray[np.bool_]) -> Box:
    """The box that just holds a three-dimensional mask that is true somewhere."""
    sides = []
    for axis in range(3):
        hits = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        sides.append(slice(int(hits[0]), int(hits[-1]) + 1))
    i, j, k = sides
    return i, j, k


def box_of_points(index: NDArray[np.intp]) -> Box:
    """The box that just holds some voxels, shape (n, 3), at least one."""
    i, j, k = (slice(int(low), int(high) + 1) for low, high in zip(index.min(0), index.max(0), strict=True))
    return i, j, k


def measure(label_map: NDArray[Any], grid: Grid) -> Measurements:
    """Count, box and centre of every label, in one pass over the volume.

    Parameters
    ----------
    label_map
        Unsigned integers or bool, of the grid's shape; any memory order, views included.
    grid
        Places the centroids and sizes the voxels.
    """
    plain = for_cc3d(label_map)
    if plain.max(initial=0) >= plain.size:  # cc3d's tables are bounded by the number of voxels
        ids, plain = np.unique(plain, return_inverse=True)
        return replace(
            measure(plain.astype(np.uint32).reshape(label_map.shape), grid), ids=ids.astype(np.int64)
        )
    found = cc3d.statistics(plain)
    voxels = np.asarray(found["voxel_counts"], np.int64)
    ids = np.flatnonzero(voxels)
    boxes = np.array(
        [[(s.start, s.stop) for s in found["bounding_boxes"][id_]] for id_ in ids.tolist()], np.int64
    )
    return Measurements(
        ids=ids,
        voxels=voxels[ids],
        ml=voxels[ids].astype(np.float64) * grid.voxel_ml,
        boxes=boxes.reshape(-1, 3, 2),
        centroids_mm=grid.to_world(np.asarray(found["centroids"], np.float64)[ids]),
    )


def joint_histogram(
    first: NDArray[Any], second: NDArray[Any], shape: tuple[int, int] | None = None
) -> NDArray[np.int64]:
    """Count how often each pair of ids meets: ``table[a, b]`` voxels are ``a`` in the first, ``b`` in the second.

    Overlaps of all labels (Dice, Jaccard, confusion) come from this one table.

    Parameters
    ----------
    first, second
        Label maps of one shape.
    shape
        Of the table, more than the largest id of each; by default just that.

    Raises
    ------
    ValueError
        The maps differ in shape, or ids do not fit the table.
    """
    if first.shape != second.shape:
        raise ValueError(f"maps of different shapes: {first.shape} and {second.shape}")
    rows, columns = shape or (int(first.max(initial=0)) + 1, int(second.max(initial=0)) + 1)
    table = np.zeros(rows * columns, np.int64)
    # both read in the order in which the first lies in memory
    order: Literal["F", "C"] = "F" if first.flags.f_contiguous else "C"
    a, b = first.ravel(order), second.ravel(order)
    for start in range(0, a.size, CHUNK_VOXELS):
        pair = a[start : start + CHUNK_VOXELS].astype(np.intp)
        if pair.max() >= rows or b[start : start + CHUNK_VOXELS].max() >= columns:
            raise ValueError(f"ids that do not fit a table of {rows}×{columns}")
        pair *= columns
        pair += b[start : start + CHUNK_VOXELS]
        table += np.bincount(pair, minlength=rows * columns)
    return table.reshape(rows, columns)


def for_cc3d(label_map: NDArray[Any]) -> NDArray[Any]:
    """A label map as cc3d takes it: unsigned integers in one piece of memory, a view where that will do."""
    array = label_map.view(np.uint8) if label_map.dtype == np.bool_ else label_map
    if array.dtype.kind == "i":
        array = array.view(array.dtype.str.replace("i", "u"))
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array if array.flags.f_contiguous or array.flags.c_contiguous else np.asfortranarray(array)
