"""The middle slice of a case, upright and with square pixels, read without the rest of its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.dataset import Case
from dapatlas.dataset.case import IMAGES, MASKS
from dapatlas.errors import BadFileError, BadLabelsError, GridMismatchError
from dapatlas.volumes import Grid, read_grid, read_slice, reorient
from dapatlas.volumes.ids import as_ids

UPRIGHT = "LPS"  # columns run to the patient's left, rows to the back, slices up to the head
LONGEST_PIXELS = 4096  # a header with absurd voxel sizes must not fill the memory


@dataclass(frozen=True, slots=True, eq=False)
class MiddleSlice:
    """The axial slice in the middle of a case, as one looks at it: front up, patient's left on the right.

    Attributes
    ----------
    hu
        CT, float32, shape (rows, columns); pixels are square in mm.
    labels
        Ids, uint8, of the same shape.
    slices
        How many axial slices the volume has.
    """

    hu: NDArray[np.float32]
    labels: NDArray[np.uint8]
    slices: int


def middle_slice(case: Case) -> MiddleSlice:
    """Read slice ``n // 2`` of the n axial slices, counted from the feet, of a case's CT and label map.

    The axial axis is the one that runs most nearly from feet to head, wherever it stands in the file, so one body
    gives one picture in any array orientation. Where it is the file's last axis, nothing beyond the slice is
    decompressed; damage beyond it is not noticed.

    Raises
    ------
    BadFileError
        CT or label map is missing, or cannot be read as far as the slice.
    BadLabelsError
        The slice holds ids that the case's scheme does not know, or no whole numbers.
    GridMismatchError
        CT and label map are not on one grid.
    """
    image = _needed(case, case.image_path, "CT", IMAGES, case.mask_path)
    mask = _needed(case, case.mask_path, "label map", MASKS, case.image_path)
    grid = read_grid(image)
    differences = grid.differences(read_grid(mask))
    if differences:
        raise GridMismatchError(
            f"case {case.id}: {image} and {mask} are not on one grid: {'; '.join(differences)}; "
            "resample the label map onto its CT"
        )
    axis, index = middle_of(grid)
    hu = np.asarray(read_slice(image, index, axis), np.float32)
    ids = as_ids(np.expand_dims(read_slice(mask, index, axis), axis), mask).squeeze(axis)
    _check_known(ids, case, mask)
    upright, row_mm, column_mm = _upright(np.stack([hu, ids.astype(np.float32)], axis=-1), grid, axis)
    shape = square_shape(upright.shape[:2], row_mm, column_mm)
    labels = _resized(upright[..., 1], shape, smooth=False).astype(np.uint8)
    return MiddleSlice(_resized(upright[..., 0], shape, smooth=True), labels, grid.shape[axis])


def middle_of(grid: Grid) -> tuple[int, int]:
    """The array axis that runs along the body (0, 1 or 2), and the middle slice's index on it."""
    axis, direction = next((n, code) for n, code in enumerate(grid.orientation) if code in "SI")
    count = grid.shape[axis]
    from_feet = count // 2
    return axis, from_feet if direction == "S" else count - 1 - from_feet


def square_shape(shape: tuple[int, int], row_mm: float, column_mm: float) -> tuple[int, int]:
    """Rows and columns of a slice once its pixels are square: as fine as the finer of the two spacings.

    Parameters
    ----------
    shape
        Rows and columns now.
    row_mm, column_mm
        From one row to the next, from one column to the next.
    """
    height, width = shape[0] * row_mm, shape[1] * column_mm
    pixel = max(min(row_mm, column_mm), max(height, width) / LONGEST_PIXELS)
    return max(1, round(height / pixel)), max(1, round(width / pixel))


def _upright(planes: NDArray[Any], grid: Grid, axis: int) -> tuple[NDArray[Any], float, float]:
    """Turn slices (further axis: which) upright; also mm between rows, and between columns."""
    shape = [*grid.shape]
    shape[axis] = 1
    view, turned = reorient(
        np.expand_dims(planes, axis), Grid((shape[0], shape[1], shape[2]), grid.affine), UPRIGHT
    )
    column_mm, row_mm, _ = turned.spacing
    return view[:, :, 0].swapaxes(0, 1), row_mm, column_mm


def _resized(plane: NDArray[Any], shape: tuple[int, int], *, smooth: bool) -> NDArray[np.float32]:
    """Resample a slice to other pixels over the same extent: linearly where ``smooth``, else the nearest."""
    plane = np.ascontiguousarray(plane, np.float32)
    if plane.shape == shape:
        return plane
    from PIL import Image

    how = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    resized: NDArray[np.float32] = np.asarray(Image.fromarray(plane).resize((shape[1], shape[0]), how))
    return resized


def _needed(case: Case, path: Path | None, what: str, folder: str, partner: Path | None) -> Path:
    if path is not None:
        return path
    expected = Path(folder) / f"{case.id}.nii.gz"
    if partner is not None:
        expected = partner.parent.parent / expected
    raise BadFileError(f"case {case.id} has no {what}: expected {expected}")


def _check_known(ids: NDArray[Any], case: Case, mask: Path) -> None:
    unknown = [str(label) for label in np.unique(ids).tolist() if label not in case.scheme]
    if unknown:
        raise BadLabelsError(
            f"case {case.id}: the middle slice of {mask} holds ids outside the scheme {case.scheme.name!r}: "
            f"{', '.join(unknown)}; `dapatlas validate` tells how many voxels they have"
        )
