"""Blocks of voxels of a grid: geometry of centimetres needs no single voxels, and a block's mean has little noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes import Grid, reorient

Word = TypeVar("Word", bound=np.generic)

AXES = ("RL", "PA", "IS")


@dataclass(frozen=True)
class Blocks:
    """Blocks of voxels, counted from the left, back and lower end of a grid whatever its orientation.

    Coarse arrays have axes that run right, front and up, and Fortran order.

    Attributes
    ----------
    grid
        The fine grid.
    most_mm
        No block is longer along any axis, unless it is a single voxel.
    """

    grid: Grid
    most_mm: float

    @cached_property
    def _axes(self) -> tuple[int, ...]:
        """For each of the grid's own axes, along which body axis it runs."""
        return tuple(
            next(n for n, pair in enumerate(AXES) if letter in pair) for letter in self.grid.orientation
        )

    @cached_property
    def _fine(self) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Shape and spacing of the fine grid along right, front, up."""
        own = [self._axes.index(axis) for axis in range(3)]
        return tuple(self.grid.shape[a] for a in own), tuple(self.grid.spacing[a] for a in own)

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """Voxels in a block along right, front, up."""
        return tuple(max(1, int(self.most_mm / mm)) for mm in self._fine[1])

    @cached_property
    def spacing(self) -> tuple[float, ...]:
        """Mm from block to block along right, front, up."""
        return tuple(mm * n for mm, n in zip(self._fine[1], self.strides, strict=True))

    @cached_property
    def _starts(self) -> tuple[NDArray[np.intp], ...]:
        return tuple(np.arange(0, n, stride) for n, stride in zip(self._fine[0], self.strides, strict=True))

    def sample(self, array: NDArray[Word]) -> NDArray[Word]:
        """The voxel in the middle of each block."""
        view, _ = reorient(array, self.grid, "RAS")
        middles = [
            np.minimum(start + stride // 2, n - 1)
            for start, stride, n in zip(self._starts, self.strides, view.shape, strict=True)
        ]
        return np.asfortranarray(view[np.ix_(*middles)])

    def mean(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """Mean of each block."""
        total: NDArray[np.float32] = self._reduced(array, np.add, np.dtype(np.float32))
        for axis, start in enumerate(self._starts):
            sizes = np.diff(start, append=self._fine[0][axis]).astype(np.float32)
            total /= np.expand_dims(sizes, [other for other in range(3) if other != axis])
        return total

    def minimum(self, array: NDArray[Word]) -> NDArray[Word]:
        """Least value of each block."""
        return self._reduced(array, np.minimum, array.dtype)

    def slice(self, coarse: NDArray[Word], k: int) -> NDArray[Word]:
        """Slice ``k`` along the fine grid's own last axis, every voxel with the value of its block."""
        i, j, levels = self._block_of
        level = coarse.transpose(self._axes)[:, :, levels[k]]
        return level.T.take(j, axis=0).take(i, axis=1).T  # in Fortran order, as slices are

    def slices(self, coarse: NDArray[Word]) -> Iterator[NDArray[Word]]:
        """All slices in turn."""
        return (self.slice(coarse, k) for k in range(self.grid.shape[2]))

    @cached_property
    def _block_of(self) -> tuple[NDArray[np.intp], ...]:
        """For each of the grid's own axes, the block in which an index lies."""
        return tuple(
            (np.arange(n)[::-1] if letter in "LPI" else np.arange(n)) // self.strides[axis]
            for n, letter, axis in zip(self.grid.shape, self.grid.orientation, self._axes, strict=True)
        )

    def _reduced(self, array: NDArray[Any], combine: np.ufunc, dtype: np.dtype[Any]) -> NDArray[Any]:
        view, _ = reorient(array, self.grid, "RAS")
        i, j, k = self._starts
        out = np.empty((i.size, j.size, k.size), dtype, order="F")
        for place, start in enumerate(k.tolist()):  # slab by slab: a slab and its sums stay in the cache
            slab = combine.reduce(view[:, :, start : start + self.strides[2]], axis=2, dtype=dtype)
            out[:, :, place] = combine.reduceat(combine.reduceat(slab, j, axis=1), i, axis=0)
        return out
