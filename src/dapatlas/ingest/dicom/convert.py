"""A CT series in DICOM as NIfTI, on the grid of dicom2nifti, with which the published data sets were made.

FDG-PET-CT-Lesions was turned into NIfTI by dicom2nifti with ``reorient=True``: the array's axes point left, front and
head (LAS), and slices are as far apart as the first and the last divided by the gaps between them. Grids made here are
the same, so masks made on the published CTs lie on them. The files are written here all the same, for dicom2nifti
keeps and writes HU as float64, writes twice, leaves the rescale of enhanced images out where all frames share it, and
takes a series for a time course where instance numbers do not run along it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.multiframe import frame_planes, is_multiframe
from dapatlas.ingest.dicom.pixels import check_decoder, float_volume, integer_volume, whole_numbers
from dapatlas.ingest.dicom.planes import Plane, Stack, read_header, single_plane, stacked
from dapatlas.ingest.fault import IngestError
from dapatlas.volumes import Grid, read_grid, reorient, write_volume

ORIENTATION = "LAS"  # of what dicom2nifti writes with reorient=True


def write_ct(files: Sequence[Path], target: Path) -> Grid:
    """Write the slices of one CT series as NIfTI, whole or not at all.

    HU are int16 where they fit, else int32, or float32 where slopes are no whole numbers. Padding outside the scanner's
    circle keeps the value that the scanner gave it. Memory: the volume, and one slice or multi-frame file.

    Parameters
    ----------
    files
        Of one series, in any order; single slices or enhanced multi-frame images.
    target
        Ends in ``.nii.gz`` or ``.nii``.

    Returns
    -------
    Grid
        Of the file.

    Raises
    ------
    IngestError
        A file is no DICOM, truncated, corrupt, of another modality or series, or cannot be decoded; or the slices are
        no even, upright stack of one size.
    DapatlasError
        pydicom is not installed.
    """
    stack = read_stack(files, "CT")
    volume = integer_volume(stack) if whole_numbers(stack) else float_volume(stack)
    array, grid = reorient(volume, stack.grid, ORIENTATION)
    write_volume(target, array, grid)
    return read_grid(target)


def read_stack(files: Sequence[Path], modality: str) -> Stack:
    """Read the headers of one series, and put its planes in order.

    Raises
    ------
    IngestError
        As :func:`write_ct`, as far as headers tell.
    """
    return stack_of(read_headers(files, modality))


def read_headers(files: Sequence[Path], modality: str) -> list[tuple[Path, Any]]:
    """Read the headers of one series, each with its path; raises as :func:`read_stack`."""
    headers = [(path, read_header(path)) for path in files]
    if not headers:
        raise IngestError(Code.NO_FILES, f"no files were given; expected the slices of a {modality} series")
    first_path, first = headers[0]
    for path, header in headers:
        found = header.get("Modality", "")
        if found != modality:
            raise IngestError(
                Code.MIXED_SERIES,
                f"{path}: modality {found or 'unknown'}; expected {modality} alone in this series",
            )
        if header.get("SeriesInstanceUID", "") != first.get("SeriesInstanceUID", ""):
            raise IngestError(
                Code.MIXED_SERIES,
                f"{path}: of another series than {first_path}; expected one: give each its own folder",
            )
        check_decoder(header, path)
    return headers


def stack_of(headers: Sequence[tuple[Path, Any]]) -> Stack:
    """The stack of the planes in files whose headers were read; raises as :func:`read_stack`."""
    planes: list[Plane] = []
    for path, header in headers:
        planes += frame_planes(header, path) if is_multiframe(header) else [single_plane(header, path)]
    folders = {plane.path.parent for plane in planes}
    name = headers[0][0] if len(headers) == 1 or len(folders) > 1 else folders.pop()
    return stacked(planes, name)
