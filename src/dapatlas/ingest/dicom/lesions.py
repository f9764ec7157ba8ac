"""A lesion mask in DICOM SEG as NIfTI, on the grid of the PET that it was drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.convert import ORIENTATION, read_headers, stack_of
from dapatlas.ingest.dicom.multiframe import frame_planes
from dapatlas.ingest.dicom.pixels import check_decoder, stored_values
from dapatlas.ingest.dicom.planes import Plane, read_header
from dapatlas.ingest.fault import IngestError
from dapatlas.volumes import Grid, read_grid, reorient, write_volume

OFF_GRID = 0.1  # of a voxel: how far a frame may lie beside the PET's voxels; headers round spacings


def write_lesions(seg: Path, pet_files: Sequence[Path], target: Path) -> Grid:
    """Write a segmentation as uint8, 1 where any of its segments is, whole or not at all.

    Frames may be few or empty, lie in any order, and be flipped or turned against the PET's slices, as they are in
    FDG-PET-CT-Lesions. Of fractional segments what is more than half there counts.

    Parameters
    ----------
    seg
        A DICOM Segmentation (SEG).
    pet_files
        The series that it was drawn on.
    target
        Ends in ``.nii.gz`` or ``.nii``.

    Returns
    -------
    Grid
        Of the file: that of :func:`dapatlas.ingest.dicom.pet.write_suv`.

    Raises
    ------
    IngestError
        It is no segmentation, is one of another series, or does not lie on the PET's voxels; or the PET is no volume.
    DapatlasError
        pydicom is not installed.
    """
    pets = read_headers(pet_files, "PT")
    grid = stack_of(pets).grid
    header = read_header(seg)
    if header.get("Modality") != "SEG":
        raise IngestError(
            Code.MIXED_SERIES,
            f"{seg}: modality {header.get('Modality') or 'unknown'}; expected SEG, a segmentation",
        )
    check_decoder(header, seg)
    _check_same_series(header, seg, *pets[0])
    planes = frame_planes(header, seg, rescaled=False)
    lesions = np.zeros(grid.shape, np.uint8, order="F")
    fractional = header.SegmentationType == "FRACTIONAL"
    half = int(header.get("MaximumFractionalValue") or 1) / 2 if fractional else 0
    for place, values in stored_values(planes):
        to_pet = _way_to(grid, planes[place], seg)
        row, column = np.nonzero(values > half)
        lesions[tuple(np.rint(_apply(to_pet, column, row)).astype(np.intp))] = 1
    array, turned = reorient(lesions, grid, ORIENTATION)
    write_volume(target, array, turned)
    return read_grid(target)


def _check_same_series(header: Any, seg: Path, pet_path: Path, pet: Any) -> None:
    """Raise IngestError where a segmentation says that it is of another series, or of another scan."""
    series = {str(item.get("SeriesInstanceUID", "")) for item in header.get("ReferencedSeriesSequence") or ()}
    if series and str(pet.get("SeriesInstanceUID", "")) not in series:
        raise IngestError(
            Code.LESIONS_OTHER_SERIES,
            f"{seg}: drawn on series {', '.join(sorted(series))}; expected {pet.get('SeriesInstanceUID')}, the PET in "
            f"{pet_path.parent}: take the segmentation of this PET, or the PET of this segmentation",
        )
    frames = [str(some.get("FrameOfReferenceUID") or "") for some in (header, pet)]
    if all(frames) and frames[0] != frames[1]:
        raise IngestError(
            Code.LESIONS_OTHER_SERIES,
            f"{seg}: its frame of reference is {frames[0]}, the PET's {frames[1]}; expected one scan: "
            "take the segmentation of this PET",
        )


def _way_to(grid: Grid, plane: Plane, seg: Path) -> NDArray[np.float64]:
    """(4, 4) from (column, row, 0) of a frame to voxels; IngestError where that is between them or outside."""
    rows, columns = plane.shape
    way: NDArray[np.float64] = np.linalg.inv(grid.affine) @ plane.affine
    corners = _apply(way, [0, columns - 1, 0, columns - 1], [0, 0, rows - 1, rows - 1])
    voxels = np.rint(corners)
    inside = bool(voxels.min() >= 0) and all(voxels.max(axis=1) < np.array(grid.shape))
    steps = np.abs(np.abs(way[:3, :2]).max(axis=0) - 1).max()  # one voxel for a pixel, along one axis
    if np.abs(corners - voxels).max() > OFF_GRID or steps > OFF_GRID or not inside:
        raise IngestError(
            Code.LESIONS_OFF_GRID,
            f"{plane.name}: its corners lie at {corners.T.round(2).tolist()} in voxels of the PET, a volume of "
            f"{'×'.join(map(str, grid.shape))}; expected whole numbers inside: check which series {seg.name} is of",
        )
    return way


def _apply(way: NDArray[np.float64], column: ArrayLike, row: ArrayLike) -> NDArray[np.float64]:
    """Voxels, shape (3, n), not rounded, of pixels."""
    voxels: NDArray[np.float64] = way[:3, :2] @ np.array([column, row], np.float64) + way[:3, 3:]
    return voxels
