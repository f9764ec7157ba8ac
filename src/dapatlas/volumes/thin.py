"""Small and thin labels on another grid: with their volume, and in one piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes.components import connected
from dapatlas.volumes.grid import Grid
from dapatlas.volumes.measure import Measurements, measure
from dapatlas.volumes.share import LEVELS, Share, block_factors, share_of
from dapatlas.volumes.thinning import NEIGHBOURS, Lattice, thinned

# in terms of the coarser voxel's longest edge, c
SMALL_CUBE = 8  # less volume than a cube of 8 c
THIN_TUBE = 4  # volume along the box's diagonal fills a tube less than 4 c wide
THIN_SHEET = 2  # volume over the box's largest side fills a sheet less than 2 c thick

RIDGES = (2, 4, 8)  # least part of its neighbours' largest share that makes a voxel part of the ridge
CHUNK_VOTES = 1 << 20


@dataclass(frozen=True)
class _Claim:
    """What one label takes and leaves: flat Fortran-order positions in the target."""

    id: int
    taken: NDArray[np.intp]
    strength: NDArray[np.float32]
    left: NDArray[np.intp]


def thin_labels(found: Measurements, source: Grid, target: Grid) -> list[int]:
    """Labels that a change of grid may break: small, or thin as their volume and box tell.

    With c the longest edge of a voxel of either grid: those with less volume than a cube of 8 c (in 3 mm,
    14 ml), those whose volume drawn out along the diagonal of their box makes a tube less than 4 c wide (vessels,
    ribs), and those whose volume spread over the largest side of their box makes a sheet less than 2 c thick
    (skin, shoulder blades). Background is none of them.
    """
    edge = max(*source.spacing, *target.spacing)
    volume = found.ml * 1000
    sides = np.sort((found.boxes[:, :, 1] - found.boxes[:, :, 0]) * np.array(source.spacing), axis=1)
    thin = (
        (volume < (SMALL_CUBE * edge) ** 3)
        | (volume < (THIN_TUBE * edge) ** 2 * np.linalg.norm(sides, axis=1))
        | (volume < THIN_SHEET * edge * sides[:, 1] * sides[:, 2])
    )
    ids: list[int] = found.ids[thin & (found.ids != 0)].tolist()
    return ids


def lay_thin(out: NDArray[Any], label_map: NDArray[Any], source: Grid, target: Grid) -> None:
    """Lay small and thin labels anew over a map made by nearest neighbour, in place.

    The rule is told at :func:`~dapatlas.volumes.resample_labels`.

    Parameters
    ----------
    out
        What the nearest neighbour gives on ``target``; Fortran order.
    label_map
        The labels on ``source``.
    source, target
        The two grids.
    """
    step, found = source.index_from(target), measure(label_map, source)
    flat = out.ravel(order="K")  # a view: the order is Fortran's
    claims = []
    for id_ in reversed(thin_labels(found, source, target)):
        share = share_of(label_map, id_, found[id_].box, step, target.shape)
        if share is not None:
            most = found[id_].voxels / abs(np.linalg.det(step[:3, :3]))
            claims.append(_claim(id_, share, most, flat, target.shape))
    if not claims:
        return
    taken = np.concatenate([claim.taken for claim in claims])
    ids = np.concatenate([np.full(len(claim.taken), claim.id, out.dtype) for claim in claims])
    # the strongest last, so that it stays; of equals the smaller id
    order = np.argsort(np.concatenate([claim.strength for claim in claims]), kind="stable")
    flat[taken[order]] = ids[order]
    for claim in claims:
        empty = claim.left[flat[claim.left] == claim.id]
        index = np.array(np.unravel_index(empty, out.shape, order="F"))
        flat[empty] = _around(label_map, claim.id, index, step)


def _claim(id_: int, share: Share, most: float, flat: NDArray[Any], shape: tuple[int, int, int]) -> _Claim:
    positions = np.ravel_multi_index(tuple(share.indices()), shape, order="F").astype(np.intp)
    near = flat[positions] == id_
    kept, cut = _chosen(share, near, most)
    strength = np.maximum(1, share.levels[kept] / cut).astype(np.float32)
    return _Claim(id_, positions[kept], strength, positions[near & ~kept])


def _chosen(share: Share, near: NDArray[np.bool_], most: float) -> tuple[NDArray[np.bool_], int]:
    """Which of the places the label takes, and the least share that it takes by volume."""
    inside = share.levels.sum() / LEVELS
    count = round(inside) or int(inside >= most / 2)
    if count == 0:
        return np.zeros(len(share.places), np.bool_), LEVELS
    lattice = Lattice(share.shape, share.places)
    around, total = lattice.around(share.levels)
    weights = (share.levels * 2 + near) * len(NEIGHBOURS) + total // (LEVELS + 1)
    best = _largest(weights, count)
    ridge = best | _ridge(share, around, best)
    core = ridge & (share.levels * RIDGES[0] >= around)
    return thinned(lattice, ridge, core, weights, count), int(share.levels[best].min())


def _largest(weights: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    """The ``count`` heaviest, and what weighs as much as the lightest of them."""
    heavier = np.cumsum(np.bincount(weights)[::-1])[::-1]  # how many weigh this or more
    enough: np.intp = np.flatnonzero(heavier >= min(count, len(weights)))[-1]
    best: NDArray[np.bool_] = weights >= enough
    return best


def _ridge(share: Share, around: NDArray[np.int32], best: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Places along which every piece of the label hangs together, whatever its thickness."""
    weight = np.bincount(share.pieces, share.levels)
    forced = weight >= LEVELS / 2
    forced[weight.argmax()] = True
    due: NDArray[np.bool_] = forced[share.pieces]
    for part in RIDGES:
        ridge: NDArray[np.bool_] = due & (share.levels * part >= around)
        if _holds_together(share, ridge | best, forced):
            return ridge
    return due


def _holds_together(share: Share, kept: NDArray[np.bool_], forced: NDArray[np.bool_]) -> bool:
    window = np.zeros(share.shape, share.pieces.dtype, order="F")
    flat = window.ravel(order="K")
    flat[share.places[kept]] = share.pieces[kept]
    parts = connected(window)[0].ravel(order="F")[share.places[kept]]
    first = np.unique(parts, return_index=True)[1]
    number = np.bincount(share.pieces[kept][first], minlength=len(forced))
    return bool((number[forced] == 1).all())


def _around(
    label_map: NDArray[Any], id_: int, index: NDArray[np.intp], step: NDArray[np.float64]
) -> NDArray[Any]:
    """The label, other than ``id_``, with the largest share of what surrounds each target voxel.

    Each source voxel around counts by linear interpolation of blocks of about a target voxel's size. Where there
    is nothing else, ``id_`` stays.
    """
    answers = np.full(index.shape[1], id_, label_map.dtype)
    rows = max(1, CHUNK_VOTES // int(np.prod(block_factors(step) + 1)))
    for begin in range(0, index.shape[1], rows):
        chunk = slice(begin, begin + rows)
        labels, weights = _surroundings(label_map, index[:, chunk], step)
        answers[chunk] = _winners(labels, np.where(labels == id_, 0, weights), answers[chunk])
    return answers


def _surroundings(
    label_map: NDArray[Any], index: NDArray[np.intp], step: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Labels around each place and how much each counts; both of shape (n, voxels around)."""
    position = step[:3, :3] @ index + step[:3, 3:]
    nodes, parts = [], []
    for axis, factor in enumerate(block_factors(step).tolist()):
        node = np.floor(position[axis] - (factor - 1) / 2)[:, None] + np.arange(factor + 1)
        parts.append(np.clip((factor + 1) / 2 - np.abs(node - position[axis][:, None]), 0, 1))
        nodes.append(np.clip(node, 0, label_map.shape[axis] - 1).astype(np.intp))
    labels = label_map[nodes[0][:, :, None, None], nodes[1][:, None, :, None], nodes[2][:, None, None, :]]
    weights = parts[0][:, :, None, None] * parts[1][:, None, :, None] * parts[2][:, None, None, :]
    n = index.shape[1]
    return labels.reshape(n, -1), np.rint(weights * LEVELS).astype(np.int64).reshape(n, -1)


def _winners(labels: NDArray[Any], weights: NDArray[np.int64], otherwise: NDArray[Any]) -> NDArray[Any]:
    """The label with the largest sum of weights in each row, the smaller id of equals."""
    order = np.argsort(labels, axis=1, kind="stable")
    labels = np.take_along_axis(labels, order, 1)
    totals = np.take_along_axis(weights, order, 1).cumsum(axis=1)
    last = np.ones(labels.shape, np.bool_)
    last[:, :-1] = labels[:, 1:] != labels[:, :-1]
    # what a label adds: the sum at its last place less the sum at the last place of the label before
    before = np.maximum.accumulate(np.where(last, totals, 0), axis=1)
    added = np.where(last, totals, -1)
    added[:, 1:] -= np.where(last[:, 1:], before[:, :-1], 0)
    best = added.argmax(axis=1)[:, None]
    heaviest = np.take_along_axis(added, best, 1)[:, 0]
    return np.where(heaviest > 0, np.take_along_axis(labels, best, 1)[:, 0], otherwise)
