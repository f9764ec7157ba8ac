"""`dapatlas recipe explain` and `check`, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

PROGRAM = str(Path(sys.executable).with_name("dapatlas"))
EXAMPLE = Path(__file__).parents[2] / "examples" / "totalsegmentator.toml"
RECIPE = """
name = "test"
[cts]
files = "ct/{case}.nii.gz"
[[experts]]
name = "ts"
kind = "label-maps"
scheme = "totalsegmentator"
files = "ts/{case}.nii.gz"
"""


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "recipe", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | env,
        timeout=300,
    )


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A recipe with two cases, of which the expert knows one."""
    for path in ("ct/a", "ct/b", "ts/a"):
        file = tmp_path / f"{path}.nii.gz"
        file.parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4)), file)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


@pytest.mark.parametrize("command", ["explain", "check"])
def test_help_comes_with_examples(command: str):
    done = run(command, "--help")
    assert done.returncode == 0
    assert "Examples" in done.stdout


def test_explain_lists_every_structure_and_what_is_missing(work: Path):
    done = run("explain", str(work / "recipe.toml"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    rows = {line.split()[1]: line for line in lines if line[:3].strip().isdigit()}
    assert len(rows) == 144
    assert rows["liver"].split(maxsplit=2)[2].strip() == "ts: equal"
    assert "whole, split by mid-plane (thyroid_gland)" in rows["thyroid_left"]
    assert "nobody" in rows["celiac_trunk"]
    assert "−190…−30 HU" in rows["fat"]
    (expert,) = [line for line in lines if line.startswith("ts ")]
    assert "1 of 2" in expert
    assert "ts: no file for: b" in lines
    assert any(line.startswith("ts: goes nowhere: pulmonary_vein, superior_vena_cava") for line in lines)


def test_explain_speaks_json_and_goes_on_without_cts(work: Path):
    told = json.loads(run("explain", str(work / "recipe.toml"), "--json").stdout)
    assert told["cases"] == ["a", "b"]
    assert [(expert["name"], expert["missing"]) for expert in told["experts"]] == [("ts", ["b"])]
    liver = next(row for row in told["rows"] if row["structure"] == "liver")
    assert liver["suppliers"] == [{"expert": "ts", "way": "equal", "sources": ["liver"]}]
    done = run("explain", str(work / "recipe.toml"), "--cts", str(work / "none" / "{case}.nii.gz"))
    assert done.returncode == 0
    assert "no CT found" in done.stderr
    assert "supplied by nobody" in done.stdout


def test_check_ends_with_1_where_a_build_would_fail(work: Path):
    done = run("check", str(work / "recipe.toml"), "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["errors"], told["cases"]) == (1, ["a", "b"])
    error = told["findings"][0]
    assert (error["severity"], error["case"], error["code"]) == ("error", "b", "missing-file")
    assert error["file"] == str(work / "ts" / "b.nii.gz")
    table = run("check", str(work / "recipe.toml"))
    assert table.returncode == 1
    assert str(work / "ts" / "b.nii.gz") in table.stdout
    assert table.stdout.splitlines()[-1] == "test: 2 cases, 1 error, 1 warning"
    quiet = run("check", str(work / "recipe.toml"), "--quiet")
    assert (quiet.returncode, quiet.stdout) == (1, "")


def test_check_ends_with_0_where_all_is_there(work: Path):
    expert = f"ts={work}/ct/{{case}}.nii.gz"
    done = run("check", str(work / "recipe.toml"), "--expert", expert, "--jobs", "2")
    assert done.returncode == 0, done.stdout
    assert "0 errors" in done.stdout


def test_many_findings_of_a_kind_are_cut_short(work: Path):
    for number in range(9):
        (work / "ct" / f"case{number}.nii.gz").write_bytes((work / "ct" / "a.nii.gz").read_bytes())
    done = run("check", str(work / "recipe.toml"))
    assert done.stdout.count("has no file for this case") == 5
    assert "… and 5 more of this kind" in done.stdout


def test_mistakes_are_one_message_on_stderr(work: Path):
    done = run("explain", str(work / "none.toml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert run("check", str(work / "recipe.toml"), "--expert", "ts").returncode == 2
    no_cts = run("check", str(work / "recipe.toml"), "--cts", "nothing/{case}.nii.gz")
    assert no_cts.returncode == 1
    assert "no CT found" in no_cts.stdout


@pytest.mark.real_data
def test_the_example_passes_its_check(real_data: Path):
    done = run("check", str(EXAMPLE), "--json", DAPATLAS_SHARED=str(real_data.parents[1]))
    assert done.returncode == 0, done.stdout
    assert [f["code"] for f in json.loads(done.stdout)["findings"]] == ["no-supplier"]
