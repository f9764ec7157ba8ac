"""Label maps from one grid onto another, by nearest neighbour."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes.grid import Grid

EDGE = 1e-6  # in voxels: what rounding error may push a voxel centre across a border


def resample_labels(label_map: NDArray[Any], source: Grid, target: Grid) -> NDArray[Any]:
    """Give every voxel of ``target`` the label of the nearest voxel of ``source``, 0 outside of it.

    Works for any two affines, oblique ones too, and never makes an id that was not there. A point half-way
    between two voxels takes the one with the larger index. Memory beyond the result is one slab.

    Parameters
    ----------
    label_map
        Of ``source``'s shape, any integer type.
    source, target
        The two grids.

    Returns
    -------
    ndarray
        Of ``target``'s shape and the type of ``label_map``, Fortran order.

    Raises
    ------
    ValueError
        The map does not have the source's shape.
    """
    if label_map.shape != source.shape:
        raise ValueError(f"map of shape {label_map.shape} on a grid of shape {source.shape}")
    step = np.linalg.inv(source.affine) @ target.affine  # target index to source index
    if np.allclose(step[:3, :3], _along_axes(step[:3, :3]), rtol=0, atol=EDGE / max(target.shape)):
        return _separable(label_map, step, target)
    return _by_slabs(label_map, step, target)


def _along_axes(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix with all but the largest entry of each column set to 0, where that makes a permutation."""
    rows = np.abs(matrix).argmax(axis=0)
    kept = np.zeros_like(matrix)
    if len(set(rows.tolist())) == 3:
        kept[rows, range(3)] = matrix[rows, range(3)]
    return kept


def _nearest(position: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.floor(position + (0.5 + EDGE)).astype(np.intp)


def _separable(label_map: NDArray[Any], step: NDArray[np.float64], target: Grid) -> NDArray[Any]:
    """Axes run along axes: three short lists of positions in memory add up to every voxel's."""
    out = np.zeros(target.shape, label_map.dtype, order="F")
    plain = label_map if label_map.flags.f_contiguous else np.asfortranarray(label_map)
    strides = np.array(plain.strides) // plain.itemsize
    offsets, inside = [], []
    for axis, row in enumerate(np.abs(step[:3, :3]).argmax(axis=0).tolist()):
        near = _nearest(step[row, axis] * np.arange(target.shape[axis]) + step[row, 3])
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


def _by_slabs(label_map: NDArray[Any], step: NDArray[np.float64], target: Grid) -> NDArray[Any]:
    """Any affine: the position is a sum of one term for each target index, so a slab costs three additions."""
    out = np.zeros(target.shape, label_map.dtype, order="F")
    i, j = (np.arange(n, dtype=np.float64) for n in target.shape[:2])
    planes = [step[row, 0] * i[:, None] + (step[row, 1] * j[None, :] + step[row, 3]) for row in range(3)]
    for k in range(target.shape[2]):
        near = [_nearest(plane + step[row, 2] * k) for row, plane in enumerate(planes)]
        inside = np.ones(target.shape[:2], np.bool_)
        for row in range(3):
            inside &= (near[row] >= 0) & (near[row] < label_map.shape[row])
        out[:, :, k][inside] = label_map[near[0][inside], near[1][inside], near[2][inside]]
    return out
