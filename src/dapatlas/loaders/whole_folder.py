"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from dapatlas.files import SCRATCH

ABANDONED_S = 86400.0  # a half-built folder as old as this is nobody's any more


@contextmanager
def whole_folder(folder: Path, mark: str) -> Iterator[Path]:
    """Give a scratch folder that takes the name of ``folder`` on success, unless another process was first.

    Parameters
    ----------
    folder
        The name.
    mark
        A file that every such folder has once it is whole.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(mkdtemp(prefix=".", suffix=SCRATCH, dir=folder.parent))
    try:
        yield scratch
        for path in (*scratch.iterdir(), scratch):
            _flush(path)
        scratch.chmod(folder.parent.stat().st_mode & 0o777)  # mkdtemp makes it private
        try:
            scratch.rename(folder)
        except OSError:
            if not (folder / mark).is_file():  # another process built the same; its folder is as good
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear_others(folder: Path, mark: str) -> None:
    """Remove whole folders of earlier states beside this one, and what killed runs left there long ago.

    Whatever else lies there is somebody else's and stays.
    """
    for other in folder.parent.iterdir():
        if other == folder or len(other.name) != len(folder.name):
            ours = other.name.startswith(".") and other.name.endswith(SCRATCH) and _is_old(other)
        else:
            ours = (other / mark).is_file()
        if ours:
            shutil.rmtree(other, ignore_errors=True)


def _is_old(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime < time.time() - ABANDONED_S
    return False
