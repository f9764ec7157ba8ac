"""The journal of an output folder: which stage of which case is finished, from what, with what settings.

It is a SQLite file beside the data (of data behind a URL, in the user's cache), so a build that is killed at any
moment knows on its next run what stands. Only the process that runs the build writes to it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dapatlas import __version__
from dapatlas.errors import DapatlasError
from dapatlas.locations import HIDDEN, check_writable, hidden_folder, version_of

FOLDER, JOURNAL = HIDDEN, "journal.sqlite"

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

# What later versions of the journal know more; a journal of an earlier one gets the columns, and keeps its rows.
LATER_COLUMNS = {
    "inputs": "TEXT NOT NULL DEFAULT ''",
    "settings": "TEXT NOT NULL DEFAULT ''",
    "crashed": "INTEGER NOT NULL DEFAULT 0",
}
COLUMNS = ("case_id", "stage", "fingerprint", "state", "seconds", "peak_mb", "error", "version", "finished",
           *LATER_COLUMNS)  # fmt: skip
_ALL = ", ".join(COLUMNS)


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
    inputs, settings
        Of the input files alone, and of all else that the stage depends on; empty where that was not kept.
    crashed
        Whether the case took its worker process down with it. Such a case is in quarantine: it is not tried again
        until it is asked for, or its inputs or settings change.
    """

    fingerprint: str
    state: str
    seconds: float
    peak_mb: float
    error: str
    inputs: str = ""
    settings: str = ""
    crashed: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the journal.

    Attributes
    ----------
    case, stage
        Of which case, and of what.
    entry
        How it ended.
    version
        Of the software that ran it.
    finished
        When, in UTC.
    """

    case: str
    stage: str
    entry: Entry
    version: str
    finished: datetime


class Journal:
    """The journal of one output folder, open for one run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def entry(self, case_id: str, stage: str) -> Entry | None:
        """What is known of a stage of a case, if anything."""
        row = self._connection.execute(
            f"SELECT {_ALL} FROM stages WHERE case_id = ? AND stage = ?", (case_id, stage)
        ).fetchone()
        return _row(row).entry if row else None

    def rows(self) -> list[Row]:
        """Everything that is known, by stage and case."""
        found = self._connection.execute(f"SELECT {_ALL} FROM stages ORDER BY stage, case_id")
        return [_row(row) for row in found]

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
                f"INSERT OR REPLACE INTO stages ({_ALL}) VALUES ({', '.join('?' * len(COLUMNS))})",
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
                    entry.inputs,
                    entry.settings,
                    entry.crashed,
                ),
            )


def _row(row: tuple[Any, ...]) -> Row:
    case, stage, mark, state, seconds, peak, error, version, finished, inputs, settings, crashed = row
    entry = Entry(mark, state, seconds, peak, error, inputs, settings, bool(crashed))
    return Row(case, stage, entry, version, datetime.fromisoformat(finished))


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Open the journal of an output folder for this process alone.

    Raises
    ------
    DapatlasError
        Another run is at work on the folder, or the folder cannot be written to.
    """
    check_writable(folder)
    hidden = hidden_folder(folder)
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
        connection = sqlite3.connect(hidden / JOURNAL)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(SCHEMA)
            _add_later_columns(connection)
            yield Journal(connection)
        finally:
            connection.close()
    finally:
        os.close(lock)  # which also gives the lock back


def journal_file(folder: Path) -> Path:
    """Where the journal of an output is; that of a URL lies in the user's cache."""
    return hidden_folder(folder) / JOURNAL


def read_journal(folder: Path) -> list[Row]:
    """What the journal of a folder says, also while a run is at work on it; nothing is written.

    Raises
    ------
    DapatlasError
        The folder has no journal, or it cannot be read.
    """
    path = journal_file(folder)
    if not path.is_file():
        raise DapatlasError(f"{folder}: no journal; expected {path}, which every stage leaves in its output")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)) as connection:
            known = {row[1] for row in connection.execute("PRAGMA table_info(stages)")}
            columns = ", ".join(name if name in known else f"'' AS {name}" for name in COLUMNS)
            return [
                _row(row)
                for row in connection.execute(f"SELECT {columns} FROM stages ORDER BY stage, case_id")
            ]
    except sqlite3.Error as error:
        raise DapatlasError(f"{path}: not readable as a journal ({error})") from None


def _add_later_columns(connection: sqlite3.Connection) -> None:
    known = {row[1] for row in connection.execute("PRAGMA table_info(stages)")}
    for name, kind in LATER_COLUMNS.items():
        if name not in known:
            connection.execute(f"ALTER TABLE stages ADD COLUMN {name} {kind}")


def fingerprint(files: Iterable[Path], settings: Any) -> str:
    """A short hash of input files (path, size, time of last change or the store's version) and settings.

    Hashing the contents of a 55 GB cohort would take as long as building it; size and time are what
    ``make`` goes by, too.

    Parameters
    ----------
    files
        Inputs; one that is missing counts as such.
    settings
        Anything that JSON can hold.
    """
    return hashed(states_of(files), settings)


def states_of(files: Iterable[Path]) -> list[list[int | str]]:
    """Path, size and time of last change (or the store's version) of each file; one that is missing counts as such."""
    states: list[list[int | str]] = []
    for path in files:
        try:
            states.append([str(path), *version_of(path)])
        except FileNotFoundError:
            states.append([str(path), -1, -1])
    return states


def hashed(states: list[list[int | str]], settings: Any) -> str:
    """The fingerprint of files whose states are known already; see :func:`fingerprint`."""
    text = json.dumps([states, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
