"""The share of each target voxel that one label fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from dapatlas.volumes.components import connected
from dapatlas.volumes.measure import Box
from dapatlas.volumes.nearest import nearest, nearest_index

LEVELS = 4096  # shares are whole numbers of this, so that rounding error decides nothing
CHUNK_PLACES = 1 << 20  # shares are worked out for this many voxels at a time

Affine = NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """Where a label has a share of the target's voxels.

    Attributes
    ----------
    start, shape
        The part of the target that is described: first index and number of voxels along i, j, k.
    places
        Voxels in which the label has a share: Fortran-order positions in that part, ascending.
    levels
        Share of each place, 1 to ``LEVELS``.
    pieces
        Which connected piece of the label (from 1) each place belongs to.
    """

    start: tuple[int, int, int]
    shape: tuple[int, int, int]
    places: NDArray[np.intp]
    levels: NDArray[np.int32]
    pieces: NDArray[Any]

    def indices(self) -> NDArray[np.intp]:
        """Target indices of the places, shape (3, n)."""
        within = np.array(np.unravel_index(self.places, self.shape, order="F"), np.intp)
        return within + np.array(self.start, np.intp)[:, None]


@dataclass(frozen=True)
class _Blocks:
    """A label counted in blocks of source voxels; ``first`` is the source position of block (0, 0, 0)."""

    counts: NDArray[Any]
    first: NDArray[np.float64]
    factors: NDArray[np.intp]


def block_factors(step: Affine) -> NDArray[np.intp]:
    """How many source voxels along each source axis make about one target voxel; at least 1."""
    reach = np.linalg.norm(step[:3, :3], axis=1)
    factors: NDArray[np.intp] = np.maximum(1, np.floor(reach + 0.5)).astype(np.intp)
    return factors


def share_of(
    label_map: NDArray[Any], id_: int, box: Box, step: Affine, shape: tuple[int, int, int]
) -> Share | None:
    """Linear interpolation of one label's membership, averaged before over blocks of a target voxel's size.

    Works inside the label's box only. ``None`` where the label has no share of any voxel.

    Parameters
    ----------
    label_map
        The source's labels.
    id_, box
        The label and the box that just holds it.
    step
        (4, 4) matrix from target indices to source indices.
    shape
        Of the target.
    """
    blocks = _counted(label_map, id_, box, step)
    to_block = np.diag([*(1 / blocks.factors), 1.0]) @ step
    to_block[:3, 3] -= blocks.first / blocks.factors
    window = _window(blocks.counts.shape, to_block, shape)
    if window is None:
        return None
    start, extent = window
    to_block[:3, 3] += to_block[:3, :3] @ start
    # all voxels that linear interpolation can reach lie nearest to a block that touches one of the label's
    near = nearest(_grown(_pieces(blocks.counts)), to_block, extent).ravel(order="F")
    places = np.flatnonzero(near)
    levels = _levels(blocks, to_block, places, extent, label_map.shape)
    kept = levels > 0
    if not kept.any():
        return None
    places = places[kept]
    return Share(start, extent, places, levels[kept], near[places])


def _counted(label_map: NDArray[Any], id_: int, box: Box, step: Affine) -> _Blocks:
    """Count the label in blocks that lie, as far as they can, on the target's voxels; empty blocks around.

    Where the box ends at the edge of the source, what lies there is continued beyond it.
    """
    factors = block_factors(step)
    lowest = np.array([s.start for s in box]) - factors
    anchor = np.rint(step[:3, 3] - (factors - 1) / 2).astype(np.intp)
    start = lowest - (lowest - anchor) % factors
    number = -(-(np.array([s.stop for s in box]) + factors - start) // factors)
    mask = np.zeros(number * factors, np.uint8, order="F")
    inner = tuple(slice(s.start - a, s.stop - a) for s, a in zip(box, start.tolist(), strict=True))
    np.equal(label_map[box], id_, out=mask[inner].view(np.bool_))
    for axis, (within, outer) in enumerate(zip(inner, box, strict=True)):
        turned = mask.swapaxes(0, axis)
        if outer.start == 0:
            turned[: within.start] = turned[within.start]
        if outer.stop == label_map.shape[axis]:
            turned[within.stop :] = turned[within.stop - 1]
    return _Blocks(_summed(mask, factors.tolist()), start + (factors - 1) / 2, factors)


def _summed(mask: NDArray[np.uint8], factors: list[int]) -> NDArray[Any]:
    counts: NDArray[Any] = mask.astype(np.min_scalar_type(int(np.prod(factors))), copy=False)
    for axis, factor in enumerate(factors):
        if factor > 1:
            turned = counts.swapaxes(0, axis)
            total = turned[0::factor].copy(order="K")
            for offset in range(1, factor):
                total += turned[offset::factor]
            counts = total.swapaxes(0, axis)
    return np.asfortranarray(counts)


def _pieces(counts: NDArray[Any]) -> NDArray[Any]:
    numbers, count = connected((counts > 0).view(np.uint8))
    return numbers.astype(np.min_scalar_type(count), copy=False)


def _grown(pieces: NDArray[Any]) -> NDArray[Any]:
    """Every piece with the empty blocks around it; between two pieces, the one with the larger number."""
    grown = pieces
    for axis in range(3):
        before = grown.swapaxes(0, axis)
        after = before.copy(order="K")
        spread = np.maximum(before[:-1], before[1:])
        np.maximum(after[:-1], spread, out=after[:-1])
        np.maximum(after[1:], spread, out=after[1:])
        grown = after.swapaxes(0, axis)
    return np.asfortranarray(np.where(pieces > 0, pieces, grown))


def _window(
    blocks: tuple[int, ...], to_block: Affine, shape: tuple[int, int, int]
) -> tuple[tuple[int, int, int], tuple[int, int, int]] | None:
    """First index and extent of the target voxels whose centres may lie in the blocks."""
    inverse = np.linalg.inv(to_block)
    corners = np.array(list(np.ndindex(2, 2, 2))) * np.array(blocks) - 0.5
    reach = corners @ inverse[:3, :3].T + inverse[:3, 3]
    start = np.clip(np.floor(reach.min(axis=0)).astype(np.intp), 0, shape)
    stop = np.clip(np.ceil(reach.max(axis=0)).astype(np.intp) + 1, 0, shape)
    if (stop <= start).any():
        return None
    (a, b, c), (i, j, k) = start.tolist(), (stop - start).tolist()
    return (a, b, c), (i, j, k)


def _levels(
    blocks: _Blocks,
    to_block: Affine,
    places: NDArray[np.intp],
    extent: tuple[int, int, int],
    source_shape: tuple[int, ...],
) -> NDArray[np.int32]:
    """Share at each place, in whole ``LEVELS``; 0 where the voxel's centre is not in the source."""
    levels = np.zeros(len(places), np.int32)
    scale = LEVELS / float(np.prod(blocks.factors))
    limit = np.array(source_shape)[:, None]
    for begin in range(0, len(places), CHUNK_PLACES):
        chunk = slice(begin, begin + CHUNK_PLACES)
        index = np.array(np.unravel_index(places[chunk], extent, order="F"), np.float64)
        position = to_block[:3, :3] @ index + to_block[:3, 3:]
        share = map_coordinates(blocks.counts, position, np.float32, order=1, mode="nearest")
        near = nearest_index(position * blocks.factors[:, None] + blocks.first[:, None])
        inside = ((near >= 0) & (near < limit)).all(axis=0)
        levels[chunk] = np.where(inside, np.rint(share * scale), 0)
    return levels
