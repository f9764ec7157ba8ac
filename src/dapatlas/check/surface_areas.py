"""How much surface runs through a corner between eight voxels, by marching cubes.

A corner where voxels meet has eight of them around it, each inside a structure or outside. Marching cubes (Lorensen and
Cline, SIGGRAPH 1987) puts the surface between the two kinds half-way along every edge from an inner voxel to an outer
one. What follows is the area of that surface for each of the 256 ways, as vectors: a plane piece of surface with area
vector (x, y, z) on a grid of unit spacing has on another grid the same vector with its parts multiplied by the areas of
the voxels' faces across x, y and z.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int, int]
Vector = tuple[float, float, float]

AXES = (0, 1, 2)
CODES = 256


def bit_of(corner: Corner) -> int:
    """Which bit of a code says that a voxel is inside; ``corner`` is 0 (lower) or 1 along i, j, k."""
    i, j, k = corner
    return 7 - (4 * i + 2 * j + k)


def surfel_areas(spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Area in mm² of the surface at a corner, for each code, shape (256,); 0 where all voxels are of one kind.

    Parameters
    ----------
    spacing
        Mm between voxels along i, j, k.
    """
    i, j, k = spacing
    codes, vectors = _patches()
    sizes = np.linalg.norm(vectors * (j * k, i * k, i * j), axis=1)
    return np.bincount(codes, sizes, CODES).astype(np.float64)


@cache
def _patches() -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Area vectors of all plane pieces of all codes on a unit grid (signs left out), and whose they are."""
    cube: list[Corner] = [(i, j, k) for i, j, k in product((0, 1), repeat=3)]
    codes, vectors = [], []
    for code in range(CODES):
        inner = {corner for corner in cube if code >> bit_of(corner) & 1}
        # of five and more it is the outer ones that are cut off: inside and outside are alike
        cut_off = inner if len(inner) <= 4 else set(cube) - inner
        for group in _groups(cut_off):
            for vector in _cut(group):
                codes.append(code)
                vectors.append(vector)
    return np.array(codes, np.intp), np.array(vectors, np.float64)


def _across(corner: Corner, axis: int) -> Corner:
    """The other end of the cube's edge along an axis."""
    i, j, k = (1 - side if own == axis else side for own, side in zip(AXES, corner, strict=True))
    return i, j, k


def _groups(corners: set[Corner]) -> list[set[Corner]]:
    """Corners that are joined along edges; each group is cut off by itself."""
    left, groups = set(corners), []
    while left:
        group, todo = set(), [left.pop()]
        while todo:
            corner = todo.pop()
            group.add(corner)
            near = {_across(corner, axis) for axis in AXES} & left
            left -= near
            todo.extend(near)
        groups.append(group)
    return groups


def _cut(group: set[Corner]) -> list[Vector]:
    """Area vectors of the plane pieces that cut a group of one to four joined corners off the unit cube."""
    spans = [len({corner[axis] for corner in group}) == 2 for axis in AXES]
    if len(group) == 1:  # a triangle
        return [_slanted(1 / 8)]
    if len(group) == 2:  # a rectangle along the edge
        return [_without(spans.index(True), 1 / 2)]
    flat = spans.count(True) == 2
    if len(group) == 3:  # three corners of a face: half of the plane half-way below it, and a trapezium
        return [_along(spans.index(False), 1 / 2), _slanted(3 / 8)]
    if flat:  # a whole face
        return [_along(spans.index(False), 1.0)]
    ends = [
        next(axis for axis in AXES if _across(corner, axis) in group)
        for corner in group
        if sum(_across(corner, axis) in group for axis in AXES) == 1
    ]
    if len(ends) == 3:  # a corner and its three neighbours: a regular hexagon
        return [_slanted(6 / 8)]
    # a chain of four corners along three axes: a hexagon that is not plane. A triangle through every second vertex and
    # one of the three ears around it are parallel; the others lie along the chain's two ends.
    return [_slanted(3 / 8), _slanted(1 / 8), *(_without(axis, 1 / 4) for axis in ends)]


def _slanted(size: float) -> Vector:
    return size, size, size


def _along(axis: int, size: float) -> Vector:
    i, j, k = (size if own == axis else 0.0 for own in AXES)
    return i, j, k


def _without(axis: int, size: float) -> Vector:
    i, j, k = (0.0 if own == axis else size for own in AXES)
    return i, j, k
