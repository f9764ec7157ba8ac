"""The journal of an output folder: which stage of which case is finished, from what, with what settings.

It is a SQLite file beside the data, so a build that is killed at any moment knows on its next run what
stands. Only the process that runs the build writes to it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dapatlas import __version__
from dapatlas.errors import DapatlasError

FOLDER = ".dapatlas"

SCHEMA = """
CREATE TABLE IF NOT EXISTS stages (
  case_id TEXT NOT NULL,
  stage TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('done', 'failed')),
  seconds REAL NOT NULL,
  peak_mb REAL NOT NULL,
  error TEXT NOT NULL,
  version TEXT NOT NULL,
  finished TEXT NOT NULL,
  PRIMARY KEY (case_id, stage)
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal knows of one stage of one case.

    Attributes
    ----------
    fingerprint
        Of everything the stage depends on; see :func:`fingerprint`.
    state
        ``done`` or ``failed``.
    seconds
        Wall-clock time it took.
    peak_mb
        Largest memory of the process that ran it, in MB, up to its end.
    error
        Why it failed; empty when done.
    """

    fingerprint: str
    state: str
    seconds: float
    peak_mb: float
    error: str


class Journal:
    """The journal of one output folder, open for one run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def entry(self, case_id: str, stage: str) -> Entry | None:
        """What is known of a stage of a case, if anything."""
        row = self._connection.execute(
            "SELECT fingerprint, state, seconds, peak_mb, error FROM stages WHERE case_id = ? AND stage = ?",
            (case_id, stage),
        ).fetchone()
        return Entry(*row) if row else None

    def is_done(self, case_id: str, stage: str, expected: str) -> bool:
        """Whether the stage is finished and nothing that it depends on has changed since."""
        entry = self.entry(case_id, stage)
        return entry is not None and entry.state == "done" and entry.fingerprint == expected

    def cases(self) -> set[str]:
        """Every case that this folder has seen."""
        return {row[0] for row in self._connection.execute("SELECT DISTINCT case_id FROM stages")}

    def record(self, case_id: str, stage: str, entry: Entry) -> None:
        """Write down how a stage of a case ended; on disk when this returns."""
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO stages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    case_id,
                    stage,
                    entry.fingerprint,
                    entry.state,
                    entry.seconds,
                    entry.peak_mb,
                    entry.error,
                    __version__,
                    datetime.now(UTC).isoformat(timespec="seconds"),
                ),
            )


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Open the journal of an output folder for this process alone.

    Raises
    ------
    DapatlasError
        Another run is at work on the folder, or the folder cannot be written to.
    """
    hidden = folder / FOLDER
    try:
        hidden.mkdir(parents=True, exist_ok=True)
        lock = os.open(hidden / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise DapatlasError(
            f"{folder}: cannot be written to ({error.strerror}); choose another output"
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DapatlasError(
                f"{folder}: another run is at work on this folder; wait for it, or choose another output"
            ) from None
        connection = sqlite3.connect(hidden / "journal.sqlite")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(SCHEMA)
            yield Journal(connection)
        finally:
            connection.close()
    finally:
        os.close(lock)  # which also gives the lock back


def fingerprint(files: Iterable[Path], settings: Any) -> str:
    """A short hash of input files (path, size, time of last change) and settings.

    Hashing the contents of a 55 GB cohort would take as long as building it; size and time are what
    ``make`` goes by, too.

    Parameters
    ----------
    files
        Inputs; one that is missing counts as such.
    settings
        Anything that JSON can hold.
    """
    stats = []
    for path in files:
        try:
            stat = path.stat()
            stats.append([str(path), stat.st_size, stat.st_mtime_ns])
        except FileNotFoundError:
            stats.append([str(path), -1, -1])
    text = json.dumps([stats, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
