"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import Any


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a scratch path beside ``path``; on success it takes that name, on failure it goes.

    The scratch file ends in the suffixes of ``path`` (writers choose their format by them) and starts with a dot,
    so that no listing of a data set takes it for a finished file. It is flushed to disk before it
    is renamed: after a power cut the name stands for the whole file or for nothing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = mkstemp(prefix=".", suffix=f".partial{''.join(path.suffixes)}", dir=path.parent)
    os.close(descriptor)
    scratch = Path(name)
    try:
        yield scratch
        _flush_to_disk(scratch)
        scratch.chmod(0o666 & ~_umask())  # mkstemp makes files private; ours are ordinary ones
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with Unix line ends, whole or not at all."""
    with whole_file(path) as scratch:
        scratch.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON, indented by one space, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def link_file(path: Path, source: Path) -> None:
    """Make ``path`` a symbolic link to ``source``, in place of whatever file had that name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.partial")
    scratch.unlink(missing_ok=True)  # left by a run that was killed
    scratch.symlink_to(source)
    scratch.replace(path)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
