"""Planes: single images of a series, whether they fill a file each or are frames of one, and the stack they make."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.extras import needed
from dapatlas.formats.dicom import EXTRA, our_errors
from dapatlas.formats.dicom_stack import stack_of
from dapatlas.formats.worlds import LPS_TO_RAS
from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.flaws import CODE_OF
from dapatlas.ingest.dicom.pixel_bytes import DEFLATED
from dapatlas.ingest.fault import IngestError
from dapatlas.volumes import Grid

Vector = NDArray[np.float64]

MOST_NAMED = 3  # files in a message


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Where one image lies, and how its stored values are to be read.

    Attributes
    ----------
    path, frame
        Its file, and its place in there, from 0.
    shape
        Rows, columns.
    position
        Of the centre of its first pixel in DICOM's world (x to the left, y to the back, z to the head), mm.
    row, column
        Unit vectors along a row (column index grows) and along a column.
    spacing
        Mm between rows, and between columns.
    slope, intercept
        From stored values to HU or whatever the series measures.
    """

    path: Path
    frame: int
    shape: tuple[int, int]
    position: Vector
    row: Vector
    column: Vector
    spacing: tuple[float, float]
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def name(self) -> str:
        """The file, and the frame where there are more."""
        return f"{self.path}, frame {self.frame + 1}" if self.frame else str(self.path)

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4) from (column, row, 0) to NIfTI's world, mm; its third column is the normal, 1 mm long."""
        between_rows, between_columns = self.spacing
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1] = self.row * between_columns, self.column * between_rows
        affine[:3, 2], affine[:3, 3] = np.cross(self.row, self.column), self.position
        placed: NDArray[np.float64] = LPS_TO_RAS @ affine
        return placed


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Planes in the order of the grid's last axis; the grid is indexed (column, row, slice)."""

    planes: tuple[Plane, ...]
    grid: Grid


def read_header(path: Path) -> Any:
    """Read a DICOM file without its pixels.

    Raises
    ------
    IngestError
        It is no DICOM file, or ends within its header.
    DapatlasError
        The file is missing or broken, or pydicom is not installed.
    """
    pydicom = needed("pydicom", EXTRA, f"to read {path}")
    with our_errors(path), path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values that break the standard; those that matter are checked
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True)
        except pydicom.errors.InvalidDicomError:
            raise IngestError(
                Code.NOT_DICOM, f"{path}: not a DICOM file; expected a slice of the series: move it elsewhere"
            ) from None
        except (EOFError, zlib.error):
            raise _cut(path) from None
        # deflated files are read to their end at once
        deflated = header.file_meta.get("TransferSyntaxUID") == DEFLATED
        if not deflated and not file.read(1):
            raise _cut(path)
    return header


def _cut(path: Path) -> IngestError:
    return IngestError(
        Code.TRUNCATED_FILE, f"{path}: truncated: it ends before its pixels; copy or download it again"
    )


def single_plane(header: Any, path: Path) -> Plane:
    """The plane of a file that has one.

    Raises
    ------
    IngestError
        A field of its geometry is missing or makes no sense.
    """
    return plane_of(
        path,
        0,
        header,
        orientation=header.get("ImageOrientationPatient"),
        position=header.get("ImagePositionPatient"),
        spacing=header.get("PixelSpacing"),
        slope=header.get("RescaleSlope"),
        intercept=header.get("RescaleIntercept"),
    )


def plane_of(
    path: Path,
    frame: int,
    header: Any,
    *,
    orientation: Any,
    position: Any,
    spacing: Any,
    slope: Any,
    intercept: Any,
) -> Plane:
    """A plane from fields as DICOM has them, each of which may be missing or broken.

    Raises
    ------
    IngestError
        As :func:`single_plane`.
    """
    where = f"{path}, frame {frame + 1}" if frame else str(path)
    given = {
        "Rows": (header.get("Rows"), 1),
        "Columns": (header.get("Columns"), 1),
        "ImageOrientationPatient": (orientation, 6),
        "ImagePositionPatient": (position, 3),
        "PixelSpacing": (spacing, 2),
        "RescaleSlope": (slope, 1),
        "RescaleIntercept": (intercept, 1),
    }
    rows, columns, axes, place, between, by, plus = (
        _numbers(value, count, keyword, where) for keyword, (value, count) in given.items()
    )
    row, column = axes[:3], axes[3:]
    lengths = np.array([row @ row, column @ column, row @ column])
    if np.abs(lengths - (1, 1, 0)).max() > 0.01 or min(rows[0], columns[0], *between) <= 0 or by[0] == 0:
        raise IngestError(
            Code.BAD_GEOMETRY,
            f"{where}: ImageOrientationPatient {axes.tolist()}, PixelSpacing {between.tolist()}, "
            f"{rows[0]:g} rows, {columns[0]:g} columns, RescaleSlope {by[0]:g} describe no image; expected "
            "two unit vectors at a right angle and numbers above 0: export the series again",
        )
    return Plane(
        path=path,
        frame=frame,
        shape=(int(rows[0]), int(columns[0])),
        position=place,
        row=row,
        column=column,
        spacing=(float(between[0]), float(between[1])),
        slope=float(by[0]),
        intercept=float(plus[0]),
    )


def _numbers(value: Any, count: int, keyword: str, where: str) -> Vector:
    """The numbers of a field."""
    if value is None or str(value) == "":
        raise IngestError(
            Code.MISSING_FIELD,
            f"{where}: no {keyword} in its header; export the series again with all fields",
        )
    try:
        numbers = np.atleast_1d(np.array(value, np.float64))
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise IngestError(
            Code.BAD_GEOMETRY,
            f"{where}: {keyword} is {value}; expected {count} numbers: export the series again",
        )
    return numbers


def stacked(planes: Sequence[Plane], name: object) -> Stack:
    """Put planes in order, and work out the grid that they make.

    Parameters
    ----------
    planes
        Of one series, in any order; at least one.
    name
        Of the series, for errors.

    Raises
    ------
    IngestError
        They are too few, differ in size or direction, or are no upright stack at one distance.
    """
    stack = stack_of(
        [plane.position for plane in planes],
        [(*plane.row, *plane.column) for plane in planes],
        [plane.shape for plane in planes],
        [plane.spacing for plane in planes],
    )
    for fault in stack.faults:
        code = CODE_OF[fault.flaw]
        which = ", ".join(planes[place].name for place in fault.places[:MOST_NAMED])
        raise IngestError(
            code,
            f"{name}: {fault.message}{f' ({which} …)' if which else ''}; expected one even stack: {code.remedy}",
        )
    if stack.grid is None:
        raise IngestError(Code.BAD_GEOMETRY, f"{name}: its slices make no grid; {Code.BAD_GEOMETRY.remedy}")
    return Stack(tuple(planes[place] for place in stack.order), stack.grid)
