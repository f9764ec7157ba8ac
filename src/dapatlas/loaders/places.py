"""Where structures have voxels: some of each, found in one pass over a map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SLAB = 1 << 20  # voxels sorted at a time, so that it takes a few MB beside the map


def places(label_map: NDArray[Any], classes: int, most: int) -> list[NDArray[np.int64]]:
    """Flat indices of voxels of each id, ascending; of ids with many voxels some that are spread evenly.

    Parameters
    ----------
    label_map
        Ids below ``classes``, uint8, of any shape; indices are into it in C order.
    classes
        How many ids there are, from 0.
    most
        Voxels of an id at most.

    Returns
    -------
    list
        An array an id; empty where it has no voxel.

    Raises
    ------
    ValueError
        An id is not below ``classes``.
    """
    flat = np.ravel(label_map)
    counts = np.bincount(flat, minlength=classes)
    if len(counts) > classes:
        raise ValueError(f"expected ids below {classes}, found {len(counts) - 1}")
    every = -(-counts // most)  # each how many-th voxel of an id is taken
    seen, ids, indices = np.zeros(classes, np.int64), [], []
    for start in range(0, len(flat), SLAB):
        slab = flat[start : start + SLAB]
        order = np.argsort(slab, kind="stable")
        here, there = slab[order], np.bincount(slab, minlength=classes)
        rank = (
            np.arange(len(slab)) + (seen - (np.cumsum(there) - there))[here]
        )  # of a voxel among those of its id
        taken = rank % every[here] == 0
        ids.append(here[taken])
        indices.append(order[taken] + start)
        seen += there
    by_id = np.argsort(np.concatenate(ids), kind="stable")
    taken_of = np.bincount(np.concatenate(ids), minlength=classes)
    return np.split(np.concatenate(indices)[by_id], np.cumsum(taken_of)[:-1])
