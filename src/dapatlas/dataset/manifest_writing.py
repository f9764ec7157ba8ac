"""Writing a manifest: in parallel, and without reading again what nobody changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dapatlas.dataset.codes import Code, finding
from dapatlas.dataset.digests import place_of
from dapatlas.dataset.manifest import (
    MANIFEST,
    Entry,
    case_of,
    entry_from,
    full_entry,
    listed_files,
    manifest_text,
)
from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.files import write_json, write_text
from dapatlas.findings import Finding
from dapatlas.locations import HIDDEN, hidden_folder
from dapatlas.parallel import map_cases

CACHE = Path(HIDDEN, "manifest.json")
SAVE_EVERY_S = 30.0  # what a killed run loses at most

Progress = Callable[[int, int], None]
Remembered = dict[str, dict[str, Any]]
"""Name to where the file lay (``place``), what it was (``row``) and why it could not be read (``why``)."""


@dataclass(frozen=True, slots=True)
class Written:
    """What came of writing a manifest.

    Attributes
    ----------
    path
        The manifest.
    entries
        What it lists, by name.
    read
        How many files were read for it; the others were as they had been.
    findings
        Files that could not be read, by name: as volumes (they are listed by their bytes) or at all (they are not).
    """

    path: Path
    entries: tuple[Entry, ...]
    read: int
    findings: tuple[Finding, ...]


def write_manifest(
    folder: Path,
    out: Path | None = None,
    *,
    rehash: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Written:
    """List every file of a data set with size, SHA-256, grid, type and label set; whole or not at all.

    Files whose place, size, time and inode are as in the last run are not read again. A run that was killed goes on.

    Parameters
    ----------
    folder
        The data set.
    out
        Where to write; ``manifest.jsonl`` in the data set by default.
    rehash
        Read every file again.
    jobs
        Worker processes, by default as many as there are processors; each holds one label map at a time.
    progress
        Called as ``progress(done, total)``, in files.

    Raises
    ------
    DapatlasError
        The manifest cannot be written.
    """
    names = listed_files(folder)
    known = {} if rehash else _read_cache(hidden_folder(folder) / CACHE.name)
    done = {name: known[name] for name in names if name in known and _is_as(folder / name, known[name])}
    fresh, failed = _read_all(folder, [name for name in names if name not in done], done, jobs, progress)
    entries = tuple(entry_from(done[name]["row"]) for name in names if name in done)
    troubles = {name: done[name]["why"] for name in done if done[name]["why"]}
    findings = [_no_volume(folder, name, why) for name, why in troubles.items()]
    findings += [_no_file(folder, name, error) for name, error in failed.items()]
    path = out or folder / MANIFEST
    text = manifest_text(entries)
    try:
        if not (path.is_file() and path.read_bytes() == text.encode()):
            write_text(path, text)
    except OSError as error:
        raise DapatlasError(
            f"{path}: cannot be written ({error.strerror or error}); free space, or name another place with --out"
        ) from None
    return Written(path, entries, fresh, tuple(sorted(findings, key=lambda found: found.file)))


def _read_all(
    folder: Path, names: list[str], done: Remembered, jobs: int | None, progress: Progress | None
) -> tuple[int, dict[str, Exception]]:
    """Read the files that are due into ``done``, and remember them on disk; also when the run is interrupted."""
    total = len(names) + len(done)
    failed: dict[str, Exception] = {}
    saved = time.monotonic()
    fresh = 0
    if progress:
        progress(len(done), total)
    try:
        for name, answer in map_cases(partial(_read, folder=folder), names, jobs):
            if isinstance(answer, Exception):
                failed[name] = answer
            else:
                done[name] = answer
                fresh += 1
            if progress:
                progress(len(done) + len(failed), total)
            if time.monotonic() - saved > SAVE_EVERY_S:
                _save_cache(hidden_folder(folder) / CACHE.name, done)
                saved = time.monotonic()
    finally:
        if fresh:
            _save_cache(hidden_folder(folder) / CACHE.name, done)
    return fresh, failed


def _read(name: str, folder: Path) -> dict[str, Any]:
    """What a worker does: a file's place, row and trouble."""
    place = place_of(folder / name)
    entry, why = full_entry(folder, name)
    if place_of(folder / name) != place:
        raise BadFileError(f"{folder / name}: changed while it was read; run this again once it is finished")
    return {"place": place, "row": entry.as_dict(), "why": why}


def _is_as(path: Path, remembered: dict[str, Any]) -> bool:
    try:
        return bool(place_of(path) == remembered["place"])
    except OSError:
        return False


def _read_cache(path: Path) -> Remembered:
    """What was remembered; whatever is odd about it is forgotten, for it only saves time."""
    try:
        cache = json.loads(path.read_text(encoding="utf-8"))
        for remembered in cache.values():
            entry_from(remembered["row"])
            str(remembered["place"] + [remembered["why"]])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return dict(cache)


def _save_cache(path: Path, done: Remembered) -> None:
    with suppress(OSError):  # the data set may be on a disk that is only read
        write_json(path, done)


def _no_volume(folder: Path, name: str, why: str) -> Finding:
    return finding(
        case_of(name),
        Code.UNREADABLE_FILE,
        f"{name} is listed by its bytes alone: {why.removeprefix(f'{folder / name}: ')}",
        file=str(folder / name),
        expected="a volume",
        found=why,
        remedy="`dapatlas validate --deep` names the fault; mend it, then write the manifest again",
    )


def _no_file(folder: Path, name: str, error: Exception) -> Finding:
    why = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return finding(
        case_of(name),
        Code.UNREADABLE_FILE,
        f"{name} is not listed: {why.removeprefix(f'{folder / name}: ')}",
        file=str(folder / name),
        expected="a file that can be read",
        found=why,
        remedy="mend or take away the file, then write the manifest again",
    )
