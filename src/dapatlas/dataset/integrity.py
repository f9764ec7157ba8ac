"""Why a file could not be read: told by walking through its bytes once more."""

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
    try:
        if path.stat().st_size == 0:
            return Code.TRUNCATED_FILE, "is empty: 0 bytes"
        size = _unpacked_size(path) if is_packed(path) else path.stat().st_size
        expected = _expected_size(path)
    except EOFError:
        return Code.TRUNCATED_FILE, "breaks off in the middle of its gzip stream"
    except (gzip.BadGzipFile, zlib.error) as damage:
        return Code.CORRUPT_FILE, f"has a damaged gzip stream ({damage})"
    except OSError as refusal:
        return Code.UNREADABLE_FILE, f"cannot be opened ({refusal.strerror or refusal})"
    if expected is not None and size < expected:
        return Code.TRUNCATED_FILE, f"holds {size} bytes of the {expected} that its header announces"
    return Code.UNREADABLE_FILE, f"cannot be read as a NIfTI volume ({error})"


def is_packed(path: Path) -> bool:
    """Whether the content is gzip's, whatever the name says."""
    with path.open("rb") as stream:
        return stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def _unpacked_size(path: Path) -> int:
    """Walk through a gzip file to its end, checksums included, and count the bytes."""
    size = 0
    with gzip.open(path, "rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            size += len(block)
    return size


def _expected_size(path: Path) -> int | None:
    """Bytes that header and voxels need together; None if there is no NIfTI header to tell."""
    with gzip.open(path, "rb") if is_packed(path) else path.open("rb") as stream:
        raw = stream.read(max(HEADERS))
    size = next((size for size in HEADERS if _starts_with(raw, size)), None)
    if size is None or len(raw) < size:
        return None
    try:
        header = HEADERS[size](raw[:size], check=False)
        voxels = math.prod(int(length) for length in header.get_data_shape())
        return int(header["vox_offset"]) + voxels * int(header.get_data_dtype().itemsize)
    except (HeaderDataError, KeyError, ValueError, OverflowError):  # a type unknown, an offset no number
        return None


def _starts_with(raw: bytes, size: int) -> bool:
    """Whether a header begins with its own size, in either byte order."""
    return raw[:4] in (size.to_bytes(4, "little"), size.to_bytes(4, "big"))
