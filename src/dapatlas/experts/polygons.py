"""Polygons into masks.

Written here because the common rasterisers draw for a screen: Pillow and OpenCV round corners to pixels and draw the
outline too, which makes a structure half a voxel larger on every side, and none of them takes holes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]

ON_THE_LINE = 1e-3  # in voxels: a centre so close to an outline lies on it


def fill(polygons: Sequence[Polygon], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The voxels whose centres lie inside an odd number of closed polygons, so that inner ones are holes.

    A centre on an outline lies inside: programs that trace masks lay outlines through the centres of the outermost
    voxels.

    Parameters
    ----------
    polygons
        Corners in voxels, shape (n, 2) each, the last joined to the first; whole numbers are voxel centres.
    shape
        Of the plane; what lies beyond it is cut off.
    """
    mask = np.zeros(shape, np.bool_)
    if not polygons:
        return mask
    corners = np.concatenate(polygons)
    first = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, shape)
    stop = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, shape)
    if (first >= stop).any():
        return mask
    part = mask[first[0] : stop[0], first[1] : stop[1]]
    for nudge in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        moved = [polygon - first + np.multiply(nudge, ON_THE_LINE) for polygon in polygons]
        part |= _odd(moved, (part.shape[0], part.shape[1]))
    return mask


def _odd(polygons: Sequence[Polygon], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Centres inside an odd number of polygons: every edge turns over what lies beyond it along the first axis."""
    start = np.concatenate(polygons)
    end = np.concatenate([np.roll(polygon, -1, axis=0) for polygon in polygons])
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first = np.clip(np.ceil(low), 0, shape[1]).astype(int)
    stop = np.clip(np.ceil(high), 0, shape[1]).astype(int)  # so a corner on a line counts for one edge alone
    count = np.maximum(stop - first, 0)
    edge = np.repeat(np.arange(len(start)), count)
    line = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    along = (line - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
    crossing = start[edge, 0] + along * (end[edge, 0] - start[edge, 0])
    turns = np.zeros((shape[0] + 1, shape[1]), np.int32)
    np.add.at(turns, (np.clip(np.ceil(crossing), 0, shape[0]).astype(int), line), 1)
    inside: NDArray[np.bool_] = (np.cumsum(turns, axis=0)[:-1] & 1).astype(np.bool_)
    return inside
