"""Is a file whole? By its size and the end of its gzip stream; and why one could not be read, byte by byte."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
from nibabel.spatialimages import HeaderDataError

from dapatlas.dataset.codes import Code

BLOCK_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
GZIP_END_BYTES = 8
ISIZE_MODULUS = 1 << 32
HEADERS: dict[int, Any] = {348: nib.Nifti1Header, 540: nib.Nifti2Header}  # by the number that they begin with


def diagnose(path: Path, error: Exception) -> tuple[Code, str]:
    """Name the fault of a file that reading failed on.

    Parameters
    ----------
    path
        The file.
    error
        What the reader said; it stands where nothing better is found.

    Returns
    -------
    tuple
        ``TRUNCATED_FILE``, ``CORRUPT_FILE`` or ``UNREADABLE_FILE``, and a phrase that follows "the file …".
    """
    return damage(path) or (Code.UNREADABLE_FILE, f"cannot be read as a NIfTI volume ({error})")


def damage(path: Path) -> tuple[Code, str] | None:
    """Walk through a file to its end and name its fault as :func:`diagnose` does; None if no byte is missing."""
    try:
        if path.stat().st_size == 0:
            return Code.TRUNCATED_FILE, "is empty: 0 bytes"
        size = _unpacked_size(path) if is_packed(path) else path.stat().st_size
        expected = _expected_size(path)
    except EOFError:
        return Code.TRUNCATED_FILE, "breaks off in the middle of its gzip stream"
    except (gzip.BadGzipFile, zlib.error) as fault:
        return Code.CORRUPT_FILE, f"has a damaged gzip stream ({fault})"
    except OSError as refusal:
        return Code.UNREADABLE_FILE, f"cannot be opened ({refusal.strerror or refusal})"
    if expected is not None and size < expected:
        return Code.TRUNCATED_FILE, f"holds {size} bytes of the {expected} that its header announces"
    return None


def seems_whole(path: Path, header: Any) -> bool:
    """Whether a file is as large as its header announces, judged without reading the voxels.

    Parameters
    ----------
    path
        A NIfTI file.
    header
        Its header.

    Returns
    -------
    bool
        Of a plain file, whether it has enough bytes. Of a compressed one, whether the number of bytes that its
        last four bytes tell (ISIZE of RFC 1952, modulo 2^32) is the announced one. A file in several gzip members,
        or with something behind the stream, is whole and does not seem so: :func:`damage` has the last word.

    Notes
    -----
    Not seen: damage in the middle, a wrong checksum, and a cut after which the last four bytes happen to fit.
    """
    try:
        announced = _announced_bytes(header)
        end = gzip_end(path)
        if end is None:
            return path.stat().st_size >= announced
    except (OSError, HeaderDataError, KeyError, ValueError, OverflowError):
        return False
    return int.from_bytes(end[4:], "little") == announced % ISIZE_MODULUS


def gzip_end(path: Path) -> bytes | None:
    """Last eight bytes of a gzip file: CRC32 and length of what it unpacks to; None of any other file."""
    with path.open("rb") as stream:
        if stream.read(len(GZIP_MAGIC)) != GZIP_MAGIC:
            return None
        stream.seek(-min(GZIP_END_BYTES, path.stat().st_size), 2)
        return stream.read(GZIP_END_BYTES)


def is_packed(path: Path) -> bool:
    """Whether the content is gzip's, whatever the name says."""
    with path.open("rb") as stream:
        return stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def _unpacked_size(path: Path) -> int:
    """Walk through a gzip file to its end, checksums included, and count the bytes."""
    size = 0
    with path.open("rb") as raw, gzip.open(raw, "rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            size += len(block)
    return size


def _expected_size(path: Path) -> int | None:
    """Bytes that header and voxels need together; None if there is no NIfTI header to tell."""
    packed = is_packed(path)
    with path.open("rb") as file, gzip.open(file, "rb") if packed else file as stream:
        raw = stream.read(max(HEADERS))
    size = next((size for size in HEADERS if _starts_with(raw, size)), None)
    if size is None or len(raw) < size:
        return None
    try:
        return _announced_bytes(HEADERS[size](raw[:size], check=False))
    except (HeaderDataError, KeyError, ValueError, OverflowError):  # a type unknown, an offset no number
        return None


def _announced_bytes(header: Any) -> int:
    voxels = math.prod(int(length) for length in header.get_data_shape())
    return int(header["vox_offset"]) + voxels * int(header.get_data_dtype().itemsize)


def _starts_with(raw: bytes, size: int) -> bool:
    """Whether a header begins with its own size, in either byte order."""
    return raw[:4] in (size.to_bytes(4, "little"), size.to_bytes(4, "big"))
