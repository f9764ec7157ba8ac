"""Gzip at the speed of ISA-L: reading straight into memory, writing on all processors.

Written files are one standard gzip member that every reader of ``.nii.gz`` takes, with no name and no
time in the header: the same volume gives the same bytes, whatever the number of threads.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO

from isal import igzip, igzip_threaded
from isal.igzip_lib import IsalError

from dapatlas.errors import BadFileError

MAGIC = b"\x1f\x8b"
BLOCK_BYTES = 1 << 20  # read and written at a time; large enough that Python's share of the time vanishes
# ISA-L has levels 0 to 3. On label maps level 1 writes files about as small as zlib's level 1 does, in a
# fraction of the time; 2 and 3 gain little. `python -m benchmarks` has the numbers.
LEVEL = 1

Buffer = memoryview | bytearray


def is_gzipped(path: Path) -> bool:
    """Whether a file's first bytes are gzip's; its name is not asked."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


@contextmanager
def open_reader(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, decompressing where it is gzipped; gzip's own errors become ours.

    Raises
    ------
    BadFileError
        The file is missing, truncated or corrupt.
    """
    try:
        # unbuffered: igzip asks for much at a time, and takes what it gets; behind a URL that is a small block first
        with path.open("rb", buffering=0) as raw:
            packed = raw.read(len(MAGIC)) == MAGIC
            raw.seek(0)
            with igzip.open(raw, "rb") if packed else BufferedReader(raw) as stream:
                yield stream
    except BadFileError:  # which says all that is to be said, of a store that is not there
        raise
    except FileNotFoundError:
        raise BadFileError(f"{path}: no such file") from None
    except EOFError:
        raise BadFileError(
            f"{path}: truncated: the gzip stream ends before its end mark; copy or download the file again"
        ) from None
    except (gzip.BadGzipFile, IsalError) as error:  # type: ignore[misc]  # its stub calls it an instance
        raise BadFileError(
            f"{path}: corrupt gzip stream ({error}); copy or download the file again"
        ) from None
    except OSError as error:
        raise BadFileError(f"{path}: cannot be read ({error.strerror or error})") from None


def read_into(stream: IO[bytes], buffer: Buffer) -> int:
    """Fill ``buffer`` from a stream, block by block, and return how many bytes there were."""
    view = memoryview(buffer).cast("B")
    done = 0
    while done < len(view):
        block = stream.readinto(view[done : done + BLOCK_BYTES])  # type: ignore[attr-defined]
        if not block:
            break
        done += block
    return done


@contextmanager
def open_writer(path: Path, threads: int) -> Iterator[IO[bytes]]:
    """Open a file for writing, compressing on so many threads where its name ends in ``.gz``."""
    if not path.name.endswith(".gz"):
        with path.open("wb") as stream:
            yield stream
        return
    # not 0 threads: that takes another way through python-isal, with other bytes
    with igzip_threaded.open(
        path, "wb", compresslevel=LEVEL, threads=threads, block_size=BLOCK_BYTES
    ) as stream:
        yield stream
