"""Experts that work when they are asked, in recipes: paths, checks, and a build with one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from random_models import random_model

from dapatlas.aggregate import check_recipe, explain_recipe, load_recipe
from dapatlas.errors import RecipeError
from dapatlas.experts.nnunet.predictor import Predictor
from dapatlas.labels import dap
from dapatlas.pipeline import build, find_cases
from dapatlas.volumes import Grid, read_label_map, write_volume

NEEDS_TORCH = False
SHAPE = (40, 36, 20)
RECIPE = """
name = "test"
[cts]
files = "ct/{case}.nii.gz"
[[experts]]
name = "net"
kind = "nnunet"
model = "models/small"
files = "kept/{case}.nii.gz"
folds = [0]
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A body of soft tissue; a model is named and not there yet."""
    ct = np.full(SHAPE, -1000, np.int16)
    ct[6:34, 6:30] = np.random.default_rng(0).normal(40, 60, (28, 24, 20))
    for case in ("a", "b"):
        write_volume(tmp_path / "ct" / f"{case}.nii.gz", ct, Grid.from_spacing(SHAPE, (6.0, 6.0, 8.0), "LPS"))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def test_paths_are_relative_to_the_recipe_and_bare_words_are_names(
    work: Path, monkeypatch: pytest.MonkeyPatch
):
    expert = load_recipe(work / "recipe.toml").experts[0]
    assert expert.model == str(work / "models" / "small")
    assert expert.files == str(work / "kept" / "{case}.nii.gz")
    monkeypatch.setenv("PLACE", str(work))
    for said, expected in (("small", "small"), ("${PLACE}/small", str(work / "small"))):
        (work / "recipe.toml").write_text(RECIPE.replace("models/small", said))
        assert load_recipe(work / "recipe.toml").experts[0].model == expected
    totalsegmentator = (
        RECIPE[: RECIPE.index("kind")] + 'kind = "totalsegmentator"\npython = "env/bin/python"\n'
    )
    (work / "recipe.toml").write_text(totalsegmentator)
    expert = load_recipe(work / "recipe.toml").experts[0]
    assert (expert.python, expert.scheme) == (str(work / "env" / "bin" / "python"), "totalsegmentator")


def test_faults_name_line_and_key(work: Path):
    (work / "recipe.toml").write_text(RECIPE + "step = 3\n")
    with pytest.raises(RecipeError, match=r"recipe.toml:11: experts.0.step: .*less than or equal to 1"):
        load_recipe(work / "recipe.toml")
    (work / "recipe.toml").write_text(RECIPE.replace("kept/{case}.nii.gz", "kept"))
    with pytest.raises(RecipeError, match=r"recipe.toml:9: experts.0.files: expected one file a case"):
        load_recipe(work / "recipe.toml")
    (work / "recipe.toml").write_text(
        RECIPE[: RECIPE.index("kind")] + 'kind = "totalsegmentator"\ntask = "x"\n'
    )
    with pytest.raises(RecipeError, match=r"no label scheme for the task 'x'; known are total, body"):
        load_recipe(work / "recipe.toml")


def test_a_model_that_is_not_there_is_found_before_anything_is_built(work: Path):
    recipe = load_recipe(work / "recipe.toml")
    found = check_recipe(recipe, find_cases(recipe))
    assert {(f.case, f.code) for f in found if f.severity == "error"} == {
        (case, code) for case in ("a", "b") for code in ("missing-file",)
    }
    assert explain_recipe(recipe, find_cases(recipe)).experts[0].missing == ("a", "b")
    (failed, _) = build(recipe, work / "out", jobs=1).failed
    assert "expert 'net'" in failed.error
    assert "models/small" in failed.error


def test_a_build_predicts_once_and_again_when_the_model_changes(
    work: Path, torch: object, monkeypatch: pytest.MonkeyPatch
):
    folder = random_model(work / "models" / "small", classes=3, spacing=(8.0, 6.0, 6.0))
    document = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(
        json.dumps(document | {"labels": {"background": 0, "liver": 1, "spleen": 2}})
    )
    counted: list[str] = []
    plain = Predictor.predict

    def counting(self: Predictor, *args: object) -> object:
        counted.append("predicted")
        return plain(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Predictor, "predict", counting)
    recipe = load_recipe(work / "recipe.toml")
    assert [case.state for case in build(recipe, work / "out", jobs=1).cases] == ["built", "built"]
    kept, built = (read_label_map(work / place / "a.nii.gz").array for place in ("kept", "out/masks"))
    liver = dap()["liver"].id
    assert (kept == liver).any()
    assert (built[kept == liver] == liver).all()
    assert [case.state for case in build(recipe, work / "out", jobs=1).cases] == ["up to date"] * 2
    build(recipe, work / "out", jobs=1, force=True)
    assert len(counted) == 2  # kept predictions are read
    (folder / "plans.json").write_text((folder / "plans.json").read_text() + " ")
    assert [case.state for case in build(recipe, work / "out", jobs=1).cases] == ["built", "built"]
    assert len(counted) == 4
