"""How nnU-Net cuts a volume into overlapping tiles, and how much each voxel of a tile counts.

The rules are those of nnunetv2 2.8 (``inference/sliding_window_prediction.py``) and of nnunet 1.7.1
(``network_architecture/neural_network.py``), which differ in the numbers' precision alone. All axes are network axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from dapatlas.errors import DapatlasError
from dapatlas.experts.nnunet.plans import Dialect

Triple = tuple[int, int, int]

SIGMA = 1 / 8  # of the Gaussian, as a share of the patch
V2_PEAK = 10  # height of version 2's Gaussian: keeps half precision away from its smallest numbers


@dataclass(frozen=True)
class Tiling:
    """Where the tiles of one volume lie.

    Attributes
    ----------
    shape
        Voxels of the volume.
    pad
        Zeros put before the volume along each axis, where it is smaller than a patch; the rest comes behind it.
    padded
        Voxels of the volume with all zeros.
    patch
        Voxels of a tile.
    starts
        First voxel of the tiles along each axis, in the padded volume; tiles are all combinations.
    """

    shape: Triple
    pad: Triple
    padded: Triple
    patch: Triple
    starts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    @property
    def count(self) -> int:
        """Number of tiles."""
        first, second, third = self.starts
        return len(first) * len(second) * len(third)


def tiling(shape: Triple, patch: Triple, step: float = 0.5) -> Tiling:
    """Cut a volume into tiles.

    Parameters
    ----------
    shape, patch
        Voxels of the volume and of a tile.
    step
        Largest distance of neighbouring tiles as a share of the patch, in (0, 1].

    Raises
    ------
    DapatlasError
        ``step`` is out of bounds: there would be gaps.
    """
    if not 0 < step <= 1:
        raise DapatlasError(
            f"the step must be over 0 and at most 1, as a share of the patch; found {step}, which would leave gaps"
        )
    padded = _triple(max(n, p) for n, p in zip(shape, patch, strict=True))
    pad = _triple((m - n) // 2 for n, m in zip(shape, padded, strict=True))
    first, second, third = (_starts(n, p, step) for n, p in zip(padded, patch, strict=True))
    return Tiling(shape, pad, padded, patch, (first, second, third))


def _starts(length: int, patch: int, step: float) -> tuple[int, ...]:
    """Spread the fewest tiles that are close enough evenly from one end to the other."""
    steps = ceil((length - patch) / (patch * step))
    if steps == 0:
        return (0,)
    distance = (length - patch) / steps
    return tuple(int(np.round(distance * i)) for i in range(steps + 1))  # halves go to the even number


def tile_weights(patch: Triple, dialect: Dialect, tiles: int) -> NDArray[Any]:
    """How much each voxel of a tile counts against other tiles: most in the middle.

    Returns
    -------
    numpy.ndarray
        Float16 of peak 10 in version 2, float32 of peak 1 in version 1, which also counts all voxels alike
        when there is one tile only. Nowhere 0.
    """
    if dialect == "v1" and tiles == 1:
        return np.ones(patch, np.float32)
    return _gaussian(patch, dialect)


@lru_cache(maxsize=2)
def _gaussian(patch: Triple, dialect: Dialect) -> NDArray[Any]:
    point = np.zeros(patch)
    point[tuple(n // 2 for n in patch)] = 1
    bell = gaussian_filter(point, [n * SIGMA for n in patch], mode="constant")
    weights: NDArray[Any] = (
        (bell / (bell.max() / V2_PEAK)).astype(np.float16)
        if dialect == "v2"
        else (bell / bell.max()).astype(np.float32)
    )
    weights[weights == 0] = weights[weights > 0].min()
    weights.flags.writeable = False
    return weights


def _triple(numbers: Any) -> Triple:
    i, j, k = numbers
    return i, j, k
