"""What the header of one DICOM file says, as far as ingest needs it; pixels are never read."""

from __future__ import annotations

import struct
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from dapatlas.errors import DapatlasError
from dapatlas.extras import needed
from dapatlas.formats.dicom import EXTRA
from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.elements import (
    positive_of,
    sex_of,
    text_of,
    texts_of,
    value_of,
    whole_of,
    years_of,
)
from dapatlas.ingest.dicom.frames import ENHANCED_CLASSES, GROUPS, Frames, frame_of, frames_of
from dapatlas.ingest.dicom.image import Image
from dapatlas.ingest.dicom.pixel_bytes import Cut, what_is_cut
from dapatlas.ingest.fault import IngestError

MAGIC_END = 132  # bytes of preamble and magic word, PS3.10 section 7.1
KEYWORDS = (
    "SOPClassUID", "Modality", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "SeriesNumber", "SeriesDescription", "ImageType", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel",
    "BitsAllocated", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "ConvolutionKernel", "KVP", "Manufacturer", "ManufacturerModelName", "PatientSex", "PatientAge", "PatientWeight",
    "CorrectedImage", "Units", "ReferencedSeriesSequence",
)  # fmt: skip


def read_image(path: Path) -> Image:
    """Read the header of a file.

    Whether all its pixels are there is told by their announced length, and the items of compressed ones; bytes that
    were altered, or pixels within a deflated file, cannot be seen without decoding.

    Raises
    ------
    IngestError
        It is no DICOM file (``not-dicom``), it ends within its header (``truncated-file``), or its header makes no
        sense (``corrupt-file``).
    DapatlasError
        pydicom is not installed.
    """
    pydicom = needed("pydicom", EXTRA, f"to read {path}")
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's, on values against the rules; we look at what we use
            return _read(pydicom, file, path)
    except (DapatlasError, MemoryError):
        raise
    except OSError as error:
        raise IngestError(Code.CORRUPT_FILE, f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception as error:  # of nearly every kind, depending on which element is broken
        said = f"{type(error).__name__}: {error}"[:200]
        raise IngestError(Code.CORRUPT_FILE, f"{path}: its header makes no sense ({said})") from None


def _read(pydicom: Any, file: BinaryIO, path: Path) -> Image:
    size = file.seek(0, 2)
    file.seek(0)
    _check_magic(file.read(MAGIC_END), path, size)
    try:
        header = _elements(pydicom, file, KEYWORDS)
        sop_class = text_of(header, "SOPClassUID") or text_of(header.file_meta, "MediaStorageSOPClassUID")
        cut = what_is_cut(file, header, size)
        frames = Frames() if cut.within_header else _frames(pydicom, file, header, sop_class)
    except Exception as error:
        if _out_of_bytes(error) or file.tell() >= size:
            raise _cut_header(path, size) from None
        raise
    if cut.within_header:
        raise _cut_header(path, size)
    return _image(header, frames, path, size, sop_class, cut)


def _elements(pydicom: Any, file: BinaryIO, keywords: tuple[str, ...]) -> Any:
    file.seek(0)
    return pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_tags(keywords))


@cache
def _tags(keywords: tuple[str, ...]) -> list[Any]:
    tag_for_keyword = needed("pydicom.datadict", EXTRA, "to read DICOM files").tag_for_keyword
    return [tag_for_keyword(keyword) for keyword in keywords]


def _frames(pydicom: Any, file: BinaryIO, header: Any, sop_class: str) -> Frames:
    if sop_class not in ENHANCED_CLASSES:
        return frame_of(header)
    return frames_of(_elements(pydicom, file, GROUPS), _count(header))


def _count(header: Any) -> int:
    return max(1, whole_of(header, "NumberOfFrames") or 1)


def _check_magic(start: bytes, path: Path, size: int) -> None:
    if start[MAGIC_END - 4 :] == b"DICM":
        return
    if path.suffix.lower() == ".dcm" and size < MAGIC_END:
        raise _cut_header(path, size)
    raise IngestError(Code.NOT_DICOM, f"{path}: no DICOM file: its bytes 128 to 131 are not DICM")


def _out_of_bytes(error: Exception) -> bool:
    """Whether the file ended where a reader wanted more; the words are zlib's, on deflated files."""
    return isinstance(error, (EOFError, struct.error)) or "incomplete or truncated stream" in str(error)


def _cut_header(path: Path, size: int) -> IngestError:
    return IngestError(Code.TRUNCATED_FILE, f"{path}: ends within its header, after {size} bytes")


def _image(header: Any, frames: Frames, path: Path, size: int, sop_class: str, cut: Cut) -> Image:
    references = value_of(header, "ReferencedSeriesSequence") or ()
    return Image(
        folder=sys.intern(str(path.parent)),
        name=path.name,
        bytes=size,
        modality=text_of(header, "Modality").upper(),
        sop_class=sop_class,
        patient=text_of(header, "PatientID"),
        study=text_of(header, "StudyInstanceUID"),
        series=text_of(header, "SeriesInstanceUID"),
        frame_of_reference=text_of(header, "FrameOfReferenceUID"),
        series_number=whole_of(header, "SeriesNumber"),
        description=text_of(header, "SeriesDescription"),
        image_type=texts_of(header, "ImageType"),
        rows=whole_of(header, "Rows") or 0,
        columns=whole_of(header, "Columns") or 0,
        frames=_count(header),
        positions=frames.positions,
        orientations=frames.orientations,
        pixel_spacing=frames.pixel_spacing,
        thickness_mm=frames.thickness_mm,
        syntax=text_of(header.file_meta, "TransferSyntaxUID"),
        kernel=frames.kernel,
        kvp=frames.kvp,
        manufacturer=text_of(header, "Manufacturer"),
        model=text_of(header, "ManufacturerModelName"),
        sex=sex_of(header),
        age_years=years_of(header),
        weight_kg=positive_of(header, "PatientWeight"),
        corrections=texts_of(header, "CorrectedImage"),
        units=text_of(header, "Units"),
        refers_to=tuple(filter(None, (text_of(item, "SeriesInstanceUID") for item in references))),
        cut=cut.message,
    )
