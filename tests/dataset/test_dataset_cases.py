from __future__ import annotations

import pickle
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from small_datasets import AFFINE, LIVER, SHAPE, SPLEEN, Folder, ct_array, mask_array

from dapatlas.dataset import Case, Dataset
from dapatlas.errors import BadFileError, BadLabelsError, DapatlasError
from dapatlas.labels import dap

ONE = "AutoPET_0011f3deaf_00445"
SAME_SUBJECT = "AutoPET_0011f3deaf_98765"
OTHER = "AutoPET_01140d52d8_00445"


@pytest.fixture
def three(folder: Folder) -> Folder:
    folder.add(ONE, SAME_SUBJECT, OTHER)
    return folder


def test_data_set_is_sized_iterable_and_indexable(three: Folder) -> None:
    dataset = Dataset(three.path)
    assert len(dataset) == 3
    assert [case.id for case in dataset] == [ONE, SAME_SUBJECT, OTHER]
    assert dataset[ONE] == dataset[0]
    assert dataset[-1].id == OTHER
    assert ONE in dataset
    assert dataset[0] in dataset
    assert "nobody" not in dataset
    assert repr(dataset) == f"Dataset({str(three.path)!r}, 'dap': 3 cases of 2 subjects)"


def test_studies_of_one_subject_are_known_to_be_one_subject(three: Folder) -> None:
    subjects = Dataset(three.path).subjects
    assert {subject: [case.study for case in cases] for subject, cases in subjects.items()} == {
        "0011f3deaf": ["00445", "98765"],
        "01140d52d8": ["00445"],
    }


def test_names_of_other_data_sets_are_accepted(folder: Folder) -> None:
    folder.add("s0001")
    case = Dataset(folder.path)["s0001"]
    assert (case.subject, case.study) == ("s0001", None)


def test_case_gives_what_the_files_hold(three: Folder) -> None:
    case = Dataset(three.path)[ONE]
    ct, label_map = case.ct(), case.label_map()
    stored_ct = np.asarray(nib.load(three.image(ONE)).dataobj)
    stored_mask = np.asarray(nib.load(three.mask(ONE)).dataobj)
    np.testing.assert_array_equal(ct.array, stored_ct)
    np.testing.assert_array_equal(label_map.array, stored_mask)
    np.testing.assert_allclose(ct.grid.affine, AFFINE, atol=1e-5)
    np.testing.assert_array_equal(case.structure("liver"), stored_mask == LIVER)
    np.testing.assert_array_equal(case.structure("spleen"), stored_mask == SPLEEN)
    assert not case.structure("brain").any()


def test_volumes_are_voxel_counts_times_voxel_size(three: Folder) -> None:
    stored = np.asarray(nib.load(three.mask(ONE)).dataobj)
    voxel_ml = 0.8 * 0.8 * 2.5 / 1000
    expected = {name: (stored == dap()[name].id).sum() * voxel_ml for name in ("muscles", "liver", "spleen")}
    volumes = Dataset(three.path)[ONE].volumes()
    assert list(volumes) == list(expected)  # in the order of the scheme, without background
    assert volumes == pytest.approx(expected, rel=1e-6)


def test_volumes_refuse_ids_without_a_name(folder: Folder) -> None:
    mask = mask_array(1)
    mask[0, 0, 0] = 11
    folder.add(ONE)
    folder.write(folder.mask(ONE), mask)
    with pytest.raises(BadLabelsError, match=r"AutoPET_0011f3deaf_00445.*scheme 'dap': 11;"):
        Dataset(folder.path)[ONE].volumes()


def test_unknown_structure_is_refused_before_the_file_is_read(three: Folder) -> None:
    three.mask(ONE).write_bytes(b"no volume")
    with pytest.raises(BadLabelsError):
        Dataset(three.path)[ONE].structure("livver")


def test_lone_files_are_unpaired_cases(three: Folder) -> None:
    three.mask(ONE).unlink()
    three.image(OTHER).unlink()
    dataset = Dataset(three.path)
    assert [case.id for case in dataset] == [SAME_SUBJECT]
    assert [case.id for case in dataset.unpaired] == [ONE, OTHER]
    assert ONE not in dataset
    assert repr(dataset).endswith("1 cases of 1 subjects, 2 unpaired)")
    with pytest.raises(BadFileError, match=f"expected .*masks/{ONE}.nii.gz"):
        dataset[ONE].label_map()
    with pytest.raises(BadFileError, match=f"expected .*images/{OTHER}.nii.gz"):
        dataset[OTHER].ct()
    assert dataset[ONE].ct().array.shape == SHAPE


def test_hidden_and_foreign_files_and_folders_are_no_cases(three: Folder) -> None:
    (three.path / "images" / f".{ONE}.partial.nii.gz").touch()
    (three.path / "images" / "Thumbs.db").touch()
    (three.path / "images" / "folder.nii.gz").mkdir()
    dataset = Dataset(three.path)
    assert (len(dataset), len(dataset.unpaired)) == (3, 0)


def test_uncompressed_files_are_accepted_and_compressed_ones_preferred(folder: Folder) -> None:
    folder.write(folder.image(ONE, ".nii"), ct_array(1))
    folder.write(folder.mask(ONE, ".nii"), mask_array(1))
    assert Dataset(folder.path)[ONE].ct().array[5, 5, 0] < -900
    folder.write(folder.mask(ONE), mask_array(2))
    assert Dataset(folder.path)[ONE].mask_path == folder.mask(ONE)


def test_missing_case_is_told_with_the_nearest_name(three: Folder) -> None:
    with pytest.raises(DapatlasError, match=f"did you mean {ONE}"):
        Dataset(three.path)["AutoPET_0011f3deaf_00446"]
    with pytest.raises(DapatlasError, match=r"has no case 'zzz'$"):
        Dataset(three.path)["zzz"]
    with pytest.raises(IndexError):
        Dataset(three.path)[3]


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DapatlasError, match="is not a folder"):
        Dataset(tmp_path / "nowhere")
    with pytest.raises(DapatlasError, match="neither images/ nor masks/"):
        Dataset(tmp_path)
    (tmp_path / "images").mkdir()
    assert len(Dataset(tmp_path)) == 0


def test_new_data_set_has_folders_and_labels(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "new")
    assert dataset.labels_path.read_text() == dap().labels_json()
    assert dataset.image_path(ONE) == tmp_path / "new" / "images" / f"{ONE}.nii.gz"
    assert dataset.mask_path(ONE) == tmp_path / "new" / "masks" / f"{ONE}.nii.gz"
    assert len(dataset) == 0
    Dataset.create(tmp_path / "new")  # once more does no harm


def test_a_case_travels_to_another_process(three: Folder) -> None:
    case = Dataset(three.path)[ONE]
    twin = pickle.loads(pickle.dumps(case))
    assert isinstance(twin, Case)
    assert (twin.id, twin.image_path, twin.mask_path) == (case.id, case.image_path, case.mask_path)
    assert twin.scheme.labels_json() == case.scheme.labels_json()
