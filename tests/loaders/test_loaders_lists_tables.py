"""Lists by their form, for which MONAI is not needed, and tables in the real pandas."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dapatlas.dataset import Dataset
from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.loaders.monai import data_list, split_lists
from dapatlas.pipeline.checking import check_dataset

VOXEL_ML = 0.8 * 0.8 * 2.5 / 1000


def test_items_are_plain_dicts_of_files_that_exist(atlas: Dataset):
    items = data_list(atlas)
    assert json.loads(json.dumps(items)) == items
    assert [set(item) for item in items] == [{"image", "label", "case", "subject"}] * 2
    for item, case in zip(items, atlas, strict=True):
        assert (item["case"], item["subject"]) == (case.id, case.id.split("_")[1])
        assert Path(item["image"]).parts[-2:] == ("images", f"{case.id}.nii.gz")
        assert Path(item["label"]).parts[-2:] == ("masks", f"{case.id}.nii.gz")
        assert nib.load(item["image"]).shape == nib.load(item["label"]).shape
    assert data_list(atlas, [atlas[1].id]) == items[1:]


def test_a_case_without_ct_is_in_no_list_and_refused_by_name(atlas: Dataset, folder: Path):
    Path(atlas[0].image_path).unlink()
    fresh = Dataset(folder)
    assert [item["case"] for item in data_list(fresh)] == [atlas[1].id]
    with pytest.raises(DapatlasError, match=atlas[0].id):
        data_list(fresh, [atlas[0].id])


def test_lists_follow_the_split_of_the_data_set_or_nnunets(atlas: Dataset, folder: Path, tmp_path: Path):
    one, two = (case.id for case in atlas)
    ours = {"folds": [{"train": [one], "val": [two]}, {"train": [two], "val": [one]}]}
    (folder / "splits").mkdir()
    (folder / "splits" / "splits.json").write_text(json.dumps(ours))
    first, second = split_lists(atlas), split_lists(atlas, fold=1)
    assert [item["case"] for item in first["train"]] == [one]
    assert first == {"train": second["val"], "val": second["train"]}
    nnunet = tmp_path / "splits_final.json"
    nnunet.write_text(json.dumps(ours["folds"]))
    assert split_lists(atlas, nnunet) == first
    with pytest.raises(DapatlasError, match="no fold 2; it has 2"):
        split_lists(atlas, fold=2)


def test_a_split_that_leaks_is_refused(atlas: Dataset, folder: Path, tmp_path: Path):
    one, two = (case.id for case in atlas)
    sibling = f"{one[:-1]}9"  # another study of the same subject
    for kind in ("images", "masks"):
        shutil.copy(folder / kind / f"{one}.nii.gz", folder / kind / f"{sibling}.nii.gz")
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"train": [one, two], "val": [sibling]}))
    with pytest.raises(DapatlasError, match="subject 00000001aa is in train and val"):
        split_lists(Dataset(folder), split)
    split.write_text(json.dumps({"train": [one], "val": ["nobody"]}))
    with pytest.raises(DapatlasError, match="nobody of val is no case"):
        split_lists(Dataset(folder), split)
    split.write_text(json.dumps({"train": [one], "val": [two]}))  # the sibling is left out
    assert [item["case"] for item in split_lists(Dataset(folder), split)["val"]] == [two]


def test_the_table_of_cases_tells_who_and_where(atlas: Dataset, folder: Path):
    pandas = pytest.importorskip("pandas")
    from dapatlas.loaders.tables import case_table

    (folder / "subjects.csv").write_text("subject,sex\n00000002bb,F\n")
    Path(atlas[0].image_path).unlink()
    table = case_table(Dataset(folder))
    assert isinstance(table, pandas.DataFrame)
    assert table.index.tolist() == [case.id for case in atlas]
    assert table["subject"].tolist() == ["00000001aa", "00000002bb"]
    assert table["study"].tolist() == ["00001", "00002"]
    assert table["sex"].isna().tolist() == [True, False]
    assert table["sex"].iloc[1] == "F"
    assert table["image"].isna().tolist() == [True, False]
    assert table["label"].tolist() == [str(case.mask_path) for case in atlas]


def test_the_table_of_volumes_is_what_one_counts_in_the_files(atlas: Dataset, folder: Path, tmp_path: Path):
    pytest.importorskip("pandas")
    from dapatlas.loaders.tables import case_table, volume_table

    mask = nib.load(atlas[1].mask_path)
    array = np.asarray(mask.dataobj).copy()
    array[array == 20] = 0
    nib.save(nib.Nifti1Image(array, mask.affine), atlas[1].mask_path)
    assert volume_table(atlas).shape == (0, 0)
    check_dataset(atlas, tmp_path, jobs=1)
    volumes = volume_table(atlas, tmp_path)
    assert volumes.index.tolist() == [case.id for case in atlas]
    names = {structure.id: structure.name for structure in atlas.scheme}
    assert volumes.columns.tolist() == [names[13], names[20], names[26]]
    for case in atlas:
        counted = np.bincount(np.asarray(nib.load(case.mask_path).dataobj).ravel(), minlength=27)
        for id_ in (13, 20, 26):
            found = volumes.loc[case.id, names[id_]]
            if counted[id_]:
                assert found == pytest.approx(counted[id_] * VOXEL_ML, abs=1e-4)
            else:
                assert np.isnan(found)
    assert case_table(atlas).join(volumes).shape == (2, 8)
    report = tmp_path / "reports" / "check" / f"{atlas[0].id}.json"
    report.write_text("{")
    with pytest.raises(BadFileError, match="not what `dapatlas check` left"):
        volume_table(atlas, tmp_path)
