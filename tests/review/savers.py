"""What other processes and threads do to a review while a test looks on, and what must hold afterwards."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from threading import Barrier, Thread
from typing import Any

from databases import quick_passwords
from sqlalchemy import Engine, event, text

from dapatlas.review.accounts import Role
from dapatlas.review.database.connect import connect
from dapatlas.review.plan import Claimed
from dapatlas.review.store import Store
from dapatlas.review.verdict import Conflict, Content, Decision, Kind, Mark, MarkKind, Verdict

MAP = "0123456789abcdef" * 4  # digest of a map
OTHER_MAP = "f" * 64

Answers = list[tuple[str, int, int]]  # content's text, version that was named, version that stood afterwards

_processes = multiprocessing.get_context("forkserver")
# what takes long to import; the server of forks does not know the folder of this file
_processes.set_forkserver_preload(
    ["dapatlas.review.store", "sqlalchemy.dialects.postgresql.psycopg", "alembic.command"]
)


def some_content(number: int) -> Content:
    """Another for each number; some have many marks, some few."""
    marks = tuple(
        Mark(
            "liver",
            MarkKind.LEAKS,
            f"mark {k} of {number}",
            (k, number % 97, 0),
            ((0, k + 1), (1, 2), (3, 4)),
        )
        for k in range(number % 5)
    )
    return Content(list(Decision)[number % 3], f"content {number}", marks)


@dataclass(frozen=True)
class Racer:
    """Saves a verdict again and again, each time beside all others, who name the same version."""

    url: str
    reader: str
    kind: Kind
    number: int
    rounds: int

    def __call__(self, barrier: Any, answer: Callable[[Answers], None]) -> None:
        store = Store(connect(self.url), quick_passwords())
        found: Answers = []
        for version in range(self.rounds):
            content = some_content(1000 * (self.number + 1) + version)
            barrier.wait(30)
            try:
                after = store.save("case", self.reader, self.kind, content, MAP, version)
            except Conflict as conflict:
                after = _not_none(conflict.current)
            found.append((after.content.remarks, version, after.version))
            if after.content == content:
                found[-1] = ("mine", version, after.version)
        store.close()
        answer(found)


def _not_none(verdict: Verdict | None) -> Verdict:
    assert verdict is not None
    return verdict


@dataclass(frozen=True)
class Asker:
    """Asks for cases in turn until there is none left, as a queue does."""

    url: str
    reader: str
    cases: int
    needed: int

    def __call__(self, barrier: Any, answer: Callable[[list[str]], None]) -> None:
        store = Store(connect(self.url), quick_passwords())
        mine = []
        for number in range(self.cases):
            barrier.wait(30)
            try:
                store.claim(f"case-{number}", self.reader, datetime.now(UTC), 30, self.needed)
            except Claimed:
                continue
            mine.append(f"case-{number}")
        store.close()
        answer(mine)


@dataclass(frozen=True)
class Newcomer:
    """Opens a database that may be new, beside all others, and is somebody in it."""

    url: str
    reader: str

    def __call__(self, barrier: Any, answer: Callable[[str], None]) -> None:
        barrier.wait(30)
        store = Store(connect(self.url), quick_passwords())
        answer(store.add_reader(self.reader, Role.READER).name)
        store.close()


def in_threads(jobs: list[Any]) -> list[Any]:
    """Run the jobs at once in this process, and give what they answer."""
    barrier, answers = Barrier(len(jobs)), dict[int, Any]()
    threads = [
        Thread(target=job, args=(barrier, lambda answer, k=k: answers.__setitem__(k, answer)))
        for k, job in enumerate(jobs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [answers[k] for k in range(len(jobs))]


def in_processes(jobs: list[Any]) -> list[Any]:
    """Run the jobs at once in processes of their own, and give what they answer."""
    barrier = _processes.Barrier(len(jobs))
    pipes = [_processes.Pipe(duplex=False) for _ in jobs]
    processes = [
        _processes.Process(target=_answer_by_pipe, args=(job, barrier, sender))
        for job, (_, sender) in zip(jobs, pipes, strict=True)
    ]
    for process in processes:
        process.start()
    answers = []
    for receiver, sender in pipes:
        sender.close()
        answers.append(receiver.recv())
        receiver.close()
    for process in processes:
        process.join(60)
    return answers


def _answer_by_pipe(job: Any, barrier: Any, sender: Any) -> None:
    job(barrier, sender.send)
    sender.close()


def start(target: Callable[..., None], *args: Any) -> BaseProcess:
    """Run something in a process of its own."""
    process = _processes.Process(target=target, args=args)
    process.start()
    return process


def event_of_processes() -> Any:
    """One that processes share."""
    return _processes.Event()


def save_until_killed(url: str, began: Any, seed: int) -> None:
    """Save readings and adjudications of a few cases for ever."""
    store = Store(connect(url), quick_passwords())
    draw = random.Random(seed)
    for number in itertools.count(seed * 1_000_000):
        case, kind = f"case-{draw.randrange(3)}", draw.choice(list(Kind))
        before = store.verdict(case, "r-01", kind)
        store.save(case, "r-01", kind, some_content(number), MAP, before.version if before else 0)
        began.set()


def deaths(url: str, content: int) -> Iterator[bool]:
    """Save again and again, killed before the first statement, the second, …; true as long as it died of it."""
    ours, theirs = _processes.Pipe()
    process = start(_die_in_turn, url, content, theirs)
    theirs.close()
    died = True
    while died:
        died = ours.recv()
        yield died
        ours.send("go on")
    process.join(60)
    ours.close()


def _die_in_turn(url: str, content: int, pipe: Any) -> None:
    died, number = True, 1
    while died:
        child = os.fork()  # this process has one thread and no connections
        if child == 0:
            _die_at_statement(url, number, content)
        _, status = os.waitpid(child, 0)
        died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert died or os.WEXITSTATUS(status) == 0
        pipe.send(died)
        pipe.recv()
        number += 1


def _die_at_statement(url: str, number: int, content: int) -> None:
    """Save once and be killed before the n-th statement of it, the last of which is the commit."""
    left = itertools.count(1)

    def count_down(*_: Any) -> None:
        if next(left) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        store = Store(connect(url), quick_passwords())
        before = store.verdict("case", "r-01", Kind.READING)
        event.listen(store.engine, "before_cursor_execute", count_down)
        event.listen(store.engine, "commit", count_down)
        store.save("case", "r-01", Kind.READING, some_content(content), MAP, before.version if before else 0)
    except BaseException:
        os._exit(1)
    os._exit(0)  # saved with fewer statements


def assert_whole(engine: Engine) -> None:
    """The file is sound, and every verdict is what its last revision says, with all revisions before it."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalars().all() == ["ok"]
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
    store = Store(engine, quick_passwords())
    with engine.connect() as connection:
        orphans = "SELECT count(*) FROM marks WHERE verdict_id NOT IN (SELECT id FROM verdicts)"
        assert connection.execute(text(orphans)).scalar() == 0
        marks = dict(
            connection.execute(text("SELECT verdict_id, count(*) FROM marks GROUP BY verdict_id")).all()
        )
    for verdict in store.verdicts():
        history = store.history(verdict.case, verdict.reader, verdict.kind)
        assert [revision.version for revision in history] == list(range(1, verdict.version + 1))
        last = history[-1]
        assert (last.content, last.reader, last.map_sha256, last.at) == (
            verdict.content,
            verdict.reader,
            verdict.map_sha256,
            verdict.saved_at,
        )
        assert marks.get(verdict.id, 0) == len(last.content.marks)
        assert all(early.at <= late.at for early, late in itertools.pairwise(history))
