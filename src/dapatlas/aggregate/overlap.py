"""How much of one grid lies in another, told from shapes and affines alone."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes import Grid

SAMPLES = 33  # a side: odd, so that the middle is among them

Points = NDArray[np.float64]


def overlap(one: Grid, other: Grid) -> bool:
    """Whether the volumes of two grids share more than a face; voxels count whole.

    Two convex bodies are apart if, and only if, they are apart along a normal of a face of either or along what is
    perpendicular to an edge of each (the theorem of the separating axis; Gottschalk, Lin, Manocha 1996, OBBTree,
    SIGGRAPH, doi:10.1145/237170.237244).
    """
    edges = [grid.affine[:3, :3].T for grid in (one, other)]
    pairs = [
        *itertools.combinations(edges[0], 2),
        *itertools.combinations(edges[1], 2),
        *itertools.product(*edges),
    ]
    axes = np.cross([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    lengths = np.linalg.norm(axes, axis=1)
    axes = axes[lengths > 1e-9 * lengths.max()] / lengths[lengths > 1e-9 * lengths.max(), None]
    first, second = (_corners(grid) @ axes.T for grid in (one, other))
    slack = 1e-6  # mm
    apart = (first.max(axis=0) <= second.min(axis=0) + slack) | (
        second.max(axis=0) <= first.min(axis=0) + slack
    )
    return not bool(apart.any())


def covered_share(grid: Grid, other: Grid) -> float:
    """The share, 0…1, of a grid's voxels whose centres lie in the volume of the other; by a lattice of samples."""
    last = np.array(grid.shape) - 1
    lattice = np.stack(np.meshgrid(*(np.linspace(0, n, SAMPLES) for n in last), indexing="ij"), axis=-1)
    index = other.to_index(grid.to_world(lattice.reshape(-1, 3)))
    slack = 1e-3  # voxels: affines are kept in single precision
    inside = (index >= -0.5 - slack) & (index <= np.array(other.shape) - 0.5 + slack)
    return float(inside.all(axis=1).mean())


def _corners(grid: Grid) -> Points:
    """World mm of the outer corners of the outermost voxels, shape (8, 3)."""
    steps = np.array(list(np.ndindex(2, 2, 2)), np.float64)
    return grid.to_world(steps * grid.shape - 0.5)
