"""`dapatlas check` as a user runs it: planted faults are found, clean cohorts are not accused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dapatlas.check.checked_case import read_checked
from dapatlas.check.judged import Judged
from dapatlas.cli import app
from dapatlas.dataset import Dataset
from dapatlas.findings import Severity
from dapatlas.labels import crosswalk, dap
from dapatlas.phantom import ErrorKind, make_cohort
from dapatlas.pipeline.checking import check_dataset
from dapatlas.volumes import read_label_map, remap, write_label_map

SHAPE = (96, 96, 96)
# What each planted fault must at least be called.
CALLED = {
    ErrorKind.SWAPPED_SIDES: {"wrong-side", "sides-mixed"},
    ErrorKind.VERTEBRA_FRAGMENT: {"several-pieces"},
    ErrorKind.STRAY_ISLANDS: {"several-pieces"},
    ErrorKind.RIBS_MISCOUNTED: {"rib-vertebra"},
    ErrorKind.COLON_IN_HEAD: {"out-of-place"},
    ErrorKind.PROSTATE_IN_WOMAN: {"other-sex"},
    ErrorKind.UTERUS_IN_MAN: {"other-sex"},
}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    make_cohort(folder, 2, seed=5, shape=SHAPE, orientations=("LPS", "RAS"), jobs=1)
    return folder


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faulty")
    make_cohort(folder, 2, seed=5, shape=SHAPE, errors=tuple(ErrorKind), jobs=1)
    return folder


def test_a_clean_cohort_gives_no_errors(clean: Path):
    checked = check_dataset(Dataset(clean), jobs=1)
    assert [outcome.state for outcome in checked.outcomes] == ["done", "done"]
    assert [found for found in checked.findings if found.severity is Severity.ERROR] == []


def test_every_planted_fault_is_found_by_the_check_that_should_find_it(faulty: Path):
    checked = check_dataset(Dataset(faulty), jobs=1)
    for case in checked.checked:
        truth = json.loads((faulty / "ground_truth" / f"{case.case}.json").read_text())
        planted = {ErrorKind(error["kind"]) for error in truth["planted"]}
        assert len(planted) >= 5  # a prostate or a uterus, by the subject's sex
        found = {finding.code for finding in case.findings}
        for kind in planted:
            assert CALLED[kind] & found, (kind, found)


def test_findings_come_worst_first_and_stand_in_the_reports(faulty: Path):
    checked = check_dataset(Dataset(faulty), jobs=1)
    assert {outcome.state for outcome in checked.outcomes} <= {"done", "up to date"}
    order = [Severity.ERROR, Severity.WARNING, Severity.INFO]
    severities = [order.index(found.severity) for found in checked.findings]
    assert severities == sorted(severities)
    case = checked.checked[0]
    again = read_checked(faulty / "reports" / "check" / f"{case.case}.json")
    assert again == case
    assert all(isinstance(found, Judged) for found in again.findings)
    kept = json.loads((faulty / "reports" / "check.json").read_text())
    assert [row["code"] for row in kept["findings"]] == [found.code for found in checked.findings]


def test_boxes_are_in_the_axes_of_the_file(faulty: Path):
    for case in check_dataset(Dataset(faulty), jobs=1).checked:
        array = read_label_map(faulty / "masks" / f"{case.case}.nii.gz").array
        for found in case.findings:
            if found.code == "other-sex":
                assert found.box is not None
                place = tuple(slice(start, stop) for start, stop in found.box)
                inside = np.count_nonzero(array[place] == dap()[found.structure].id)
                assert inside == found.voxels > 0


def test_the_command_speaks_by_table_json_and_exit_code(clean: Path, faulty: Path, tmp_path: Path):
    run = CliRunner().invoke(app, ["check", str(clean), "--jobs", "1"])
    assert run.exit_code == 0, run.output
    assert "2 cases: 0 errors" in run.stdout
    run = CliRunner().invoke(app, ["check", str(faulty), "--jobs", "1", "--json", "--out", str(tmp_path)])
    assert run.exit_code == 1
    assert "rib-vertebra" in {row["code"] for row in json.loads(run.stdout)["findings"]}
    assert (tmp_path / "reports" / "check.json").is_file()


def test_a_case_that_cannot_be_read_is_told_and_stops_no_other(clean: Path, tmp_path: Path):
    shutil.copytree(clean, tmp_path / "copy", ignore=shutil.ignore_patterns(".dapatlas", "reports"))
    broken = sorted((tmp_path / "copy" / "masks").iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:5000])
    checked = check_dataset(Dataset(tmp_path / "copy"), jobs=1)
    assert [outcome.state for outcome in checked.outcomes] == ["failed", "done"]
    assert [found.code for found in checked.findings if found.severity is Severity.ERROR] == [
        "case-unreadable"
    ]


def test_changed_facts_of_the_patient_are_checked_anew(clean: Path, tmp_path: Path):
    shutil.copytree(clean, tmp_path / "copy", ignore=shutil.ignore_patterns(".dapatlas", "reports"))
    check_dataset(Dataset(tmp_path / "copy"), jobs=1)
    table = tmp_path / "copy" / "subjects.csv"
    swapped = {"F": "M", "M": "F"}
    lines = [line.rsplit(",", 1) for line in table.read_text().splitlines()]
    table.write_text("".join(f"{name},{swapped.get(sex, sex)}\n" for name, sex in lines))
    checked = check_dataset(Dataset(tmp_path / "copy"), jobs=1)
    assert {outcome.state for outcome in checked.outcomes} == {"done"}
    assert "other-sex" in {found.code for found in checked.findings}


def test_findings_on_the_real_case_are_those_that_were_looked_at(real_data: Path, tmp_path: Path):
    volume = read_label_map(real_data / "total.nii.gz")
    atlas = Dataset.create(tmp_path / "atlas")
    labels = remap(volume.array, crosswalk("totalsegmentator", dap()).lookup())
    write_label_map(atlas.mask_path("real"), labels, volume.grid)
    atlas.image_path("real").symlink_to(real_data / "ct.nii.gz")
    checked = check_dataset(Dataset(atlas.path), jobs=1)
    # true both: the pancreas is a thin atrophic band, and its neck is not labelled
    assert {(found.code, found.structure, found.severity) for found in checked.findings} == {
        ("several-pieces", "pancreas", Severity.WARNING),
        ("volume-unusual", "pancreas", Severity.WARNING),
    }
