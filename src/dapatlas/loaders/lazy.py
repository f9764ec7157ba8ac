"""Volumes that are read when something is computed from them: dask arrays, and xarray with places in mm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import DapatlasError
from dapatlas.extras import needed
from dapatlas.loaders.chunked import CHUNK, ChunkedCase

if TYPE_CHECKING:
    from xarray import DataArray

What = Literal["image", "label"]

AXES = ("x", "y", "z")  # to the patient's right, front, head
OBLIQUE_MM = 0.01  # how far a volume may lean over its whole length before its axes count as oblique


@dataclass(frozen=True, slots=True)
class _Boxes:
    """A volume in the words that dask knows: it asks for boxes, whole chunks as a rule."""

    case: ChunkedCase
    what: What

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.case.grid.shape

    @property
    def ndim(self) -> int:
        return 3

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32 if self.what == "image" else np.int64)

    def __getitem__(self, box: tuple[slice | int, ...]) -> NDArray[Any]:
        wanted = [range(n)[side] for side, n in zip(box, self.shape, strict=True)]
        sides = [side if isinstance(side, range) else range(side, side + 1) for side in wanted]
        i, j, k = (min(side, default=0) for side in sides)
        a, b, c = (max(side, default=-1) + 1 - start for side, start in zip(sides, (i, j, k), strict=True))
        read = self.case.image if self.what == "image" else self.case.label
        # read from the first to the last that is wanted; steps then begin at either end
        steps = tuple(slice(None, None, side.step) if isinstance(side, range) else 0 for side in wanted)
        found: NDArray[Any] = read((i, j, k), (a, b, c))[steps]
        return found


def dask_array(case: ChunkedCase, what: What = "image") -> Any:
    """A case's HU (float32) or ids (int64) as a dask array, indexed [i, j, k], in the chunks that lie on disk.

    Raises
    ------
    DapatlasError
        dask is not installed.
    """
    dask = needed("dask.array", "loaders", "to make lazy arrays")
    boxes = _Boxes(case, what)
    return dask.from_array(
        boxes,
        chunks=(CHUNK,) * 3,
        name=f"{case.id}-{what}-{case.folder.name}",
        meta=np.empty((0, 0, 0), boxes.dtype),
        fancy=False,  # lists of indices are dask's affair
    )


def data_array(case: ChunkedCase, what: What = "image") -> DataArray:
    """The same as an ``xarray.DataArray``, lazy as well, with the places of voxel centres in world mm.

    Its dimensions are ``x``, ``y`` and ``z``, each where the array has it: x grows to the patient's right, y to the
    front, z to the head. Coordinates fall where an axis runs the other way, as x and y do in most CTs. ``attrs`` has
    ``units``, ``case`` and the affine as nested lists.

    Raises
    ------
    DapatlasError
        The volume's axes are oblique to the world's, so that no axis has coordinates of its own; or xarray or dask is
        not installed.
    """
    xarray = needed("xarray", "loaders", "to make labelled arrays")
    grid = case.grid
    matrix = grid.affine[:3, :3]
    world = [int(np.abs(matrix[:, axis]).argmax()) for axis in range(3)]
    lean = np.abs(matrix) * np.array(grid.shape)
    lean[world, range(3)] = 0
    if sorted(world) != [0, 1, 2] or lean.max() > OBLIQUE_MM:
        raise DapatlasError(
            f"case {case.id}: its axes are oblique, up to {lean.max():.4g} mm from end to end; take dask_array and the "
            "affine in grid, or resample the case to straight axes"
        )
    coordinates = {
        AXES[to]: grid.affine[to, 3] + matrix[to, axis] * np.arange(grid.shape[axis])
        for axis, to in enumerate(world)
    }
    made: DataArray = xarray.DataArray(
        dask_array(case, what),
        dims=[AXES[to] for to in world],
        coords={name: (name, mm, {"units": "mm"}) for name, mm in coordinates.items()},
        name=what,
        attrs={"units": "HU" if what == "image" else "id", "case": case.id, "affine": grid.affine.tolist()},
    )
    return made
