"""Chunks that nobody can use any more: of earlier states of a case, or of runs that were killed."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from dapatlas.files import SCRATCH

ABANDONED_S = 86400.0  # a half-built folder as old as this is nobody's any more


def clear_stale(folder: Path, mark: str) -> None:
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
