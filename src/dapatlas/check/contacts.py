"""Which labels touch: one pass over all faces between voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

IDS = 256
SLAB_VOXELS = 1 << 22  # so many voxels are looked at together


def contact_table(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Count the voxel faces between each pair of labels.

    Parameters
    ----------
    labels
        Ids up to 255, any memory order, views included.

    Returns
    -------
    ndarray
        Shape (256, 256), symmetric, the diagonal 0; background is one of the labels.
    """
    # the axis along which memory runs slowest first, so that slabs lie in one piece
    order = np.argsort([-abs(stride) for stride in labels.strides], kind="stable").tolist()
    turned = labels.transpose(order)
    table = np.zeros(IDS * IDS, np.int64)
    thick = max(1, SLAB_VOXELS // max(1, turned[0].size))
    for start in range(0, len(turned), thick):
        slab = np.ascontiguousarray(turned[start : start + thick + 1], np.uint8)
        table += _faces(slab[:-1], slab[1:])
        own = slab[:thick]
        table += _faces(own[:, :-1], own[:, 1:])
        table += _faces(own[:, :, :-1], own[:, :, 1:])
    square = table.reshape(IDS, IDS)
    return square + square.T


def _faces(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.int64]:
    differ = one != other
    pairs = one[differ].astype(np.intp) * IDS + other[differ]
    return np.bincount(pairs, minlength=IDS * IDS)
