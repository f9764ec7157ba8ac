"""What is found from the painted body rather than drawn: its skin, the rims of bones, and crumbs of the grid."""

from __future__ import annotations

from collections.abc import Iterable

import cc3d
import fill_voids
import numpy as np
from numpy.typing import NDArray

from dapatlas.phantom.forms import Bools
from dapatlas.phantom.painter import Labels

SKIN_MM = 2.0  # adult skin is 1 to 3 mm thick; never less than a voxel

Spacing = tuple[float, float, float]


def eroded(mask: Bools, steps: tuple[int, int, int]) -> Bools:
    """Return ``mask`` without what lies within ``steps`` voxels of its outside along any axis.

    The edge of the array is no outside: a body that a field of view cuts off goes on beyond it.
    """
    inner = mask.copy(order="K")
    for axis, count in enumerate(steps):
        line, source = np.moveaxis(inner, axis, 0), np.moveaxis(mask, axis, 0)
        for step in range(1, count + 1):
            line[step:] &= source[:-step]
            line[:-step] &= source[step:]
    return inner


def close_pockets(labels: Labels, filling: int) -> None:
    """Fill air that the grid has shut in, as in the crease between arm and chest, in place."""
    body = labels != 0
    holes = fill_voids.fill(body)
    holes &= ~body
    labels[holes] = filling


def paint_skin(labels: Labels, spacing: Spacing, skin: int) -> None:
    """Give the outermost layer of the body to the skin, in place."""
    steps = tuple(max(1, round(SKIN_MM / s)) for s in spacing)
    body = labels != 0
    body &= ~eroded(body, steps)  # type: ignore[arg-type]
    labels[body] = skin


def bone_rims(labels: Labels, bones: Iterable[int]) -> Bools:
    """Outermost voxel layer of the bones: their cortex."""
    table = np.zeros(256, bool)
    table[list(bones)] = True
    bone = table[labels]
    return np.asarray(bone & ~eroded(bone, (1, 1, 1)))


def remove_crumbs(labels: Labels, one_piece: Iterable[int]) -> int:
    """Leave each of the ``one_piece`` structures in one connected piece (26 neighbours), in place.

    Where a thin form meets a coarse grid, or a later organ cuts into an earlier one, single voxels
    come off. They go to the neighbour they touch. Pieces that reach the edge of the array are kept: there the field
    of view cuts, not the grid.

    Returns
    -------
    int
        How many voxels changed their label.
    """
    pieces, count = cc3d.connected_components(labels, connectivity=26, return_N=True)
    sizes = np.zeros(count + 1, np.int64)
    owner = np.zeros(count + 1, np.uint8)
    for k in range(labels.shape[2]):
        sizes += np.bincount(pieces[:, :, k].ravel(order="K"), minlength=count + 1)
        owner[pieces[:, :, k]] = labels[:, :, k]
    crumb = _crumbs(sizes, owner, _at_edge(pieces), one_piece)
    if not crumb.any():
        return 0
    changed = np.flatnonzero(crumb[pieces.reshape(-1, order="F")])
    del pieces
    _give_to_neighbours(labels, changed)
    return len(changed)


def _crumbs(
    sizes: NDArray[np.int64], owner: Labels, at_edge: NDArray[np.intp], one_piece: Iterable[int]
) -> Bools:
    """Which pieces are not the largest of their structure."""
    crumb = np.zeros(len(sizes), bool)
    for structure in one_piece:
        own = np.flatnonzero(owner == structure)
        if len(own) > 1:
            crumb[own] = True
            crumb[own[np.argmax(sizes[own])]] = False
    crumb[at_edge] = False
    crumb[0] = False
    return crumb


def _at_edge(pieces: NDArray[np.unsignedinteger]) -> NDArray[np.intp]:
    faces = [pieces[[0, -1]], pieces[:, [0, -1]], pieces[:, :, [0, -1]]]
    return np.unique(np.concatenate([np.unique(face) for face in faces])).astype(np.intp)


def _give_to_neighbours(labels: Labels, flat: NDArray[np.intp]) -> None:
    """Relabel voxels (flat indices in F order) from the faces that they share with others, from the outside in."""
    shape = np.array(labels.shape)
    open_points = np.stack(np.unravel_index(flat, labels.shape, order="F"), axis=1)
    pending = {tuple(point) for point in open_points.tolist()}
    while pending:
        ready: dict[tuple[int, ...], int] = {}
        for point in sorted(pending):
            for axis, step in ((0, -1), (0, 1), (1, -1), (1, 1), (2, -1), (2, 1)):
                near = list(point)
                near[axis] += step
                if not 0 <= near[axis] < shape[axis] or tuple(near) in pending:
                    continue
                value = int(labels[tuple(near)])
                if value:
                    ready[point] = value
                    break
        if not ready:  # a crumb alone in the air: nothing to give it to
            return
        for point, value in ready.items():
            labels[point] = value
        pending -= ready.keys()
