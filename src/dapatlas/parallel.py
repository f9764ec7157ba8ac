"""One function over many cases, in several processes, where no case can stop the others.

Every worker is one process with one pipe, so it is always known which item a dead worker held.
``concurrent.futures`` cannot say that: there, one killed worker breaks the pool and takes every item in
flight with it.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from dapatlas.errors import DapatlasError

Item = TypeVar("Item")
Result = TypeVar("Result")

STOP_GRACE_S = 2.0  # seconds a worker has to go after SIGTERM, before SIGKILL


class WorkerDiedError(DapatlasError):
    """The process that worked on an item ended without an answer, twice: killed, or crashed."""


def map_cases(
    function: Callable[[Item], Result], items: Iterable[Item], jobs: int | None = None, *, alone: bool = False
) -> Iterator[tuple[Item, Result | Exception]]:
    """Apply ``function`` to every item and yield each answer as it comes.

    Parameters
    ----------
    function
        A function at the top of a module (or a ``functools.partial`` of one): it travels by pickle.
    items
        What to work on, e.g. cases; each must pickle.
    jobs
        Number of worker processes; 1 works in this process; by default as many as there are processors
        for this process (:func:`available_cpus`).
    alone
        Work in a process of its own also where ``jobs`` is 1, so that a crash cannot end this one.

    Yields
    ------
    tuple
        The item itself (the very object given) and its result, or the exception that ``function`` raised
        for it. The order is the order of completion. A remote exception carries its traceback as a note.

    Raises
    ------
    DapatlasError
        If ``jobs`` is not positive, or if no worker process can start at all.

    Notes
    -----
    A worker that dies, or runs out of memory, does not stop the rest: its item is tried once more at the end,
    alone, with all memory to itself. If that fails too, its answer is a :class:`WorkerDiedError` (or the
    ``MemoryError``). With ``jobs=1`` there is no such protection, unless ``alone``.

    Closing the iterator, or Ctrl-C, stops the workers at once. Processes are spawned, which is safe beside
    threads and the same on every system; a script that calls this needs the customary
    ``if __name__ == "__main__":``. Workers cannot start processes of their own.
    """
    workers = available_cpus() if jobs is None else jobs
    if workers < 1:
        raise DapatlasError(f"the number of jobs must be 1 or more, not {workers}")
    tasks = list(items)
    if workers == 1 and not alone:
        return _map_here(function, tasks)
    return _map_in_workers(function, tasks, workers)


def available_cpus() -> int:
    """Count the processors this process may use: by affinity, and by the quota of its control group."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, _cgroup_cpus(Path("/sys/fs/cgroup"), allowed)))


def _cgroup_cpus(root: Path, unlimited: int) -> int:
    """Whole processors within the quota under ``root`` (version 2, then 1); ``unlimited`` if none."""
    quota = period = ""
    with suppress(OSError, ValueError):
        quota, period = (root / "cpu.max").read_text().split()
    if not quota:
        with suppress(OSError):
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text().strip()
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        return max(1, int(quota) // int(period))
    return unlimited


def attempt(function: Callable[[Item], Result], item: Item) -> Result | Exception:
    """The function's answer, or the exception that it raised: whatever it is, it is the answer for this item alone."""
    try:
        return function(item)
    except Exception as error:
        return error


def travelling_answer(function: Callable[[Item], Result], item: Item) -> Result | Exception:
    """As :func:`attempt`, in a form that survives the way to another process: an exception with its traceback."""
    answer = attempt(function, item)
    return _travelling(answer) if isinstance(answer, Exception) else answer


def _map_here(
    function: Callable[[Item], Result], tasks: list[Item]
) -> Iterator[tuple[Item, Result | Exception]]:
    for item in tasks:
        yield item, attempt(function, item)


def _map_in_workers(
    function: Callable[[Item], Result], tasks: list[Item], jobs: int
) -> Iterator[tuple[Item, Result | Exception]]:
    lost: list[Item] = []
    for item, answer in _run(function, tasks, jobs):
        if isinstance(answer, (WorkerDiedError, MemoryError)):
            lost.append(item)
        else:
            yield item, answer
    for item in lost:  # a fresh process for each, and nothing beside it
        yield from _run(function, [item], 1)


class _Worker(Generic[Item, Result]):
    """One process and the pipe to it; the first word it says is that it is ready."""

    def __init__(self, function: Callable[[Item], Result]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(function, theirs), daemon=True)
        self._process.start()
        theirs.close()  # ours would keep the pipe open after the worker is gone
        self.held: list[Item] = []  # the one item it works on, or none

    def give(self, item: Item) -> None:
        self.held = [item]
        with suppress(BrokenPipeError, ConnectionResetError):  # it just died: the next receive says so
            self.pipe.send(item)

    def receive(self) -> Result | Exception | None:
        """Its answer; a WorkerDiedError if it is gone."""
        try:
            answer: Result | Exception | None = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join(STOP_GRACE_S)
            return WorkerDiedError(_obituary(self._process.exitcode))
        return answer

    def terminate(self) -> None:
        self._process.terminate()

    def close(self) -> None:
        """Let it end (an idle worker does when its pipe closes), by force if it will not."""
        self.pipe.close()
        self._process.join(STOP_GRACE_S)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self._process.close()


def _run(
    function: Callable[[Item], Result], tasks: list[Item], jobs: int
) -> Iterator[tuple[Item, Result | Exception]]:
    """Each item once, in up to ``jobs`` processes; a worker that dies at work is replaced."""
    waiting = deque(tasks)
    crew: dict[Any, _Worker[Item, Result]] = {}

    def hire() -> None:
        worker = _Worker(function)
        crew[worker.pipe] = worker

    try:
        for _ in range(min(jobs, len(tasks))):
            hire()
        while crew:
            for pipe in wait(list(crew)):
                worker = crew[pipe]
                done, answer = worker.held, worker.receive()
                if waiting and not isinstance(answer, WorkerDiedError):
                    worker.give(waiting.popleft())  # before we hand on the answer: nobody waits idle
                else:
                    crew.pop(pipe).close()
                    if waiting and done:
                        hire()
                for item in done:
                    yield item, cast("Result | Exception", answer)
        if waiting:  # the last worker died before it could take an item
            raise _cannot_start()
    finally:
        for worker in crew.values():
            worker.terminate()  # all of them first: they go side by side
        for worker in crew.values():
            worker.close()


def _work(function: Callable[[Item], Result], pipe: Connection) -> None:
    """Life of a worker: say ready, then answer item after item until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends us
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        pipe.send(None)
        while True:
            _send(pipe, travelling_answer(function, pipe.recv()))


def _send(pipe: Connection, answer: Any) -> None:
    try:
        pipe.send(answer)  # pickles first, so that a failure to pickle leaves the pipe clean
    except OSError:
        raise
    except Exception as error:
        pipe.send(TypeError(f"the result, a {type(answer).__name__}, does not pickle: {error}"))


def _travelling(error: Exception) -> Exception:
    """The exception with its traceback as a note, in a form that survives the pipe."""
    error.add_note("".join(traceback.format_exception(error)).rstrip())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        plain = RuntimeError(f"{type(error).__name__}: {error}")
        plain.__notes__ = error.__notes__
        return plain
    return error


def _obituary(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        cause = f"was ended by signal {-exitcode} ({signal.strsignal(-exitcode)})"
    else:
        cause = f"ended with exit status {exitcode} and no answer"
    hint = "; most likely the memory ran out" if exitcode == -signal.SIGKILL else ""
    return f"the worker process {cause}, twice: the second time it had the machine to itself{hint}"


def _cannot_start() -> DapatlasError:
    return DapatlasError(
        "no worker process could start (see above for their own messages). A script that uses several jobs "
        'must do its work under `if __name__ == "__main__":`; or use jobs=1'
    )
