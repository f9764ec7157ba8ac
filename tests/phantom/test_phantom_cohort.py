from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from dapatlas.dataset import Dataset, validate
from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.findings import has_errors
from dapatlas.phantom import ErrorKind, make_cohort, make_phantom, plan_cohort, read_planted, restore
from dapatlas.volumes import read_label_map

TINY = {"shape": (56, 56, 96)}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("cohort") / "atlas"
    return make_cohort(folder, 3, seed=1, errors=list(ErrorKind), orientations=("LPS", "RAS"), **TINY)


def test_a_cohort_has_the_layout_and_the_names_of_the_atlas(cohort: Dataset) -> None:
    assert len(cohort) == 4
    assert len(cohort.subjects) == 3
    for case in cohort:
        assert re.fullmatch(r"AutoPET_[0-9a-f]{10}_[0-9]{5}", case.id)
    twice = [cases for cases in cohort.subjects.values() if len(cases) == 2]
    assert len(twice) == 1
    assert json.loads(cohort.labels_path.read_text()) == json.loads(cohort.scheme.labels_json())


def test_a_cohort_passes_validation(cohort: Dataset, tmp_path: Path) -> None:
    clean = make_cohort(tmp_path, 2, seed=4, **TINY)
    assert not has_errors(validate(clean, jobs=1, deep=True))


def test_files_hold_the_phantom_with_its_errors(cohort: Dataset) -> None:
    for planned in plan_cohort(3, 1, errors=list(ErrorKind), orientations=("LPS", "RAS"), **TINY):
        case, phantom = cohort[planned.case_id], make_phantom(planned.spec)
        assert np.array_equal(case.ct().array, phantom.ct)
        assert case.label_map().grid.is_close(phantom.grid)
        errors = read_planted(cohort.path, case.id)
        label_map = case.label_map().array
        changed = np.flatnonzero((label_map != phantom.label_map).reshape(-1, order="F"))
        assert np.array_equal(np.sort(np.concatenate([e.indices for e in errors])), changed)
        assert np.array_equal(restore(label_map, errors), phantom.label_map)
        truth = read_label_map(cohort.path / "ground_truth" / f"{case.id}_truth.nii.gz").array
        assert np.array_equal(truth, phantom.label_map)


def test_ground_truth_names_sexes_specifications_and_errors(cohort: Dataset) -> None:
    record = json.loads((cohort.path / "ground_truth.json").read_text())
    assert "synthetic" in record["note"]
    assert [entry["case"] for entry in record["cases"]]
    assert {entry["sex"] for entry in record["cases"]} == {"F", "M"}
    for entry in record["cases"]:
        kinds = {planted["kind"] for planted in entry["planted"]}
        assert ("prostate_in_woman" in kinds) == (entry["sex"] == "F")
        assert entry["spec"]["shape"] == list(TINY["shape"])


def test_a_finished_cohort_is_left_as_it_is(cohort: Dataset) -> None:
    before = {path: path.stat().st_mtime_ns for path in cohort.path.rglob("*.nii.gz")}
    seen: list[tuple[int, int]] = []
    make_cohort(
        cohort.path,
        3,
        seed=1,
        errors=list(ErrorKind),
        orientations=("LPS", "RAS"),
        progress=lambda done, total: seen.append((done, total)),
        **TINY,
    )
    assert {path: path.stat().st_mtime_ns for path in cohort.path.rglob("*.nii.gz")} == before
    assert seen == [(done, 4) for done in range(5)]


def test_an_interrupted_or_changed_case_is_made_anew(tmp_path: Path) -> None:
    dataset = make_cohort(tmp_path, 2, seed=2, **TINY)
    first, second = dataset.cases
    original = first.mask_path.read_bytes()
    first.mask_path.unlink()
    untouched = second.mask_path.stat().st_mtime_ns
    make_cohort(tmp_path, 2, seed=2, **TINY)
    assert first.mask_path.read_bytes() == original
    assert second.mask_path.stat().st_mtime_ns == untouched
    make_cohort(tmp_path, 2, seed=2, noise_hu=0, **TINY)
    assert second.mask_path.stat().st_mtime_ns != untouched


@pytest.mark.slow
def test_worker_processes_make_the_same_files(tmp_path: Path) -> None:
    one = make_cohort(tmp_path / "one", 2, seed=6, shape=(24, 24, 40))
    two = make_cohort(tmp_path / "two", 2, seed=6, jobs=2, shape=(24, 24, 40))
    for a, b in zip(one, two, strict=True):
        assert a.image_path.read_bytes() == b.image_path.read_bytes()
        assert a.mask_path.read_bytes() == b.mask_path.read_bytes()


def test_a_cohort_that_fails_names_the_case(tmp_path: Path) -> None:
    with pytest.raises(DapatlasError, match="2 of 2 synthetic cases failed: AutoPET_"):
        make_cohort(tmp_path, 2, shape=(40, 40, 12), spacing=(10, 10, 10), fields_of_view=("pelvis",))


def test_a_plan_deals_out_views_and_sexes() -> None:
    plan = plan_cohort(6, seed=3, fields_of_view=("full", "thorax"))
    assert [case.spec.field_of_view for case in plan][:4] == ["full", "thorax", "full", "thorax"]
    assert {case.spec.sex for case in plan} == {"F", "M"}
    assert {case.spec.arms for case in plan} == {"up", "down"}
    assert len({case.case_id for case in plan}) == len(plan) == 8
    assert plan == plan_cohort(6, seed=3, fields_of_view=("full", "thorax"))
    assert len({case.case_id for case in plan} & {case.case_id for case in plan_cohort(6, seed=4)}) == 0


def test_a_cohort_needs_subjects() -> None:
    with pytest.raises(DapatlasError, match="at least one"):
        plan_cohort(0)


def test_a_case_without_ground_truth_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="AutoPET_x"):
        read_planted(tmp_path, "AutoPET_x")
