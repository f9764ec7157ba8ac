"""Voxels of one label to whichever of other labels is nearest, a slab at a time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes.measure import Box, box_of_points, hull, overlap, padded

SLAB_VOXELS = 1 << 22
FIRST_REACH_MM = 10.0  # what is farther from all of them is looked at again with twice the reach, and so on

LabelMap = NDArray[np.uint8]
Index = NDArray[np.intp]


def to_nearest(
    label_map: LabelMap, label: int, box: Box, others: Mapping[int, Box], spacing: tuple[float, float, float]
) -> None:
    """Rename every voxel of a label to the nearest of other labels, in place; of equally near ones, the lowest.

    Distances are taken around each of the others, no farther than need be: large labels with many neighbours cost
    little memory.

    Parameters
    ----------
    label_map
        Shape (i, j, k).
    label
        What is to be renamed.
    box
        What holds it.
    others
        The labels it may become, each with the box that holds it; at least one, none of them empty.
    spacing
        Mm between voxels.
    """
    places, answers = [], []
    for k in _slabs(box):
        where = np.argwhere(label_map[box[0], box[1], k] == label)
        if len(where):
            index = where + np.array([box[0].start, box[1].start, k.start])
            places.append(index)
            answers.append(_nearest(label_map, index, others, spacing))
    # all at once: what was renamed must not be taken for what was there
    for index, nearest in zip(places, answers, strict=True):
        label_map[tuple(index.T)] = nearest


def _slabs(box: Box) -> list[slice]:
    i, j, k = box
    thickness = max(1, SLAB_VOXELS // ((i.stop - i.start) * (j.stop - j.start)))
    return [slice(start, min(start + thickness, k.stop)) for start in range(k.start, k.stop, thickness)]


def _nearest(
    label_map: LabelMap, index: Index, others: Mapping[int, Box], spacing: tuple[float, float, float]
) -> LabelMap:
    """The nearest of the other labels for some voxels, shape (n, 3)."""
    nearest = np.zeros(len(index), np.uint8)
    best = np.full(len(index), np.inf, np.float32)
    open_ = np.arange(len(index))
    reach_mm = FIRST_REACH_MM
    while open_.size:
        pads = [int(reach_mm / mm) + 1 for mm in spacing]
        best[open_] = np.inf  # what was found beyond the reach is no distance yet
        for other in sorted(others):
            near = open_[_inside(index[open_], padded(others[other], pads, label_map.shape))]
            if near.size:
                away = _distances(label_map, index[near], other, others[other], pads, spacing)
                closer = away < best[near]
                nearest[near[closer]], best[near[closer]] = other, away[closer]
        open_ = open_[best[open_] > reach_mm]
        reach_mm *= 2
    return nearest


def _distances(
    label_map: LabelMap,
    index: Index,
    other: int,
    held: Box,
    pads: list[int],
    spacing: tuple[float, float, float],
) -> NDArray[np.float32]:
    """Distance of some voxels to a label; right up to what the pads reach, too large beyond."""
    import edt

    own = box_of_points(index)
    sources = overlap(held, padded(own, pads, label_map.shape))
    if any(side.start >= side.stop for side in sources):
        return np.full(len(index), np.inf, np.float32)
    area = reduce(hull, (sources, own))
    away = edt.edt(np.asfortranarray(label_map[area] != other), anisotropy=spacing)
    found: NDArray[np.float32] = away[tuple((index - [side.start for side in area]).T)]
    return found


def _inside(index: Index, box: Box) -> NDArray[np.bool_]:
    low, high = np.array([[side.start, side.stop] for side in box]).T
    inside: NDArray[np.bool_] = ((index >= low) & (index < high)).all(axis=1)
    return inside
