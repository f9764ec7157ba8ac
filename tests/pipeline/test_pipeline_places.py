"""Workers that were started elsewhere: relative paths mean what they mean to the process that gives the work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dapatlas.parallel import travelling_answer
from dapatlas.pipeline.engine import Schedule
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Work, run_stage
from dapatlas.volumes import Grid, write_label_map


@dataclass(frozen=True)
class Elsewhere:
    """An engine whose workers stand in another folder, as those of a cluster do."""

    folder: Path
    lost: Path | None = None  # a folder that they do not see

    def map(self, function: Any, items: Sequence[Any], need_mb: float = 0.0) -> Iterator[tuple[Any, Any]]:
        here = Path.cwd()
        if self.lost:
            shutil.move(self.lost, self.lost.with_name("away"))
        for item in items:
            os.chdir(self.folder)
            yield item, travelling_answer(function, item)
        if self.lost:
            shutil.move(self.lost.with_name("away"), self.lost)
        os.chdir(here)


def copy(work: Work) -> None:
    work.outputs[0].write_text(work.inputs[0].read_text())


def outcomes_of(engine: Elsewhere, home: Path) -> list[Any]:
    (home / "in.txt").write_text("here")
    with open_journal(home) as journal:
        return run_stage(
            "copy", [Work("a", (Path("in.txt"),), (Path("out.txt"),))], copy, journal, jobs=Schedule(engine)
        )


def test_relative_paths_are_those_of_the_process_that_gave_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir(), other.mkdir()
    monkeypatch.chdir(home)
    assert [outcome.state for outcome in outcomes_of(Elsewhere(other), home)] == ["done"]
    assert (home / "out.txt").read_text() == "here"
    assert not list(other.iterdir())


def test_a_worker_that_does_not_see_the_folder_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, other, private = tmp_path / "home", tmp_path / "other", tmp_path / "private"
    home.mkdir(), other.mkdir(), private.mkdir()
    monkeypatch.chdir(private)
    (outcome,) = outcomes_of(Elsewhere(other, lost=private), home)
    assert outcome.state == "failed"
    assert f"{private} cannot be entered on " in outcome.error
    assert "must see the same files" in outcome.error
    monkeypatch.chdir(home)


def test_an_input_that_changes_under_the_worker_is_seen_by_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("old")
    work = Work("a", (tmp_path / "in.txt",), (tmp_path / "out.txt",))
    for state, text in (("done", "old"), ("done", "newer"), ("up to date", "newer")):
        with open_journal(tmp_path) as journal:
            (outcome,) = run_stage("copy", [work], copy_and_change, journal, jobs=1)
        assert (outcome.state, (tmp_path / "out.txt").read_text()) == (state, text)


def copy_and_change(work: Work) -> None:
    """Somebody writes a new version while the old one is worked on."""
    copy(work)
    if work.inputs[0].read_text() == "old":
        work.inputs[0].write_text("newer")


def test_only_the_first_volume_of_a_case_is_opened_to_see_how_large_it_is(tmp_path: Path) -> None:
    ct, masks = tmp_path / "ct.nii.gz", [tmp_path / f"{n}.nii.gz" for n in range(3)]
    write_label_map(ct, np.zeros((5, 6, 7), np.uint8), Grid.from_spacing((5, 6, 7), (1.0, 1.0, 1.0)))
    for mask in masks:
        mask.write_text("no volume, which nobody is to notice here")
    assert Work("a", (tmp_path / "series.dcm", ct, *masks), ()).voxels == 5 * 6 * 7
    assert Work("a", (masks[0],), ()).voxels == 0
