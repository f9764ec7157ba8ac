"""`dapatlas predict`, with random weights."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from dapatlas.cli.predict import predict
from dapatlas.errors import DapatlasError
from dapatlas.labels import dap
from dapatlas.volumes import Grid, read_label_map, read_volume, write_volume

sys.path.append(str(Path(__file__).parents[1] / "experts" / "nnunet"))  # its random models serve here too
from random_models import noisy_ct, random_model

SHAPE = (20, 24, 18)
GRID = Grid.from_spacing(SHAPE, (2.0, 2.0, 3.0), "LPS")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages that nnunetv2 brings along
        pytest.importorskip("torch").set_num_threads(2)
        pytest.importorskip("nnunetv2")
    folder = random_model(tmp_path / "model", classes=3)
    document = json.loads((folder / "dataset.json").read_text())
    document |= {"labels": {"background": 0, "liver": 1, "spleen": 2}}
    (folder / "dataset.json").write_text(json.dumps(document))
    for number, name in enumerate(("a", "b_0000")):
        write_volume(tmp_path / "ct" / f"{name}.nii.gz", noisy_ct(SHAPE, number), GRID)
    return folder


def run(*arguments: object):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(predict)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_folder_of_cts_in_the_ids_of_a_scheme(model: Path, tmp_path: Path):
    out = tmp_path / "out"
    asked = ("--model", model, "--in", tmp_path / "ct", "--out", out, "--to", "dap", "--json")
    done = run(*asked)
    assert done.exit_code == 0, done.output
    assert [(row["case"], row["state"]) for row in json.loads(done.stdout)] == [("a", "done"), ("b", "done")]
    found = read_label_map(out / "a.nii.gz")
    assert set(np.unique(found.array)) <= {0, dap()["liver"].id, dap()["spleen"].id}
    assert np.unique(found.array).size > 1
    assert not found.grid.differences(GRID)
    assert json.loads((out / "labels.json").read_text())["13"] == "liver"
    again = run(*asked)
    assert {row["state"] for row in json.loads(again.stdout)} == {"up to date"}
    forced = run(*asked, "--force", "--only", "b")
    assert [(row["case"], row["state"]) for row in json.loads(forced.stdout)] == [("b", "done")]


def test_a_single_ct_keeps_the_models_own_numbers_where_no_scheme_is_named(model: Path, tmp_path: Path):
    target = tmp_path / "one" / "map.nii.gz"
    done = run("--model", model, "--in", tmp_path / "ct" / "a.nii.gz", "--out", target)
    assert done.exit_code == 0, done.output
    assert "predicted" in done.stdout
    assert set(np.unique(read_label_map(target).array)) <= {0, 1, 2}
    assert json.loads((target.parent / "labels.json").read_text()) == {
        "0": "background",
        "1": "liver",
        "2": "spleen",
    }


def test_one_bad_ct_stops_no_other(model: Path, tmp_path: Path):
    (tmp_path / "ct" / "a.nii.gz").write_bytes(b"no picture")
    done = run("--model", model, "--in", tmp_path / "ct", "--out", tmp_path / "out", "--json")
    assert done.exit_code == 1
    assert [row["state"] for row in json.loads(done.stdout)] == ["failed", "done"]
    assert "a.nii.gz" in json.loads(done.stdout)[0]["error"]


@pytest.mark.parametrize(
    ("more", "story"),
    [
        (("--device", "cuda:9"), "cuda:9 was asked for"),
        (("--folds", "4"), "no weights for fold 4"),
        (("--to", "chaos_ct", "--folds", "0"), "no structure|none of the model's labels"),
        (("--out", "all.nii.gz"), "a file, but .* is a folder"),
    ],
)
def test_what_cannot_be_done_ends_before_it_begins(
    model: Path, tmp_path: Path, more: tuple[str, ...], story: str
):
    if "chaos_ct" in more:
        document = json.loads((model / "dataset.json").read_text())
        document["labels"] = {"background": 0, "x": 1, "y": 2}
        (model / "dataset.json").write_text(json.dumps(document))
    arguments = {"--model": model, "--in": tmp_path / "ct", "--out": tmp_path / "out"}
    arguments |= dict(zip(more[::2], more[1::2], strict=True))
    with pytest.raises(DapatlasError, match=story):
        raise run(*(word for pair in arguments.items() for word in pair)).exception


def test_the_lines_of_a_ct_are_its_own(model: Path, tmp_path: Path):
    """The map has the header of its CT."""
    run("--model", model, "--in", tmp_path / "ct" / "a.nii.gz", "--out", tmp_path / "out")
    map_, ct = read_volume(tmp_path / "out" / "a.nii.gz"), read_volume(tmp_path / "ct" / "a.nii.gz")
    assert map_.header["xyzt_units"] == ct.header["xyzt_units"]


def test_a_step_out_of_range(tmp_path: Path):
    done = run("--model", "m", "--in", tmp_path, "--out", tmp_path, "--step", "0")
    assert done.exit_code == 2
    assert "more than 0 and at most 1" in done.output
