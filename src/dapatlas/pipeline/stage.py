"""One stage over many cases: what is up to date stays, one bad case stops no other, and a killed run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from dapatlas import __version__
from dapatlas.parallel import map_cases
from dapatlas.pipeline.journal import Entry, Journal, fingerprint
from dapatlas.pipeline.memory import peak_mb
from dapatlas.pipeline.report import story

Answer = TypeVar("Answer")
Progress = Callable[[int, int], None]


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
    def fingerprint(self) -> str:
        """Of everything that the outputs depend on, this software's version included."""
        return fingerprint(self.inputs, [self.settings, __version__])


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Answer]):
    """How a stage ended for one case.

    Attributes
    ----------
    case
        Case id.
    state
        ``done``, ``up to date`` or ``failed``.
    answer
        What the work returned; ``None`` unless it was done in this run.
    seconds
        Wall-clock time spent on it in this run.
    error
        Why it failed; empty otherwise.
    fault
        The exception itself, where it failed.
    """

    case: str
    state: str
    answer: Answer | None = None
    seconds: float = 0.0
    error: str = ""
    fault: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Timed(Generic[Answer]):
    answer: Answer
    seconds: float
    peak_mb: float


def run_stage(
    stage: str,
    works: Sequence[Work],
    do: Callable[[Work], Answer],
    journal: Journal,
    *,
    jobs: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> list[Outcome[Answer]]:
    """Do what is due of a stage, in worker processes.

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
        Worker processes; as many as processors when ``None``.
    force
        Do all of it again.
    progress
        Called with how many cases are done, and of how many, before the first and after each.

    Returns
    -------
    list
        One outcome a case, in name order.
    """
    due = [work for work in works if force or not _is_done(stage, work, journal)]
    outcomes: list[Outcome[Answer]] = [Outcome(work.case, "up to date") for work in works if work not in due]
    if progress:
        progress(len(outcomes), len(works))
    for work, answer in map_cases(partial(_timed, do=do), due, jobs):
        outcomes.append(_settle(stage, work, answer, journal))
        if progress:
            progress(len(outcomes), len(works))
    return sorted(outcomes, key=lambda outcome: outcome.case)


def _is_done(stage: str, work: Work, journal: Journal) -> bool:
    return journal.is_done(work.case, stage, work.fingerprint) and all(path.exists() for path in work.outputs)


def _timed(work: Work, do: Callable[[Work], Answer]) -> _Timed[Answer]:
    begin = time.perf_counter()
    answer = do(work)
    return _Timed(answer, time.perf_counter() - begin, peak_mb())


def _settle(stage: str, work: Work, answer: _Timed[Answer] | Exception, journal: Journal) -> Outcome[Answer]:
    """Write down how a case ended."""
    if isinstance(answer, Exception):
        error = story(answer)
        journal.record(work.case, stage, Entry(work.fingerprint, "failed", 0, 0, error))
        return Outcome(work.case, "failed", error=error, fault=answer)
    journal.record(work.case, stage, Entry(work.fingerprint, "done", answer.seconds, answer.peak_mb, ""))
    return Outcome(work.case, "done", answer.answer, answer.seconds)
