"""Raw data sets of nnU-Net v2, checked by nnU-Net itself."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from export_cases import AFFINES, CASE, SHAPE, anatomy, small_dataset

from dapatlas.labels import dap
from dapatlas.pipeline.exporting import export_cases
from dapatlas.publish.export_nnunet import NnunetExport
from dapatlas.publish.exports import choose_labels
from dapatlas.volumes import Grid, read_volume, write_label_map, write_volume

SECOND = "AutoPET_ffffffffff_00001"


def export(dataset, out: Path, structures: tuple[str, ...] = (), **more):
    made = NnunetExport(choose_labels(dap(), None, structures), **more)
    return export_cases(dataset, out, made, jobs=1)


def verify(folder: Path) -> None:
    """nnU-Net's own check, in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nnunetv2 and what it imports
        check = pytest.importorskip("nnunetv2.experiment_planning.verify_dataset_integrity")
        check.verify_dataset_integrity(str(folder), num_processes=1)


@pytest.mark.parametrize(
    ("name", "structures"), [("LPS", ()), ("oblique", ()), ("oblique", ("kidney_left", "liver"))]
)
def test_nnunet_finds_nothing_to_object_to(tmp_path: Path, name: str, structures: tuple[str, ...], capfd):
    dataset = small_dataset(tmp_path / "atlas", AFFINES[name], (CASE, SECOND))
    out = tmp_path / "nnUNet_raw" / "Dataset700_DAPAtlas"
    assert {outcome.error for outcome in export(dataset, out, structures)} == {""}
    verify(out)
    said = capfd.readouterr().out
    assert "verify_dataset_integrity Done" in said
    assert "Warning" not in said


def test_labels_are_consecutive_and_lead_back(tmp_path: Path):
    dataset = small_dataset(tmp_path / "atlas")
    export(dataset, tmp_path / "out")
    document = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert list(document["labels"].values()) == list(range(144))
    assert document["channel_names"] == {"0": "CT"}
    assert (document["numTraining"], document["file_ending"]) == (1, ".nii.gz")
    image = nib.load(tmp_path / "out" / "labelsTr" / f"{CASE}.nii.gz")
    labels = np.asarray(image.dataobj)
    assert (np.array(document["scheme_ids"])[labels] == anatomy()).all()
    assert document["labels"]["costa_1_left"] == dap()["costa_1_left"].id - 1  # for the gap at 11
    assert all(dap()[name].id == document["scheme_ids"][n] for name, n in document["labels"].items() if n)


def test_chosen_structures_alone_are_labels(tmp_path: Path):
    export(small_dataset(tmp_path / "atlas"), tmp_path / "out", ("kidney_left", "liver"))
    document = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert document["labels"] == {"background": 0, "liver": 1, "kidney_left": 2}
    assert document["scheme_ids"] == [0, dap()["liver"].id, dap()["kidney_left"].id]
    labels = np.asarray(nib.load(tmp_path / "out" / "labelsTr" / f"{CASE}.nii.gz").dataobj)
    expected = (anatomy() == dap()["liver"].id) + 2 * (anatomy() == dap()["kidney_left"].id)
    assert (labels == expected).all()


@pytest.mark.parametrize("link", ["hard", "symbolic", "copy"])
def test_ways_to_link(tmp_path: Path, link: str):
    dataset = small_dataset(tmp_path / "atlas")
    source = dataset.image_path(CASE)
    for force in (False, True):  # the second time over what is there
        export_cases(
            dataset, tmp_path / "out", NnunetExport(choose_labels(dap()), link=link), jobs=1, force=force
        )
    image = tmp_path / "out" / "imagesTr" / f"{CASE}_0000.nii.gz"
    assert image.read_bytes() == source.read_bytes()
    assert image.is_symlink() == (link == "symbolic")
    assert image.samefile(source) == (link != "copy")
    assert sorted(path.name for path in image.parent.iterdir()) == [image.name]


def test_another_disk_gets_symbolic_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_args: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    dataset = small_dataset(tmp_path / "atlas")
    export(dataset, tmp_path / "out")
    assert (tmp_path / "out" / "imagesTr" / f"{CASE}_0000.nii.gz").readlink() == dataset.image_path(
        CASE
    ).resolve()


def test_an_uncompressed_ct_is_written_anew(tmp_path: Path):
    dataset = small_dataset(tmp_path / "atlas")
    volume = read_volume(dataset.image_path(CASE))
    dataset.image_path(CASE).unlink()
    write_volume(dataset.images_dir / f"{CASE}.nii", volume.array, volume.grid)
    export(type(dataset)(dataset.path), tmp_path / "out")
    image = tmp_path / "out" / "imagesTr" / f"{CASE}_0000.nii.gz"
    assert not image.is_symlink()
    assert (np.asarray(nib.load(image).dataobj) == volume.array).all()


def test_a_bad_case_stops_no_other_and_leaves_nothing(tmp_path: Path):
    dataset = small_dataset(tmp_path / "atlas", cases=(CASE, SECOND))
    export(dataset, tmp_path / "out")
    moved = AFFINES["oblique"].copy()
    moved[:3, 3] += 1
    write_label_map(dataset.mask_path(CASE), anatomy(), Grid(SHAPE, moved))
    bad, good = export(dataset, tmp_path / "out")
    assert (bad.state, good.state) == ("failed", "up to date")
    assert "not on the grid of" in bad.error
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["numTraining"] == 1
    assert [path.name for path in (tmp_path / "out" / "imagesTr").iterdir()] == [f"{SECOND}_0000.nii.gz"]
    verify(tmp_path / "out")


def test_splits_come_along(tmp_path: Path):
    dataset = small_dataset(tmp_path / "atlas")
    splits = tmp_path / "atlas" / "splits" / "splits_final.json"
    splits.parent.mkdir()
    splits.write_text(json.dumps([{"train": [CASE], "val": []}]))
    export(dataset, tmp_path / "out", splits=splits)
    assert (tmp_path / "out" / "splits_final.json").read_bytes() == splits.read_bytes()
