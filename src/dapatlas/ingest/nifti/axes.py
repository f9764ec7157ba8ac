"""Two grids that may be one: flips and axis swaps that bring one onto the other exactly, and what it is otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes import Grid
from dapatlas.volumes.grid import TOLERANCE_MM

_NAMES = "ijk"


@dataclass(frozen=True, slots=True)
class Move:
    """Flips and swaps of the axes of an array; no voxel is resampled.

    Attributes
    ----------
    axes
        For each axis i, j, k of the target, the axis of the source that becomes it.
    flipped
        For each axis i, j, k of the target, whether it runs against the source's.
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @property
    def is_identity(self) -> bool:
        """Whether nothing moves."""
        return self.axes == (0, 1, 2) and not any(self.flipped)

    @property
    def inverse(self) -> Move:
        """The way back."""
        order = [self.axes.index(axis) for axis in range(3)]
        return Move(
            (order[0], order[1], order[2]),
            tuple(self.flipped[axis] for axis in order),  # type: ignore[arg-type]
        )

    def apply(self, array: NDArray[Any]) -> NDArray[Any]:
        """View of an array, indexed [i, j, k] as the source, with the axes of the target; memory is shared."""
        view = array.transpose(self.axes)
        return view[tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)]

    def apply_to_grid(self, grid: Grid) -> Grid:
        """The grid of :meth:`apply`'s view: the same voxels at the same places, in other order."""
        affine = np.array(grid.affine)
        for target_axis, (axis, flip) in enumerate(zip(self.axes, self.flipped, strict=True)):
            column = grid.affine[:, axis]
            affine[:, target_axis] = -column if flip else column
            if flip:
                affine[:, 3] += column * (grid.shape[axis] - 1)
        i, j, k = (grid.shape[axis] for axis in self.axes)
        return Grid((i, j, k), affine)

    def __str__(self) -> str:
        if self.is_identity:
            return "nothing moved"
        said = []
        if self.axes != (0, 1, 2):
            said.append(f"axes {', '.join(_NAMES[axis] for axis in self.axes)} became i, j, k")
        if any(self.flipped):
            said.append(f"{', '.join(_NAMES[axis] for axis in range(3) if self.flipped[axis])} flipped")
        return " and ".join(said)


class Kind(StrEnum):
    """How two grids are related."""

    SAME = "same"
    TURNED = "turned"  # flips and swaps bring one onto the other exactly
    MIRRORED = "mirrored"  # one shape, but the affines mirror each other: most likely a wrong header
    SHIFTED = "shifted"  # one lattice of directions and spacings, laid elsewhere, or cropped
    SPACING = "spacing"  # other voxel sizes
    OTHER = "other"  # turned by an angle, sheared, or nothing in common


@dataclass(frozen=True, slots=True)
class Relation:
    """What one grid is to another.

    Attributes
    ----------
    kind
        In one word.
    message
        In a sentence's end: "differs: ...".
    move
        What brings the source onto the target; ``None`` unless they are the same or turned.
    """

    kind: Kind
    message: str
    move: Move | None = None


def exact_move(source: Grid, target: Grid, tolerance_mm: float = TOLERANCE_MM) -> Move | None:
    """Find the flips and swaps that place every voxel centre of one grid on a voxel centre of another.

    Parameters
    ----------
    source, target
        The grids. An affine map errs most at a corner, so that corners speak for all voxels.
    tolerance_mm
        How far apart two voxel centres may lie that are the same; spacings may differ by as much.

    Returns
    -------
    Move or None
        ``None`` where there is no such move.
    """
    move = _signed_permutation(source, target)
    if move is None:
        return None
    moved = move.apply_to_grid(source)
    if moved.shape != target.shape:
        return None
    if not np.allclose(moved.spacing, target.spacing, rtol=0, atol=tolerance_mm):
        return None  # an axis of one voxel has no corners that would show it
    apart = np.linalg.norm(moved.corners_mm() - target.corners_mm(), axis=1).max()
    return move if apart <= tolerance_mm else None


def relation(source: Grid, target: Grid, tolerance_mm: float = TOLERANCE_MM) -> Relation:
    """Tell what one grid is to another, near misses by name.

    ``source`` is called *this grid* in the message, ``target`` *the other*; tolerance as for :func:`exact_move`.
    """
    move = exact_move(source, target, tolerance_mm)
    if move is not None:
        return Relation(Kind.SAME if move.is_identity else Kind.TURNED, str(move), move)
    lattice = _lattice_move(source, target, tolerance_mm)
    if lattice is None:
        return _off_lattice(source, target, tolerance_mm)
    if lattice.axes == (0, 1, 2) and any(lattice.flipped) and source.shape == target.shape:
        axes = ", ".join(_NAMES[axis] for axis in range(3) if lattice.flipped[axis])
        return Relation(
            Kind.MIRRORED,
            f"one shape, but the affine mirrors {axes} ({source.orientation} against {target.orientation}): "
            "either the header or the voxels are wrong way round",
        )
    return _shifted(source, target, lattice)


def _signed_permutation(source: Grid, target: Grid) -> Move | None:
    """The directions of one grid in terms of the other's, as far as they are axes of it; lengths are not asked."""
    directions = target.index_from(source)[:3, :3]
    scaled = directions * np.array(target.spacing)[:, None] / np.array(source.spacing)[None, :]
    whole = np.rint(scaled)
    if np.abs(scaled - whole).max() > 0.25 or (np.abs(whole).sum(axis=0) != 1).any():
        return None
    if (np.abs(whole).sum(axis=1) != 1).any():
        return None
    axes = np.abs(whole).argmax(axis=1).tolist()
    flips = [bool(whole[axis, axes[axis]] < 0) for axis in range(3)]
    return Move((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))


def _lattice_move(source: Grid, target: Grid, tolerance_mm: float) -> Move | None:
    """The move that makes all directions and spacings agree, wherever the grids lie."""
    move = _signed_permutation(source, target)
    if move is None:
        return None
    extent = np.maximum(np.array(move.apply_to_grid(source).shape) - 1, 1)
    apart = (move.apply_to_grid(source).affine - target.affine)[:3, :3] * extent
    return move if np.linalg.norm(apart, axis=0).max() <= tolerance_mm else None


def _shifted(source: Grid, target: Grid, move: Move) -> Relation:
    moved = move.apply_to_grid(source)
    shift = target.to_index(moved.to_world((0, 0, 0)))
    along = ", ".join(f"{voxels:.4g}" for voxels in shift)
    whole = bool(np.abs(shift - np.rint(shift)).max() < 0.01)
    steps = "whole voxels" if whole else "no whole voxels"
    message = f"it begins {along} voxels along i, j, k from the other ({steps})"
    if moved.shape != target.shape:
        message += f", with {_cross(moved.shape)} voxels against {_cross(target.shape)}: cropped or padded"
    return Relation(Kind.SHIFTED, message)


def _off_lattice(source: Grid, target: Grid, tolerance_mm: float) -> Relation:
    move = _signed_permutation(source, target)
    moved = source if move is None else move.apply_to_grid(source)
    if np.allclose(moved.spacing, target.spacing, rtol=0, atol=tolerance_mm):
        return Relation(Kind.OTHER, f"its axes are turned by an angle, or sheared: {source} against {target}")
    spacings = f"{_cross(moved.spacing)} mm against {_cross(target.spacing)} mm"
    return Relation(Kind.SPACING, f"its voxels measure {spacings}: one of the two was resampled")


def _cross(values: tuple[float, ...]) -> str:
    return "×".join(f"{value:.5g}" for value in values)
