"""Fetching series from servers that run NBIA.

A series comes as one zip that the server makes while it sends it: without a length, and without a way to go on in the
middle. When the server itself stumbles, the zip ends early but well-formed; so what came is counted against the number
of images that the server names, and compared with its MD5 sums.

Each series becomes ``<folder>/<SeriesInstanceUID>/``, whole or not at all. That is the journal, too: what stands is
done.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.ingest.archive import Archive
from dapatlas.ingest.codes import Code
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.fetch.download import Progress, WrongContentError, discard, download
from dapatlas.ingest.fetch.nbia import Series
from dapatlas.ingest.fetch.sources import NbiaSource
from dapatlas.ingest.fetch.web import ATTEMPTS, Opener, Pause, open_url

SUMS = "md5hashes.csv"  # columns Filename and MD5Hash
FAILURES_IN_A_ROW = 3  # of the connection; then the rest is not tried

SeriesProgress = Callable[[Series, int, "int | None"], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """How it ended for one series: ``done``, ``there already`` or ``failed``, and why."""

    series: Series
    state: str
    error: str = ""
    code: str = ""


def is_there(series: Series, folder: Path) -> bool:
    """Whether a series has been fetched.

    Raises
    ------
    IngestError
        Its folder stands, but with fewer files than the server has.
    """
    place = folder / series.uid
    if not place.is_dir():
        return False
    count = sum(1 for file in place.iterdir() if file.suffix.lower() == ".dcm")
    if count < series.images:
        raise IngestError(
            Code.CUT_SERIES,
            f"{place}: {count} DICOM files, but the server has {series.images}; another program may have left it "
            "unfinished: delete the folder and start again",
        )
    return True


def fetch_series(
    series: Series,
    source: NbiaSource,
    folder: Path,
    *,
    progress: Progress | None = None,
    opener: Opener = open_url,
    attempts: int = ATTEMPTS,
    pause: Pause = time.sleep,
) -> Path:
    """Fetch one series into a folder of its own, whole or not at all.

    Returns
    -------
    Path
        The folder, named by the SeriesInstanceUID.

    Raises
    ------
    NoSpaceError
        The disk has no room for the zip and what is in it.
    WrongContentError
        What came is not what the server has, even when asked again.
    DownloadError, BadFileError
        It cannot be fetched, or unpacked.
    """
    packed = folder / f".{series.uid}.zip"
    unpacked = folder / f".{series.uid}.partial"
    url = f"{source.api}/getImageWithMD5Hash?{urlencode({'SeriesInstanceUID': series.uid})}"

    def once() -> None:
        _clear(packed, unpacked)  # left by a run that was killed, or by the attempt before
        room = 2 * series.bytes  # for the zip, and for what is in it
        download(url, packed, about=room, progress=progress, opener=opener, attempts=attempts, pause=pause)
        _unpack(series, packed, unpacked)

    try:
        _again(once, attempts, pause)
        unpacked.replace(folder / series.uid)
    finally:
        _clear(packed, unpacked)
    return folder / series.uid


def fetch_all(
    wanted: Iterable[Series],
    source: NbiaSource,
    folder: Path,
    *,
    progress: SeriesProgress | None = None,
    opener: Opener = open_url,
    attempts: int = ATTEMPTS,
    pause: Pause = time.sleep,
) -> Iterator[Fetched]:
    """Fetch one series after another; one that fails stops no other.

    Yields
    ------
    Fetched
        As each ends. Where the disk is full, or the server cannot be reached time after time, the rest is not tried.
    """
    out_of_reach = 0
    for series in wanted:

        def told(done: int, total: int | None, series: Series = series) -> None:
            if progress:
                progress(series, done, total)

        try:
            if is_there(series, folder):
                yield Fetched(series, "there already")
                continue
            fetch_series(series, source, folder, progress=told, opener=opener, attempts=attempts, pause=pause)
        except DapatlasError as error:
            code = getattr(error, "code", Code.CORRUPT_FILE)
            out_of_reach = out_of_reach + 1 if code is Code.NO_NETWORK else 0
            yield Fetched(series, "failed", str(error), str(code))
            if code is Code.NO_SPACE or out_of_reach >= FAILURES_IN_A_ROW:
                return
        else:
            out_of_reach = 0
            yield Fetched(series, "done")


def _again(once: Callable[[], None], attempts: int, pause: Pause) -> None:
    """Try once more where what came is broken; an archive that is not safe stays unsafe."""
    for attempt in range(1, attempts + 1):
        try:
            once()
        except BadFileError as error:
            if attempt == attempts or getattr(error, "code", None) is Code.UNSAFE_MEMBER:
                raise
        except WrongContentError:
            if attempt == attempts:
                raise
        else:
            return
        pause(2.0 ** (attempt - 1))


def _clear(packed: Path, unpacked: Path) -> None:
    discard(packed)
    packed.unlink(missing_ok=True)
    shutil.rmtree(unpacked, ignore_errors=True)


def _unpack(series: Series, packed: Path, unpacked: Path) -> None:
    """Unpack a zip from the server, and see that it is whole."""
    with Archive(packed) as archive:
        unsafe = archive.findings
        broken = [] if unsafe else archive.unpack(unpacked)
        names = {member.name for member in archive.members()}
    for fault in (*unsafe, *broken):
        code = Code.UNSAFE_MEMBER if unsafe else Code.CORRUPT_FILE
        raise IngestError(code, f"series {series.uid}: {fault.message}")
    sums = _sums(unpacked / SUMS) if SUMS in names else {}
    images = [name for name in names if name.lower().endswith(".dcm")]
    if len(images) < max(series.images, len(sums), 1):
        raise WrongContentError(
            f"series {series.uid}: {len(images)} images came, but the server has {max(series.images, len(sums))}; "
            "start again later"
        )
    for name, expected in sums.items():
        if name not in names or _md5(unpacked / name) != expected:
            raise WrongContentError(
                f"series {series.uid}: {name} is not what its MD5 sum says; start again later"
            )
    (unpacked / SUMS).unlink(missing_ok=True)  # it has served


def _sums(path: Path) -> dict[str, str]:
    """MD5 sums by file name, those that the server knows."""
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
    sums = {row.get("Filename") or "": (row.get("MD5Hash") or "").strip().lower() for row in rows}
    return {name: digest for name, digest in sums.items() if re.fullmatch("[0-9a-f]{32}", digest)}


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()
