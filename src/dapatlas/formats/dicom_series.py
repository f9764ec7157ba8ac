"""A series of DICOM slices as one grid; its pixels are not read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadFileError
from dapatlas.extras import needed
from dapatlas.formats.dicom import EXTRA, LPS_TO_RAS, our_errors
from dapatlas.volumes import Grid

OFF_LINE = 0.02  # of the distance between slices: how far one may lie beside its place in an even stack
NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "FrameOfReferenceUID")
GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns")


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The slices of one series.

    Attributes
    ----------
    images
        pydicom data sets without their pixels, in the order of the grid's last axis.
    grid
        Indexed (column, row, slice).
    """

    images: tuple[Any, ...]
    grid: Grid


def read_series(folder: Path) -> Series:
    """Read the headers of the one series in a folder and of the folders in it; what is no DICOM file is left.

    Raises
    ------
    BadFileError
        There is no series, there are several, or its slices are no even stack of one size.
    DapatlasError
        pydicom is not installed.
    """
    images = _images(folder)
    if not images:
        raise BadFileError(
            f"{folder}: no DICOM slices in it; expected the CT series that the case was made from"
        )
    lacking = sorted({key for image in images for key in (*NEEDED, *GEOMETRY) if not image.get(key)})
    if lacking:
        raise BadFileError(
            f"{folder}: its slices lack {', '.join(lacking)}; expected a series of single slices with all identifiers "
            "(a tool that takes out names must give new identifiers, not none)"
        )
    series = sorted({str(image.SeriesInstanceUID) for image in images})
    if len(series) > 1:
        raise BadFileError(
            f"{folder}: slices of {len(series)} series: {', '.join(series[:3])}{' …' if len(series) > 3 else ''}; "
            "expected one: give each its own folder"
        )
    with our_errors(folder):
        return _stacked(images, folder)


def _images(folder: Path) -> list[Any]:
    """Headers of all DICOM files, in the order of their names."""
    pydicom = needed("pydicom", EXTRA, f"to read {folder}")
    if not folder.is_dir():
        raise BadFileError(f"{folder}: no such folder; expected the DICOM series of the case")
    images = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            try:
                images.append(pydicom.dcmread(path, stop_before_pixels=True))
            except pydicom.errors.InvalidDicomError:
                continue
    return images


def _stacked(images: Sequence[Any], folder: Path) -> Series:
    """Slices in order, and the grid that they make."""
    for key in ("ImageOrientationPatient", "PixelSpacing", "Rows", "Columns"):
        values = np.array([image[key].value for image in images], np.float64)
        if np.ptp(values, axis=0).max() > 1e-4:
            raise BadFileError(
                f"{folder}: its slices differ in {key}; expected one size and direction for all"
            )
    first = images[0]
    row, column = np.reshape(np.array(first.ImageOrientationPatient, np.float64), (2, 3))
    normal = np.cross(row, column)
    positions = np.array([image.ImagePositionPatient for image in images], np.float64)
    order = np.argsort(positions @ normal, kind="stable")
    between_rows, between_columns = map(float, first.PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = row * between_columns, column * between_rows
    affine[:3, 2] = _step(positions[order], normal, first, folder)
    affine[:3, 3] = positions[order[0]]
    grid = Grid((int(first.Columns), int(first.Rows), len(images)), LPS_TO_RAS @ affine)
    return Series(tuple(images[place] for place in order), grid)


def _step(
    positions: NDArray[np.float64], normal: NDArray[np.float64], first: Any, folder: Path
) -> NDArray[np.float64]:
    """From one slice to the next, mm."""
    if len(positions) == 1:
        return normal * float(first.get("SliceThickness") or 1)
    step: NDArray[np.float64] = (positions[-1] - positions[0]) / (len(positions) - 1)
    expected = positions[0] + np.arange(len(positions))[:, None] * step
    off = np.linalg.norm(positions - expected, axis=1)
    if not step.any() or off.max() > OFF_LINE * np.linalg.norm(step):
        worst = int(off.argmax())
        raise BadFileError(
            f"{folder}: its {len(positions)} slices are no even stack: slice {worst + 1} lies {off[worst]:.3g} mm "
            "off its place; is one missing or there twice?"
        )
    return step
