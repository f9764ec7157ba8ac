"""From scores on the network's grid to labels on the CT's, a small block at a time.

nnU-Net resamples the scores of every class for the whole volume and takes the largest. Linear interpolation is
local, and so is the largest, so that both can be done for a block of voxels as soon as the scores around it are
known. Coordinates are those of ``skimage.transform.resize`` and ``scipy.ndimage.zoom(grid_mode=True)``: voxels are
little boxes, the outer faces of both grids meet, and beyond the outermost centres the outermost values hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.extras import needed


@dataclass(frozen=True, eq=False)
class AxisMap:
    """Where the output voxels along one axis take their values from.

    Attributes
    ----------
    low, high
        The one or two input voxels, a pair an output voxel; both ascend.
    weight
        What ``high`` counts; ``low`` counts the rest.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.low)

    @cached_property
    def is_copy(self) -> bool:
        """Whether every output voxel is one input voxel, in a row without gaps."""
        return bool((self.weight == 0).all() and (np.diff(self.low) == 1).all())

    def part(self, start: int, stop: int) -> AxisMap:
        """Give the output voxels from ``start`` to before ``stop``."""
        return AxisMap(self.low[start:stop], self.high[start:stop], self.weight[start:stop])

    def moved(self, by: int) -> AxisMap:
        """Count input voxels from elsewhere."""
        return AxisMap(self.low + by, self.high + by, self.weight)

    def source(self) -> tuple[int, int]:
        """First input voxel needed, and the one behind the last."""
        return int(self.low[0]), int(self.high[-1]) + 1


def axis_map(length: int, wanted: int, order: int) -> AxisMap:
    """Work out where ``wanted`` output voxels lie among ``length`` input voxels.

    Parameters
    ----------
    order
        0 takes the nearest voxel (halves go up), 1 interpolates.
    """
    scale = length / wanted
    place = scale * (np.arange(wanted) + 0.5) - 0.5
    if order == 0:
        nearest = np.clip(np.floor(place + 0.5).astype(np.int64), 0, length - 1)
        return AxisMap(nearest, nearest, np.zeros(wanted))
    place = np.clip(place, 0, length - 1)
    low = np.floor(place).astype(np.int64)
    weight = place - low
    return AxisMap(low, np.where(weight > 0, np.minimum(low + 1, length - 1), low), weight)


def winners(scores: Any, maps: tuple[AxisMap, AxisMap, AxisMap], *, as_half: bool) -> Any:
    """Interpolate the scores of a block and say which class is largest in each voxel.

    Classes are tried from the one with the largest score in the block on, and the search ends when no class that is
    left could win anywhere: an interpolated score is never above the largest it comes from. In a trained network's
    output few classes matter in one place, so that most are never interpolated; what is left out cannot win.

    Parameters
    ----------
    scores
        Tensor (classes, x, y, z), floating.
    maps
        Of the three axes, into that block.
    as_half
        Compare scores rounded to half precision, as nnU-Net v2 does.

    Returns
    -------
    torch.Tensor
        Int16, the winning class; of equal ones the lowest.
    """
    torch = needed("torch", "models", "to predict with a network")
    largest = scores.flatten(1).amax(1)
    order = torch.argsort(largest, descending=True, stable=True).tolist()
    ceilings = largest.float().tolist()
    indices = [_Picked(torch, axis, scores.device) for axis in maps]
    shape = tuple(len(axis) for axis in maps)
    best = torch.full(shape, -float("inf"), device=scores.device)
    label = torch.zeros(shape, dtype=torch.int16, device=scores.device)
    for c in order:
        if ceilings[c] < float(best.min()):
            break
        value = _rounded(torch, _interpolated(scores[c], indices), as_half)
        better = (value > best) | ((value == best) & (label > c))
        best = torch.where(better, value, best)
        label[better] = c
    return label


class _Picked:
    """One axis's map as tensors."""

    def __init__(self, torch: Any, axis: AxisMap, device: Any) -> None:
        self.copy = axis.is_copy
        self.start = int(axis.low[0])
        self.length = len(axis)
        self.low = torch.from_numpy(axis.low).to(device)
        self.high = torch.from_numpy(axis.high).to(device)
        self.nearest = bool((axis.weight == 0).all())
        self.weight = torch.from_numpy(axis.weight).to(device)


def _interpolated(values: Any, axes: list[_Picked]) -> Any:
    """Interpolate an (x, y, z) tensor axis by axis, in double precision where anything is interpolated at all."""
    exact = all(axis.nearest for axis in axes)
    values = values.float() if exact else values.double()
    for dim, axis in enumerate(axes):
        if axis.copy:
            values = values.narrow(dim, axis.start, axis.length)
        elif axis.nearest:
            values = values.index_select(dim, axis.low)
        else:
            weight = axis.weight.view([-1 if d == dim else 1 for d in range(3)])
            low = values.index_select(dim, axis.low)
            values = low + (values.index_select(dim, axis.high) - low) * weight
    return values


def _rounded(torch: Any, values: Any, as_half: bool) -> Any:
    """Single precision, rounded to half before where asked for.

    Torch rounds double to single and then to half, which now and then gives another half than rounding once, as
    numpy does and nnU-Net with it.
    """
    if as_half and values.dtype == torch.double and values.is_cpu:
        return torch.from_numpy(values.numpy().astype(np.float16)).float()
    return values.half().float() if as_half else values.float()
