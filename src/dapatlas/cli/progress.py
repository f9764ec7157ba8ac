"""Progress on stderr, for people; a script reads stdout."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dapatlas.cli.logs import errors, workers_speak

LINE_S = 30.0  # between two lines of a log there is at least this
STILL_S = 300.0  # after which there is a line in any case
SHARE = 0.1  # of the whole; so much more is worth a line
Report = Callable[[int, int], None]


@contextmanager
def case_progress(label: str, *, quiet: bool = False) -> Iterator[Report]:
    """How many cases are done, how many a minute, and how long it will take; nothing where ``quiet``.

    A bar on a terminal. Elsewhere, as in the log of a job, a plain line after each tenth of the cases and at least
    every five minutes, but never two within half a minute: what is done in less says nothing.

    Gives a function that takes how many cases are done, and of how many.
    """
    console = errors()
    if quiet:
        yield lambda done, total: None
    elif console.is_terminal and not workers_speak():
        with _bar(label) as report:
            yield report
    else:
        yield Lines(label, lambda line: console.print(line, soft_wrap=True, markup=False, emoji=False))


@contextmanager
def _bar(label: str) -> Iterator[Report]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[pace]}", style="cyan"),
    )
    pace = Pace()
    with Progress(*columns, console=errors(), transient=True) as bars:
        bar = bars.add_task(label, total=None, pace="")

        def report(done: int, total: int) -> None:
            said = pace.at(done, total, time.monotonic())
            bars.update(bar, completed=done, total=total, pace=said)

        yield report


@dataclass
class Pace:
    """How fast cases get done, from those of this run alone: what stood before it was no work.

    Attributes
    ----------
    first
        Cases done when it began, and the time then in s; ``None`` before.
    """

    first: tuple[int, float] | None = None
    _last: tuple[int, int] = (0, 0)

    def at(self, done: int, total: int, now: float) -> str:
        """Say the rate and the time left; empty where neither is known yet."""
        if self.first is None or done < self._last[0] or total != self._last[1]:  # a stage begins
            self.first = (done, now)
        self._last = (done, total)
        count, seconds = done - self.first[0], now - self.first[1]
        if count <= 0 or seconds <= 0:
            return ""
        return pace_of(count, total - done, seconds)


def pace_of(done: int, left: int, seconds: float) -> str:
    """Words for the rate of ``done`` cases in ``seconds``, and for the time that those ``left`` will take.

    Examples
    --------
    >>> pace_of(40, 493, 200.0)
    '12.0 a minute, 41 min left'
    >>> pace_of(3, 0, 7200.0)
    '1.5 an hour'
    """
    a_minute = 60 * done / seconds
    rate = f"{a_minute:.1f} a minute" if a_minute >= 1 else f"{60 * a_minute:.1f} an hour"
    return f"{rate}, {duration(left * seconds / done)} left" if left else rate


def duration(seconds: float) -> str:
    """A length of time in the two units that say enough of it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


@dataclass
class Lines:
    """Progress for a log: called with how many are done, and of how many; writes a line now and then.

    Attributes
    ----------
    label
        What is done.
    write
        Takes a line.
    clock
        Seconds, from any beginning.
    """

    label: str
    write: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _pace: Pace = field(default_factory=Pace)
    _began: float = 0.0
    _said: tuple[int, float] = (0, 0.0)  # how many were done when there last was a line, and when
    _spoke: bool = False

    def __call__(self, done: int, total: int) -> None:
        """Note how far it is."""
        now, known = self.clock(), self._pace.first
        pace = self._pace.at(done, total, now)
        if self._pace.first is not known:  # a stage begins
            self._began, self._said, self._spoke = now, (done, now), False
        ends = done == total and self._spoke
        if ends or self._worth_it(done, total, now):
            last = f"; done in {duration(now - self._began)}" if done == total else ""
            self.write(f"{self.label} {done}/{total}{f', {pace}' if pace else ''}{last}")
            self._said, self._spoke = (done, now), True

    def _worth_it(self, done: int, total: int, now: float) -> bool:
        before, then = self._said
        more = done - before
        return more > 0 and now - then >= LINE_S and (more >= SHARE * total or now - then >= STILL_S)
