"""Views of a volume in another orientation: nothing is copied, and the way back is the same call."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes.grid import Grid


def reorient(array: NDArray[Any], grid: Grid, codes: str = "RAS") -> tuple[NDArray[Any], Grid]:
    """View an array with its axes pointing where ``codes`` say, e.g. ``RAS``.

    ``reorient(view, view_grid, grid.orientation)`` leads back.

    Parameters
    ----------
    array
        Of the grid's shape; further axes may follow and stay as they are.
    grid
        Its grid; an oblique one is turned by quarter turns only, and stays as oblique.
    codes
        One of R or L, A or P, S or I for each axis.

    Returns
    -------
    view
        Shares its memory with ``array``.
    grid
        Of the view.

    Raises
    ------
    ValueError
        ``codes`` is no orientation.
    """
    if len(codes) != 3 or {frozenset(pair) & set(codes) != set() for pair in ("RL", "AP", "SI")} != {True}:
        raise ValueError(f"expected an orientation such as RAS or LPS, found {codes!r}")
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(grid.affine), nib.orientations.axcodes2ornt(tuple(codes))
    )
    view = array
    for axis, direction in enumerate(turn[:, 1]):
        if direction < 0:
            view = np.flip(view, axis)
    order = np.argsort(turn[:, 0]).tolist()
    view = view.transpose(*order, *range(3, array.ndim))
    affine = grid.affine @ nib.orientations.inv_ornt_aff(turn, grid.shape)
    return view, Grid((view.shape[0], view.shape[1], view.shape[2]), affine)
