"""`dapatlas train` and `dapatlas loop`: what is printed, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import dapatlas.train
from dapatlas.cli.loop import loop
from dapatlas.cli.train import app
from dapatlas.dataset import Dataset
from dapatlas.labels import dap
from dapatlas.pipeline import looping
from dapatlas.pipeline.comparing import MapAgreement
from dapatlas.pipeline.rounds import LoopResult, Round
from dapatlas.train import Epoch, Planned, Trained
from dapatlas.volumes import Grid, write_label_map, write_volume

SHAPE = (8, 6, 5)
GRID = Grid.from_spacing(SHAPE, (2.0, 2.0, 3.0), "LPS")
PLANNED = Planned((96, 96, 96), (1.5, 1.5, 1.5), 2, (32, 64, 128), 145, 9.0, 14.5, 1.75)
RECIPE = """
name = "test"
[cts]
files = "ct/{case}.nii.gz"
[[experts]]
name = "ts"
kind = "label-maps"
scheme = "totalsegmentator"
files = "maps/{case}.nii.gz"
"""


def run(*arguments: object, of: typer.Typer = app):
    return CliRunner().invoke(of, [str(argument) for argument in arguments])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = Dataset.create(tmp_path / "data")
    for case in ("a", "b", "c"):
        labels = np.zeros(SHAPE, np.uint8)
        labels[2:5] = dap()["liver"].id
        write_volume(made.image_path(case), np.full(SHAPE, 40, np.int16), GRID)
        write_label_map(made.mask_path(case), labels, GRID)
    return made.path


@pytest.fixture
def work(data: Path, tmp_path: Path) -> Path:
    assert run("prepare", data, "--out", tmp_path / "work", "--jobs", 1, "--quiet").exit_code == 0
    return tmp_path / "work"


def test_prepare_says_what_it_made_and_what_comes_next(data: Path, tmp_path: Path):
    done = run("prepare", data, "--out", tmp_path / "w", "--id", 42, "--name", "mine", "--jobs", 1)
    assert done.exit_code == 0, done.output
    assert f"3 cases, {len(dap())} labels, 3 folds" in done.stdout
    assert f"next: dapatlas train plan {tmp_path / 'w'}" in done.stdout
    again = run("prepare", data, "--out", tmp_path / "w", "--id", 42, "--name", "mine", "--jobs", 1, "--json")
    said = json.loads(again.stdout)
    assert said["dataset"] == "Dataset042_mine"
    assert {case["state"] for case in said["cases"]} == {"up to date"}


def test_prepare_of_partly_annotated_cases(data: Path, tmp_path: Path):
    table = tmp_path / "annotated.csv"
    table.write_text("case,structures\na,liver\n")
    asked = ("prepare", data, "--structures", "liver,spleen", "--annotated", table, "--jobs", 1)
    warned = run(*asked, "--out", tmp_path / "w")
    assert "1 of 3 cases are not annotated for all 2 structures" in warned.stdout
    ignored = run(*asked, "--unlabelled", "ignore", "--out", tmp_path / "i", "--json")
    assert json.loads(ignored.stdout)["labels"] == 4  # background, two structures, ignore
    assert json.loads(ignored.stdout)["findings"] == []


def test_a_case_that_fails_is_told_and_the_others_go_on(data: Path, tmp_path: Path):
    (data / "masks" / "b.nii.gz").write_bytes(b"nothing")
    done = run("prepare", data, "--out", tmp_path / "w", "--jobs", 1)
    assert done.exit_code == 1
    assert "b.nii.gz" in done.stdout
    assert "2 cases" in done.stdout


@pytest.mark.parametrize(
    ("more", "story"),
    [
        (("--scheme", "dap", "--scheme", "amos"), "2 schemes for 1 data sets"),
        (("--unlabelled", "forget"), "expected background or ignore"),
    ],
)
def test_prepare_refuses(data: Path, tmp_path: Path, more: tuple[str, ...], story: str):
    done = run("prepare", data, "--out", tmp_path / "w", *more)
    assert done.exit_code == 2
    assert story in " ".join(done.output.replace("│", " ").split())


def test_plan_says_what_training_takes(work: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[object] = []
    monkeypatch.setattr(
        dapatlas.train, "plan", lambda workspace, settings, **more: asked.append(settings) or PLANNED
    )
    done = run("plan", work, "--gpu-gb", 20, "--spacing", "1.5,1.5,1.5")
    assert "patch 96×96×96 at 1.5×1.5×1.5 mm, batch of 2, features 32, 64, 128" in done.stdout
    assert (
        "23.5 GB: feature maps 9.0, scores of 145 classes 14.5 (of which outputs at coarser resolutions 1.8)"
        in done.stdout
    )
    assert "more than 20 GB even with the smallest patch" in done.stdout
    assert asked[0].spacing_mm == (1.5, 1.5, 1.5)
    assert json.loads(run("plan", work, "--json").stdout)["classes"] == 145
    for wrong in ("1,2", "a,b,c", "1,1,0"):
        assert run("plan", work, "--spacing", wrong).exit_code == 2


def test_run_prints_epochs(work: Path, monkeypatch: pytest.MonkeyPatch):
    def train(workspace, fold, settings, *, go_on, force, progress):
        progress(Epoch(1, 1.25, 1.5, 0.125, 12.0), settings.epochs)
        return Trained(workspace.path / "model", fold, (), made=settings.epochs == 3)

    monkeypatch.setattr(dapatlas.train, "train", train)
    done = run("run", work, "--fold", 1, "--epochs", 3)
    assert "epoch 1/3: loss 1.250, held out 1.500, pseudo Dice 0.125, 12 s" in done.stdout
    assert f"fold 1 trained; model: {work / 'model'}" in done.stdout
    assert "fold 1 finished already" in run("run", work, "--fold", 1, "--epochs", 4).stdout
    assert json.loads(run("run", work, "--json").stdout)["fold"] == "0"


def looped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *arguments: object, end: str = "rounds", failed: int = 0
):
    """The command with a loop that ends at once."""
    seen: list[object] = []

    def play(recipe, work, settings, *, jobs, say):
        seen.append(settings)
        say(1, "build", 0, 2)
        rounds = (
            Round(1, work / "round-1" / "atlas", 2, failed, None, MapAgreement(2, 0.75), work / "model"),
            Round(2, work / "round-2" / "atlas", 2, failed, MapAgreement(2, 0.9)),
        )
        return LoopResult(rounds, end)  # type: ignore[arg-type]

    monkeypatch.setattr(looping, "loop", play)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    command = typer.Typer()
    command.command()(loop)
    return run(tmp_path / "recipe.toml", "--work", tmp_path / "loop", *arguments, of=command), seen


def test_loop_prints_a_line_a_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done, seen = looped(monkeypatch, tmp_path, "--rounds", 2, "--folds", 1, "--structures", "liver, spleen")
    assert done.exit_code == 0, done.output
    assert "0.750" in done.stdout
    assert "0.900" in done.stdout
    assert "nothing was held out" in done.stdout
    assert "2 rounds were asked for; the atlas:" in done.stdout
    assert (seen[0].rounds, seen[0].folds, seen[0].structures) == (2, 1, ("liver", "spleen"))


def test_loop_says_why_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert "the maps have settled" in looped(monkeypatch, tmp_path, end="settled")[0].stdout
    unfit, _ = looped(monkeypatch, tmp_path, end="unfit", failed=1)
    assert "a Dice of 0.7 on no structure" in unfit.stdout
    assert unfit.exit_code == 1
    said = json.loads(looped(monkeypatch, tmp_path, "--json")[0].stdout)
    assert said["rounds"][1]["agreement"]["dice"] == 0.9
    assert looped(monkeypatch, tmp_path, "--trust", "blindly")[0].exit_code == 2
