"""``SHA256SUMS``: written as GNU coreutils write it, so that ``sha256sum -c SHA256SUMS`` checks a download."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from dapatlas.dataset.digests import place_of, sha256_of
from dapatlas.errors import BadFileError
from dapatlas.files import write_json, write_text
from dapatlas.findings import Finding, Severity

SUMS = "SHA256SUMS"
THREADS = 4  # hashing lets go of the interpreter; more than this and the disk is what takes the time
ENTRY_LENGTH = 5  # of what is remembered of a file: its place, and the digest
DIFFERS, MISSING, UNLISTED = "checksum-differs", "file-missing", "file-unlisted"

Progress = Callable[[int, int], None]

_LINE = re.compile(r"(?P<escaped>\\?)(?P<digest>[0-9a-fA-F]{64}) [ *](?P<name>.+)")
_ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}


def checksums(files: Mapping[str, Path], cache: Path, progress: Progress | None = None) -> dict[str, str]:
    """SHA-256 of each file; those whose place, size and time are as they were are not read again.

    Parameters
    ----------
    files
        Name within the data set, with slashes, to where the file lies.
    cache
        JSON file that remembers the digests; kept also when the run is interrupted.
    progress
        Called as ``progress(done, total)``.

    Returns
    -------
    dict
        Name to hexadecimal digest, in the order of ``files``.

    Raises
    ------
    BadFileError
        A file cannot be read, or changed while it was.
    """
    known = _read_cache(cache)
    found: dict[str, list[Any]] = {}
    if progress:
        progress(0, len(files))
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            entries = pool.map(lambda item: _entry(item[1], known.get(item[0])), files.items())
            for name, entry in zip(files, entries, strict=True):
                found[name] = entry
                if progress:
                    progress(len(found), len(files))
    finally:
        if found and any(known.get(name) != entry for name, entry in found.items()):
            write_json(cache, {**known, **found})
    return {name: entry[-1] for name, entry in found.items()}


def _entry(path: Path, known: list[Any] | None) -> list[Any]:
    """Place, size, time, inode and digest of a file."""
    try:
        place = place_of(path)
        if known is not None and known[:-1] == place:
            return known
        digest = sha256_of(path)
        if place_of(path) != place:
            raise BadFileError(
                f"{path}: changed while it was read; wait until it is finished, and run this again"
            )
    except OSError as error:
        raise BadFileError(f"{path}: cannot be read ({error.strerror or error})") from None
    return [*place, digest]


def _read_cache(path: Path) -> dict[str, list[Any]]:
    try:
        cache = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it only saves time
        return {}
    if not isinstance(cache, dict):
        return {}
    return {
        name: entry for name, entry in cache.items() if isinstance(entry, list) and len(entry) == ENTRY_LENGTH
    }


def write_sums(
    folder: Path, files: Mapping[str, Path], cache: Path, progress: Progress | None = None
) -> dict[str, str]:
    """Write ``SHA256SUMS`` of the files; return their digests and its own. See :func:`checksums`."""
    digests = checksums(files, cache, progress)
    path, text = folder / SUMS, sums_text(digests)
    if not (path.is_file() and path.read_bytes() == text.encode()):
        write_text(path, text)
    return {**digests, SUMS: hashlib.sha256(text.encode()).hexdigest()}


def sums_text(digests: Mapping[str, str]) -> str:
    """The file's text: a line a file, in the byte order of names; odd characters escaped as ``sha256sum`` does."""
    lines = []
    for name in sorted(digests, key=os.fsencode):
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        mark = "\\" if escaped != name else ""
        lines.append(f"{mark}{digests[name]}  {escaped}\n")
    return "".join(lines)


def read_sums(path: Path) -> dict[str, str]:
    """Read a ``SHA256SUMS``: name to digest, in the file's order.

    Raises
    ------
    BadFileError
        It cannot be read, a line is of another form, or a name leads out of the folder; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFileError(f"{path}: cannot be read as checksums ({error})") from None
    found = {}
    for number, line in enumerate(text.split("\n"), 1):  # names may hold other line ends
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.removesuffix("\r"))
        if match is None:
            raise BadFileError(
                f"{path}:{number}: expected 64 hexadecimal digits, two blanks and a name, found {line!r}"
            )
        name = match["name"]
        if match["escaped"]:
            name = re.sub(r"\\[\\nr]", lambda escape: _ESCAPES[escape[0]], name)
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts:
            raise BadFileError(f"{path}:{number}: {name} leads out of the data set")
        found[str(place)] = match["digest"].lower()
    return found


def verify_sums(
    folder: Path, expected: Mapping[str, str], there: Mapping[str, Path], progress: Progress | None = None
) -> list[Finding]:
    """Read every listed file and compare; nothing is taken from memory, for disks forget too.

    Parameters
    ----------
    folder
        The data set.
    expected
        What ``SHA256SUMS`` says.
    there
        Files that the list ought to have, by name; the others are told of as a warning.
    progress
        Called as ``progress(done, total)``.
    """
    if progress:
        progress(0, len(expected))
    findings = []
    with ThreadPoolExecutor(THREADS) as pool:
        answers = pool.map(lambda item: _verified(folder, *item), expected.items())
        for done, answer in enumerate(answers, 1):
            findings += answer
            if progress:
                progress(done, len(expected))
    findings += [
        Finding(
            "",
            Severity.WARNING,
            UNLISTED,
            f"{name} is not listed in {SUMS}",
            file=str(folder / name),
            remedy="it came later, or from elsewhere; `dapatlas publish` writes the list anew",
        )
        for name in sorted(there)
        if name not in expected
    ]
    return findings


def _verified(folder: Path, name: str, digest: str) -> list[Finding]:
    path = folder / name
    try:
        found = sha256_of(path)
    except OSError as error:
        why = error.strerror or str(error)
        message, remedy = f"{name} is listed but cannot be read ({why})", "download or copy it again"
        return [Finding("", Severity.ERROR, MISSING, message, file=str(path), remedy=remedy)]
    if found == digest:
        return []
    return [
        Finding(
            "",
            Severity.ERROR,
            DIFFERS,
            f"{name} has another content than {SUMS} says",
            file=str(path),
            expected=digest,
            found=found,
            remedy="copy it again from its source; after a change on purpose, `dapatlas publish` writes the list anew",
        )
    ]
