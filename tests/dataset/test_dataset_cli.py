from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from small_datasets import CASES, Folder, ct_array, mask_array
from typer.testing import CliRunner, Result

from dapatlas.cli.validate import validate
from dapatlas.dataset import Code
from dapatlas.errors import DapatlasError
from dapatlas.findings import Severity

app = typer.Typer()
app.command()(validate)


def run(*arguments: object, width: int = 200) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--deep"], env={"COLUMNS": str(width)})


@pytest.fixture
def faulty(five: Folder) -> Folder:
    """One error, one warning."""
    mask = mask_array(1)
    mask[0, 0, :3] = 11
    five.write(five.mask(CASES[1]), mask)
    five.write(five.image(CASES[0]), np.clip(ct_array(0), -160, 240))
    return five


def test_sound_data_set_exits_0(five: Folder) -> None:
    result = run(five.path, "--jobs", 1)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"5 cases in {five.path}: 0 errors, 0 warnings; the data set is sound"
    ]


def test_errors_exit_1_and_stand_first_with_their_remedy(faulty: Folder) -> None:
    result = run(faulty.path, "--jobs", 1)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["severity", "case", "code"]
    assert lines[1].split()[:3] == ["error", CASES[1], "unknown-id"]
    assert "11 (3 voxels)" in lines[1]
    assert lines[2].lstrip().startswith("→ ")
    assert lines[3].split()[:3] == ["warning", CASES[0], "hu-unusual"]
    assert lines[-1] == f"5 cases in {faulty.path}: 1 error, 1 warning"


def test_warnings_alone_exit_0(five: Folder) -> None:
    five.add("s0001")
    result = run(five.path, "--jobs", 1)
    assert result.exit_code == 0
    assert "6 cases" in result.stdout
    assert "0 errors, 1 warning" in result.stdout


def test_json_is_one_object_with_counts_and_findings(faulty: Folder) -> None:
    result = run(faulty.path, "--json", "--jobs", 2)
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert {key: document[key] for key in ("dataset", "cases", "errors", "warnings")} == {
        "dataset": str(faulty.path),
        "cases": 5,
        "errors": 1,
        "warnings": 1,
    }
    fields = {
        "case",
        "severity",
        "code",
        "message",
        "file",
        "structure",
        "voxels",
        "expected",
        "found",
        "remedy",
        "box",
    }
    assert all(set(finding) == fields for finding in document["findings"])
    first = document["findings"][0]
    assert (first["case"], first["severity"], first["code"], first["voxels"]) == (
        CASES[1],
        "error",
        "unknown-id",
        3,
    )


def test_json_of_a_sound_data_set_has_no_finding(five: Folder) -> None:
    result = run(five.path, "--json", "--jobs", 1)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["findings"] == []


def test_quiet_speaks_through_the_exit_code_alone(faulty: Folder) -> None:
    result = run(faulty.path, "--quiet", "--jobs", 1)
    assert (result.exit_code, result.output) == (1, "")


def test_other_scheme(five: Folder) -> None:
    result = run(five.path, "--scheme", "totalsegmentator", "--json", "--jobs", 1)
    codes = {finding["code"] for finding in json.loads(result.stdout)["findings"]}
    assert codes == {"labels-json-differs"}  # the ids used are in that scheme too


def test_what_is_no_data_set_is_an_error_of_the_call(tmp_path: Path) -> None:
    assert isinstance(run(tmp_path).exception, DapatlasError)
    assert isinstance(run(tmp_path, "--scheme", "nonsense").exception, DapatlasError)


def test_markup_in_names_is_printed_as_it_is(five: Folder) -> None:
    five.add("[red]x[bold]")
    assert "[red]x[bold]" in run(five.path, "--jobs", 1).stdout


@pytest.mark.parametrize(("arguments", "status"), [([], 1), (["--json"], 1), (["nowhere"], 2)])
def test_installed_command_gives_these_exit_codes_and_no_traceback(
    faulty: Folder, arguments: list[str], status: int
) -> None:
    command = [sys.executable, "-c", "from dapatlas.cli import main; main()", "validate"]
    where = [] if "nowhere" in arguments else [str(faulty.path)]
    done = subprocess.run(
        [*command, "--deep", *where, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    if "--json" in arguments:
        assert json.loads(done.stdout)["errors"] == 1
        assert done.stderr == ""


def test_documentation_lists_every_code_with_its_severity_and_meaning() -> None:
    text = (Path(__file__).parents[2] / "docs" / "validate.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    listed = {row[1].strip(" `"): (row[2].strip(), row[3].strip()) for row in rows if len(row) == 6}
    assert listed == {code.value: (code.severity.value, code.meaning) for code in Code}
    assert {severity for severity, _ in listed.values()} == set(Severity)
