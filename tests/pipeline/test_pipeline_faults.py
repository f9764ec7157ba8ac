"""What goes wrong on real machines, and what is left afterwards: no half file, and a second run that completes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dapatlas.dataset import Dataset
from dapatlas.errors import BadFileError
from dapatlas.files import whole_file, write_text
from dapatlas.labels import dap
from dapatlas.phantom import make_cohort
from dapatlas.pipeline.engine import Processes, Schedule
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Outcome, Work, run_stage
from dapatlas.volumes import read_label_map, write_label_map, write_volume

PROGRAM = str(Path(sys.executable).with_name("dapatlas"))
CASES = 6
RECIPE = """
name = "copy"
[cts]
files = "{data}/images/{{case}}.nii.gz"
[[experts]]
name = "truth"
kind = "label-maps"
scheme = "dap"
files = "{data}/masks/{{case}}.nii.gz"
[refine]
"""
STAGES: dict[str, Callable[[Path, Path], list[str]]] = {
    "ingest": lambda data, out: ["ingest", "ct", *map(str, sorted((data / "images").iterdir())), str(out)],
    "build": lambda data, out: ["build", str(data / "recipe.toml"), "--out", str(out)],
    "refine": lambda data, out: ["refine", str(data), str(out)],
    "check": lambda data, out: ["check", str(data), "--out", str(out)],
    "preview": lambda data, out: ["preview", str(data), "--out", str(out)],
    "stats": lambda data, out: ["stats", str(data), "--out", str(out / "stats.html"), "--work", str(out)],
    "export": lambda data, out: [
        "export",
        "binary-masks",
        str(data),
        str(out),
        "--structures",
        "liver,aorta",
    ],
    "evaluate": lambda data, out: ["evaluate", str(data / "masks"), str(data / "masks"), "--out", str(out)],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few copies of one small body, and a recipe."""
    made, *_ = make_cohort(tmp_path_factory.mktemp("one"), 1, shape=(40, 40, 64), jobs=1)
    folder = tmp_path_factory.mktemp("data")
    dataset = Dataset.create(folder)
    label_map, hu = made.label_map(), made.ct()
    liver = dap()["liver"].id
    for number in range(CASES):
        case = f"AutoPET_{number:010d}_00001"
        ct = hu.array.copy()
        ct[number, 0, 0] = -1000 - number  # no two are alike
        write_volume(dataset.image_path(case), ct, hu.grid, hu.header)
        array = np.asfortranarray(label_map.array.copy())
        array[tuple(np.argwhere(array == liver)[number])] = 0
        write_label_map(dataset.mask_path(case), array, label_map.grid, label_map.header)
    write_text(folder / "recipe.toml", RECIPE.format(data=folder))
    return folder


def children(pid: int) -> list[int]:
    """Processes whose parent is ``pid`` and that work on cases; not the one that tracks their resources."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_text()
            except OSError:
                continue
            if parent == pid and "spawn_main" in command:
                found.append(int(entry.name))
    return found


def finished(out: Path) -> int:
    """How many rows the journal has."""
    from dapatlas.errors import DapatlasError
    from dapatlas.pipeline.journal import read_journal

    try:
        return len(read_journal(out))
    except DapatlasError:
        return 0


def content(folder: Path) -> dict[str, str]:
    """Digest of every file but the journal and its like."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".dapatlas" not in path.relative_to(folder).parts
    }


def half_files(folder: Path) -> list[Path]:
    return list(folder.rglob(".*.partial*"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_that_is_killed_costs_nothing(data: Path, tmp_path: Path, stage: str) -> None:
    if stage == "preview":
        pytest.importorskip("pyarrow", reason="the preview needs pyarrow")
    whole, disturbed = tmp_path / "a" / "out", tmp_path / "b" / "out"
    subprocess.run([PROGRAM, *STAGES[stage](data, whole), "--jobs", "1"], stdout=subprocess.DEVNULL)
    process = subprocess.Popen(
        [PROGRAM, *STAGES[stage](data, disturbed), "--jobs", "2"], stdout=subprocess.DEVNULL
    )
    killed = 0
    while process.poll() is None and not killed:
        for worker in children(process.pid):
            if finished(disturbed):  # they are at work
                os.kill(worker, signal.SIGKILL)
                killed += 1
                break
        time.sleep(0.01)
    assert process.wait(120) in (0, 1)  # 1: `check` finds what there is to find in a phantom
    assert killed or finished(disturbed) >= CASES
    assert not half_files(disturbed) or not killed
    assert content(disturbed) == content(whole)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True
    ).returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def write_megabyte(work: Work) -> None:
    with whole_file(work.outputs[0]) as scratch:
        scratch.write_bytes(b"x" * 700_000)


def test_a_full_disk_leaves_whole_files_and_a_run_that_can_go_on(small_disk: Path) -> None:
    works = [Work(f"{number}", (), (small_disk / f"{number}.bin",)) for number in range(4)]
    with open_journal(small_disk) as journal:
        outcomes = run_stage("write", works, write_megabyte, journal, jobs=1)
    states = [outcome.state for outcome in outcomes]
    assert 0 < states.count("done") < 4
    assert "No space left on device" in next(each.error for each in outcomes if each.state == "failed")
    assert not half_files(small_disk)
    assert {path.stat().st_size for path in small_disk.glob("*.bin")} == {700_000}
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    with open_journal(small_disk) as journal:
        again = run_stage("write", works, write_megabyte, journal, jobs=1)
    assert {outcome.state for outcome in again} == {"done", "up to date"}
    assert len(list(small_disk.glob("*.bin"))) == 4


def test_an_output_that_cannot_be_written_to_is_told_at_once(data: Path, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    ended = subprocess.run(
        [PROGRAM, "check", str(data), "--out", str(small_disk / "out")], capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert "cannot be written to (Read-only file system)" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_ctrl_c_says_how_to_go_on(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [PROGRAM, *STAGES["build"](data, out), "--jobs", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not finished(out) and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "start the same command again to go on" in said
    assert "Traceback" not in said
    for mask in (out / "masks").glob("*.nii.gz"):
        read_label_map(mask)  # whole
    subprocess.run([PROGRAM, *STAGES["build"](data, out)], stdout=subprocess.DEVNULL, check=True)
    assert len(list((out / "masks").glob("*.nii.gz"))) == CASES
    assert not half_files(out)


def test_a_second_run_on_the_same_output_is_refused(data: Path, tmp_path: Path) -> None:
    with open_journal(tmp_path):
        ended = subprocess.run(
            [PROGRAM, "check", str(data), "--out", str(tmp_path)], capture_output=True, text=True
        )
    assert ended.returncode == 2
    assert "another run is at work on this folder" in ended.stderr


def hungry(work: Work) -> int:
    if work.case == "b":
        np.ones(1 << 60, np.uint8)
    write_text(work.outputs[0], work.case)
    return 1


def test_a_case_that_wants_more_memory_than_there_is_fails_alone(tmp_path: Path) -> None:
    works = [Work(case, (), (tmp_path / case,)) for case in "abc"]
    with open_journal(tmp_path) as journal:
        outcomes: list[Outcome[int]] = run_stage("hungry", works, hungry, journal, jobs=2)
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "done"]
    assert "MemoryError" in outcomes[1].error or "Unable to allocate" in outcomes[1].error


def copy(work: Work) -> None:
    write_text(work.outputs[0], work.inputs[0].read_text())


def test_a_clock_that_jumps_changes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "a.in"
    source.write_text("first")
    os.utime(source, (4e9, 4e9))  # a file from the year 2096
    work = Work("a", (source,), (tmp_path / "a.out",))

    def run() -> str:
        with open_journal(tmp_path) as journal:
            (outcome,) = run_stage("copy", [work], copy, journal, jobs=Schedule(Processes(1)))
        return outcome.state

    assert [run(), run()] == ["done", "up to date"]
    source.write_text("other")
    os.utime(source, (1, 1))  # as long, and older than what was made of the file before
    assert [run(), run()] == ["done", "up to date"]
    assert work.outputs[0].read_text() == "other"


def test_what_a_killed_run_left_half_written_goes_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.out"
    left = [tmp_path / name for name in (".a.out.k3jd8s_a.partial.out", ".a.out.partial")]
    other = [tmp_path / name for name in (".b.out.k3jd8s_a.partial.out", ".download.zip.partial", ".hidden")]
    for path in (*left, *other, tmp_path / "a.in"):
        path.write_text("x")
    with open_journal(tmp_path) as journal:
        run_stage("copy", [Work("a", (tmp_path / "a.in",), (target,))], copy, journal, jobs=1)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in other)


def test_a_rename_whose_answer_was_lost_over_nfs_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def lost(self: Path, target: Path) -> Path:
        replace(self, target)
        raise FileNotFoundError(2, "No such file or directory")  # what the second try is told

    monkeypatch.setattr(Path, "replace", lost)
    write_text(tmp_path / "a", "whole")
    assert (tmp_path / "a").read_text() == "whole"

    def failed(self: Path, target: Path) -> Path:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "replace", failed)
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "a", "other")
    assert (tmp_path / "a").read_text() == "whole"


def test_errors_that_name_a_file_reach_the_journal(tmp_path: Path) -> None:
    def do(work: Work) -> None:
        raise BadFileError(f"{work.inputs[0]}: truncated")

    with open_journal(tmp_path) as journal:
        run_stage("x", [Work("a", (tmp_path / "a.in",), (tmp_path / "a",))], do, journal, jobs=1)
        entry = journal.entry("a", "x")
    assert entry is not None
    assert "a.in: truncated" in entry.error
