"""Other ids for a label map, by table."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

CHUNK_VOXELS = 1 << 18  # numpy widens indices to 8 bytes: so many still fit the cache

Word = TypeVar("Word", bound=np.generic)


def remap(label_map: NDArray[Any], table: NDArray[Word]) -> NDArray[Word]:
    """Look every voxel up in a table: ``table[label_map]``, at the speed of memory.

    Parameters
    ----------
    label_map
        Unsigned integers or bool, any shape and memory order.
    table
        One entry an id, shape (n,), n larger than every id.

    Returns
    -------
    ndarray
        Of the map's shape and the table's type; Fortran order where the map is, else C order.

    Raises
    ------
    IndexError
        An id lies beyond the table.
    """
    if label_map.size and label_map.max() >= len(table):
        raise IndexError(f"id {label_map.max()} in the map, but the table has {len(table)} entries")
    order: Literal["F", "C"] = "F" if label_map.flags.f_contiguous else "C"
    out = np.empty(label_map.shape, table.dtype, order=order)
    source, target = label_map.ravel(order), out.ravel(order)
    for start in range(0, source.size, CHUNK_VOXELS):
        piece = slice(start, start + CHUNK_VOXELS)
        table.take(source[piece], out=target[piece], mode="clip")  # checked above; other modes buffer
    return out
