"""SHA-256 of files, and whether a file is the one that was hashed before."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from dapatlas.locations import is_remote, version_of


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read as a stream."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def place_of(path: Path) -> list[Any]:
    """Real path, size in bytes, time of change in ns and inode, ready for JSON; links are followed.

    While all four stay as they were, nobody wrote to the file. Behind a URL: URL, size and version.
    """
    if is_remote(path):
        return [str(path), *version_of(path)]
    real = path.resolve()
    status = real.stat()
    return [str(real), status.st_size, status.st_mtime_ns, status.st_ino]
