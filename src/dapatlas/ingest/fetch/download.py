"""Downloads that go on where they stopped, and files that are there whole, checked, or not at all.

What has arrived stands beside the target as ``.NAME.partial``; ``.NAME.partial.json`` says what it is part of. A server
that cannot go on from the middle, or whose file is another by now, begins again. RFC 9110, sections 13 and 14.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.request import Request

from dapatlas.files import write_json
from dapatlas.ingest.codes import Code
from dapatlas.ingest.fetch.web import (
    ATTEMPTS,
    DownloadError,
    DroppedError,
    Opener,
    Pause,
    ask,
    check_address,
    headers,
    open_url,
    patiently,
    reading,
)
from dapatlas.ingest.space import check_space, full_disk_named

BLOCK_BYTES = 1 << 20

Progress = Callable[[int, "int | None"], None]


class WrongContentError(DownloadError):
    """What arrived is not what was published."""

    code = Code.CHECKSUM_DIFFERS


def download(
    url: str,
    target: Path,
    *,
    sha256: str = "",
    md5: str = "",
    size: int | None = None,
    about: int | None = None,
    progress: Progress | None = None,
    opener: Opener = open_url,
    attempts: int = ATTEMPTS,
    pause: Pause = time.sleep,
) -> Path:
    """Download one file, going on where an earlier attempt stopped.

    Parameters
    ----------
    url
        http or https.
    target
        The file to make; one that stands is checked and left.
    sha256, md5
        Published checksums, as hexadecimal digits; empty where there are none.
    size
        Published size in bytes; another one is an error.
    about
        Roughly how many bytes to make sure of room for, where the server does not say.
    progress
        Called with how many bytes are there, and of how many (``None`` where nobody knows).
    opener
        Sends a request; :func:`open_url`, or another for tests.
    attempts
        How many times in a row it may fail without a new byte.
    pause
        Waits so many seconds.

    Returns
    -------
    Path
        ``target``.

    Raises
    ------
    NoSpaceError
        The disk has no room, before or in the middle; what has arrived stays for the next run.
    WrongContentError
        Size or checksum differ from what was published.
    DownloadError
        The server cannot be reached, refuses, or sends a page in place of the file.
    """
    check_address(url)
    published = _Published(sha256.lower(), md5.lower(), size)
    if target.exists():
        published.check(target, url, "delete it, and start again")
        return target
    part = _Part(target)

    def once() -> None:
        _go_on(url, part, published, about, progress, opener)

    patiently(once, url, attempts, pause, part.size)
    try:
        published.check(part.path, url, "it was deleted; start again")
    except WrongContentError:
        part.discard()
        raise
    with _writing(target):
        part.finish()
    return target


def discard(target: Path) -> None:
    """Forget what has arrived of a file that is not whole."""
    _Part(target).discard()


@dataclass(frozen=True, slots=True)
class _Published:
    """What a source says of its file."""

    sha256: str
    md5: str
    size: int | None

    @property
    def has_checksum(self) -> bool:
        return bool(self.sha256 or self.md5)

    def check(self, path: Path, url: str, remedy: str) -> None:
        """Compare a file with it."""
        found = path.stat().st_size
        if self.size is not None and found != self.size:
            raise WrongContentError(f"{path}: {found} bytes, but {url} has {self.size}; {remedy}")
        for name, expected in (("sha256", self.sha256), ("md5", self.md5)):
            if expected and (digest := _digest(path, name)) != expected:
                raise WrongContentError(
                    f"{path}: {name} {digest}, but {expected} was published for {url}; {remedy}. If the source has "
                    "a newer file, put its checksum into a table of sources of your own"
                )

    def check_offer(self, total: int | None, url: str) -> None:
        """Compare what the server is about to send."""
        if self.size is not None and total is not None and total != self.size:
            raise WrongContentError(
                f"{url}: the server has {total} bytes, but {self.size} were published; nothing was downloaded"
            )


class _Part:
    """What has arrived of a file, and what it is part of."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.partial")
        self._notes_path = target.with_name(f".{target.name}.partial.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def notes(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            notes = json.loads(self._notes_path.read_text(encoding="utf-8"))
            if isinstance(notes, dict):
                return notes
        return {}

    def begin(self, url: str, headers: Any, total: int | None) -> None:
        """Forget what was there, and note what is to come."""
        self.discard()
        etag, modified = headers.get("ETag") or "", headers.get("Last-Modified") or ""
        write_json(self._notes_path, {"url": url, "etag": etag, "modified": modified, "total": total})

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._notes_path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give it its name, once it is on the disk."""
        with self.path.open("rb") as stream:
            os.fsync(stream.fileno())
        self.path.replace(self.target)
        self._notes_path.unlink(missing_ok=True)


def _go_on(
    url: str, part: _Part, published: _Published, about: int | None, progress: Progress | None, opener: Opener
) -> None:
    """Ask for what is missing, and take it in."""
    have = part.size()
    asked = headers() | _resume_headers(url, part, have, published)
    with ask(Request(url, headers=asked), opener) as response:  # the address was checked
        start, total = _offer(response, have if "Range" in asked else 0, part)
        if start is None:
            return
        published.check_offer(total, url)
        _refuse_page(response, url)
        with _writing(part.target):
            part.target.parent.mkdir(parents=True, exist_ok=True)
            check_space(part.target.parent, (total or about or 0) - start, f"to download {part.target.name}")
            if start == 0:
                part.begin(url, response.headers, total)
        arrived = _pour(response, part, start, total, progress)
    if total is not None and arrived < total:
        raise DroppedError(f"the connection ended after {arrived} of {total} bytes")
    if total is None and progress:
        progress(arrived, arrived)


def _resume_headers(url: str, part: _Part, have: int, published: _Published) -> dict[str, str]:
    """Headers that ask for the rest, where it is certain to be the rest of the same file; else none."""
    notes = part.notes()
    if not have or notes.get("url") != url:
        return {}
    etag, modified = str(notes.get("etag") or ""), str(notes.get("modified") or "")
    # a weak tag does not vouch for bytes
    validator = etag if etag and not etag.startswith("W/") else modified
    if validator:
        return {"Range": f"bytes={have}-", "If-Range": validator}
    return {"Range": f"bytes={have}-"} if published.has_checksum else {}


def _offer(response: Any, have: int, part: _Part) -> tuple[int | None, int | None]:
    """From which byte on the server sends, and of how many; (``None``, total) where all is there."""
    length = response.headers.get("Content-Length")
    if response.status == 200:
        return 0, int(length) if length else None
    where, _, last = (response.headers.get("Content-Range") or "").partition("/")
    total = int(last) if last.isdigit() else None
    if response.status == 416 and have and total == have:
        return None, total
    known = part.notes().get("total")
    if response.status == 206 and where == f"bytes {have}-{(total or 0) - 1}" and known in (None, total):
        return have, total
    part.discard()
    raise DroppedError("the file changed on the server")


def _refuse_page(response: Any, url: str) -> None:
    if response.headers.get_content_type() == "text/html":
        raise DownloadError(
            f"{url}: the server sent a page, not the file (it may want a log-in, a click, or be over its quota); "
            "open the address in a browser and download the file by hand"
        )
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise DownloadError(f"{url}: the server compresses what it sends, unasked; download the file by hand")


def _pour(response: Any, part: _Part, start: int, total: int | None, progress: Progress | None) -> int:
    """Append all that comes; return how many bytes are there then."""
    done = start
    with _writing(part.target), part.path.open("ab" if start else "wb", buffering=0) as file:
        if progress:
            progress(done, total)
        while True:
            with reading():
                block = response.read(BLOCK_BYTES)
            if not block:
                return done
            _write(file, block)
            done += len(block)
            if progress:
                progress(done, total)


def _write(file: IO[bytes], block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]


def _digest(path: Path, name: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, name).hexdigest()


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn what a disk objects to into a message."""
    try:
        with full_disk_named(target):
            yield
    except OSError as error:
        raise DownloadError(f"{target}: cannot be written ({error.strerror or error})") from None
