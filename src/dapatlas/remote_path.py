"""Paths behind URLs, over any store that fsspec knows: listed and read as pathlib's are, written to by uploads.

Only :mod:`dapatlas.locations` imports this module, and only where there is a URL.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, cast

from upath import UPath
from upath.extensions import ProxyUPath

from dapatlas.errors import BadFileError, DapatlasError

# Bytes fetched at a time: a header is in the first few thousand; who reads on wants all of it.
FIRST_BYTES, GROWTH, MOST_BYTES = 8 << 10, 4, 4 << 20
KEPT_BLOCKS = 512  # first and last blocks of files that are remembered; several checks ask for the same ones
MARKER = ".keep"  # the hidden, empty file that stands for a folder: stores have none

READ_ONLY = {"hf": ", `dapatlas publish` writes to the Hub", "http": "", "https": ""}
VERSION_KEYS = ("ETag", "etag", "blob_id", "md5Hash", "mtime", "created", "LastModified", "last_modified")
# Libraries whose errors are about the store, beside OSError; not all of theirs derive from it.
STORES = (
    "botocore",
    "aiobotocore",
    "aiohttp",
    "s3fs",
    "fsspec",
    "huggingface_hub",
    "httpx",
    "httpx2",
    "requests",
)
_CREDENTIALS = (
    "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (s3), or HF_TOKEN (hf); for a "
    "public bucket set FSSPEC_S3_ANON=true"
)
_NO_ANSWER = "the store does not answer: check the network, and for s3 AWS_ENDPOINT_URL"
# By a word in the name of the error's type: these libraries are not always there to name their types.
REMEDIES = {
    "Credential": _CREDENTIALS,
    "Token": _CREDENTIALS,
    "Permission": "access denied: see whether this key may read there, or write where something is written",
    "Expired": "it changed while it was read: start again",
    "Connect": _NO_ANSWER,
    "Timeout": _NO_ANSWER,
    "Payload": "the connection broke off: start again",
}


class UnreachableError(BadFileError, OSError):
    """A store refuses, is not there, or broke off; also an ``OSError``, as a disk would raise."""


class RemotePath(ProxyUPath):
    """A path behind a URL; errors name it, and say what to do."""

    def open(self, mode: str = "r", buffering: int = -1, *args: Any, **options: Any) -> Any:
        """Open for reading, as bytes or text; blocks are fetched as they are asked for, and grow."""
        if mode not in ("r", "rt", "rb"):
            raise UnreachableError(f"{self}: cannot be opened to write; dapatlas.files.whole_file uploads it")
        with _told(self):
            raw = _Stream(self)
        if buffering == 0:
            return raw
        stream = io.BufferedReader(raw, FIRST_BYTES)
        return stream if mode == "rb" else io.TextIOWrapper(stream, *args, **options)

    def read_bytes(self) -> bytes:
        """All of it."""
        with self.open("rb") as stream:
            return cast(bytes, stream.read())

    def read_text(
        self, encoding: str | None = None, errors: str | None = None, newline: str | None = None
    ) -> str:
        """All of it, decoded."""
        with self.open("r", encoding=encoding or "utf-8", errors=errors, newline=newline) as stream:
            return cast(str, stream.read())

    def stat(self, *, follow_symlinks: bool = True) -> Any:
        """Size and time of change."""
        with _told(self):
            return self.__wrapped__.stat()

    def version(self) -> list[int | str]:
        """Size, and what the store calls the version, or the time of change."""
        with _told(self):
            info = self.fs.info(self.path)
        return [int(info.get("size") or 0), _version(info)]

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether there is such a file or folder."""
        with _told(self):
            return self.__wrapped__.exists()

    def is_file(self) -> bool:
        """Whether it is a file."""
        with _told(self):
            return self.__wrapped__.is_file()

    def is_dir(self) -> bool:
        """Whether anything lies under it; raises where there is no such bucket."""
        with _told(self):
            if self.__wrapped__.is_dir():
                return True
            if not self.__wrapped__.exists():
                try:
                    self.fs.ls(self.path)  # which tells a bucket that is missing from an empty one
                except FileNotFoundError as error:
                    _refuse_bucket(self, error)
            return False

    def iterdir(self) -> Iterator[RemotePath]:
        """What lies under it, of a marker for itself excepted."""
        with _told(self):
            names = [str(entry["name"]).strip("/") for entry in self.fs.ls(self.path, detail=True)]
        own = self.path.strip("/")
        yield from (self / name.rpartition("/")[2] for name in names if name != own)

    def glob(self, pattern: str, **options: Any) -> Iterator[RemotePath]:
        """Files and folders under it by a pattern."""
        with _told(self):
            yield from list(super().glob(pattern, **options))

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Leave a hidden, empty file in it, unless something is there."""
        self.check_writable()
        if self.is_dir():
            if not exist_ok:
                raise FileExistsError(str(self))
            return
        with _told(self):
            self.fs.pipe_file((self / MARKER).path, b"")

    def unlink(self, missing_ok: bool = False) -> None:
        """Take the file away."""
        self.check_writable()
        with _told(self):
            self.__wrapped__.unlink(missing_ok=missing_ok)

    def upload(self, source: Path) -> None:
        """Put a local file there; stores show it when all of it has come, or not at all."""
        self.check_writable()
        with _told(self):
            self.fs.put_file(str(source), self.path)

    def copy_of(self, source: RemotePath) -> bool:
        """Have the store copy a file of its own there; False where it lies in another store."""
        self.check_writable()
        if source.protocol != self.protocol or source.storage_options != self.storage_options:
            return False
        with _told(self):
            self.fs.cp_file(source.path, self.path)
        return True

    def check_writable(self) -> None:
        """Refuse to write where only reading is meant."""
        if self.protocol in READ_ONLY:
            raise UnreachableError(
                f"{self}: {self.protocol}:// is only read{READ_ONLY[self.protocol]}; name a local folder with --out "
                "(stats: and with --work)"
            )


def remote_path(where: Any) -> RemotePath:
    """The path for a URL, or for one of fsspec's paths.

    Raises
    ------
    DapatlasError
        Nobody knows such URLs, or a package for them is not installed.
    """
    if isinstance(where, RemotePath):
        return where
    try:
        path = RemotePath._from_upath(UPath(where))
        path.fs  # noqa: B018  # imports the package that knows such URLs
    except ImportError as error:
        raise DapatlasError(f"{where}: {error}") from None  # fsspec says which package to install
    except ValueError as error:
        raise DapatlasError(
            f"{where}: no URL that can be used ({error}); expected s3://BUCKET/FOLDER"
        ) from None
    return path


class _Stream(io.RawIOBase):
    """A file of a store, fetched in blocks that grow while it is read from front to back."""

    def __init__(self, path: RemotePath) -> None:
        self._path = path
        info = path.fs.info(path.path)
        if info["type"] == "directory":
            raise IsADirectoryError(str(path))
        self._size, self._version = int(info["size"]), _version(info)
        self._place = self._start = 0  # next byte to give; first byte held
        self._held = b""
        self._next = FIRST_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = (0, self._place, self._size)[whence] + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._place >= self._size or not len(view):
            return 0
        if not self._start <= self._place < self._start + len(self._held):
            with _told(self._path):
                self._fetch()
        at = self._place - self._start
        given = self._held[at : at + len(view)]
        view[: len(given)] = given
        self._place += len(given)
        return len(given)

    def _fetch(self) -> None:
        start, stop = self._place, min(self._place + self._next, self._size)
        if stop - start <= FIRST_BYTES and self._version:
            block = _small_block(self._path, self._version, start, stop)
        else:
            self._file.seek(start)
            block = self._file.read(stop - start)
        if len(block) < stop - start:
            raise UnreachableError(
                f"{self._path}: the store gave {len(block)} of {stop - start} bytes; start again"
            )
        self._start, self._held = start, block
        self._next = min(self._next * GROWTH, MOST_BYTES)

    @cached_property
    def _file(self) -> Any:
        file = _unbuffered(self._path)
        if _version(getattr(file, "details", {})) not in ("", self._version):
            raise UnreachableError(f"{self._path}: {REMEDIES['Expired']}")
        return file

    def close(self) -> None:
        if "_file" in self.__dict__:
            self._file.close()
        self._held = b""
        super().close()


@lru_cache(maxsize=KEPT_BLOCKS)
def _small_block(path: RemotePath, version: int | str, start: int, stop: int) -> bytes:
    with _unbuffered(path) as file:
        file.seek(start)
        return cast(bytes, file.read(stop - start))


def _unbuffered(path: RemotePath) -> Any:
    """Reads exactly what it is asked for; where the store can, it refuses a file that has changed since."""
    return path.fs.open(path.path, "rb", cache_type="none")


def _version(info: Any) -> int | str:
    found = next((info[key] for key in VERSION_KEYS if info.get(key)), "")
    return str(found).strip('"')


@contextmanager
def _told(path: RemotePath) -> Iterator[None]:
    """Say errors of a store in our words; that a file is not there stays a ``FileNotFoundError``."""
    try:
        yield
    except (DapatlasError, FileExistsError, IsADirectoryError, NotADirectoryError):
        raise
    except FileNotFoundError as error:
        _refuse_bucket(path, error)
        raise FileNotFoundError(
            errno.ENOENT, os.strerror(errno.ENOENT), str(path)
        ) from None  # as a disk says it
    except Exception as error:
        if not isinstance(error, OSError) and not _is_of_a_store(error):
            raise
        name = type(error).__name__
        remedy = next((remedy for word, remedy in REMEDIES.items() if word in name), "it failed")
        raise UnreachableError(f"{path}: {remedy} ({name}: {error})") from None


def _is_of_a_store(error: Exception) -> bool:
    return any(kind.__module__.partition(".")[0] in STORES for kind in type(error).__mro__)


def _refuse_bucket(path: RemotePath, error: FileNotFoundError) -> None:
    if "bucket does not exist" in str(error):
        raise UnreachableError(
            f"{path}: there is no bucket {path.drive!r}; correct the URL, or AWS_ENDPOINT_URL where the store is not "
            "Amazon's"
        ) from None
