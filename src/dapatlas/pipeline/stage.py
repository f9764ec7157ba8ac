"""One stage over many cases: what is up to date stays, one bad case stops no other, and a killed run goes on."""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from dapatlas import __version__
from dapatlas.dataset.names import SUFFIXES
from dapatlas.errors import DapatlasError, did_you_mean
from dapatlas.files import clear_scratch
from dapatlas.logs import listen_as, listening, said
from dapatlas.memory import peak_mb
from dapatlas.parallel import WorkerDiedError
from dapatlas.pipeline.engine import Jobs, Schedule, schedule_of
from dapatlas.pipeline.journal import Entry, Journal, hashed, states_of
from dapatlas.pipeline.report import story
from dapatlas.volumes import read_grid

Answer = TypeVar("Answer")
Progress = Callable[[int, int], None]

LIBRARIES_MB = 150  # of a worker with numpy, scipy and nibabel loaded, and no volume
HOW_TO_RETRY = "`--retry-failed` tries it again"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """One case's share of a stage.

    Attributes
    ----------
    case
        Case id.
    inputs
        Every file that the outputs depend on.
    outputs
        Every file that the stage writes for this case; one that is gone is made again.
    settings
        What else they depend on, as JSON can hold it.
    """

    case: str
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    settings: Any = None

    @property
    def voxels(self) -> int:
        """Of its first input that is a volume, by the header; 0 where none can be read.

        The rest are on its grid, or are brought to it; a case may have a hundred of them, each to be opened.
        """
        return next((_voxels(path) for path in self.inputs if path.name.endswith(SUFFIXES)), 0)

    def prints(self) -> Prints:
        """What it is made from, as of now; each input is looked at once."""
        files = states_of(self.inputs)
        return Prints(
            hashed(files, [self.settings, __version__]), hashed(files, None), hashed([], self.settings)
        )


@dataclass(frozen=True, slots=True)
class Prints:
    """Fingerprints of all that the outputs depend on (this software's version too), of inputs and settings alone."""

    whole: str
    inputs: str
    settings: str


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Answer]):
    """How a stage ended for one case.

    Attributes
    ----------
    case
        Case id.
    state
        ``done``, ``up to date``, ``failed`` (in this run, or in an earlier one that put it in quarantine), or
        ``left out`` by the schedule while it is due.
    answer
        What the work returned; ``None`` unless it was done in this run.
    seconds
        Wall-clock time spent on it in this run.
    error
        Why it failed; empty otherwise.
    fault
        The exception itself, where it failed in this run.
    """

    case: str
    state: str
    answer: Answer | None = None
    seconds: float = 0.0
    error: str = ""
    fault: Exception | None = None

    @property
    def stands(self) -> bool:
        """Whether the outputs are there and up to date."""
        return self.state in ("done", "up to date")


@dataclass(frozen=True, slots=True)
class _Timed(Generic[Answer]):
    answer: Answer
    seconds: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class _Given:
    """What a worker knows of the process that gave the work: the stage, where it stands, from what level it logs."""

    stage: str
    folder: Path
    level: int | None


def run_stage(
    stage: str,
    works: Sequence[Work],
    do: Callable[[Work], Answer],
    journal: Journal,
    *,
    jobs: Jobs = None,
    force: bool = False,
    progress: Progress | None = None,
    bytes_a_voxel: float = 0.0,
    some: bool = False,
) -> list[Outcome[Answer]]:
    """Do what is due of a stage, in worker processes.

    A case whose worker died under it, twice, is in quarantine: later runs leave it alone until its inputs or settings
    change, or it is asked for by ``force`` or by a schedule that retries what failed.

    Parameters
    ----------
    stage
        Its name in the journal.
    works
        One a case.
    do
        Writes the outputs of one case, whole or not at all; at the top of a module, or a partial of such, since it
        travels to other processes.
    journal
        Of the output folder, open.
    jobs
        Worker processes, as many as processors when ``None``; or a schedule.
    force
        Do all of it again.
    progress
        Called with how many cases are done, and of how many, before the first and after each.
    bytes_a_voxel
        What a case takes of memory at most, for each voxel of its first volume; 0 where it is little. There are never
        more processes at work than fit into memory.
    some
        These are some of the run's cases, so that a schedule may name others.

    Returns
    -------
    list
        One outcome a case, in name order.

    Raises
    ------
    DapatlasError
        The schedule names a case that is not there, or the engine was lost.
    """
    schedule = schedule_of(jobs)
    if not some:
        _check_known(schedule.only, works)
    # as they are before the work: what changes under a worker is seen by the next run, and done again
    prints = {work.case: work.prints() for work in works}
    plans = {
        work.case: _plan(
            work, prints[work.case].whole, journal.entry(work.case, stage), schedule, force=force
        )
        for work in works
    }
    outcomes: list[Outcome[Answer]] = [plan for plan in plans.values() if plan is not None]
    due = [work for work in works if plans[work.case] is None]
    scratch = _scratch(due)
    clear_scratch(scratch)  # of a run that was killed
    need_mb = bytes_a_voxel * max((work.voxels for work in due), default=0) / 1e6 if bytes_a_voxel else 0
    if progress:
        progress(len(outcomes), len(works))
    timed = partial(_timed, do=do, given=_Given(stage, Path.cwd(), listening()))
    for work, answer in schedule.engine.map(timed, due, need_mb + LIBRARIES_MB):
        outcomes.append(_settle(stage, work, prints[work.case], answer, journal))
        if progress:
            progress(len(outcomes), len(works))
    clear_scratch(scratch)  # of workers that were killed
    return sorted(outcomes, key=lambda outcome: outcome.case)


def _scratch(works: Sequence[Work]) -> dict[Path, set[str]]:
    """Names of what is written of some cases, by folder: the outputs, and whatever else begins with the case's id."""
    names: dict[Path, set[str]] = {}
    for work in works:
        for path in work.outputs:
            names.setdefault(path.parent, {work.case}).update((work.case, path.name))
    return names


def _check_known(wanted: Sequence[str], works: Sequence[Work]) -> None:
    known = {work.case for work in works}
    if missing := [case for case in wanted if case not in known]:
        hint = did_you_mean(missing[0], known)
        raise DapatlasError(f"no case {', '.join(missing)} among the {len(known)} of this stage{hint}")


def _plan(
    work: Work, fingerprint: str, entry: Entry | None, schedule: Schedule, *, force: bool
) -> Outcome[Any] | None:
    """What is known of a case without doing anything; ``None`` where it is due."""
    same = entry is not None and entry.fingerprint == fingerprint
    failed = entry is not None and entry.state == "failed"
    wanted = (not schedule.only or work.case in schedule.only) and (failed or not schedule.retry_failed)
    if same and not failed and not (force and wanted) and all(path.exists() for path in work.outputs):
        return Outcome(work.case, "up to date")
    if not wanted:
        return Outcome(work.case, "left out")
    if entry is not None and same and entry.crashed and not (force or schedule.retry_failed):
        return Outcome(work.case, "failed", error=f"{entry.error}; in quarantine: {HOW_TO_RETRY}")
    return None


def _voxels(path: Path) -> int:
    try:
        return math.prod(read_grid(path).shape)
    except (DapatlasError, OSError):
        return 0


def _timed(work: Work, do: Callable[[Work], Answer], given: _Given) -> _Timed[Answer]:
    """In a worker: do it, and see what it takes."""
    _stand_in(given.folder)
    listen_as(given.level)
    facts = said(stage=given.stage, case=work.case, state="begins", pid=os.getpid())
    logger.debug("%s %s: begins", given.stage, work.case, extra=facts)
    begin = time.perf_counter()
    answer = do(work)
    return _Timed(answer, time.perf_counter() - begin, peak_mb())


def _stand_in(folder: Path) -> None:
    """Let relative paths mean what they mean to the process that gave the work; a cluster's workers start elsewhere."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise DapatlasError(
            f"{folder} cannot be entered on {socket.gethostname()} ({error.strerror}); workers must see the same files "
            "under the same paths: work in a folder that all of them share"
        ) from None


def _settle(
    stage: str, work: Work, prints: Prints, answer: _Timed[Answer] | Exception, journal: Journal
) -> Outcome[Answer]:
    """Write down how a case ended."""
    parts = prints.inputs, prints.settings
    if isinstance(answer, Exception):
        error, crashed = story(answer), isinstance(answer, WorkerDiedError)
        journal.record(work.case, stage, Entry(prints.whole, "failed", 0, 0, error, *parts, crashed))
        facts = said(stage=stage, case=work.case, state="failed", error=error)
        logger.info("%s %s: failed: %s", stage, work.case, error, extra=facts)
        return Outcome(work.case, "failed", error=error, fault=answer)
    journal.record(work.case, stage, Entry(prints.whole, "done", answer.seconds, answer.peak_mb, "", *parts))
    seconds, peak = round(answer.seconds, 2), round(answer.peak_mb)
    facts = said(stage=stage, case=work.case, state="done", seconds=seconds, mb=peak)
    logger.info("%s %s: done in %.1f s, %d MB", stage, work.case, seconds, peak, extra=facts)
    return Outcome(work.case, "done", answer.answer, answer.seconds)
