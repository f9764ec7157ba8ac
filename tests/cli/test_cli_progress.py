"""Progress with rate and time left: a bar on a terminal, plain lines in the log of a job, nothing in a script's way."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from dapatlas.cli import logs
from dapatlas.cli.progress import Lines, Pace, case_progress, duration, pace_of


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    logger = logging.getLogger("dapatlas")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, highlight=False, color_system=None)
    monkeypatch.setattr(logs, "_console", lambda: console)
    return stream


def run(seconds_a_case: float, total: int, first: int = 0) -> list[str]:
    """Lines that a log gets of a stage whose cases take so long, some of which stood before."""
    lines: list[str] = []
    clock = Clock()
    report = Lines("building", lines.append, clock)
    report(first, total)
    for done in range(first + 1, total + 1):
        clock.now += seconds_a_case
        report(done, total)
    return lines


def test_a_job_that_takes_an_hour_says_each_tenth_and_a_slow_one_speaks_every_five_minutes() -> None:
    lines = run(6.0, 600)
    assert lines[:2] == [
        "building 50/600, 10.0 a minute, 55 min left",  # five minutes
        "building 100/600, 10.0 a minute, 50 min left",
    ]
    assert lines[-1] == "building 600/600, 10.0 a minute; done in 1 h 00 min"
    assert len(lines) == 12
    fast = run(1.0, 600)
    assert [re.sub(",.*", "", line) for line in fast] == [f"building {n}/600" for n in range(60, 601, 60)]
    assert len(run(400.0, 30)) == 30  # where a case takes longer than that, it is a line a case


def test_no_two_lines_within_half_a_minute_and_none_of_what_is_done_at_once() -> None:
    assert run(0.01, 533) == []
    assert [line.split(",")[0] for line in run(0.1, 533)] == ["building 300/533", "building 533/533"]


def test_what_stood_before_is_no_work_of_this_run() -> None:
    assert run(60.0, 110, first=100)[0] == "building 105/110, 1.0 a minute, 5 min left"


def test_each_stage_has_its_own_pace() -> None:
    pace = Pace()
    assert pace.at(0, 10, 0.0) == ""
    assert pace.at(10, 10, 60.0) == "10.0 a minute"
    assert pace.at(0, 10, 60.0) == ""
    assert pace.at(1, 10, 120.0) == "1.0 a minute, 9 min left"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3599, "1 h 00 min"),
        (5400, "1 h 30 min"),
        (86400 * 3, "3 d 0 h"),
    ],
)
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_rates_below_one_a_minute_are_an_hour() -> None:
    assert pace_of(1, 1, 600.0) == "6.0 an hour, 10 min left"


def test_log_lines_go_above_the_bar_and_are_not_torn(terminal: io.StringIO) -> None:
    logs.set_up(1)
    error = "x" * 150 + " [not markup] :smile:"
    with case_progress("building") as progress:
        progress(0, 4)
        for done in range(1, 5):
            logging.getLogger("dapatlas.test").info("%s", error)
            progress(done, 4)
    assert terminal.getvalue().count(f'message="{error}"') == 4
    assert "4/4" in terminal.getvalue()


def test_where_workers_speak_there_is_no_bar(terminal: io.StringIO) -> None:
    logs.set_up(2)
    with case_progress("building") as progress:
        progress(0, 4)
    assert terminal.getvalue() == ""


def test_quiet_is_quiet(terminal: io.StringIO) -> None:
    with case_progress("building", quiet=True) as progress:
        progress(3, 4)
    assert terminal.getvalue() == ""
