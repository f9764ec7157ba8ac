"""Where the surface of a structure runs: the corners between voxels that are inside and voxels that are not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes import Box

SLAB_VOXELS = 1 << 19  # codes are worked out for so many voxels at a time, which stay in the cache

Places = NDArray[np.intp]  # flat positions, the first axis running fastest


def surfels(
    label_map: NDArray[Any], id_: int, box: Box, ignore: NDArray[np.bool_] | None = None
) -> Iterator[tuple[Places, NDArray[np.uint8]]]:
    """Surface elements ("surfels") of a structure: the corners whose eight voxels are not all in or all out.

    They come slab by slab along k.

    Parameters
    ----------
    label_map
        Fastest where its first axis is the one that runs fastest in memory.
    id_, box
        The structure, and slices along i, j, k that hold it. Around the box all is outside.
    ignore
        Where true, the structure is not.

    Yields
    ------
    places
        Flat positions, rising, among the corners of the box, of which there is one more along each axis than voxels.
    codes
        Which of the eight voxels are inside, as :func:`dapatlas.check.surface_areas.bit_of` says; but 0, which
        has no area, where one of them is ignored.
    """
    rows, columns, layers = (side.stop - side.start for side in box)
    layer = (rows + 1) * (columns + 1)
    thick = max(1, SLAB_VOXELS // layer)
    for low in range(0, layers + 1, thick):
        high = min(
            low + thick, layers + 1
        )  # corners low … high - 1 along k, and the voxels on both sides of them
        slab = (box[0], box[1], slice(box[2].start + max(low - 1, 0), box[2].start + min(high, layers)))
        ends = (int(low == 0), int(high > layers))
        inside = label_map[slab] == id_
        if ignore is not None:
            inside &= ~ignore[slab]
        codes = _codes(_framed(inside, ends))
        mixed = np.flatnonzero(codes + np.uint8(1) > 1)  # neither 0 nor 255
        chosen = codes[mixed]
        if ignore is not None and ignore[slab].any():
            chosen[_codes(_framed(ignore[slab], ends))[mixed] > 0] = 0
        yield mixed + low * layer, chosen


def _framed(inside: NDArray[np.bool_], ends: tuple[int, int]) -> NDArray[np.uint8]:
    """A mask with nothing around it: a voxel on both sides along i and j, along k as many as ``ends`` says."""
    i, j, k = inside.shape
    framed = np.zeros((i + 2, j + 2, k + sum(ends)), np.uint8, order="F")
    framed[1:-1, 1:-1, ends[0] : ends[0] + k] = inside
    return framed


def _codes(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Code of every corner between the voxels of a mask of 0 and 1 (Fortran order), flat, the first axis fastest."""
    pairs = mask[:, :, :-1] << np.uint8(1)
    pairs |= mask[:, :, 1:]
    squares = pairs[:, :-1] << np.uint8(2)
    squares |= pairs[:, 1:]
    cubes = squares[:-1] << np.uint8(4)
    cubes |= squares[1:]
    return cubes.ravel(order="F")
