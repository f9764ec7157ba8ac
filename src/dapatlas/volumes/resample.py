"""Label maps from one grid onto another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes.grid import Grid
from dapatlas.volumes.nearest import EDGE, nearest
from dapatlas.volumes.thin import lay_thin


def resample_labels(
    label_map: NDArray[Any], source: Grid, target: Grid, *, keep_thin: bool = False
) -> NDArray[Any]:
    """Give every voxel of ``target`` the label of the nearest voxel of ``source``, 0 outside of it.

    Works for any two affines, oblique ones too, and never makes an id that was not there. A point half-way
    between two voxels takes the one with the larger index. Memory beyond the result is one slab.

    Nearest neighbours break what is thinner than about one and a half target voxels into beads, and give every
    label stairs. ``keep_thin`` lays small and thin labels (:func:`~dapatlas.volumes.thin.thin_labels`) anew,
    each inside its own box; between large ones nothing changes. For each such label:

    1. *Share.* Membership, averaged over blocks of about a target voxel's size where the target is coarser, is
       interpolated linearly: what share of each target voxel the label fills.
    2. *Volume.* The shares add up to a number of voxels, n. The n voxels with the largest shares are taken;
       of equal shares, first those that the nearest neighbour took, then those whose neighbours have the
       largest. Where surfaces are smooth that cuts at a half.
    3. *Connection.* To these come the voxels that have at least half the share of each neighbour (a quarter,
       an eighth, any share if the pieces of the label don't hang together so): the ridge, however faint. Then
       the voxels with the least share go, until n are left; but none whose neighbours would no longer touch, no
       end of a chain, and none without which a part of the ridge would have no voxel left in or beside it. What
       is thinner than a voxel so becomes a chain of single voxels: connection goes before volume.
    4. *Specks.* A separate piece of less than half a voxel is not forced to appear, except the largest of its
       label. A label does not vanish if at least half of it lies in the target.

    A voxel that several thin labels take goes to the one with the largest share, in terms of the least that the
    label took by volume; where two that are thinner than a voxel meet in one, either may still part. A voxel that
    a thin label leaves goes to the label with the largest share of its surroundings beside it. Equal grids, flips,
    permutations and shifts by whole voxels give what the nearest neighbour gives.

    Parameters
    ----------
    label_map
        Of ``source``'s shape, any integer type; not negative.
    source, target
        The two grids.
    keep_thin
        Whether small and thin labels keep their volume and stay in one piece. Memory beyond the result then
        is the box of one label, and some bytes for every voxel of a thin label.

    Returns
    -------
    ndarray
        Of ``target``'s shape and the type of ``label_map``, Fortran order.

    Raises
    ------
    ValueError
        The map does not have the source's shape.
    """
    if label_map.shape != source.shape:
        raise ValueError(f"map of shape {label_map.shape} on a grid of shape {source.shape}")
    step = source.index_from(target)
    out = nearest(label_map, step, target.shape)
    if keep_thin and not _only_moves(step, target.shape):
        lay_thin(out, label_map, source, target)
    return out


def _only_moves(step: NDArray[np.float64], shape: tuple[int, int, int]) -> bool:
    """Whether every voxel's centre lies on one of the source's: flips, permutations, whole steps."""
    return np.allclose(step[:3], np.rint(step[:3]), rtol=0, atol=EDGE / max(shape)) and bool(
        np.isclose(abs(np.linalg.det(step[:3, :3])), 1)
        and (np.abs(np.rint(step[:3, :3])).sum(axis=0) == 1).all()
    )
