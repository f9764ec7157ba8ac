"""`dapatlas ingest ct`, `autopet` and `masks` as a user runs them."""

from __future__ import annotations

import csv
import json
import re
import shutil
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from dicom_tree import CtSpec, StudySpec, make_tree
from typer.testing import CliRunner

from dapatlas.cli import app
from dapatlas.dataset import Dataset, validate
from dapatlas.errors import DapatlasError
from dapatlas.pipeline.ingesting_nifti import ingest_cts
from dapatlas.volumes import Grid, read_volume, reorient, write_label_map, write_volume

SMALL = StudySpec(cts=(CtSpec(size=16, slices=8),))


def run(*words: object, code: int = 0) -> dict:
    result = CliRunner().invoke(app, ["ingest", *map(str, words), "--json", "--jobs", "1"])
    assert result.exit_code == code, (result.output, result.exception)
    return json.loads(result.stdout)


def codes(report: dict) -> list[str]:
    return [each["code"] for each in report["findings"]]


def test_the_real_series_comes_in_as_simpleitk_reads_it(real_data: Path, tmp_path: Path):
    run("ct", real_data / "dicom", tmp_path / "atlas", "--name", "real")
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(real_data / "dicom")))
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    expected = nib.as_closest_canonical(
        nib.Nifti1Image(
            SimpleITK.GetArrayFromImage(image).T, np.diag([-1, -1, 1, 1]) @ affine, dtype=np.int32
        )
    )
    ours = nib.as_closest_canonical(nib.load(tmp_path / "atlas" / "images" / "real.nii.gz"))
    np.testing.assert_array_equal(np.asarray(ours.dataobj), np.asarray(expected.dataobj))
    np.testing.assert_allclose(ours.affine, expected.affine, atol=1e-4)
    np.testing.assert_allclose(ours.header.get_zooms(), image.GetSpacing(), rtol=1e-6)


def test_folder_zip_and_volume_give_one_ct_under_names_of_ones_own(tmp_path: Path):
    tree = make_tree(tmp_path / "d", [SMALL])
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for path in tree.folder.rglob("*.dcm"):
            archive.write(path, f"export/{path.name}")
    atlas = tmp_path / "atlas"
    assert codes(run("ct", tree.folder, atlas, "--name", "by_folder")) == []
    report = run("ct", tmp_path / "study.zip", atlas)
    assert report["cases"] == {"study": "done"}
    first = read_volume(atlas / "images" / "by_folder.nii.gz")
    second = read_volume(atlas / "images" / "study.nii.gz")
    np.testing.assert_array_equal(first.array, second.array)
    assert first.grid.is_close(second.grid)
    write_volume(tmp_path / "trauma-007.nii", first.array, first.grid)
    run("ct", tmp_path / "trauma-007.nii", atlas)
    np.testing.assert_array_equal(read_volume(atlas / "images" / "trauma-007.nii.gz").array, first.array)
    with (atlas / "studies.csv").open() as stream:
        rows = {row["case"]: row for row in csv.DictReader(stream)}
    assert rows["study"]["manufacturer"] == "SIEMENS"
    assert not [
        path for path in (atlas / "images").iterdir() if path.name.startswith(".")
    ]  # nothing unpacked stays


def test_a_ct_that_did_not_come_from_here_is_not_overwritten(tmp_path: Path):
    tree, atlas = make_tree(tmp_path / "d", [SMALL]), Dataset.create(tmp_path / "atlas")
    atlas.image_path("mine").write_bytes(b"somebody's")
    report = run("ct", tree.folder, atlas.path, "--name", "mine", code=1)
    assert codes(report) == ["name-taken"]
    assert atlas.image_path("mine").read_bytes() == b"somebody's"
    run("ct", tree.folder, atlas.path, "--name", "mine", "--force")
    assert read_volume(atlas.image_path("mine")).array.shape == (16, 16, 8)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("*.nrrd", "there is no such file or folder"),  # what a shell leaves of a pattern that nothing fits
        (
            "my ct.nii.gz",
            "'my ct' cannot be the name of a case: .*rename it, or ingest it alone, with --name",
        ),
    ],
)
def test_a_source_whose_name_is_no_cases(tmp_path: Path, name: str, says: str):
    if "*" not in name:
        (tmp_path / name).touch()
    with pytest.raises(DapatlasError, match=f"{re.escape(name)}: {says}"):
        ingest_cts([tmp_path / name], tmp_path / "atlas")
    assert not (tmp_path / "atlas").exists()


@pytest.mark.parametrize(
    ("studies", "code"),
    [
        ([SMALL, StudySpec(patient="PETCT_2", cts=SMALL.cts)], "several-patients"),
        ([SMALL, StudySpec(cts=SMALL.cts, salt="2")], "several-studies"),
        ([StudySpec(cts=(CtSpec(size=16, slices=8, fault="single_slice"),))], "single-slice"),
        ([StudySpec(cts=(CtSpec(size=16, slices=8, fault="truncated"),))], "truncated-file"),
        ([StudySpec(cts=())], "no-ct"),
    ],
)
def test_what_cannot_be_one_ct_is_named_and_leaves_nothing(
    tmp_path: Path, studies: list[StudySpec], code: str
):
    tree = make_tree(tmp_path / "d", studies)
    report = run("ct", tree.folder, tmp_path / "atlas", "--name", "x", code=1)
    assert codes(report) == [code]
    assert report["cases"] == {"x": "failed"}
    assert not list((tmp_path / "atlas" / "images").iterdir())


def small_ct(path: Path, seed: int = 0) -> None:
    draw = np.random.default_rng(seed)
    affine = np.diag([-2.0, -2.0, 3.0, 1.0])
    hu = draw.integers(-1024, 1500, (12, 10, 8)).astype(np.int16)
    write_volume(path, np.asfortranarray(hu), Grid((12, 10, 8), affine))


def test_the_converters_tree_is_linked_and_the_masks_come_out_of_their_zip(tmp_path: Path):
    source, names = tmp_path / "nifti", []
    for n, study in enumerate(("10445", "00091", "00007")):
        folder = source / "PETCT_0011f3deaf" / f"03-23-2003-NA-PET-CT-{study}"
        folder.mkdir(parents=True)
        small_ct(folder / "CT.nii.gz", n)
        names.append(f"AutoPET_0011f3deaf_{study}")
    report = run("autopet", source, tmp_path / "atlas")
    assert report["cases"] == dict.fromkeys(sorted(names), "done")
    atlas = Dataset(tmp_path / "atlas")
    assert all(atlas.image_path(name).is_symlink() for name in names)

    made = {}
    for n, name in enumerate(names[:2]):
        ct = read_volume(atlas.image_path(name))
        labels = np.asfortranarray((ct.array > 0).astype(np.uint8) * (n + 2))
        view, grid = reorient(
            labels, ct.grid, "PIR" if n else ct.grid.orientation
        )  # the second with other axes
        write_label_map(tmp_path / f"{name}.nii.gz", np.asfortranarray(view), grid)
        made[name] = labels
    shutil.copy(tmp_path / f"{names[0]}.nii.gz", tmp_path / "AutoPET_ffffffffff_00001.nii.gz")
    zipped = tmp_path / "Atlas_final_dataset_V1_533.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for path in sorted(tmp_path.glob("AutoPET_*.nii.gz")):
            archive.write(path, f"Atlas_final_dataset_V1_533/{path.name}")
        archive.writestr("../outside.nii.gz", b"not to be written")
    report = run("masks", zipped, atlas.path, code=1)
    assert sorted(codes(report)) == ["axes-turned", "no-partner", "no-partner", "unsafe-archive-member"]
    assert not (tmp_path / "outside.nii.gz").exists()
    assert not (atlas.path / "outside.nii.gz").exists()
    for name, labels in made.items():
        placed = read_volume(atlas.mask_path(name))
        np.testing.assert_array_equal(placed.array, labels)
        assert placed.grid.is_close(read_volume(atlas.image_path(name)).grid)
    # of the third study no mask is published: that is all that is wrong with the data set
    assert [found.code for found in validate(Dataset(atlas.path), jobs=1)] == ["missing-mask"]
    again = run("masks", zipped, atlas.path, code=1)
    assert set(again["cases"].values()) == {"up to date"}
    assert codes(again) == codes(report)


def test_a_mask_on_another_grid_is_refused_and_the_next_one_comes_in(tmp_path: Path):
    atlas = Dataset.create(tmp_path / "atlas")
    folder = tmp_path / "masks"
    folder.mkdir()
    for name in ("a", "b"):
        small_ct(atlas.image_path(name))
        ct = read_volume(atlas.image_path(name))
        labels = (ct.array > 0).astype(np.uint8)
        labels = labels[2:] if name == "a" else labels
        write_label_map(
            folder / f"{name}.nii.gz", np.asfortranarray(labels), Grid(labels.shape, ct.grid.affine)
        )
    report = run("masks", folder, atlas.path, code=1)
    assert report["cases"] == {"a": "failed", "b": "done"}
    assert codes(report) == ["grid-differs"]
    assert not atlas.mask_path("a").exists()
