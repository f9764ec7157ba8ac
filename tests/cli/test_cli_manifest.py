from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from dapatlas.cli.manifest import app
from dapatlas.dataset import Dataset
from dapatlas.errors import DapatlasError
from dapatlas.files import size_in_words
from dapatlas.volumes import Grid, write_label_map, write_volume

GRID = Grid.from_spacing((6, 5, 4), (2, 2, 3))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def atlas(tmp_path: Path) -> Path:
    dataset = Dataset.create(tmp_path / "atlas")
    write_volume(dataset.image_path("[a]"), np.full(GRID.shape, -1000, np.int16), GRID)
    write_label_map(dataset.mask_path("[a]"), np.full(GRID.shape, 13, np.uint8), GRID)
    return dataset.path


def test_write_then_compare(atlas: Path) -> None:
    bytes_ = sum(path.stat().st_size for path in atlas.rglob("*") if path.is_file())
    written = run("write", atlas, "--jobs", 1)
    assert written.exit_code == 0
    assert f"3 files, {size_in_words(bytes_)}, in " in written.stdout
    assert "(3 read, 0 as they were)" in written.stdout
    assert "(0 read, 3 as they were)" in run("write", atlas, "--jobs", 1).stdout
    compared = run("compare", atlas, "--jobs", 1)
    assert compared.exit_code == 0
    assert (
        compared.stdout
        == f"3 files of {atlas / 'manifest.jsonl'}, compared by every byte: 0 changed, 0 missing, 0 new\n"
    )


def test_compare_names_every_difference_and_exits_1(atlas: Path) -> None:
    run("write", atlas, "--jobs", 1, "--quiet")
    write_label_map(atlas / "masks" / "[a].nii.gz", np.full(GRID.shape, 14, np.uint8), GRID)
    (atlas / "images" / "[a].nii.gz").unlink()
    (atlas / "studies.csv").touch()
    result = run("compare", atlas, "--jobs", 1)
    assert result.exit_code == 1
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[1][:2] == ["missing", "images/[a].nii.gz"]
    assert lines[2][:3] == ["changed", "masks/[a].nii.gz", "label-set"]
    assert lines[3][:2] == ["new", "studies.csv"]
    assert "with 14 and without 13" in result.stdout
    document = json.loads(run("compare", atlas, "--jobs", 1, "--json").stdout)
    assert {key: document[key] for key in ("listed", "quick", "changed", "missing", "new")} == {
        "listed": 3, "quick": False, "changed": 1, "missing": 1, "new": 1,
    }  # fmt: skip
    assert document["changes"][1]["what"] == ["label-set"]
    quiet = run("compare", atlas, "--jobs", 1, "--quiet")
    assert (quiet.exit_code, quiet.output) == (1, "")


def test_against_another_manifest_and_quick(atlas: Path, tmp_path: Path) -> None:
    before = tmp_path / "before.jsonl"
    assert json.loads(run("write", atlas, "--out", before, "--json", "--jobs", 1).stdout)["files"] == 3
    assert not (atlas / "manifest.jsonl").exists()
    result = run("compare", atlas, "--against", before, "--quick", "--jobs", 1)
    assert result.exit_code == 0
    assert "compared by size and header: 0 changed" in result.stdout


def test_what_cannot_be_read_exits_1_and_is_named(atlas: Path) -> None:
    (atlas / "masks" / "[a].nii.gz").write_text("no volume")
    result = run("write", atlas, "--jobs", 1)
    assert result.exit_code == 1
    assert "masks/[a].nii.gz is listed by its bytes alone" in result.stdout
    findings = json.loads(run("write", atlas, "--jobs", 1, "--json").stdout)["findings"]
    assert [finding["code"] for finding in findings] == ["unreadable-file"]


def test_no_manifest_is_an_error_of_the_call(atlas: Path) -> None:
    assert isinstance(run("compare", atlas).exception, DapatlasError)
    assert isinstance(run("compare", atlas / "nowhere").exception, DapatlasError)
