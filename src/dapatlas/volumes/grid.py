"""Grids: where the voxels of a volume lie in the world."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dapatlas.errors import BadFileError

Affine = NDArray[np.float64]

TOLERANCE_MM = 1e-3  # two affines that place every corner of the volume this close are the same


@dataclass(frozen=True, eq=False)
class Grid:
    """Shape and affine of a volume.

    Attributes
    ----------
    shape
        Number of voxels along i, j and k, the axes of the array.
    affine
        (4, 4) matrix from voxel indices to world mm. The world is NIfTI's: x grows to the patient's right,
        y to the front, z to the head.

    Raises
    ------
    BadFileError
        The affine is singular or not finite, or the shape is not three positive numbers.
    """

    shape: tuple[int, int, int]
    affine: Affine

    def __post_init__(self) -> None:
        affine = np.array(self.affine, np.float64)
        if (
            affine.shape != (4, 4)
            or not np.isfinite(affine).all()
            or abs(np.linalg.det(affine[:3, :3])) < 1e-12
        ):
            raise BadFileError(
                f"not an affine from voxels to mm, for it cannot be inverted: {affine.tolist()}"
            )
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise BadFileError(
                f"expected a volume with three axes and at least one voxel, found shape {shape}"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            codes = nib.orientations.aff2axcodes(affine)
        if None in codes:
            raise BadFileError(
                f"an axis of this affine points nowhere, next to the others: {affine.tolist()}"
            )
        affine.flags.writeable = False
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", shape)

    @classmethod
    def from_spacing(
        cls,
        shape: tuple[int, int, int],
        spacing: tuple[float, float, float],
        orientation: str = "RAS",
        origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> Grid:
        """Make a grid with axes along the world's.

        Parameters
        ----------
        shape, spacing
            Voxels and mm along the array's axes i, j, k.
        orientation
            Where each array axis points, e.g. ``LPS``.
        origin
            World mm of voxel (0, 0, 0).
        """
        world_axis, sign = nib.orientations.axcodes2ornt(orientation).T
        affine = np.zeros((4, 4))
        affine[world_axis.astype(int), range(3)] = sign * spacing
        affine[3, 3] = 1
        affine[:3, 3] = origin
        return cls(shape, affine)

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """Mm between voxel centres along i, j and k."""
        i, j, k = (float(mm) for mm in np.linalg.norm(self.affine[:3, :3], axis=0))
        return i, j, k

    @cached_property
    def orientation(self) -> str:
        """Where i, j and k point, to the nearest anatomical direction, e.g. ``RAS``."""
        return "".join(nib.orientations.aff2axcodes(self.affine))

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000

    @property
    def size(self) -> int:
        """Number of voxels."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    def to_world(self, index: ArrayLike) -> NDArray[np.float64]:
        """World mm of voxel indices, shape (..., 3)."""
        points: NDArray[np.float64] = (
            np.asarray(index, np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]
        )
        return points

    def to_index(self, world: ArrayLike) -> NDArray[np.float64]:
        """Voxel indices, not rounded, of points in world mm, shape (..., 3)."""
        inverse = np.linalg.inv(self.affine)
        index: NDArray[np.float64] = np.asarray(world, np.float64) @ inverse[:3, :3].T + inverse[:3, 3]
        return index

    def index_from(self, other: Grid) -> Affine:
        """(4, 4) matrix from another grid's voxel indices to this one's, a fresh array."""
        matrix: Affine = np.linalg.inv(self.affine) @ other.affine
        return matrix

    def corners_mm(self) -> NDArray[np.float64]:
        """World mm of the centres of the eight corner voxels, shape (8, 3)."""
        return self._corners()

    def differences(self, other: Grid, tolerance_mm: float = TOLERANCE_MM) -> list[str]:
        """How this grid differs from another, in words; empty where they are the same.

        Two grids are the same if they have one shape and place no corner of the volume further apart than
        ``tolerance_mm``. Of a different affine, spacing and orientation are named where they explain it.
        """
        said = []
        if self.shape != other.shape:
            said.append(f"shape {self.shape} against {other.shape}")
        if self.orientation != other.orientation:
            said.append(f"orientation {self.orientation} against {other.orientation}")
        if not np.allclose(self.spacing, other.spacing, rtol=0, atol=tolerance_mm):
            said.append(f"spacing {_mm(self.spacing)} against {_mm(other.spacing)}")
        apart = np.linalg.norm(self._corners() - other._corners(), axis=1).max()
        if not said and apart > tolerance_mm:
            said.append(f"affine: corners up to {apart:.4g} mm apart")
        return said

    def is_close(self, other: Grid, tolerance_mm: float = TOLERANCE_MM) -> bool:
        """Whether both are one grid; see :meth:`differences`."""
        return not self.differences(other, tolerance_mm)

    def _corners(self) -> NDArray[np.float64]:
        last = np.array(self.shape) - 1
        return self.to_world(np.array(list(np.ndindex(2, 2, 2))) * last)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Grid)
            and self.shape == other.shape
            and bool((self.affine == other.affine).all())
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.affine.tobytes()))

    def __reduce__(self) -> tuple[Any, ...]:
        return Grid, (self.shape, self.affine)

    def __repr__(self) -> str:
        return f"Grid({'×'.join(map(str, self.shape))}, {_mm(self.spacing)}, {self.orientation})"


def _mm(spacing: tuple[float, float, float]) -> str:
    return f"({', '.join(f'{mm:.5g}' for mm in spacing)}) mm"
