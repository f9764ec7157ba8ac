"""One row of the table: contestants timed in processes of their own."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dapatlas.memory import peak_mb

Prepared = Callable[[], object]
Contestant = Callable[[Path], Prepared]
"""Takes the folder of inputs, loads what it needs, and returns the call that is timed."""

REPEATS, MOST_REPEATS = 3, 50
LONG_ENOUGH_S = 1.0  # what takes less in all is repeated more often, for short times are disturbed most
ENOUGH_SECONDS = 5.0  # what takes longer is not repeated


@dataclass(frozen=True)
class Contest:
    """What is compared.

    Attributes
    ----------
    what
        The job.
    ours
        How dapatlas does it.
    peer, peer_name
        The naive way or another program; ``None`` where there is none to compare with.
    limit, limit_name
        What any way must at least do: decompress, read the memory once.
    """

    what: str
    ours: Contestant
    peer: Contestant | None = None
    peer_name: str = ""
    limit: Contestant | None = None
    limit_name: str = ""


@dataclass(frozen=True)
class Timing:
    """Best time of a contestant in seconds, and the largest memory of its process in MB."""

    seconds: float
    peak_mb: float


def measure(contestant: Contestant, folder: Path) -> Timing:
    """Time a contestant in a fresh process, so that memory is its own."""
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=_time, args=(contestant, folder, answers))
    process.start()
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"{contestant} ended with {process.exitcode}")
    return answers.get()


def _time(contestant: Contestant, folder: Path, answers: multiprocessing.SimpleQueue[Timing]) -> None:
    call = contestant(folder)
    best, total = float("inf"), 0.0
    for done in range(1, MOST_REPEATS + 1):
        begin = time.perf_counter()
        call()
        took = time.perf_counter() - begin
        best, total = min(best, took), total + took
        if best > ENOUGH_SECONDS or (done >= REPEATS and total > LONG_ENOUGH_S):
            break
    answers.put(Timing(best, peak_mb()))
