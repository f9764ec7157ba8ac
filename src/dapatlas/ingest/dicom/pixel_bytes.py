"""Whether all bytes of the pixels that a DICOM file announces are there; the pixels themselves are skipped."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

PIXEL_GROUP, PIXEL_ELEMENTS = 0x7FE0, frozenset({0x0008, 0x0009, 0x0010})  # float, double, and plain pixels
UNDEFINED = 0xFFFFFFFF
ITEM, SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
DICOMDIR_CLASS = "1.2.840.10008.1.3.10"  # Media Storage Directory Storage: it has no pixels, nor a modality
DEFLATED = "1.2.840.10008.1.2.1.99"  # Deflated Explicit VR Little Endian
# 4 bytes of length, after 2 of nothing
LONG_FORM = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN"})
IMAGE_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2",  # CT
    "1.2.840.10008.5.1.4.1.1.4",  # MR
    "1.2.840.10008.5.1.4.1.1.7",  # secondary capture
    "1.2.840.10008.5.1.4.1.1.20",  # nuclear medicine
    "1.2.840.10008.5.1.4.1.1.128",  # PET
    "1.2.840.10008.5.1.4.1.1.130",  # enhanced PET
    "1.2.840.10008.5.1.4.1.1.66.4",  # segmentation
)


@dataclass(frozen=True, slots=True)
class Cut:
    """How a file is cut off: not at all where ``message`` is empty and ``within_header`` false."""

    within_header: bool = False
    message: str = ""


WHOLE, IN_HEADER = Cut(), Cut(within_header=True)


def what_is_cut(file: BinaryIO, header: Any, size: int) -> Cut:
    """Compare what the pixel data announce with the size of the file.

    Parameters
    ----------
    file
        At the element of the pixel data, or wherever its header ended.
    header
        The data set that was read so far: images of some classes must have pixels.
    size
        Of the file, bytes.

    Notes
    -----
    A file without pixels, such as a report, that is cut exactly between two elements looks whole. So does a deflated
    file: it is inflated as a whole, which fails beforehand if it is cut.
    """
    start = file.tell()
    if _class(header) == DICOMDIR_CLASS:
        return WHOLE
    if "Modality" not in header and "SOPClassUID" not in header:  # every file has them, if only empty
        return IN_HEADER
    if str(getattr(header.file_meta, "TransferSyntaxUID", "")) == DEFLATED:
        return WHOLE
    if start > size:
        return IN_HEADER
    implicit, little = header.original_encoding
    order = "<" if little in (None, True) else ">"
    element = _element(file, order, bool(implicit))
    if element is None:
        return IN_HEADER if start < size or _is_image(header) else WHOLE
    group, number, length = element
    if group != PIXEL_GROUP or number not in PIXEL_ELEMENTS:
        return WHOLE
    if length == UNDEFINED:
        return _compressed(file, size)
    there = size - file.tell()
    if there < length:
        return Cut(message=f"{there} of {length} bytes of its pixels are there")
    due = _due(header) if number == 0x0010 else 0
    return Cut(message=f"its pixels have {length} of {due} bytes") if length < due else WHOLE


def _element(file: BinaryIO, order: str, implicit: bool) -> tuple[int, int, int] | None:
    """Group, element and length of what comes next; ``None`` at the end of the file."""
    start = file.read(8)
    if len(start) < 8:
        return None
    if implicit:
        group, number, length = struct.unpack(order + "HHL", start)
        return group, number, length
    group, number, kind, short = struct.unpack(order + "HH2sH", start)
    if kind not in LONG_FORM:
        return group, number, short
    rest = file.read(4)
    return (group, number, struct.unpack(order + "L", rest)[0]) if len(rest) == 4 else None


def _is_image(header: Any) -> bool:
    if header.get("Rows"):
        return True
    return any(_class(header) == known or _class(header).startswith(f"{known}.") for known in IMAGE_CLASSES)


def _class(header: Any) -> str:
    """SOP class as the head of the file says, which is whole where the data set is not."""
    return str(header.file_meta.get("MediaStorageSOPClassUID") or header.get("SOPClassUID") or "")


def _compressed(file: BinaryIO, size: int) -> Cut:
    """Step over the fragments of compressed pixels, always little endian (PS3.5 A.4), to the delimiter behind them."""
    fragments = 0
    while True:
        start = file.read(8)
        if len(start) < 8:
            return Cut(message=f"its compressed pixels end in fragment {fragments}, without a delimiter")
        group, number, length = struct.unpack("<HHL", start)
        if (group, number) == SEQUENCE_END:
            return WHOLE
        if (group, number) != ITEM or file.tell() + length > size:
            return Cut(message=f"its compressed pixels break off in fragment {fragments}")
        file.seek(length, 1)
        fragments += 1


def _due(header: Any) -> int:
    """Bytes that uncompressed pixels of this size take; 0 where there is no telling."""
    rows, columns, bits = header.get("Rows"), header.get("Columns"), header.get("BitsAllocated")
    if not (rows and columns and bits) or int(header.get("SamplesPerPixel") or 1) != 1:
        return 0
    frames = int(header.get("NumberOfFrames") or 1)
    return (int(rows) * int(columns) * int(bits) * frames + 7) // 8
