"""`dapatlas refine` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dapatlas.cli import app
from dapatlas.dataset import Dataset, validate
from dapatlas.phantom import ErrorKind, make_cohort
from dapatlas.volumes import read_label_map

RUN = CliRunner()
SHAPE = (96, 96, 100)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cases with planted errors, in three orientations and fields of view; subjects.csv beside them."""
    folder = tmp_path_factory.mktemp("cohort")
    make_cohort(
        folder,
        2,
        seed=1,
        shape=SHAPE,
        orientations=("LPS", "RAS", "PIR"),
        fields_of_view=("full", "no_head"),
        errors=tuple(ErrorKind),
        noise_hu=5,
    )
    return folder


def truth_of(cohort: Path, case: str) -> np.ndarray:
    from dapatlas.phantom import read_planted, restore

    planted = read_label_map(cohort / "masks" / f"{case}.nii.gz").array
    return restore(planted, read_planted(cohort, case))


def test_a_data_set_is_refined_into_a_data_set(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "refined"
    answer = RUN.invoke(app, ["refine", str(cohort), str(out), "--jobs", "2", "--json"])
    assert answer.exit_code == 0, answer.output
    results = json.loads(answer.stdout)
    assert {result["state"] for result in results} == {"refined"}
    dataset = Dataset(out)
    assert not [finding for finding in validate(dataset, 1, deep=True) if finding.severity == "error"]
    for case in dataset:
        np.testing.assert_array_equal(case.label_map().array, truth_of(cohort, case.id))
        report = json.loads((out / "reports" / f"{case.id}.json").read_text())
        assert report["findings"]
        page = (out / "reports" / f"{case.id}.md").read_text()
        assert "| was | became |" in page
        assert f"]({case.id}.png)" in page
        assert (out / "reports" / f"{case.id}.png").stat().st_size > 10_000


def test_a_second_run_does_what_is_missing_alone(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "refined"
    RUN.invoke(app, ["refine", str(cohort), str(out), "--jobs", "1", "-q"])
    gone = sorted((out / "masks").iterdir())[0]
    gone.unlink()
    answer = RUN.invoke(app, ["refine", str(cohort), str(out), "--jobs", "1", "--json"])
    states = {result["case"]: result["state"] for result in json.loads(answer.stdout)}
    assert states.pop(gone.name.removesuffix(".nii.gz")) == "refined"
    assert set(states.values()) == {"up to date"}
    answer = RUN.invoke(app, ["refine", str(cohort), str(out), "--skip", "ribs", "--json"])
    assert {result["state"] for result in json.loads(answer.stdout)} == {"refined"}  # other settings


def test_any_number_of_jobs_gives_the_same_bytes(cohort: Path, tmp_path: Path) -> None:
    for jobs in ("1", "2"):
        RUN.invoke(app, ["refine", str(cohort), str(tmp_path / jobs), "--jobs", jobs, "-q"])
    files = sorted(path.relative_to(tmp_path / "1") for path in (tmp_path / "1").glob("masks/*"))
    assert files
    for file in files:
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()


def test_one_bad_file_stops_no_other(cohort: Path, tmp_path: Path) -> None:
    source = tmp_path / "maps"
    source.mkdir()
    for path in (cohort / "masks").iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    broken = sorted(source.iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:2000])
    answer = RUN.invoke(app, ["refine", str(source), str(tmp_path / "out"), "--jobs", "1", "--json"])
    assert answer.exit_code == 1
    results = {result["case"]: result for result in json.loads(answer.stdout)}
    failed = results.pop(broken.name.removesuffix(".nii.gz"))
    assert failed["state"] == "failed"
    assert broken.name in failed["error"]
    assert failed["report"] == ""
    assert {result["state"] for result in results.values()} == {"refined"}
    assert all(Path(result["report"]).is_file() for result in results.values())
    assert not (tmp_path / "out" / broken.name).exists()


def test_a_single_file(cohort: Path, tmp_path: Path) -> None:
    (source, *_) = sorted((cohort / "masks").iterdir())
    case = source.name.removesuffix(".nii.gz")
    out = tmp_path / "deep" / "clean.nii.gz"
    answer = RUN.invoke(
        app,
        ["refine", str(source), str(out), "--sex-table", str(cohort / "subjects.csv")],
        terminal_width=200,
    )
    assert answer.exit_code == 0, answer.output
    assert "voxels changed" in answer.output
    np.testing.assert_array_equal(read_label_map(out).array, truth_of(cohort, case))
    assert read_label_map(out).grid.is_close(read_label_map(source).grid)
    report = out.with_name("clean.findings.json")
    assert json.loads(report.read_text())["case"] == case
    assert f"findings in full: {report}" in answer.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--skip", "spin"], "no guideline is called spin"),
        (["--guidelines", "spine,ripps"], "no guideline is called 'ripps'"),
        (["--set", "laterality.margin=3"], "laterality.margin"),
        (["--set", "margin"], "GUIDELINE.THRESHOLD=VALUE"),
        (["--set", "laterality.margin_mm=wide"], "valid number"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, arguments: list[str], message: str) -> None:
    answer = RUN.invoke(app, ["refine", "a", "b", *arguments], terminal_width=300)
    assert answer.exit_code == 2
    assert message in " ".join(answer.output.split())


def test_originals_are_never_overwritten(cohort: Path) -> None:
    answer = RUN.invoke(app, ["refine", str(cohort), str(cohort)])
    assert answer.exit_code != 0
    assert "originals are kept" in str(answer.exception)


def test_nothing_to_refine_is_said(tmp_path: Path) -> None:
    answer = RUN.invoke(app, ["refine", str(tmp_path), str(tmp_path / "out")])
    assert "no label map" in str(answer.exception)


def test_guidelines_explain_themselves() -> None:
    answer = RUN.invoke(app, ["refine", "--explain", "--set", "laterality.margin_mm=7.5"], terminal_width=200)
    assert answer.exit_code == 0
    assert "mid-sagittal" in answer.output
    assert "7.5" in answer.output


RECIPE = """
name = "refined"
[cts]
files = "{cohort}/images/{{case}}.nii.gz"
[[experts]]
name = "faulty"
kind = "label-maps"
scheme = "dap"
files = "{cohort}/masks/{{case}}.nii.gz"
[refine]
sex_table = "{table}"
"""


def test_a_recipe_with_guidelines_builds_the_truth(cohort: Path, tmp_path: Path) -> None:
    """The one expert says everything, errors included."""
    recipe, table, out = tmp_path / "recipe.toml", tmp_path / "subjects.csv", tmp_path / "atlas"
    table.write_text((cohort / "subjects.csv").read_text())
    recipe.write_text(RECIPE.format(cohort=cohort, table=table))
    build = ["build", str(recipe), "--out", str(out), "--jobs", "1"]
    answer = RUN.invoke(app, [*build, "--json"])
    assert answer.exit_code == 0, answer.output
    for case in Dataset(out):
        truth = truth_of(cohort, case.id)
        known = truth != 0  # beyond it the build fills what the CT shows of the body
        np.testing.assert_array_equal(case.label_map().array[known], truth[known])
        assert (out / "reports" / f"{case.id}.refined.png").exists()
        assert f"]({case.id}.refined.png)" in (out / "reports" / f"{case.id}.md").read_text()
    table.write_text(table.read_text())  # newer, but it says the same
    answer = RUN.invoke(app, [*build, "--json"])
    assert {case["state"] for case in json.loads(answer.stdout)["cases"]} == {"up to date"}
    lines = table.read_text().splitlines()
    subject = lines[1].split(",")[0]
    table.write_text("\n".join([lines[0], f"{subject},", *lines[2:]]) + "\n")
    answer = RUN.invoke(app, [*build, "--json"])
    states = {case["case"]: case["state"] for case in json.loads(answer.stdout)["cases"]}
    assert {case for case, state in states.items() if state == "built"} == {
        case for case in states if subject in case
    }


def test_a_typo_in_the_guidelines_is_told_with_its_line(cohort: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.format(cohort=cohort, table="x.csv") + "[refine.laterality]\nmargin = 3\n")
    answer = RUN.invoke(app, ["build", str(recipe), "--out", str(tmp_path / "out")])
    assert "recipe.toml:13: refine.laterality.margin" in str(answer.exception)
