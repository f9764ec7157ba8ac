"""A stage over cases: what stands stays, what fails is told, and what was killed goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dapatlas.dataset import Dataset
from dapatlas.errors import BadFileError
from dapatlas.phantom import make_cohort
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Work, run_stage

MANY = 60
PROGRAM = str(Path(sys.executable).with_name("dapatlas"))


def copy(work: Work) -> int:
    """Write a case's input to its output; a case whose input says so fails."""
    text = work.inputs[0].read_text()
    if "bad" in text:
        raise BadFileError(f"{work.inputs[0]}: bad")
    work.outputs[0].write_text(text)
    return len(text)


def works(folder: Path, *names: str, settings: str = "") -> list[Work]:
    for name in names:
        path = folder / f"{name}.in"
        if not path.exists():
            path.write_text(f"{name}\n")
    return [Work(name, (folder / f"{name}.in",), (folder / f"{name}.out",), settings) for name in names]


def states(folder: Path, items: list[Work], **options: object) -> dict[str, str]:
    with open_journal(folder) as journal:
        outcomes = run_stage("copy", items, copy, journal, jobs=1, **options)  # type: ignore[arg-type]
    return {outcome.case: outcome.state for outcome in outcomes}


def test_only_what_is_due_is_done(tmp_path: Path) -> None:
    items = works(tmp_path, "a", "b")
    assert states(tmp_path, items) == {"a": "done", "b": "done"}
    assert states(tmp_path, items) == {"a": "up to date", "b": "up to date"}
    items[0].outputs[0].unlink()
    assert states(tmp_path, items) == {"a": "done", "b": "up to date"}
    items[1].inputs[0].write_text("longer\n")
    assert states(tmp_path, items) == {"a": "up to date", "b": "done"}
    assert states(tmp_path, works(tmp_path, "a", "b", settings="x")) == {"a": "done", "b": "done"}
    assert states(tmp_path, works(tmp_path, "a", "b", settings="x"), force=True) == {"a": "done", "b": "done"}


def test_a_case_that_fails_is_told_stops_no_other_and_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "b.in").write_text("bad\n")
    items = works(tmp_path, "a", "b", "c")
    seen: list[tuple[int, int]] = []
    with open_journal(tmp_path) as journal:
        outcomes = run_stage("copy", items, copy, journal, jobs=1, progress=lambda *now: seen.append(now))
    assert [(outcome.case, outcome.state, outcome.answer) for outcome in outcomes] == [
        ("a", "done", 2),
        ("b", "failed", None),
        ("c", "done", 2),
    ]
    assert "b.in: bad" in outcomes[1].error
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert states(tmp_path, items) == {"a": "up to date", "b": "failed", "c": "up to date"}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of many cases, all of one body."""
    made = make_cohort(tmp_path_factory.mktemp("one"), 1, shape=(48, 48, 64))
    folder = tmp_path_factory.mktemp("many") / "atlas"
    Dataset.create(folder)
    case = made[0]
    for number in range(MANY):
        for kind, path in (("images", case.image_path), ("masks", case.mask_path)):
            assert path is not None
            (folder / kind / f"AutoPET_{number:010d}_00001.nii.gz").symlink_to(path)
    return folder


def test_a_preview_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(many: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the preview needs pyarrow: pip install 'dapatlas[hub]'")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [PROGRAM, "preview", str(many), "--jobs", "1", "--quiet", "--out"]
    subprocess.run([*command, str(whole)], check=True)
    process = subprocess.Popen([*command, str(killed)], start_new_session=True)
    rows = killed / ".dapatlas" / "preview"
    deadline = time.monotonic() + 60
    while len(list(rows.glob("[!.]*.parquet"))) < 3:
        assert time.monotonic() < deadline
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = len(list(rows.glob("[!.]*.parquet")))
    assert 3 <= done < MANY
    assert not list((killed / "data").glob("*.parquet"))  # no table before all rows stand
    before = {path.name: path.stat().st_mtime_ns for path in rows.glob("[!.]*.parquet")}
    subprocess.run([*command, str(killed)], check=True)
    kept = [name for name, time_ns in before.items() if (rows / name).stat().st_mtime_ns == time_ns]
    assert len(kept) >= done - 1  # all but the one that was in hand, whose end the journal had not seen
    files = sorted(path.name for path in (whole / "data").iterdir())
    assert files == sorted(path.name for path in (killed / "data").iterdir())
    for name in files:
        assert (whole / "data" / name).read_bytes() == (killed / "data" / name).read_bytes()
    shutil.rmtree(killed)
