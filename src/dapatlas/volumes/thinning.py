"""Taking voxels away without parting what hangs together."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

NOT_CORE = 100  # more neighbours than any voxel has

NEIGHBOURS = np.array([step for step in product((-1, 0, 1), repeat=3) if any(step)], np.intp)
"""The 26 voxels around one, as steps along i, j, k; bit n of a configuration is neighbour n."""

_HALF = 13  # bits of a configuration that one table takes
_BY_FACE = int(sum(1 << n for n, step in enumerate(NEIGHBOURS) if np.abs(step).sum() == 1))


def _reach_tables() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """For each half of a configuration, the neighbours that touch (or are) one of those set."""
    touching = np.abs(NEIGHBOURS[:, None] - NEIGHBOURS[None]).max(axis=-1) <= 1
    masks = (touching.astype(np.int64) << np.arange(26)).sum(axis=1)
    tables = []
    for half in (masks[:_HALF], masks[_HALF:]):
        table = np.zeros(1 << _HALF, np.int32)
        for bit, mask in enumerate(half.tolist()):
            table[1 << bit : 2 << bit] = table[: 1 << bit] | mask
        tables.append(table)
    return tables[0], tables[1]


_LOW, _HIGH = _reach_tables()


class Lattice:
    """Some voxels of a window, in one flat piece of memory with an empty border.

    Attributes
    ----------
    size
        Of the flat memory.
    at
        Where each voxel is in it, shape (n,).
    offsets
        From a voxel to each of its neighbours.
    turn
        Of each voxel, 0 to 26. Voxels of one turn are three apart, so they have no neighbour in common.
    """

    def __init__(self, shape: tuple[int, int, int], places: NDArray[np.intp]) -> None:
        index = np.array(np.unravel_index(places, shape, order="F"), np.intp)
        wide = (shape[0] + 2, shape[1] + 2, shape[2] + 2)
        strides = np.array([1, wide[0], wide[0] * wide[1]], np.intp)
        self.size = wide[0] * wide[1] * wide[2]
        self.at: NDArray[np.intp] = strides @ (index + 1)
        self.offsets: list[int] = (NEIGHBOURS @ strides).tolist()
        self.turn: NDArray[np.intp] = np.array([1, 3, 9]) @ (index % 3)

    def around(self, values: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The largest value among each voxel's neighbours, and their sum; values below 2^16."""
        spread = np.zeros(self.size, np.uint16)
        spread[self.at] = values
        largest = np.zeros(len(self.at), np.uint16)
        total = np.zeros(len(self.at), np.int32)
        for offset in self.offsets:
            value = spread[self.at + offset]
            np.maximum(largest, value, out=largest)
            total += value
        return largest.astype(np.int32), total


class _Thinning:
    """Which voxels are left, and how many of those left lie in or beside each voxel of the core."""

    def __init__(self, lattice: Lattice, kept: NDArray[np.bool_], core: NDArray[np.bool_]) -> None:
        self.lattice = lattice
        self.left = np.zeros(lattice.size, np.uint8)
        self.left[lattice.at[kept]] = 1
        self.near = np.full(lattice.size, NOT_CORE, np.int8)
        at = lattice.at[core & kept]
        self.near[at] = self.left[at] + sum(self.left[at + offset] for offset in lattice.offsets)

    def sweep(self, rows: NDArray[np.intp], most: int) -> int:
        """Take away those of ``rows``, all of one turn, that can go, but the first ``most``; how many went."""
        at = self.lattice.at[rows]
        at = at[self.left[at] > 0]
        around = np.zeros(len(at), np.int32)
        for bit, offset in enumerate(self.lattice.offsets):
            around |= self.left[at + offset].astype(np.int32) << bit
        at = at[_can_go(around)]
        if not len(at):
            return 0
        least = self.near[at]
        for offset in self.lattice.offsets:
            np.minimum(least, self.near[at + offset], out=least)
        at = at[least > 1][:most]
        self.left[at] = 0
        for offset in (0, *self.lattice.offsets):
            self.near[at + offset] -= 1
        return len(at)


def thinned(
    lattice: Lattice,
    kept: NDArray[np.bool_],
    core: NDArray[np.bool_],
    weights: NDArray[np.int32],
    count: int,
) -> NDArray[np.bool_]:
    """Take the lightest voxels away until ``count`` are left, or none is left that can go.

    A voxel can go if its neighbours still touch one another without it, it is not the end of a chain (one
    neighbour), it lies at the surface, and every voxel of the core that is kept at first is still left or has a
    neighbour that is. The lightest are tried first, as many as are too many; where these do not suffice, twice as
    many. Voxels that have no neighbour in common go together, in an order that is always the same.

    Parameters
    ----------
    lattice
        The voxels.
    kept
        Which of them to begin with.
    core
        Which of them to stay close to.
    weights
        Of each voxel.
    count
        How many to leave.
    """
    state = _Thinning(lattice, kept, core)
    rows = np.flatnonzero(kept)
    rows = rows[np.argsort(weights[rows], kind="stable")]
    excess, ordered, tried = len(rows) - count, weights[rows], 0
    while excess > 0 and tried < len(rows):
        heaviest = ordered[min(max(excess, 2 * tried), len(rows)) - 1]
        tried = int(np.searchsorted(ordered, heaviest, side="right"))  # equals are treated alike
        light = rows[:tried]
        turns = [light[lattice.turn[light] == turn] for turn in range(27)]
        before = excess + 1
        while 0 < excess < before:
            before = excess
            for rows_of_turn in turns:
                excess -= state.sweep(rows_of_turn, excess)
    return state.left[lattice.at] > 0


def _can_go(around: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether a voxel's neighbours are two or more, all hang together, and one of its faces is free."""
    rest = around & (around - 1)  # without the first neighbour
    able: NDArray[np.bool_] = (rest != 0) & (around & _BY_FACE != _BY_FACE)
    around = around[able]
    reached = around & -around
    while True:
        wider = (_LOW[reached & ((1 << _HALF) - 1)] | _HIGH[reached >> _HALF]) & around
        if (wider == reached).all():
            break
        reached = wider
    able[able] = reached == around
    return able
