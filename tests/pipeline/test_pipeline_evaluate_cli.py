"""`dapatlas evaluate` as a user runs it."""

from __future__ import annotations

import json

import pytest
from evaluation_folders import btcv, folders
from typer.testing import CliRunner

from dapatlas.cli import app
from dapatlas.errors import DapatlasError

RUN = CliRunner()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    predicted, truth = folders(tmp_path_factory.mktemp("cohort"), cases=2)
    return str(predicted), str(truth)


def run(*words: str):
    return RUN.invoke(app, ["evaluate", *words, "--jobs", "1"])


def test_json_of_one_pair_and_of_folders(cohort):
    predicted, truth = cohort
    answer = run(f"{predicted}/case_1.nii.gz", f"{truth}/masks/case_1.nii.gz", "--no-surface", "--json")
    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    assert 0.5 < document["structures"]["liver"]["dice"] < 1
    assert document["structures"]["spleen"]["dice"] == 1
    answer = run(predicted, truth, "--no-surface", "--json")
    document = json.loads(answer.stdout)
    assert document["structures"]["liver"]["dice"]["n"] == 2
    assert "absent in both" in document["rule"]


def test_tables_for_people(cohort):
    predicted, truth = cohort
    answer = run(predicted, truth, "--structures", "liver,spleen", "--compare", truth)
    assert answer.exit_code == 0, answer.output
    first = [line.split()[0] for line in answer.stdout.splitlines() if line.startswith(("liver ", "spleen "))]
    assert first == ["liver", "spleen", "liver", "spleen"]  # scores, then the comparison
    assert "surf. Dice" in answer.stdout
    assert "p (Holm)" in answer.stdout
    answer = run(
        f"{predicted}/case_1.nii.gz",
        f"{truth}/masks/case_1.nii.gz",
        "--structures",
        "liver",
        "--tolerance",
        "2",
        "--tolerance",
        "liver=1",
    )
    assert "HD95" in answer.stdout


def test_two_schemes_say_what_was_merged(cohort):
    predicted, truth = cohort
    answer = run(predicted, truth, "--scheme", "dap", "--ref-scheme", "totalsegmentator_v1", "--no-surface")
    assert answer.exit_code == 1  # DAP's ids are more than that scheme has
    assert "ids outside the scheme" in answer.stdout
    assert "left out of dap" in answer.stdout


def test_a_missing_prediction_is_exit_code_1(tmp_path):
    predicted, truth = folders(tmp_path, cases=2)
    (predicted / "case_0.nii.gz").unlink()
    answer = run(str(predicted), str(truth), "--no-surface")
    assert answer.exit_code == 1
    assert "no prediction for 1: case_0" in answer.stdout


def test_the_benchmark_beside_the_papers_number(tmp_path):
    predicted, abdomen = btcv(tmp_path)
    plot, page, rows = tmp_path / "b.svg", tmp_path / "b.html", tmp_path / "b.csv"
    answer = run(
        str(predicted),
        str(abdomen),
        "--benchmark",
        "btcv",
        "--plot",
        str(plot),
        "--html",
        str(page),
        "--csv",
        str(rows),
    )
    assert answer.exit_code == 0, answer.output
    lines = {line.split("  ")[0]: line for line in answer.stdout.splitlines()}
    assert lines["DAP Atlas"].split()[2] == "85"
    assert "arXiv:2307.13375" in answer.stdout
    assert "left_adrenal_gland" in lines
    assert "<svg xmlns" in plot.read_text()
    assert "this evaluation" in page.read_text()
    assert len(rows.read_text().splitlines()) == 1 + 2 * 13


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tolerance", "liver=wide"], "expected millimetres"),
        (["--tolerance", "-1"], "expected millimetres"),
        (["--compare-on", "beauty"], "expected dice, iou or surface_dice"),
    ],
)
def test_bad_options_say_what_was_expected(cohort, words, message):
    answer = run(*cohort, *words)
    assert answer.exit_code == 2
    assert message in answer.output


def test_an_unknown_benchmark_or_scheme_says_what_is_known(cohort):
    for words in (["--benchmark", "btvc"], ["--scheme", "dab"]):
        answer = run(*cohort, *words)
        assert isinstance(answer.exception, DapatlasError)
        assert "did you mean" in str(answer.exception)


def test_help_has_examples():
    answer = RUN.invoke(app, ["evaluate", "--help"])
    assert "dapatlas evaluate predictions Abdomen --benchmark btcv" in answer.output.replace(
        "\n", " "
    ).replace("  ", " ")
