"""Who works and on which cases: memory, a selection, retries, and cases that take their worker down."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.pipeline.engine import Processes, Schedule, fitting, local_jobs
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Outcome, Work, run_stage


def copy(work: Work) -> int:
    """Write the input to the output; fail, or take the process down, where the input says so."""
    text = work.inputs[0].read_text()
    if "bad" in text:
        raise BadFileError(f"{work.inputs[0]}: bad")
    if "crash" in text:
        with (work.inputs[0].with_suffix(".tries")).open("a") as tries:
            tries.write("x")
        os._exit(7)
    work.outputs[0].write_text(text)
    return len(text)


def works(folder: Path, **texts: str) -> list[Work]:
    for name, text in texts.items():
        path = folder / f"{name}.in"
        if not path.exists():
            path.write_text(text)
    return [Work(name, (folder / f"{name}.in",), (folder / f"{name}.out",)) for name in texts]


def run(folder: Path, items: list[Work], schedule: Schedule, **options: bool) -> dict[str, Outcome[int]]:
    with open_journal(folder) as journal:
        return {one.case: one for one in run_stage("copy", items, copy, journal, jobs=schedule, **options)}


def states(outcomes: dict[str, Outcome[int]]) -> dict[str, str]:
    return {case: outcome.state for case, outcome in outcomes.items()}


@given(st.integers(1, 500), st.floats(1, 1e6), st.floats(0, 1e4))
def test_processes_together_never_take_more_than_is_free(jobs: int, need_mb: float, free_gb: float) -> None:
    found = fitting(jobs, need_mb, free_gb)
    assert 1 <= found <= jobs
    assert found == 1 or found * need_mb <= free_gb * 1000
    assert found == jobs or (found + 1) * need_mb > 0.9 * free_gb * 1000  # and no fewer than fit


def test_where_nothing_is_known_of_memory_nothing_is_held_back() -> None:
    assert fitting(8, 0, 1.0) == 8
    assert fitting(8, 1e6, None) == 8


def test_only_the_cases_that_are_asked_for(tmp_path: Path) -> None:
    items = works(tmp_path, a="a", b="b", c="c")
    assert states(run(tmp_path, items, Schedule(only=("b",)))) == {
        "a": "left out",
        "b": "done",
        "c": "left out",
    }
    assert states(run(tmp_path, items, Schedule(Processes(1), only=("a",)), force=True)) == {
        "a": "done",
        "b": "up to date",
        "c": "left out",
    }
    with pytest.raises(DapatlasError, match=r"no case bb among the 3 of this stage; did you mean b\?"):
        run(tmp_path, items, Schedule(only=("bb",)))


def test_retrying_does_what_failed_and_nothing_else(tmp_path: Path) -> None:
    items = works(tmp_path, a="a", b="bad")
    run(tmp_path, items, Schedule(Processes(1)))
    items += works(tmp_path, c="c")
    (tmp_path / "b.in").write_text("mended")
    assert states(run(tmp_path, items, Schedule(Processes(1), retry_failed=True))) == {
        "a": "up to date",
        "b": "done",
        "c": "left out",
    }


def test_a_case_that_takes_its_worker_down_is_left_alone_until_it_is_asked_for(tmp_path: Path) -> None:
    items = works(tmp_path, a="a", b="crash", c="c")
    here = Schedule(Processes(2))
    first = run(tmp_path, items, here)
    assert states(first) == {"a": "done", "b": "failed", "c": "done"}
    assert "exit status 7" in first["b"].error
    tried = len((tmp_path / "b.tries").read_text())
    assert tried == 2
    again = run(tmp_path, items, here)
    assert states(again) == {"a": "up to date", "b": "failed", "c": "up to date"}
    assert "in quarantine: `--retry-failed` tries it again" in again["b"].error
    assert len((tmp_path / "b.tries").read_text()) == tried
    assert states(run(tmp_path, items, Schedule(Processes(2), retry_failed=True)))["b"] == "failed"
    assert len((tmp_path / "b.tries").read_text()) == 2 * tried
    (tmp_path / "b.in").write_text("well")  # another input: no reason to think that it crashes
    assert states(run(tmp_path, items, here))["b"] == "done"


def test_a_crash_does_not_end_the_run_where_memory_leaves_room_for_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dapatlas.pipeline.engine.free_gb", lambda: 0.1)
    found = run(tmp_path, works(tmp_path, a="crash", b="b"), Schedule(Processes(2)))
    assert states(found) == {"a": "failed", "b": "done"}


def test_what_no_cluster_is_asked_for_is_done_by_processes() -> None:
    assert local_jobs(3) == 3
    assert local_jobs(None) is None
    assert local_jobs(Schedule(Processes(4))) == 4
