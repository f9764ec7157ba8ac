"""Recipes: what they accept, and how plainly they say what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dapatlas.aggregate import load_recipe
from dapatlas.errors import RecipeError

GOOD = """\
name = "test"

[cts]
files = "ct/{case}.nii.gz"

[[experts]]
name = "a"
kind = "label-maps"
scheme = "totalsegmentator"
files = "maps/{case}.nii.gz"

[[experts]]
name = "b"
kind = "binary-masks"
scheme = "dap"
files = "masks/{case}"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_relative_to_the_recipe(tmp_path: Path):
    recipe = load_recipe(write(tmp_path, GOOD))
    assert recipe.cts.files == str(tmp_path / "ct" / "{case}.nii.gz")
    assert [expert.files for expert in recipe.experts] == [
        str(tmp_path / "maps" / "{case}.nii.gz"),
        str(tmp_path / "masks" / "{case}"),
    ]


def test_environment_variables_stand_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = GOOD.replace("ct/", "${SCANS:-default}/")
    monkeypatch.delenv("SCANS", raising=False)
    assert load_recipe(write(tmp_path, text)).cts.files == str(tmp_path / "default" / "{case}.nii.gz")
    monkeypatch.setenv("SCANS", "/elsewhere")
    assert load_recipe(write(tmp_path, text)).cts.files == "/elsewhere/{case}.nii.gz"


def test_a_relative_path_in_a_variable_is_relative_to_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCANS", "here")
    folder = tmp_path / "recipes"
    folder.mkdir()
    recipe = load_recipe(write(folder, GOOD.replace("ct/", "${SCANS}/")))
    assert recipe.cts.files == str(tmp_path / "here" / "{case}.nii.gz")


def test_the_command_line_can_say_where_the_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(write(tmp_path, GOOD), cts="x/{case}.nii.gz", expert_files={"b": "y/{case}"})
    assert recipe.cts.files == str(tmp_path / "x" / "{case}.nii.gz")
    assert recipe.experts[1].files == str(tmp_path / "y" / "{case}")


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (('scheme = "totalsegmentator"', 'scheme = "totalsegmenter"'), 9, "experts.0.scheme.*totalsegment"),
        (('kind = "binary-masks"', 'kind = "masks"'), 12, "experts.1.*'label-maps', 'binary-masks'"),
        (('name = "b"', 'nane = "b"'), 13, "experts.1.nane: Extra inputs are not permitted"),
        (('name = "b"\n', ""), 12, "experts.1.name: Field required"),
        (('name = "test"', "name = 3"), 1, r"name: Input should be a valid string \(found 3\)"),
        (('files = "ct/{case}.nii.gz"', "file = 1"), 4, "cts.file: Extra inputs"),
        (('name = "b"', 'name = "a"'), 13, "experts.1.name: two experts are called 'a'"),
        (("[cts]", "[tissues]\nfat_hu = [10, -20]\n[cts]"), 3, "tissues.*HU ranges must rise"),
        (
            ("[cts]", "[tissues]\nskin_mm = -1\n[cts]"),
            4,
            "tissues.skin_mm: Input should be greater than or equal to 0",
        ),
        (
            ("[cts]", '[merge]\ntrust = ["c"]\n[cts]'),
            4,
            "merge.trust: names the expert 'c'; the recipe's experts are a, b",
        ),
        (("[cts]", '[merge.structures]\nlivr = ["a"]\n[cts]'), 4, "merge.structures.livr: .*livr.*liver"),
        (
            ("[cts]", '[merge]\ndisagreement = "fight"\n[cts]'),
            4,
            "merge.disagreement: .*'trust', 'vote' or 'unknown'",
        ),
    ],
)
def test_an_error_names_the_line_and_the_key(tmp_path: Path, change: tuple[str, str], line: int, says: str):
    text = GOOD.replace(*change)
    assert text != GOOD
    path = write(tmp_path, text)
    with pytest.raises(RecipeError, match=says) as caught:
        load_recipe(path)
    said = [text for text in str(caught.value).splitlines() if re.search(says, text)]
    assert said[0].startswith(f"{path}:{line}: ")


def test_all_faults_are_told_at_once(tmp_path: Path):
    text = GOOD.replace('name = "test"', "name = 3").replace('kind = "label-maps"', 'kind = "maps"')
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 2


def test_one_fault_is_told_once(tmp_path: Path):
    text = GOOD[: GOOD.index("[[experts]]", GOOD.index("[[experts]]") + 1)].replace(
        "totalsegmentator", "other"
    )
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(RecipeError, match=r"experts: .*at least 1 item"):
        load_recipe(write(tmp_path, 'name = "x"\nexperts = []\n[cts]\nfiles = "x"\n'))


def test_broken_toml_names_the_place(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"not valid TOML: .*line 1"):
        load_recipe(write(tmp_path, "name = \n"))


def test_a_missing_file_and_a_missing_variable_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(RecipeError, match="cannot be read as a recipe"):
        load_recipe(tmp_path / "none.toml")
    monkeypatch.delenv("NO_SUCH", raising=False)
    with pytest.raises(RecipeError, match=r"NO_SUCH.*not set"):
        load_recipe(write(tmp_path, GOOD.replace("ct/", "${NO_SUCH}/")))
    with pytest.raises(RecipeError, match="has no expert 'c'"):
        load_recipe(write(tmp_path, GOOD), expert_files={"c": "x"})


@pytest.mark.parametrize(
    "example", sorted((Path(__file__).parents[2] / "examples").glob("*.toml")), ids=lambda p: p.name
)
def test_the_examples_are_valid(example: Path):
    assert load_recipe(example).experts
