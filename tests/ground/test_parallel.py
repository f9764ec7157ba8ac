from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.parallel import WorkerDiedError, _cgroup_cpus, available_cpus, map_cases


def double(number: int) -> int:
    return 2 * number


def misbehave(kind: str) -> object:
    if kind == "raise":
        raise BadFileError("ct.nii.gz is broken")
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "exit":
        os._exit(7)
    if kind == "memory":
        raise MemoryError
    if kind == "unpicklable result":
        return lambda: None
    if kind == "unpicklable error":
        raise _AwkwardError("a", "b")
    return kind


def die_once(marker: Path) -> str:
    """Die the first time; answer the second."""
    if marker.exists():
        return "survived"
    marker.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def say_hello_and_sleep(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(600)


class _AwkwardError(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)  # cannot be made again from its args


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_every_item_is_answered_once(jobs: int) -> None:
    answers = list(map_cases(double, range(20), jobs))
    assert sorted(answers) == [(n, 2 * n) for n in range(20)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_nothing_to_do(jobs: int) -> None:
    assert list(map_cases(double, [], jobs)) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_exception_is_the_answer_of_its_item_alone(jobs: int) -> None:
    answers = dict(map_cases(misbehave, ["a", "raise", "b"], jobs))
    error = answers.pop("raise")
    assert answers == {"a": "a", "b": "b"}
    assert isinstance(error, BadFileError)
    assert str(error) == "ct.nii.gz is broken"


def test_a_dead_worker_costs_only_its_own_item() -> None:
    kinds = ["a", "kill", "b", "exit", "c", "d", "e"]
    answers = dict(map_cases(misbehave, kinds, 2))
    killed, left = answers.pop("kill"), answers.pop("exit")
    assert answers == {kind: kind for kind in "abcde"}
    assert isinstance(killed, WorkerDiedError)
    assert "signal 9" in str(killed)
    assert isinstance(left, WorkerDiedError)
    assert "exit status 7" in str(left)


def test_an_item_that_killed_its_worker_gets_a_second_try(tmp_path: Path) -> None:
    marker = tmp_path / "been here"
    assert list(map_cases(die_once, [marker], 2)) == [(marker, "survived")]


def test_what_cannot_travel_is_told_in_words() -> None:
    answers = dict(map_cases(misbehave, ["unpicklable result", "unpicklable error", "memory", "a"], 2))
    assert isinstance(answers["unpicklable result"], TypeError)
    assert "does not pickle" in str(answers["unpicklable result"])
    assert str(answers["unpicklable error"]) == "_AwkwardError: ab"
    assert isinstance(answers["memory"], MemoryError)
    assert answers["a"] == "a"


def test_remote_traceback_is_kept_as_a_note() -> None:
    ((_, error),) = map_cases(misbehave, ["raise"], 2)
    assert isinstance(error, BadFileError)
    assert "in misbehave" in error.__notes__[0]


def test_closing_the_iterator_ends_the_workers(tmp_path: Path) -> None:
    answers = map_cases(_sleep_unless_none, [None, tmp_path], 2)
    assert next(answers) == (None, None)
    deadline = time.monotonic() + 20
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    start = time.monotonic()
    answers.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 5  # the worker would sleep for minutes
    (pid,) = (int(path.name) for path in tmp_path.iterdir())
    assert not _alive(pid)


def test_ctrl_c_ends_parent_and_workers_at_once(tmp_path: Path) -> None:
    hello = tmp_path / "hello"
    hello.mkdir()
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\n"
        "from test_parallel import say_hello_and_sleep\n"
        "from dapatlas.parallel import map_cases\n"
        "if __name__ == '__main__':\n"
        f"    list(map_cases(say_hello_and_sleep, [Path({str(hello)!r})] * 2, 2))\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)], start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while len(list(hello.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: parent and workers get it
    _, errors = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1  # the parent's; workers keep quiet
    pids = [int(path.name) for path in hello.iterdir()]
    assert len(pids) == 2
    assert not any(_alive(pid) for pid in pids)


def test_a_script_without_main_guard_is_told_of_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from dapatlas.parallel import map_cases\nlist(map_cases(abs, [-1, -2], 2))\n")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert 'under `if __name__ == "__main__":`' in done.stderr


@pytest.mark.parametrize("jobs", [0, -1])
def test_no_jobs_is_refused(jobs: int) -> None:
    with pytest.raises(DapatlasError, match="1 or more"):
        map_cases(double, [1], jobs)


def test_available_cpus_are_within_the_machine() -> None:
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),  # half a processor is still one worker
        ({"cpu.max": "max 100000"}, 64),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ({}, 64),
    ],
)
def test_control_group_quota_bounds_the_workers(tmp_path: Path, files: dict[str, str], cpus: int) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    assert _cgroup_cpus(tmp_path, 64) == cpus


def _sleep_unless_none(folder: Path | None) -> None:
    if folder is not None:
        say_hello_and_sleep(folder)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
