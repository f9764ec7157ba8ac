"""Nearest neighbour, from the indices of one grid to those of another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

EDGE = 1e-6  # in voxels: what rounding error may push a voxel centre across a border


def nearest(label_map: NDArray[Any], step: NDArray[np.float64], shape: tuple[int, int, int]) -> NDArray[Any]:
    """Take for every voxel of ``shape`` the nearest voxel's label, 0 beyond the map.

    Parameters
    ----------
    label_map
        Any integer type.
    step
        (4, 4) matrix from indices of the result to indices of the map.
    shape
        Of the result.
    """
    if runs_along_axes(step, shape):
        return _separable(label_map, step, shape)
    return _by_slabs(label_map, step, shape)


def runs_along_axes(step: NDArray[np.float64], shape: tuple[int, int, int]) -> bool:
    """Whether each axis of one grid runs along an axis of the other; arguments as for :func:`nearest`."""
    return np.allclose(step[:3, :3], _along_axes(step[:3, :3]), rtol=0, atol=EDGE / max(shape))


def axis_under(step: NDArray[np.float64]) -> list[int]:
    """For each axis of the result the axis of the map that it runs along; ``step`` as in :func:`nearest`."""
    axes: list[int] = np.abs(step[:3, :3]).argmax(axis=0).tolist()
    return axes


def nearest_index(position: NDArray[np.float64]) -> NDArray[np.intp]:
    """The voxel in which a position lies; half-way between two, the one with the larger index."""
    return np.floor(position + (0.5 + EDGE)).astype(np.intp)


def position_planes(step: NDArray[np.float64], shape: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Positions in the map, in voxels, of the slice k = 0 of the result; each k adds ``step[axis, 2] * k``.

    Returns
    -------
    list of ndarray
        One an axis of the map, each of the slice's shape (i, j).
    """
    i, j = (np.arange(n, dtype=np.float64) for n in shape[:2])
    return [step[row, 0] * i[:, None] + (step[row, 1] * j[None, :] + step[row, 3]) for row in range(3)]


def _along_axes(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix with all but the largest entry of each column set to 0, where that makes a permutation."""
    rows = np.abs(matrix).argmax(axis=0)
    kept = np.zeros_like(matrix)
    if len(set(rows.tolist())) == 3:
        kept[rows, range(3)] = matrix[rows, range(3)]
    return kept


def _separable(
    label_map: NDArray[Any], step: NDArray[np.float64], shape: tuple[int, int, int]
) -> NDArray[Any]:
    """Axes run along axes: three short lists of positions in memory add up to every voxel's."""
    out = np.zeros(shape, label_map.dtype, order="F")
    plain = label_map if label_map.flags.f_contiguous else np.asfortranarray(label_map)
    strides = np.array(plain.strides) // plain.itemsize
    offsets, inside = [], []
    for axis, row in enumerate(axis_under(step)):
        near = nearest_index(step[row, axis] * np.arange(shape[axis]) + step[row, 3])
        within = np.flatnonzero((near >= 0) & (near < label_map.shape[row]))
        if within.size == 0:
            return out
        inside.append(slice(int(within[0]), int(within[-1]) + 1))
        offsets.append(near[within] * strides[row])
    flat, part = plain.ravel(order="K"), out[tuple(inside)]
    plane = offsets[0][:, None] + offsets[1][None, :]
    for k, offset in enumerate(offsets[2].tolist()):
        part[:, :, k] = flat.take(plane + offset)
    return out


def _by_slabs(
    label_map: NDArray[Any], step: NDArray[np.float64], shape: tuple[int, int, int]
) -> NDArray[Any]:
    """Any affine: the position is a sum of one term for each index of the result."""
    out = np.zeros(shape, label_map.dtype, order="F")
    planes = position_planes(step, shape)
    for k in range(shape[2]):
        near = [nearest_index(plane + step[row, 2] * k) for row, plane in enumerate(planes)]
        inside = np.ones(shape[:2], np.bool_)
        for row in range(3):
            inside &= (near[row] >= 0) & (near[row] < label_map.shape[row])
        out[:, :, k][inside] = label_map[near[0][inside], near[1][inside], near[2][inside]]
    return out
