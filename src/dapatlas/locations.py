"""Where files lie: on this machine, or behind a URL such as ``s3://bucket/atlas``. Nothing else asks which.

A local path is pathlib's own. Behind a URL it is a :class:`~dapatlas.remote_path.RemotePath`, which does what pathlib's
does as far as a store can: it lists, tells sizes, reads as a stream. :func:`dapatlas.files.whole_file` writes to both.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path, PurePath
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from dapatlas.errors import DapatlasError
from dapatlas.extras import needed

HIDDEN = ".dapatlas"  # folder for what a data set or an output needs beside it
EXTRA = "remote"  # the optional part of dapatlas that brings the packages

Place = str | os.PathLike[str]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # two letters or more: C:// is a drive
_MANGLED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:(/|$)")  # what pathlib makes of a URL


def is_remote(where: Place) -> bool:
    """Whether a URL or a path leads off this machine; ``file://`` does not."""
    if isinstance(where, str):
        found = _URL.match(where)
        return found is not None and found[1].lower() != "file"
    return not isinstance(where, os.PathLike)  # paths behind URLs have no name in the file system


def location(where: Place) -> Path:
    """The path for a URL, for the name of a local file, or for what is a path already.

    Nothing is asked of the store. What was remembered of its listings is forgotten when a URL comes as text.

    Raises
    ------
    DapatlasError
        A package for this kind of URL is not installed, nobody knows such URLs, or it went through pathlib, which
        makes one slash of two.
    """
    if isinstance(where, str) and is_remote(where):
        path = _remote(where)
        look_again(path)
        return path
    if is_remote(where):
        return _remote(where)
    if isinstance(where, str) and where.startswith("file://"):
        where = unquote(urlsplit(where).path)
    path = where if isinstance(where, Path) else Path(where)
    _refuse_mangled(path)
    return path


def look_again(path: Path) -> None:
    """Forget what is remembered of a store's listings; nothing is remembered of local folders."""
    if is_remote(path):
        cast(Any, path).fs.invalidate_cache()


def hidden_folder(folder: Path) -> Path:
    """Where journal, lock and half-finished work of a folder lie; always on this machine.

    For a local folder it is ``.dapatlas`` in it; for a URL a folder of the user's cache
    (``$XDG_CACHE_HOME``, by default ``~/.cache``), named after the last part and a hash of URL and endpoint.

    Raises
    ------
    DapatlasError
        The folder's name is that of a URL which went through pathlib.
    """
    if not is_remote(folder):
        _refuse_mangled(folder)
        return folder / HIDDEN
    key = f"{str(folder).rstrip('/')} {os.environ.get('AWS_ENDPOINT_URL', '')}"
    name = PurePath(str(folder)).name
    return user_cache() / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def user_cache() -> Path:
    """The user's folder for what can be made again: ``$XDG_CACHE_HOME/dapatlas``, by default ``~/.cache/dapatlas``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dapatlas"


def check_writable(folder: Path) -> None:
    """Refuse a URL of a kind that is only read; permissions of folders and buckets show when something is written.

    Raises
    ------
    DapatlasError
        The message says where to write instead.
    """
    if is_remote(folder):
        cast(Any, folder).check_writable()


def version_of(path: Path) -> list[int | str]:
    """Size in bytes and time of change in ns, or what the store calls a version (ETag), ready for JSON.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    if is_remote(path):
        return cast("list[int | str]", cast(Any, path).version())
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _refuse_mangled(path: Path) -> None:
    if _MANGLED.match(str(path)) and not path.exists():
        raise DapatlasError(
            f"{path}: this was a URL and lost a slash on its way: what is asked for here works on local files alone"
        )


def _remote(where: Any) -> Path:
    for module in ("fsspec", "upath"):
        needed(module, EXTRA, f"for {where}")
    from dapatlas.remote_path import remote_path  # loads fsspec, which local paths do without

    return cast(Path, remote_path(where))
