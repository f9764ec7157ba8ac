"""Any CT of one's own in a file of its own; :mod:`dapatlas.ingest.dicom.source` has those in DICOM."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from dapatlas.dataset.checks.grid import check_header, check_voxel_size
from dapatlas.dataset.codes import Code as DatasetCode
from dapatlas.dataset.codes import finding as dataset_finding
from dapatlas.dataset.integrity import damage, is_packed
from dapatlas.dataset.names import SUFFIXES, case_id_of
from dapatlas.errors import BadFileError
from dapatlas.files import Way, place_file
from dapatlas.findings import Finding
from dapatlas.formats import itk
from dapatlas.ingest.codes import Code, finding
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.nifti.hounsfield import check_values, smallest
from dapatlas.ingest.space import full_disk_named
from dapatlas.volumes import Grid, Header, read_volume, write_volume

_WHERE = ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
          "srow_x", "srow_y", "srow_z")  # fmt: skip
_NOTES = ("db_name", "aux_file")  # where converters put names of patients, and comments
_NRRD_PLACE = re.compile(rb"^space( dimension)?:", re.MULTILINE)
_META_PLACE = re.compile(rb"^(TransformMatrix|Orientation|Rotation)\s*=", re.MULTILINE)
_ITK_HEADER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Placed:
    """A CT that was brought in.

    Attributes
    ----------
    grid
        Of the file that now stands.
    findings
        What is odd about it, and how it differs in form from the source.
    as_it_is
        Whether it has the source's own bytes, linked or copied.
    """

    grid: Grid
    findings: tuple[Finding, ...]
    as_it_is: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A volume as it was read: values, place, and the header if it is NIfTI."""

    array: NDArray[Any]
    grid: Grid
    header: Header | None


def is_volume(source: Path) -> bool:
    """Whether a source is one of the files that :func:`place_ct` reads, by its name."""
    return source.name.endswith((*SUFFIXES, *itk.SUFFIXES)) and not source.is_dir()


def place_ct(source: Path, target: Path, *, link: Way = "copy") -> Placed:
    """Bring a CT to a place in a data set, whole or not at all; the whole source is read and checked.

    A ``.nii.gz`` of good form is taken byte for byte. Anything else is written anew with the same grid: as int16
    where all values are whole and fit, else as int32 or float32, without a scale factor, and without what
    notes a header carries.

    Parameters
    ----------
    source
        ``.nii``, ``.nii.gz``, ``.nrrd``, ``.mha`` or ``.mhd``.
    target
        Ends in ``.nii.gz``; the case is called by its name.
    link
        How a source of good form comes there: see :func:`~dapatlas.files.place_file`.

    Raises
    ------
    IngestError
        The source is missing, truncated, corrupt, of no such format, no volume of three axes, or no CT: a label
        map, values that cannot be HU, voxels of a size that no CT has.
    NoSpaceError
        The disk is full.
    DapatlasError
        SimpleITK is needed and not installed.
    """
    case = case_id_of(target.name) or target.name
    if not target.is_symlink() and target.exists() and target.resolve() == source.resolve():
        raise IngestError(Code.NAME_TAKEN, f"{source}: source and target are one file; give another target")
    read = _read(source)
    findings = [*_look_at_place(case, source, read), *check_values(case, source, read.array)]
    stored = smallest(read.array)
    differences = _differences(source, read.header, stored.dtype)
    if differences:
        findings.append(_stored_anew(case, source, differences))
        with full_disk_named(target):
            write_volume(target, stored, read.grid, _plain_header(read))
    else:
        with full_disk_named(target):
            place_file(target, source, link)
    return Placed(read.grid, tuple(findings), not differences)


def _read(source: Path) -> _Read:
    """Read a volume with one number a voxel; what goes wrong is told with a code."""
    if not source.is_file():
        raise IngestError(Code.NO_FILES, f"{source}: no such file")
    if itk.is_itk(source):
        return _read_itk(source)
    if not is_volume(source):
        raise IngestError(
            Code.UNKNOWN_FORMAT, f"{source}: not a format that is read here; {Code.UNKNOWN_FORMAT.remedy}"
        )
    try:
        volume = read_volume(source)
    except (BadFileError, HeaderDataError, ValueError, OverflowError, MemoryError) as error:
        fault = damage(source)
        if fault is None and isinstance(error, MemoryError):
            raise  # the file is whole, and really that large
        raise _coded(source, error, *(fault or (None, ""))) from None
    return _Read(volume.array, volume.grid, volume.header)


def _read_itk(source: Path) -> _Read:
    try:
        volume = itk.read_itk(source)
    except BadFileError as error:
        code = Code.NOT_3D if "three axes" in str(error) else Code.CORRUPT_FILE
        raise IngestError(code, str(error)) from None
    if len(volume.channels) != 1:
        raise IngestError(
            Code.NOT_3D,
            f"{source}: expected one number a voxel, found {len(volume.channels)}; give one volume",
        )
    return _Read(volume.channels[0], volume.grid, None)


def _coded(source: Path, error: Exception, fault: DatasetCode | None, phrase: str) -> IngestError:
    """What reading a NIfTI file failed on, with a code of ingest's."""
    if fault is None and "truncated" in str(error):  # within its header
        return IngestError(Code.TRUNCATED_FILE, str(error))
    if fault is DatasetCode.TRUNCATED_FILE:
        return IngestError(Code.TRUNCATED_FILE, f"{source}: {phrase}; {Code.TRUNCATED_FILE.remedy}")
    if fault is not None:
        return IngestError(Code.CORRUPT_FILE, f"{source}: {phrase}; {Code.CORRUPT_FILE.remedy}")
    message = str(error) if str(source) in str(error) else f"{source}: {error}"
    code = Code.NOT_3D if "three axes" in message else Code.UNKNOWN_FORMAT
    return IngestError(code, f"{message}; {code.remedy}")


def _look_at_place(case: str, source: Path, read: _Read) -> list[Finding]:
    """Whether the header says where the volume lies.

    Raises
    ------
    IngestError
        The voxels have a size that no CT has.
    """
    for found in check_voxel_size(case, "CT", str(source), read.grid):
        raise IngestError(Code.BAD_GEOMETRY, f"{source}: {found.message}; {found.remedy}")
    if read.header is not None:
        return list(check_header(case, "CT", str(source), read.header))
    if _itk_header_has_place(source):
        return []
    return [
        dataset_finding(
            case,
            DatasetCode.ORIENTATION_UNKNOWN,
            "the header of the CT has no space directions, so left and right are a guess",
            file=str(source),
            expected="NRRD: space and space directions; MetaImage: TransformMatrix",
            found="neither",
            remedy="convert the series from DICOM again, or copy the place from a file that has it",
        )
    ]


def _itk_header_has_place(source: Path) -> bool:
    with source.open("rb") as stream:
        start = stream.read(_ITK_HEADER_BYTES)
    if source.suffix == ".nrrd":
        return _NRRD_PLACE.search(start.partition(b"\n\n")[0]) is not None
    return _META_PLACE.search(start) is not None


def _differences(source: Path, header: Header | None, dtype: np.dtype[Any]) -> list[str]:
    """What keeps a file from being taken as it is, in words."""
    if header is None:
        return [f"it is {source.suffix}"]
    stored = header.get_data_dtype()
    said = [] if source.name.endswith(".nii.gz") and is_packed(source) else ["it is no gzipped .nii.gz"]
    if header["sizeof_hdr"] != nib.Nifti1Header.sizeof_hdr or header.endianness != "<":
        said.append("it is NIfTI-2 or big-endian")
    if len(header.get_data_shape()) != 3:
        said.append(f"it has {len(header.get_data_shape())} axes, of which three matter")
    if stored.newbyteorder("=") != dtype:
        said.append(f"it was stored as {stored.newbyteorder('=')}, and is {dtype} now")
    if header.get_slope_inter() not in ((None, None), (1, 0)):
        said.append("it has a scale factor")
    if header.extensions or any(bytes(header[note]).strip(b"\0 ") for note in _NOTES if note in header):
        said.append("its header carries notes, which may name the patient")
    return said


def _stored_anew(case: str, source: Path, differences: list[str]) -> Finding:
    return finding(
        case,
        Code.STORED_ANEW,
        f"{source} was written anew, with the same values in the same places: {'; '.join(differences)}",
        file=str(source),
    )


def _plain_header(read: _Read) -> Header | None:
    """A header that says where the volume lies, as the source does, and nothing else."""
    if read.header is None:
        return None
    plain = nib.Nifti1Header()
    plain.set_xyzt_units("mm", "sec")
    plain.set_data_shape(read.grid.shape)
    for key in _WHERE:
        plain[key] = read.header[key]
    plain["pixdim"][:4] = read.header["pixdim"][:4]
    return plain
