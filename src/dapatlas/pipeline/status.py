"""What the journal of an output folder says: how far each stage is, how long cases take, what failed and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from dapatlas.pipeline.journal import Row, journal_file, read_journal


@dataclass(frozen=True, slots=True)
class StageStatus:
    """One stage over all its cases.

    Attributes
    ----------
    stage
        Its name.
    done, failed, quarantined
        Cases by how they ended; those in quarantine took their worker down with them, and count as failed too.
    seconds, slowest_seconds
        Of a case that was done: median and most.
    peak_mb
        Most memory that the process of a case had, in MB.
    versions
        Of the software that did it.
    first, last
        When the first and the last of its cases ended, in UTC.
    """

    stage: str
    done: int
    failed: int
    quarantined: int
    seconds: float
    slowest_seconds: float
    peak_mb: float
    versions: tuple[str, ...]
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that failed.

    Attributes
    ----------
    case, stage
        Which, and where.
    error
        Why.
    quarantined
        Whether it is left alone until it is asked for.
    finished
        When, in UTC.
    """

    case: str
    stage: str
    error: str
    quarantined: bool
    finished: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """How far the stages of a folder are.

    Attributes
    ----------
    folder
        The output folder.
    journal
        The file that was read; not in the folder where that is behind a URL.
    stages
        By name.
    failures
        By stage and case.
    """

    folder: Path
    journal: Path
    stages: tuple[StageStatus, ...]
    failures: tuple[Failure, ...]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "folder": str(self.folder),
            "journal": str(self.journal),
            "stages": [_plain(asdict(stage)) for stage in self.stages],
            "failures": [_plain(asdict(failure)) for failure in self.failures],
        }


def status(folder: Path, only: Sequence[str] = ()) -> Status:
    """Read the journal of a folder; a run may be at work on it meanwhile.

    Parameters
    ----------
    folder
        Where a stage wrote.
    only
        Ids of the cases to count; all when empty.

    Raises
    ------
    DapatlasError
        There is no journal, or it cannot be read.
    """
    rows = [row for row in read_journal(folder) if not only or row.case in only]
    by_stage = groupby(rows, key=lambda row: row.stage)  # they come in that order
    failures = [
        Failure(row.case, row.stage, row.entry.error, row.entry.crashed, row.finished)
        for row in rows
        if row.entry.state == "failed"
    ]
    stages = tuple(_stage(name, list(of_it)) for name, of_it in by_stage)
    return Status(folder, journal_file(folder), stages, tuple(failures))


def _stage(name: str, rows: Sequence[Row]) -> StageStatus:
    done = [row.entry for row in rows if row.entry.state == "done"]
    ends = [row.finished for row in rows]
    return StageStatus(
        name,
        len(done),
        len(rows) - len(done),
        sum(row.entry.crashed for row in rows),
        median(_or_zero(entry.seconds for entry in done)),
        max(_or_zero(entry.seconds for entry in done)),
        max(_or_zero(entry.peak_mb for entry in done)),
        tuple(sorted({row.version for row in rows})),
        min(ends),
        max(ends),
    )


def _or_zero(values: Iterable[float]) -> list[float]:
    return list(values) or [0.0]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}
