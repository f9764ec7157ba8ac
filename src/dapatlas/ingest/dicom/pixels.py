"""Stored values of planes, decoded one after the other, and the volume that they fill."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import DapatlasError
from dapatlas.extras import needed
from dapatlas.formats.dicom import EXTRA
from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.codestream import size_of
from dapatlas.ingest.dicom.planes import Plane, Stack
from dapatlas.ingest.fault import IngestError

# The first that is there decodes, and its word is final: pydicom would go on to the next, until one gives some picture.
# CharLS (pyjpegls) finds damage in JPEG-LS that libjpeg decodes to noise; GDCM ends the process over some damage.
DECODERS = ("pydicom", "pyjpegls", "pylibjpeg", "gdcm", "pillow")
JPEG_FAMILY = "1.2.840.10008.1.2.4."  # JPEG, JPEG-LS, JPEG 2000 and HTJ2K; DICOM PS3.5, 10
CUT = ("less than expected", "incomplete or truncated stream")  # words of pydicom and zlib


def check_decoder(header: Any, path: Path) -> None:
    """Raise IngestError where the pixels of a file are compressed in a way that nothing installed reads."""
    pixels = needed("pydicom.pixels", EXTRA, f"to read {path}")
    syntax = header.file_meta.get("TransferSyntaxUID") if "file_meta" in header.__dict__ else None
    if not syntax:
        raise IngestError(
            Code.MISSING_FIELD,
            f"{path}: no TransferSyntaxUID in its header; export the series again as DICOM files",
        )
    try:
        known = pixels.get_decoder(syntax).is_available
    except NotImplementedError:
        known = False
    if not known:
        raise IngestError(
            Code.UNSUPPORTED_TRANSFER_SYNTAX,
            f"{path}: its pixels are stored as {syntax.name} ({syntax}), which no installed package decodes; "
            f"install dapatlas[{EXTRA}], or decompress it first, as with gdcmconv --raw",
        )


def stored_values(planes: Sequence[Plane]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Decode planes, file by file; one plane is held at a time, and the bytes of one file.

    Yields
    ------
    place
        Index into ``planes``.
    values
        Shape (rows, columns); as stored, before slope and intercept.

    Raises
    ------
    IngestError
        A file is truncated, corrupt, in colour, or cannot be decoded.
    """
    by_file: dict[Path, list[int]] = {}
    for place, plane in enumerate(planes):
        by_file.setdefault(plane.path, []).append(place)
    for path, places in by_file.items():
        frames = [planes[place].frame for place in places]
        for place, values in zip(places, _frames(path, frames), strict=True):
            if values.shape != planes[place].shape:
                raise IngestError(
                    Code.CORRUPT_FILE,
                    f"{planes[place].name}: pixels of shape {values.shape}; expected one number a pixel, "
                    f"{planes[place].shape} as the header says",
                )
            yield place, values


def _frames(path: Path, frames: Sequence[int]) -> Iterator[NDArray[Any]]:
    pydicom = needed("pydicom", EXTRA, f"to read {path}")
    pixels = needed("pydicom.pixels", EXTRA, f"to read {path}")
    with _quiet(), _decoding(path):
        dataset = pydicom.dcmread(path)
        if "PixelData" not in dataset:
            raise IngestError(
                Code.TRUNCATED_FILE,
                f"{path}: ends before or within its pixels; expected a slice: copy or download it again",
            )
        check_decoder(dataset, path)
        compressed = dataset.file_meta.TransferSyntaxUID.is_encapsulated
        if int(dataset.get("BitsAllocated") or 0) == 1 and not compressed:
            yield from _bits(dataset, frames)
            return
        count = int(dataset.get("NumberOfFrames") or 1)
        _check_sizes(dataset, count, path)
        offered = pixels.get_decoder(dataset.file_meta.TransferSyntaxUID).available_plugins
        decoder = next((name for name in DECODERS if name in offered), "")
        indices = frames if count > 1 else None
        for values in pixels.iter_pixels(dataset, indices=indices, raw=True, decoding_plugin=decoder):
            yield within_bits(values, dataset)


def _check_sizes(dataset: Any, count: int, path: Path) -> None:
    """Raise IngestError where compressed pixels are not of the size that the header says."""
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    if not syntax.startswith(JPEG_FAMILY):
        return
    frames = needed("pydicom.encaps", EXTRA, f"to read {path}").generate_frames
    expected = int(dataset.Rows), int(dataset.Columns)
    for code in frames(dataset.PixelData, number_of_frames=count):
        found = size_of(code)
        if found != expected:
            raise IngestError(
                Code.CORRUPT_FILE,
                f"{path}: corrupt: its compressed pixels are {'of no size' if found is None else f'{found}'}, expected "
                f"{expected} rows and columns as its header says; download it again",
            )


def _bits(dataset: Any, frames: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """Frames of one bit a pixel, which follow each other without regard to bytes (DICOM PS3.5, 8.1.1).

    pydicom 3.0 misreads them one by one where their pixels fill no whole bytes.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    packed = np.frombuffer(dataset.PixelData, np.uint8)
    due = (int(dataset.get("NumberOfFrames") or 1) * rows * columns + 7) // 8
    if len(packed) < due:
        raise ValueError(f"its pixels have {len(packed)} bytes, less than expected: {due}")
    for frame in frames:
        start, stop = frame * rows * columns, (frame + 1) * rows * columns
        bits = np.unpackbits(packed[start // 8 : (stop + 7) // 8], bitorder="little")
        yield bits[start % 8 :][: rows * columns].reshape(rows, columns)


def within_bits(values: NDArray[Any], header: Any) -> NDArray[Any]:
    """Stored values (any shape) in the bits that belong to a pixel; others may hold overlays, or lack the sign.

    That is so in files that are not compressed (DICOM PS3.5, 8.1.1); what a decoder gives is returned as it is.
    """
    stored, unused = int(header.BitsStored), int(header.BitsAllocated) - int(header.BitsStored)
    if not 0 < unused < 16 or values.dtype.itemsize * 8 != int(header.BitsAllocated) or stored < 1:
        return values
    if header.file_meta.TransferSyntaxUID.is_encapsulated:
        return values
    above = int(header.BitsAllocated) - 1 - int(header.get("HighBit", stored - 1))
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    shifted: NDArray[Any] = np.right_shift(np.left_shift(native, above), unused)
    return shifted


@contextmanager
def _quiet() -> Iterator[None]:
    """Neither warnings nor log lines of the decoders: what is wrong is raised, what is odd is checked."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Whatever decoders raise about a file becomes an IngestError that names it."""
    try:
        yield
    except (DapatlasError, MemoryError):
        raise
    except FileNotFoundError:
        raise IngestError(Code.CUT_SERIES, f"{path}: no such file; download the series again") from None
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        code = Code.TRUNCATED_FILE if any(word in said for word in CUT) else Code.CORRUPT_FILE
        found = "truncated" if code is Code.TRUNCATED_FILE else "corrupt"
        raise IngestError(
            code,
            f"{path}: {found}, its pixels cannot be decoded ({type(error).__name__}: {said}); download it again",
        ) from None


def whole_numbers(stack: Stack) -> bool:
    """Whether slopes and intercepts leave whole numbers whole."""
    return all(plane.slope.is_integer() and plane.intercept.is_integer() for plane in stack.planes)


def integer_volume(stack: Stack) -> NDArray[Any]:
    """Rescaled values of a stack with whole slopes and intercepts, indexed (column, row, slice).

    They are int16 where they fit, as HU do, else int32; Fortran order.
    """
    volume: NDArray[Any] = np.empty(stack.grid.shape, np.int16, order="F")
    bounds = np.iinfo(np.int16)
    for place, values in stored_values(stack.planes):
        plane = stack.planes[place]
        wide = values.astype(np.int64 if values.itemsize > 2 else np.int32)
        rescaled: NDArray[Any] = wide * int(plane.slope) + int(plane.intercept)
        if volume.dtype == np.int16 and not bounds.min <= rescaled.min() <= rescaled.max() <= bounds.max:
            volume = volume.astype(np.int32)
        volume[:, :, place] = rescaled.T
    return volume


def float_volume(stack: Stack, factor: float = 1.0) -> NDArray[np.float32]:
    """Rescaled values of a stack times a factor, float32, indexed (column, row, slice), Fortran order."""
    volume = np.empty(stack.grid.shape, np.float32, order="F")
    for place, values in stored_values(stack.planes):
        plane = stack.planes[place]
        volume[:, :, place] = ((values.astype(np.float64) * plane.slope + plane.intercept) * factor).T
    return volume
