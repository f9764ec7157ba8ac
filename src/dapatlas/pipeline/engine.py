"""Who does the work of a stage: processes of this machine, or of a cluster."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from dapatlas.memory import free_gb
from dapatlas.parallel import available_cpus, map_cases

Item = TypeVar("Item")
Result = TypeVar("Result")

SHARE = 0.9  # of the free memory that workers may take together
logger = logging.getLogger(__name__)


class Engine(Protocol):
    """Applies a function to many items, each in a process that cannot take the others with it."""

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item], need_mb: float = 0.0
    ) -> Iterator[tuple[Item, Result | Exception]]:
        """Yield each item and its answer, or the exception that it ended in, in the order of completion.

        Parameters
        ----------
        function
            At the top of a module, or a ``functools.partial`` of such: it travels by pickle.
        items
            What to work on; each must pickle.
        need_mb
            Memory that one of them takes at most, in MB; 0 where nothing is known.

        Raises
        ------
        DapatlasError
            The engine itself is lost; what was answered before then stands.
        """
        ...


@dataclass(frozen=True, slots=True)
class Processes:
    """Processes of this machine, never more than its memory holds.

    Attributes
    ----------
    jobs
        How many at most; 1 works in this process; ``None`` for as many as there are processors.
    """

    jobs: int | None = None

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item], need_mb: float = 0.0
    ) -> Iterator[tuple[Item, Result | Exception]]:
        """As the protocol says; see :func:`dapatlas.parallel.map_cases`."""
        wanted = available_cpus() if self.jobs is None else self.jobs
        free = free_gb()
        jobs = fitting(wanted, need_mb, free)
        if jobs < min(wanted, len(items)):
            logger.warning(
                "%d instead of %d processes: each takes up to %.1f GB, and %.1f GB are free",
                jobs,
                wanted,
                need_mb / 1000,
                free or 0,
            )
        return map_cases(function, items, jobs, alone=wanted > 1)


def fitting(jobs: int, need_mb: float, free: float | None) -> int:
    """How many of ``jobs`` processes fit into ``free`` GB where each takes ``need_mb`` MB; at least one."""
    if not need_mb or free is None:
        return jobs
    return max(1, min(jobs, int(free * SHARE * 1000 / need_mb)))


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the cases of a stage are gone through.

    Attributes
    ----------
    engine
        Who does the work.
    only
        Ids of the cases to look at; all when empty.
    retry_failed
        Do the cases that failed before, those in quarantine included, and nothing else.
    """

    engine: Engine = field(default_factory=Processes)
    only: tuple[str, ...] = ()
    retry_failed: bool = False


Jobs = int | Schedule | None
"""Worker processes of this machine (as many as processors when ``None``), or a whole schedule."""


def local_jobs(jobs: Jobs) -> int | None:
    """How many processes of this machine may do what no cluster is asked for; ``None`` for as many as processors."""
    engine = schedule_of(jobs).engine
    return engine.jobs if isinstance(engine, Processes) else None


def schedule_of(jobs: Jobs) -> Schedule:
    """The schedule that a number of processes stands for."""
    return jobs if isinstance(jobs, Schedule) else Schedule(Processes(jobs))
