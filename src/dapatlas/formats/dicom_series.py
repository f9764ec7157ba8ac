"""A series of DICOM slices as one grid; its pixels are not read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadFileError
from dapatlas.extras import needed
from dapatlas.formats.dicom import EXTRA, our_errors
from dapatlas.formats.dicom_stack import stack_of
from dapatlas.volumes import Grid

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
        There is no series, there are several, a file is broken, or its slices are no even stack of one size.
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
            with our_errors(path), suppress(pydicom.errors.InvalidDicomError):
                images.append(pydicom.dcmread(path, stop_before_pixels=True))
    return images


def _stacked(images: Sequence[Any], folder: Path) -> Series:
    """Slices in order, and the grid that they make."""
    stack = stack_of(
        _numbers(images, "ImagePositionPatient"),
        _numbers(images, "ImageOrientationPatient"),
        [(image.Rows, image.Columns) for image in images],
        _numbers(images, "PixelSpacing"),
        float(images[0].get("SliceThickness") or 0) or None,
    )
    if stack.grid is None:
        said = "; ".join(fault.message for fault in stack.faults)
        raise BadFileError(
            f"{folder}: its {len(images)} slices are no even stack: {said}; expected slices of one size and direction "
            "at one distance: is one missing or there twice?"
        )
    return Series(tuple(images[place] for place in stack.order), stack.grid)


def _numbers(images: Sequence[Any], keyword: str) -> NDArray[np.float64]:
    return np.array([image[keyword].value for image in images], np.float64)
