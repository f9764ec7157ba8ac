"""What part of one grid another covers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes.grid import Grid
from dapatlas.volumes.measure import Box
from dapatlas.volumes.nearest import axis_under, nearest_index, position_planes, runs_along_axes


@dataclass(frozen=True)
class FieldOfView:
    """What a volume on ``source`` can say about the voxels of ``target``.

    A target voxel is covered if its centre lies in a voxel of the source: index within [-0.5, n - 0.5) on each
    source axis, less a millionth of a voxel for rounding error. These are just the voxels to which
    :func:`~dapatlas.volumes.resample_labels` gives a label of the source.

    Attributes
    ----------
    source
        The grid that was seen.
    target
        The grid that is asked about.
    """

    source: Grid
    target: Grid

    @cached_property
    def covers_all(self) -> bool:
        """Whether every voxel of the target is covered.

        The corners decide, for any affine: the source is convex, and all centres lie between the corners'.
        """
        near = nearest_index(self.source.to_index(self.target.corners_mm()))
        return bool(((near >= 0) & (near < self.source.shape)).all())

    def mask(self, box: Box | None = None) -> NDArray[np.bool_]:
        """True where a target voxel is covered.

        Parameters
        ----------
        box
            Slices along the target's i, j, k, without steps; the whole target by default.

        Returns
        -------
        ndarray
            Of the box's shape, Fortran order.

        Raises
        ------
        ValueError
            A slice has a step.
        """
        ranges = [range(n)[s] for n, s in zip(self.target.shape, box or (slice(None),) * 3, strict=True)]
        if any(r.step != 1 for r in ranges):
            raise ValueError(f"expected slices without steps, found {box}")
        shape = (len(ranges[0]), len(ranges[1]), len(ranges[2]))
        if self.covers_all or 0 in shape:
            return np.ones(shape, np.bool_, order="F")
        step = self.source.index_from(self.target)
        along = runs_along_axes(step, self.target.shape)
        step[:3, 3] += step[:3, :3] @ [r.start for r in ranges]
        return self._along_axes(step, shape) if along else self._by_slabs(step, shape)

    def _along_axes(self, step: NDArray[np.float64], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """Axes run along axes: a box of the target is covered."""
        mask = np.zeros(shape, np.bool_, order="F")
        inside = []
        for axis, row in enumerate(axis_under(step)):
            near = nearest_index(step[row, axis] * np.arange(shape[axis]) + step[row, 3])
            inside.append((near >= 0) & (near < self.source.shape[row]))
        i, j, k = (np.flatnonzero(within) for within in inside)
        if i.size and j.size and k.size:
            mask[i[0] : i[-1] + 1, j[0] : j[-1] + 1, k[0] : k[-1] + 1] = True
        return mask

    def _by_slabs(self, step: NDArray[np.float64], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """Any affine, a slice at a time."""
        mask = np.ones(shape, np.bool_, order="F")
        planes = position_planes(step, shape)
        for k in range(shape[2]):
            for row, plane in enumerate(planes):
                near = nearest_index(plane + step[row, 2] * k)
                mask[:, :, k] &= (near >= 0) & (near < self.source.shape[row])
        return mask
