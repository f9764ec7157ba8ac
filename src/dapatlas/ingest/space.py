"""Room on the disk: asked for before much is written, and named when it runs out all the same."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dapatlas.errors import DapatlasError
from dapatlas.ingest.codes import Code

RESERVE_BYTES = 1 << 28  # left free for everybody else: journals, reports, other programs
FULL = (errno.ENOSPC, errno.EDQUOT)  # no space, or none of one's own quota


class NoSpaceError(DapatlasError):
    """The disk is full, or would be; whatever was finished before stays good."""

    code = Code.NO_SPACE


def check_space(folder: Path, needed: int, purpose: str) -> None:
    """Make sure that so many bytes can be written to a folder, or to where it is to be made.

    Parameters
    ----------
    folder
        It need not exist yet.
    needed
        Bytes.
    purpose
        What they are for, as in "to unpack scans.zip".

    Raises
    ------
    NoSpaceError
        There is less, once a reserve is taken off.
    """
    standing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(standing).free
    if needed + RESERVE_BYTES > free:
        raise NoSpaceError(
            f"{folder}: {_gib(needed)} are needed {purpose}, with {_gib(RESERVE_BYTES)} to spare; "
            f"{_gib(free)} are free; make room, or take another disk"
        )


@contextmanager
def full_disk_named(path: Path) -> Iterator[None]:
    """Turn the operating system's word for a full disk into ours.

    Raises
    ------
    NoSpaceError
        The disk, or one's quota on it, is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NoSpaceError(
            f"{path}: cannot be written: {os.strerror(error.errno).lower()}; "
            "make room, then start again: what is done stays done"
        ) from None


def _gib(count: int) -> str:
    return f"{count / (1 << 30):.2f} GiB"
