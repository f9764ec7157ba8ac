"""Ready label maps and masks: on any grid, in any layout, with faults."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dapatlas.dataset import Case
from dapatlas.errors import BadFileError, BadLabelsError, GridMismatchError
from dapatlas.experts import BinaryMasks, LabelMaps
from dapatlas.labels import dap, load_scheme

SHAPE = (12, 10, 8)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
LIVER, SPLEEN = 5, 1  # in TotalSegmentator


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


@pytest.fixture
def case(tmp_path: Path) -> Case:
    ct = save(tmp_path / "images" / "AutoPET_0123456789_00042.nii.gz", np.zeros(SHAPE, np.int16))
    return Case("AutoPET_0123456789_00042", ct, None, dap())


@pytest.fixture
def organs() -> np.ndarray:
    label_map = np.zeros(SHAPE, np.uint8)
    label_map[2:6, 2:7, 1:5] = LIVER
    label_map[8:10, 3:5, 2:7] = SPLEEN
    return label_map


def maps(tmp_path: Path, scheme: str = "totalsegmentator") -> LabelMaps:
    return LabelMaps(name="ts", scheme=scheme, files=str(tmp_path / "maps" / "{case}.nii.gz"))


def masks(tmp_path: Path) -> BinaryMasks:
    return BinaryMasks(name="ts", scheme="totalsegmentator", files=str(tmp_path / "masks" / "{case}"))


def test_a_map_on_the_cts_grid_is_taken_as_it_is(tmp_path: Path, case: Case, organs: np.ndarray):
    save(tmp_path / "maps" / f"{case.id}.nii.gz", organs)
    proposal = maps(tmp_path).propose(case)
    assert (proposal.label_map == organs).all()
    assert proposal.scheme == load_scheme("totalsegmentator")
    assert proposal.findings == ()


def test_a_map_in_another_orientation_comes_back_voxel_for_voxel(
    tmp_path: Path, case: Case, organs: np.ndarray
):
    image = nib.Nifti1Image(organs, AFFINE)
    target = nib.orientations.axcodes2ornt("PIL")
    turned = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(AFFINE), target))
    save(tmp_path / "maps" / f"{case.id}.nii.gz", np.asanyarray(turned.dataobj), turned.affine)
    proposal = maps(tmp_path).propose(case)
    assert (proposal.label_map == organs).all()
    assert [finding.code for finding in proposal.findings] == ["resampled"]
    assert "orientation PIL against RAS" in proposal.findings[0].message


def test_subject_and_study_can_stand_in_the_path(tmp_path: Path, case: Case, organs: np.ndarray):
    expected = save(tmp_path / "0123456789" / "00042" / "seg.nii.gz", organs)
    expert = LabelMaps(
        name="x", scheme="totalsegmentator", files=str(tmp_path / "{subject}" / "{study}" / "seg.nii.gz")
    )
    assert expert.inputs(case) == (expected,)


def test_a_missing_map_says_what_was_expected_and_what_to_do(tmp_path: Path, case: Case):
    expert = maps(tmp_path)
    assert expert.inputs(case) == ()
    with pytest.raises(
        BadFileError, match=rf"{case.id}: expert 'ts' has no label map.*maps/{case.id}.nii.gz.*required"
    ):
        expert.propose(case)


def test_ids_that_the_scheme_lacks_are_refused_with_their_counts(
    tmp_path: Path, case: Case, organs: np.ndarray
):
    organs[0, 0, :3] = 200
    save(tmp_path / "maps" / f"{case.id}.nii.gz", organs)
    with pytest.raises(BadLabelsError, match=r"200 \(3 voxels\).*0…117"):
        maps(tmp_path).propose(case)


def test_a_map_beside_the_ct_is_refused(tmp_path: Path, case: Case, organs: np.ndarray):
    far = AFFINE.copy()
    far[:3, 3] = 5000
    save(tmp_path / "maps" / f"{case.id}.nii.gz", organs, far)
    with pytest.raises(GridMismatchError, match="wholly outside the CT"):
        maps(tmp_path).propose(case)


def test_an_empty_map_is_no_error(tmp_path: Path, case: Case):
    save(tmp_path / "maps" / f"{case.id}.nii.gz", np.zeros(SHAPE, np.uint8))
    assert not maps(tmp_path).propose(case).label_map.any()


def test_masks_become_one_map(tmp_path: Path, case: Case, organs: np.ndarray):
    folder = tmp_path / "masks" / case.id
    save(folder / "liver.nii.gz", (organs == LIVER).astype(np.uint8))
    save(folder / "spleen.nii.gz", (organs == SPLEEN).astype(np.float32))
    save(folder / "stomach.nii.gz", np.zeros(SHAPE, np.uint8))
    with pytest.warns(UserWarning, match="stored as float32"):
        proposal = masks(tmp_path).propose(case)
    assert (proposal.label_map == organs).all()


def test_of_two_masks_that_overlap_the_smaller_keeps_the_voxels(
    tmp_path: Path, case: Case, organs: np.ndarray
):
    folder = tmp_path / "masks" / case.id
    save(folder / "spleen.nii.gz", (organs > 0).astype(np.uint8))  # larger, though its id is smaller
    save(folder / "liver.nii.gz", (organs == LIVER).astype(np.uint8))
    proposal = masks(tmp_path).propose(case)
    assert (proposal.label_map == organs).all()
    (finding,) = proposal.findings
    assert (finding.code, finding.structure, finding.voxels) == (
        "masks-overlap",
        "liver",
        int((organs == LIVER).sum()),
    )


def test_files_named_after_nothing_are_left_out_and_told(tmp_path: Path, case: Case, organs: np.ndarray):
    folder = tmp_path / "masks" / case.id
    save(folder / "liver.nii.gz", (organs == LIVER).astype(np.uint8))
    save(folder / "tumour.nii.gz", (organs == SPLEEN).astype(np.uint8))
    proposal = masks(tmp_path).propose(case)
    assert [finding.code for finding in proposal.findings] == ["unknown-structure"]
    assert set(np.unique(proposal.label_map)) == {0, LIVER}


def test_a_folder_of_strangers_is_refused(tmp_path: Path, case: Case, organs: np.ndarray):
    save(tmp_path / "masks" / case.id / "tumour.nii.gz", organs)
    with pytest.raises(BadLabelsError, match="none of the 1 files"):
        masks(tmp_path).propose(case)


def test_masks_on_different_grids_are_refused(tmp_path: Path, case: Case, organs: np.ndarray):
    folder = tmp_path / "masks" / case.id
    save(folder / "liver.nii.gz", (organs == LIVER).astype(np.uint8))
    save(folder / "spleen.nii.gz", (organs == SPLEEN).astype(np.uint8), np.diag([2.0, 2.0, 2.0, 1.0]))
    with pytest.raises(GridMismatchError, match=r"spleen.*another grid than liver.nii.gz.*spacing"):
        masks(tmp_path).propose(case)


def test_the_cases_id_may_stand_before_the_structure_as_in_han_seg(tmp_path: Path, case: Case):
    """HaN-Seg names its masks case_01_OAR_Parotid_L.seg.nrrd, beside the CT case_01_IMG_CT.nrrd."""
    spinal_cord = np.zeros(SHAPE, np.uint8)
    spinal_cord[4:6, 4:6] = 1
    folder = tmp_path / "masks" / case.id
    save(folder / f"{case.id}_OAR_SpinalCord.nii.gz", spinal_cord)
    save(folder / f"{case.id}_IMG_CT.nii.gz", spinal_cord * 100)
    expert = BinaryMasks(name="hn", scheme="han_seg", files=str(tmp_path / "masks" / "{case}"))
    said = expert.propose(case)
    (present,) = set(np.unique(said.label_map).tolist()) - {0}
    assert said.scheme[present].name == "SpinalCord"
    (finding,) = said.findings
    assert (finding.code, "IMG_CT" in finding.message) == ("unknown-structure", True)
