"""Voxel values of a label map, whatever type a file stores them in."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadLabelsError


class IntegralFloatWarning(UserWarning):
    """A label map is stored as floating point numbers, though they are all whole."""


def as_ids(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """Whole numbers of any type as the smallest unsigned integers that hold them.

    Parameters
    ----------
    array
        Shape (i, j, k).
    path
        Where it comes from, for errors.

    Returns
    -------
    ndarray
        Fortran order; the array itself where it is so already.

    Raises
    ------
    BadLabelsError
        Values are negative or not whole.

    Warns
    -----
    IntegralFloatWarning
        They are stored as floating point numbers.
    """
    if array.dtype.kind == "f":
        _check_whole(array, path)
        warnings.warn(
            f"{path}: label map stored as {array.dtype}; its values are whole, so it was read as integers",
            IntegralFloatWarning,
            stacklevel=3,
        )
    if array.dtype.kind != "u" and array.min() < 0:
        raise BadLabelsError(f"{path}: a label map has no negative ids; found {array.min():g}")
    return array.astype(np.min_scalar_type(int(array.max())), order="F", copy=False)


def not_whole(array: NDArray[Any]) -> NDArray[Any]:
    """The values of an array, any shape, that are no whole numbers, NaN and infinity among them; shape (n,)."""
    odd: NDArray[Any] = array[~(array == np.rint(array)) | ~np.isfinite(array)]
    return odd


def _check_whole(array: NDArray[Any], path: Path) -> None:
    for k in range(array.shape[2]):
        odd = not_whole(array[:, :, k])
        if odd.size:
            raise BadLabelsError(
                f"{path}: a label map holds whole numbers; found {odd[0]:g} in slice {k}; was it resampled with "
                "interpolation? Resample it again by nearest neighbour"
            )
