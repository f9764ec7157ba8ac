"""Coarse versions of volumes, so that a browser has a picture before it has the whole file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes import Grid, Measurement, Measurements, measure
from dapatlas.volumes.measure import overlap

STEPS = (4, 2)  # coarse first
LEAST_VOXELS = 48  # an axis is not made coarser than so many voxels
UNDERSAMPLED = 0.5  # a structure with less than this part of its volume left is laid anew

Factors = tuple[int, int, int]
Index = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class StructurePlace:
    """Where a structure is in a map.

    Attributes
    ----------
    id
        Its number in the map.
    voxels, ml
        How large it is, in voxels and in millilitres.
    box
        Start and stop along i, j, k of the file, stop exclusive.
    center
        One of its voxels, near its centroid: i, j, k.
    center_mm
        The same place in the world, x, y, z in mm (NIfTI's RAS+).
    """

    id: int
    voxels: int
    ml: float
    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    center: Index
    center_mm: tuple[float, float, float]


def factors_of(shape: tuple[int, int, int], step: int) -> Factors:
    """How many voxels along i, j, k make one of the coarse level: ``step``, or less on short axes.

    Examples
    --------
    >>> factors_of((512, 512, 100), 4)
    (4, 4, 2)
    """
    i, j, k = (
        next(f for f in (4, 2, 1) if f <= step and (f == 1 or -(-n // f) >= LEAST_VOXELS)) for n in shape
    )
    return i, j, k


def coarse_steps(shape: tuple[int, int, int]) -> tuple[int, ...]:
    """The levels that are worth having, coarsest first: none twice, and none that is the volume itself.

    Examples
    --------
    >>> coarse_steps((512, 512, 390)), coarse_steps((90, 90, 60))
    ((4, 2), ())
    """
    kept: dict[Factors, int] = {}
    for step in reversed(STEPS):
        kept.setdefault(factors_of(shape, step), step)
    kept.pop((1, 1, 1), None)
    return tuple(sorted(kept.values(), reverse=True))


def coarse_grid(grid: Grid, factors: Factors) -> Grid:
    """The grid of blocks of voxels; a block's centre is the mean of its voxels' centres.

    Blocks that stick out of the volume at the far end of an axis are there too, with the centre they would have.
    """
    i, j, k = (-(-n // f) for n, f in zip(grid.shape, factors, strict=True))
    step = np.diag([*map(float, factors), 1.0])
    step[:3, 3] = (np.array(factors) - 1) / 2
    return Grid((i, j, k), grid.affine @ step)


def block_mean(array: NDArray[Any], factors: Factors) -> NDArray[Any]:
    """Mean of each block, of those of its voxels that there are; whole numbers stay whole, in the same type.

    Parameters
    ----------
    array
        A volume, shape (i, j, k).
    factors
        Voxels of a block along each axis.

    Returns
    -------
    ndarray
        Of the coarse grid's shape, Fortran order.
    """
    whole = array.dtype.kind in "iu"
    wide = np.dtype(np.int64 if array.itemsize > 2 else np.int32) if whole else np.dtype(np.float64)
    starts = [np.arange(0, n, f) for n, f in zip(array.shape, factors, strict=True)]
    counts = [np.diff(np.append(start, n)) for start, n in zip(starts, array.shape, strict=True)]
    out = np.empty(tuple(map(len, starts)), array.dtype, order="F")
    area = counts[0][:, None] * counts[1][None, :]
    for k, (start, depth) in enumerate(zip(starts[2].tolist(), counts[2].tolist(), strict=True)):
        total = array[:, :, start : start + depth].sum(axis=2, dtype=wide)
        total = np.add.reduceat(np.add.reduceat(total, starts[1], axis=1), starts[0], axis=0)
        mean = total / (area * depth)
        out[:, :, k] = np.rint(mean) if whole else mean
    return out


def coarse_labels(label_map: NDArray[Any], factors: Factors, found: Measurements) -> NDArray[Any]:
    """A label map of blocks: each has the label of the voxel next to its centre.

    A structure that this leaves less than half its volume is laid anew in the blocks that hold most of it, as many
    as it fills, at least one; where several want one block, the smallest has it.

    Parameters
    ----------
    label_map
        Unsigned integers, shape (i, j, k).
    factors
        Voxels of a block along each axis.
    found
        What was measured of the map.

    Returns
    -------
    ndarray
        Of the coarse grid's shape and the map's type, Fortran order.
    """
    picks = [
        np.minimum(np.arange(0, n, f) + f // 2, n - 1) for n, f in zip(label_map.shape, factors, strict=True)
    ]
    out = np.empty(tuple(map(len, picks)), label_map.dtype, order="F")
    for k, pick in enumerate(picks[2].tolist()):
        out[:, :, k] = label_map[:, :, pick][np.ix_(picks[0], picks[1])]
    left = dict(zip(*(part.tolist() for part in np.unique(out, return_counts=True)), strict=True))
    size = int(np.prod(factors))
    lost = [each for each in found if each.id and left.get(each.id, 0) < UNDERSAMPLED * each.voxels / size]
    for each in sorted(lost, key=lambda each: (-each.voxels, -each.id)):
        _lay(out, label_map, each, factors)
    return out


def _lay(out: NDArray[Any], label_map: NDArray[Any], each: Measurement, factors: Factors) -> None:
    """Give a structure the blocks that hold most of it."""
    inside = np.argwhere(label_map[each.box] == each.id) + [side.start for side in each.box]
    blocks = np.ravel_multi_index(tuple((inside // factors).T), out.shape, order="F")
    where, counts = np.unique(blocks, return_counts=True)
    most = max(1, round(each.voxels / int(np.prod(factors))))
    best = where[np.argsort(-counts, kind="stable")[:most]]
    out[np.unravel_index(best, out.shape, order="F")] = each.id


def structure_places(
    label_map: NDArray[Any], grid: Grid, found: Measurements | None = None
) -> tuple[StructurePlace, ...]:
    """Where each structure of a map is, background left out, in the order of ids.

    Parameters
    ----------
    label_map
        Unsigned integers of the grid's shape (i, j, k).
    grid
        Of the map.
    found
        What was measured of the map; measured here when ``None``.
    """
    said = []
    for each in measure(label_map, grid) if found is None else found:
        if each.id:
            i, j, k = ((side.start, side.stop) for side in each.box)
            center = _voxel_inside(label_map, each, grid)
            x, y, z = grid.to_world(center).tolist()
            said.append(StructurePlace(each.id, each.voxels, each.ml, (i, j, k), center, (x, y, z)))
    return tuple(said)


def _voxel_inside(label_map: NDArray[Any], each: Measurement, grid: Grid) -> Index:
    """The voxel at a structure's centroid, or where that is none of it, one near by."""
    low, high = np.array([[side.start, side.stop - 1] for side in each.box]).T
    middle = np.clip(np.rint(grid.to_index(each.centroid_mm)).astype(int), low, high)
    reach = 0
    while True:  # the box holds some of its voxels, so that one is found
        i, j, k = (slice(max(0, at - reach), at + reach + 1) for at in middle.tolist())
        window = overlap((i, j, k), each.box)
        hits = np.argwhere(label_map[window] == each.id) + [side.start for side in window]
        if len(hits):
            away = np.linalg.norm((hits - middle) * grid.spacing, axis=1)
            a, b, c = hits[away.argmin()].tolist()
            return a, b, c
        reach = 2 * reach + 1
