"""A scheme of one's own, out of the data set's `labels.json`, through commands that work on maps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dapatlas.cli import app
from dapatlas.dataset import Dataset
from dapatlas.labels import find_scheme
from dapatlas.phantom import make_cohort
from dapatlas.volumes import read_label_map, write_label_map

OWN = {"0": "background", "1": "liver", "2": "left_kidney", "3": "kidney_right", "4": "liver_lesion"}
BLOB = (slice(2, 5), slice(2, 5), slice(2, 5))


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom with three structures under ids of its own, and a crumb of liver in a corner."""
    folder = tmp_path_factory.mktemp("own")
    case = make_cohort(folder / "phantom", subjects=1, shape=(64, 64, 64), jobs=1)[0]
    source = case.label_map()
    array = np.zeros(source.array.shape, np.uint8)
    for id_, name in ((1, "liver"), (2, "kidney_left"), (3, "kidney_right")):
        array[case.structure(name)] = id_
    array[BLOB] = 1
    data = folder / "mine"
    write_label_map(data / "masks" / f"{case.id}.nii.gz", array, source.grid)
    (data / "images").mkdir()
    (data / "images" / f"{case.id}.nii.gz").write_bytes(case.image_path.read_bytes())
    (data / "labels.json").write_text(json.dumps(OWN), encoding="utf-8")
    return data


def run(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code in (0, 1), done.output
    return done.stdout


def test_a_crumb_goes_under_the_schemes_own_ids(mine: Path, tmp_path: Path) -> None:
    run("refine", mine / "masks", tmp_path / "clean", "--scheme", mine / "labels.json", "--jobs", 1)
    case = next((mine / "masks").iterdir())
    before, written = read_label_map(case).array, next((tmp_path / "clean").rglob("*.nii.gz"))
    after = read_label_map(written).array
    assert not after[BLOB].any()
    assert set(np.unique(after)) == {0, 1, 2, 3}
    changed = before != after
    changed[BLOB] = False
    assert changed.mean() < 0.01  # the organs stand


def test_checks_name_the_structures_of_the_scheme(mine: Path) -> None:
    labels = mine / "labels.json"
    found = json.loads(run("validate", mine, "--scheme", labels, "--json"))
    assert "labels-json-differs" not in json.dumps(found)
    run("check", mine, "--scheme", labels, "--jobs", 1)
    findings = json.loads((mine / "reports" / "check.json").read_text(encoding="utf-8"))["findings"]
    crumb = next(each for each in findings if each["code"] == "several-pieces")
    assert crumb["structure"] == "liver"
    assert crumb["box"] == [[axis.start, axis.stop] for axis in BLOB]
    case = Dataset(mine, find_scheme(str(labels)))[0]
    assert set(case.volumes()) == {"liver", "left_kidney", "kidney_right"}


def test_a_file_that_is_no_scheme_is_told(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text("[1, 2]", encoding="utf-8")
    done = CliRunner().invoke(app, ["check", str(mine), "--scheme", str(tmp_path / "labels.json")])
    assert "expected an object such as" in str(done.exception)
