"""`dapatlas ingest tcia` as a user runs it, over a made download of 40 studies with planted faults."""

from __future__ import annotations

import csv
import errno
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_tree import (
    SECRET_BIRTH,
    SECRET_HOSPITAL,
    SECRET_NAME,
    CtSpec,
    PetSpec,
    StudySpec,
    Tree,
    make_tree,
    planted_studies,
)
from typer.testing import CliRunner

from dapatlas.cli import app
from dapatlas.dataset import Dataset, validate
from dapatlas.files import whole_file
from dapatlas.pipeline import ingesting_tcia
from dapatlas.pipeline.ingesting_tcia import ingest_tcia
from dapatlas.volumes import write_label_map

SMALL = StudySpec(cts=(CtSpec(size=16, slices=8),))


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tree, dict[str, set[str]]]:
    specs, expected = planted_studies(40)
    specs = [  # each with a number of slices of its own: no two hold the same voxels
        replace(spec, cts=tuple(replace(ct, size=32, slices=ct.slices + n) for ct in spec.cts))
        for n, spec in enumerate(specs, -8)
    ]
    return make_tree(tmp_path_factory.mktemp("download"), specs), expected


@pytest.fixture(scope="module")
def ingested(download, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    atlas = tmp_path_factory.mktemp("atlas")
    run = CliRunner().invoke(
        app, ["ingest", "tcia", str(download[0].root), str(atlas), "--with-pet", "--json", "--jobs", "1"]
    )
    assert run.exit_code == 1, run.output  # faults were planted
    return atlas, json.loads(run.stdout)


def in_ras(voxels: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    image = nib.as_closest_canonical(nib.Nifti1Image(voxels, affine))
    return np.asarray(image.dataobj), image.affine


def test_every_fault_is_named_and_every_sound_study_comes_in(download, ingested):
    tree, expected = download
    _, report = ingested
    unusable = {case for case, codes in expected.items() if not codes & {"not-dicom", "several-ct"}}
    assert set(report["cases"]) == {study.spec.case for study in tree} - unusable
    assert set(report["cases"].values()) == {"done"}
    named: defaultdict[str, set[str]] = defaultdict(set)
    for each in report["findings"]:
        named[each["case"]].add(each["code"])
    for case, codes in expected.items():
        assert codes - {"not-dicom"} <= named[case], case
    (pdf,) = [each for each in report["findings"] if each["code"] == "not-dicom"]
    assert pdf["file"].endswith(".pdf")
    sound = {study.spec.case for study in tree} - set(expected)
    assert {code for case in sound for code in named[case]} <= {"no-pet", "no-seg"}  # every second has none


def test_the_cts_have_the_voxels_and_places_of_the_slices(download, ingested):
    tree, _ = download
    atlas, report = ingested
    for case in list(report["cases"])[::5]:
        image = nib.load(atlas / "images" / f"{case}.nii.gz")
        assert nib.aff2axcodes(image.affine) == ("L", "A", "S")  # as dicom2nifti writes with reorient=True
        made = tree[case].cts[-2] if len(tree[case].cts) == 3 else tree[case].ct  # between lung and localizer
        voxels, affine = in_ras(made.voxels, made.affine)
        read, place = in_ras(np.asarray(image.dataobj), image.affine)
        np.testing.assert_array_equal(read, voxels)
        np.testing.assert_allclose(place, affine, atol=1e-3)
        assert image.get_data_dtype() == np.int16


def test_pet_and_lesions_share_a_grid_and_their_values_are_right(download, ingested):
    tree, _ = download
    atlas, report = ingested
    cases = [case for case in report["cases"] if tree[case].pets]
    assert cases
    for case in cases[:3]:
        suv, lesions = (nib.load(atlas / folder / f"{case}.nii.gz") for folder in ("suv", "lesions"))
        np.testing.assert_allclose(suv.affine, lesions.affine)
        # 3e8 Bq at 10:00, imaged from 11:00, half life 6586.2 s, 75 kg: worked out by hand
        factor = 75_000 / (3.0e8 * 0.5 ** (3600 / 6586.2))
        expected, _ = in_ras(tree[case].pet.voxels * factor, tree[case].pet.affine)
        read, _ = in_ras(np.asarray(suv.dataobj), suv.affine)
        np.testing.assert_allclose(read, expected, rtol=1e-3, atol=2e-4)
        drawn, _ = in_ras(tree[case].seg.voxels, tree[case].seg.affine)
        np.testing.assert_array_equal(in_ras(np.asarray(lesions.dataobj), lesions.affine)[0], drawn)


def test_it_is_a_valid_data_set_once_it_has_label_maps(ingested, tmp_path: Path):
    atlas = Dataset(ingested[0])
    without = validate(atlas, jobs=1)
    assert {found.code for found in without} == {"no-masks"}
    copy = Dataset.create(tmp_path / "copy")
    for case in atlas.unpaired:
        copy.image_path(case.id).symlink_to(case.image_path.resolve())
        ct = case.ct()
        write_label_map(copy.mask_path(case.id), (ct.array > 0).astype(np.uint8), ct.grid)
    assert validate(Dataset(copy.path), jobs=1) == []


def test_tables_tell_sex_age_and_scanner_and_no_identity(download, ingested):
    tree, _ = download
    atlas, report = ingested
    with (atlas / "studies.csv").open() as stream:
        studies = {row["case"]: row for row in csv.DictReader(stream)}
    with (atlas / "subjects.csv").open() as stream:
        subjects = {row["subject"]: row for row in csv.DictReader(stream)}
    assert set(studies) == set(report["cases"])
    case = next(iter(studies))
    spec, row = tree[case].spec, studies[case]
    assert (row["age_years"], row["kvp"], row["manufacturer"]) == (str(int(spec.age[:3])), "120", "SIEMENS")
    assert (row["n_k"], row["spacing_k_mm"], row["orientation"]) == (str(spec.cts[-2].slices), "3", "LAS")
    assert subjects[row["subject"]]["sex"] == spec.sex
    assert sum(int(one["studies"]) for one in subjects.values()) == len(studies)
    assert any(one["studies"] == "2" for one in subjects.values())
    written = "".join(path.read_text() for path in (*atlas.glob("*.csv"), *atlas.glob("reports/*.json")))
    assert not [word for word in (SECRET_NAME, SECRET_BIRTH, SECRET_HOSPITAL) if word in written]


def test_a_second_run_does_nothing_and_says_the_same(download, ingested):
    atlas, first = ingested
    before = {path: path.stat().st_mtime_ns for path in atlas.rglob("*.nii.gz")}
    again = ingest_tcia(download[0].root, atlas, with_pet=True, jobs=1)
    assert {outcome.state for outcome in again.cases} == {"up to date"}
    assert [each.as_dict() for each in again.findings] == [
        {**each, "box": None} for each in first["findings"]
    ]
    assert {path: path.stat().st_mtime_ns for path in atlas.rglob("*.nii.gz")} == before


def test_the_flat_layout_gives_the_same_case(tmp_path: Path):
    for layout in ("nested", "flat"):
        make_tree(tmp_path / layout, [SMALL], layout)
        ingest_tcia(tmp_path / layout, tmp_path / f"{layout}-atlas", jobs=1)
    one, other = (next((tmp_path / f"{name}-atlas" / "images").iterdir()) for name in ("nested", "flat"))
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()


def test_a_pet_without_suv_does_not_keep_its_ct_out(tmp_path: Path):
    pet = PetSpec(slices=6, size=16, step_mm=10, weight_kg=None)
    make_tree(tmp_path / "d", [replace(SMALL, pets=(pet,), seg=True)])
    done = ingest_tcia(tmp_path / "d", tmp_path / "atlas", with_pet=True, jobs=1)
    assert [outcome.state for outcome in done.cases] == ["done"]
    assert "suv-field-missing" in [each.code for each in done.findings]
    assert not list((tmp_path / "atlas").glob("suv/*.nii.gz"))


def test_two_studies_of_one_name_are_refused_and_the_others_come_in(tmp_path: Path):
    make_tree(tmp_path / "d", [SMALL, replace(SMALL, salt="another"), replace(SMALL, patient="PETCT_1")])
    done = ingest_tcia(tmp_path / "d", tmp_path / "atlas", jobs=1)
    assert [each.code for each in done.findings] == ["name-taken", "name-taken"]
    assert [path.name for path in (tmp_path / "atlas" / "images").iterdir()] == [
        f"AutoPET_1_{SMALL.study5}.nii.gz"
    ]


def test_a_full_disk_leaves_what_is_done_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make_tree(tmp_path / "d", [replace(SMALL, patient=f"PETCT_{n}") for n in range(3)])
    real, calls = ingesting_tcia.write_ct, []

    def fills_up(files, target):
        calls.append(target)
        if len(calls) > 1:
            with whole_file(target) as scratch:
                scratch.write_bytes(b"half of it")
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(files, target)

    monkeypatch.setattr(ingesting_tcia, "write_ct", fills_up)
    broken = ingest_tcia(tmp_path / "d", tmp_path / "atlas", jobs=1)
    assert [outcome.state for outcome in broken.cases] == ["done", "failed", "failed"]
    assert {each.code for each in broken.findings} == {"no-space"}
    assert all("what is done stays done" in each.message for each in broken.findings)
    assert len(list((tmp_path / "atlas" / "images").iterdir())) == 1  # no half file, under no name
    monkeypatch.setattr(ingesting_tcia, "write_ct", real)
    mended = ingest_tcia(tmp_path / "d", tmp_path / "atlas", jobs=1)
    assert [outcome.state for outcome in mended.cases] == ["up to date", "done", "done"]
    assert not mended.findings


def test_no_dicom_and_no_folder_are_told(tmp_path: Path):
    (tmp_path / "letter.pdf").write_bytes(b"%PDF-1.7 nothing else")
    for source, said in ((tmp_path, "no DICOM file among its 1 files"), (tmp_path / "gone", "no such")):
        run = CliRunner().invoke(app, ["ingest", "tcia", str(source), str(tmp_path / "atlas")])
        assert run.exit_code != 0
        assert said in str(run.exception)
    assert not (tmp_path / "atlas").exists()
