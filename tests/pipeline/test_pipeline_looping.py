"""The loop: rounds, who joins, when it ends, and where it goes on. Networks are played by functions here."""

from __future__ import annotations

import json
import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dapatlas.aggregate import Recipe, load_recipe
from dapatlas.errors import DapatlasError
from dapatlas.labels import dap
from dapatlas.pipeline import looping
from dapatlas.pipeline.comparing import MapAgreement, compare_maps
from dapatlas.pipeline.looping import loop
from dapatlas.pipeline.rounds import LoopSettings, Round, has_settled, with_generalist
from dapatlas.pipeline.stage import Outcome
from dapatlas.volumes import Grid, read_label_map, write_label_map

SHAPE, SPACING = (60, 48, 20), (6.0, 6.0, 8.0)
CASES = ("a", "b", "c", "d")
LIVER, SPLEEN = dap()["liver"].id, dap()["spleen"].id
RECIPE = """
name = "test"
[cts]
files = "ct/{case}.nii.gz"
[[experts]]
name = "ts"
kind = "label-maps"
scheme = "totalsegmentator"
files = "maps/{case}.nii.gz"
silence = false
"""
SPLEEN_BOX = (slice(36, 42), slice(20, 26), slice(8, 16))


def write_case(folder: Path, name: str) -> None:
    """A body of fat with a liver in it; the expert overlooks the spleen of the case ``d``."""
    x, y, _ = np.meshgrid(*(np.arange(n) * mm for n, mm in zip(SHAPE, SPACING, strict=True)), indexing="ij")
    ct, labels = np.full(SHAPE, -1000, np.int16), np.zeros(SHAPE, np.uint8)
    ct[((x - 180) / 130) ** 2 + ((y - 144) / 90) ** 2 <= 1] = -100
    labels[18:28, 20:30, 5:15] = 5
    if name != "d":
        labels[SPLEEN_BOX] = 1
    for kind, array in (("ct", ct), ("maps", labels)):
        (folder / kind).mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(array, np.diag([*SPACING, 1.0])), folder / kind / f"{name}.nii.gz")


class Networks:
    """Stands for planning, training and predicting; remembers what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, learns: tuple[str, ...]) -> None:
        self.learns = learns
        self.trained: list[str] = []
        self.predicted: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.fails_on = ""
        monkeypatch.setattr(looping, "plan", lambda *args: None)
        monkeypatch.setattr(looping, "standing", lambda *args: "none")
        monkeypatch.setattr(looping, "train", self.train)
        monkeypatch.setattr(looping, "predict_cases", self.predict)

    def train(self, workspace, fold, settings, **options) -> None:
        if fold == self.fails_on:
            raise DapatlasError("the power went")
        self.trained.append(fold)

    def predict(self, settings, source, out, target, *, only, progress) -> list[Outcome[None]]:
        """What it learns it finds everywhere, the overlooked spleen too; what it has not learnt it finds at random."""
        self.predicted.append((settings.folds, only))
        for case in only:
            labels = np.full(SHAPE, dap()["brain"].id, np.uint8)
            labels[:4] = dap()["fat"].id
            if "liver" in self.learns:
                labels[18:28, 20:30, 5:15] = LIVER
            if "spleen" in self.learns:
                labels[SPLEEN_BOX] = SPLEEN
            write_label_map(out / f"{case}.nii.gz", labels, Grid(SHAPE, np.diag([*SPACING, 1.0])))
        return [Outcome(case, "done") for case in only]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for name in CASES:
        write_case(tmp_path, name)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def recipe(work: Path) -> Recipe:
    return load_recipe(work / "recipe.toml")


def built(work: Path, number: int, case: str) -> np.ndarray:
    return read_label_map(work / "loop" / f"round-{number}" / "atlas" / "masks" / f"{case}.nii.gz").array


def test_the_network_joins_with_what_it_has_learnt_and_fills_what_the_expert_overlooked(
    work: Path, monkeypatch: pytest.MonkeyPatch
):
    networks = Networks(monkeypatch, ("liver", "spleen"))
    result = loop(recipe(work), work / "loop", LoopSettings(rounds=4, folds=2), jobs=1)
    first, second = built(work, 1, "d"), built(work, 2, "d")
    assert not (first[SPLEEN_BOX] == SPLEEN).any()
    assert (second[SPLEEN_BOX] == SPLEEN).all()
    assert not (second == dap()["brain"].id).any()  # which it has not learnt
    # round 3 is the same as round 2, so there is nothing left to learn
    assert result.end == "settled"
    assert [made.number for made in result.rounds] == [1, 2, 3]
    assert result.rounds[2].agreement == MapAgreement(4, 1.0, result.rounds[2].agreement.structures)
    assert 0 < result.rounds[1].agreement.dice < 1
    assert result.rounds[2].model is None
    assert json.loads((work / "loop" / "loop.json").read_text())["end"] == "settled"
    assert networks.trained == ["0", "1", "0", "1"]


def test_each_case_is_predicted_by_the_network_that_did_not_see_it(
    work: Path, monkeypatch: pytest.MonkeyPatch
):
    networks = Networks(monkeypatch, ("liver",))
    loop(recipe(work), work / "loop", LoopSettings(rounds=1, folds=2), jobs=1)
    training = work / "loop" / "round-1" / "training"
    folds = json.loads(
        (training / "nnUNet_preprocessed" / "Dataset701_atlas" / "splits_final.json").read_text()
    )
    assert {fold: sorted(cases) for (fold,), cases in networks.predicted} == {
        str(number): sorted(fold["val"]) for number, fold in enumerate(folds)
    }


def test_a_network_that_has_learnt_nothing_ends_the_loop(work: Path, monkeypatch: pytest.MonkeyPatch):
    Networks(monkeypatch, ())
    result = loop(recipe(work), work / "loop", LoopSettings(rounds=3, folds=2), jobs=1)
    assert (result.end, len(result.rounds)) == ("unfit", 1)
    assert result.rounds[0].held_out.dice < 0.2


def test_one_fold_trains_one_network_on_all(work: Path, monkeypatch: pytest.MonkeyPatch):
    networks = Networks(monkeypatch, ("liver",))
    loop(recipe(work), work / "loop", LoopSettings(rounds=1, folds=1), jobs=1)
    assert networks.trained == ["all"]
    assert networks.predicted == [(("all",), CASES)]


def test_it_goes_on_where_it_was_cut_off(work: Path, monkeypatch: pytest.MonkeyPatch):
    networks = Networks(monkeypatch, ("liver",))
    networks.fails_on = "1"
    settings = LoopSettings(rounds=1, folds=2)
    with pytest.raises(DapatlasError, match="the power went"):
        loop(recipe(work), work / "loop", settings, jobs=1)
    atlas = work / "loop" / "round-1" / "atlas"
    before = {path: path.stat().st_mtime_ns for path in atlas.rglob("*.nii.gz")}
    networks.fails_on = ""
    told: list[str] = []
    loop(
        recipe(work), work / "loop", settings, jobs=1, say=lambda number, step, done, total: told.append(step)
    )
    assert before == {path: path.stat().st_mtime_ns for path in atlas.rglob("*.nii.gz")}
    assert list(dict.fromkeys(told))[:2] == ["build", "prepare"]
    assert networks.trained == ["0", "0", "1"]  # the real one finds the first fold finished


def test_a_recipe_that_builds_nothing_is_told(work: Path, monkeypatch: pytest.MonkeyPatch):
    Networks(monkeypatch, ())
    for path in (work / "maps").iterdir():
        path.unlink()
    with pytest.raises(DapatlasError, match=r"round 1: not one case was built: .*no label map"):
        loop(recipe(work), work / "loop", jobs=1)


def made(number: int, agreement: float | None = None, **held_out: float) -> Round:
    return Round(
        number,
        Path("/loop/round-1/atlas"),
        4,
        0,
        None if agreement is None else MapAgreement(4, agreement),
        MapAgreement(4, 0.5, held_out),
    )


def test_the_generalist_stands_last_or_first_and_speaks_of_what_it_is_fit_for(work: Path):
    scores = {"liver": 0.9, "spleen": 0.69, "fat": 0.95}
    last = with_generalist(recipe(work), made(1, **scores), LoopSettings())
    joined = last.experts[-1]
    assert (joined.name, joined.kind, joined.scheme) == ("generalist-round1", "label-maps", "dap")
    assert joined.files == "/loop/round-1/predictions/{case}.nii.gz"
    assert joined.structures == ("liver",)  # the spleen is too poor, and fat is told by HU
    assert (joined.required, joined.silence) == (False, False)
    assert last.merge.trust == ("ts", "generalist-round1")
    first = with_generalist(recipe(work), made(1, **scores), LoopSettings(trust="first", min_dice=0.6))
    assert first.merge.trust == ("generalist-round1", "ts")
    assert first.experts[-1].structures == ("liver", "spleen")


@pytest.mark.parametrize(
    ("dice", "settled"),
    [
        ([None], False),
        ([None, 0.9], False),
        ([None, 0.9985], True),  # within 0.002 of 1
        ([None, 0.9, 0.95], False),
        ([None, 0.9, 0.9015], True),  # no better than the round before
        ([None, math.nan], False),
    ],
)
def test_when_the_maps_have_settled(dice: list[float | None], settled: bool):
    assert has_settled([made(n, value) for n, value in enumerate(dice)], 0.002) is settled


def test_comparing_is_the_mean_over_structures_in_view(tmp_path: Path):
    grid = Grid.from_spacing((4, 4, 4), (1.0, 1.0, 1.0), "LPS")
    one, two = np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)
    one[:2], two[1:3] = LIVER, LIVER  # half in common
    two[3] = SPLEEN
    for folder, labels in (("one", one), ("two", two)):
        write_label_map(tmp_path / folder / "x.nii.gz", labels, grid)
    write_label_map(tmp_path / "one" / "y.nii.gz", one, grid)  # has no counterpart
    found = compare_maps(tmp_path / "one", tmp_path / "two", tmp_path / "out", dap(), jobs=1)
    assert found == MapAgreement(1, 0.25, {"liver": 0.5, "spleen": 0.0})
    assert (
        compare_maps(tmp_path / "one", tmp_path / "two", tmp_path / "o", dap(), ("liver",), jobs=1).dice
        == 0.5
    )
    write_label_map(
        tmp_path / "two" / "y.nii.gz", one[:3], Grid.from_spacing((3, 4, 4), (1.0, 1.0, 1.0), "LPS")
    )
    with pytest.raises(DapatlasError, match="y: .*shape"):
        compare_maps(tmp_path / "one", tmp_path / "two", tmp_path / "out", dap(), jobs=1)
