"""Resampling of the picture itself, as both versions of nnU-Net do it: splines, edges repeated, clipped.

It gives what ``skimage.transform.resize(order, mode="edge", anti_aliasing=False)`` gives, which both versions call,
with less memory: the picture stays in single precision before and after.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from dapatlas.experts.nnunet.resample_slab import axis_map

Picture = NDArray[np.float32]


def resize(
    picture: Picture, shape: tuple[int, int, int], order: int, coarse_axis: int | None, order_z: int
) -> Picture:
    """Bring a picture to another number of voxels.

    Parameters
    ----------
    picture, shape
        The picture (x, y, z), and the voxels wanted.
    order
        Of the spline.
    coarse_axis
        The axis that is resampled by itself, with ``order_z``, plane by plane; ``None`` where there is none.
    order_z
        0 or 1.
    """
    if picture.shape == shape:
        return picture
    if coarse_axis is None:
        return _zoomed(picture, shape, order)
    return _planes(picture, shape, order, coarse_axis, order_z)


def _zoomed(picture: NDArray[Any], shape: tuple[int, ...], order: int) -> Picture:
    factors = [wanted / found for wanted, found in zip(shape, picture.shape, strict=True)]
    with np.errstate(invalid="ignore"):
        out: Picture = zoom(picture, factors, output=np.float32, order=order, mode="nearest", grid_mode=True)
    return np.clip(out, picture.min(), picture.max(), out=out)


def _planes(picture: Picture, shape: tuple[int, int, int], order: int, axis: int, order_z: int) -> Picture:
    """Every plane across ``axis`` by itself; then planes are picked, or mixed two by two."""
    pick = axis_map(picture.shape[axis], shape[axis], order_z)
    source = np.moveaxis(picture, axis, 0)
    out = np.empty(shape, np.float32)
    target = np.moveaxis(out, axis, 0)
    plane_shape = target.shape[1:]
    resized: dict[int, Picture] = {}
    for i, (low, high, weight) in enumerate(zip(pick.low, pick.high, pick.weight, strict=True)):
        resized = {
            n: resized[n] if n in resized else _zoomed(source[n], plane_shape, order)
            for n in sorted({int(low), int(high)})
        }
        target[i] = (
            resized[int(low)] * (1 - weight) + resized[int(high)] * weight if weight else resized[int(low)]
        )
    return out
