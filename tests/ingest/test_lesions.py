"""Lesion masks from DICOM SEG: voxel for voxel on the PET, however frames lie."""

import shutil

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_tree import PetSpec, StudySpec, make_tree
from pydicom.sr.codedict import codes
from small_series import edit, save_series

from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.lesions import write_lesions
from dapatlas.ingest.dicom.pet import write_suv
from dapatlas.ingest.fault import IngestError
from dapatlas.volumes import read_volume

SHAPE = (5, 7, 9)  # slices, rows, columns: frames whose bits fill no whole bytes


@pytest.fixture
def pet_files(tmp_path):
    stored = np.random.default_rng(3).integers(0, 1000, SHAPE)
    fields = {
        "PatientSex": "F",
        "PatientBirthDate": "",
        "AccessionNumber": "",
        "StudyDate": "",
        "StudyTime": "",
    }
    fields |= {"ReferringPhysicianName": "", "PositionReferenceIndicator": "", "SliceThickness": 3}
    return save_series(tmp_path / "pet", stored, intercept=0, modality="PT", Units="GML", **fields)


@pytest.fixture
def lesions():
    mask = np.random.default_rng(4).random(SHAPE) < 0.2
    mask[[1, 3]] = False
    return mask


def save_seg(path, pet_files, masks, kind="BINARY", omit=False):
    """A segmentation with a segment for each mask, indexed (slice, row, column)."""
    segments = [
        highdicom.seg.SegmentDescription(
            number + 1,
            f"Lesion {number}",
            codes.SCT.MorphologicallyAbnormalStructure,
            codes.SCT.Lesion,
            "MANUAL",
        )
        for number in range(len(masks))
    ]
    file = highdicom.seg.Segmentation(
        [pydicom.dcmread(path) for path in pet_files],
        np.stack(masks, axis=-1),
        kind,
        segments,
        "1.2.826.0.1.8.1",
        300,
        "1.2.826.0.1.8.2",
        1,
        "maker",
        "model",
        "0",
        "0",
        omit_empty_frames=omit,
        max_fractional_value=100,
    )
    file.save_as(path)
    return path


def written(seg, pet_files, tmp_path):
    """The mask, indexed (slice, row, column) as the PET's slices are; its grid is checked against the SUV's."""
    grid = write_lesions(seg, pet_files, tmp_path / "lesions.nii.gz")
    volume = read_volume(tmp_path / "lesions.nii.gz")
    assert grid == volume.grid == write_suv(pet_files, tmp_path / "suv.nii.gz").grid
    assert volume.array.dtype == np.uint8
    return volume.array[:, ::-1].T  # upright slices from the feet: LAS turns rows round and nothing else


def refused(seg, pet_files, tmp_path) -> IngestError:
    with pytest.raises(IngestError) as caught:
        write_lesions(seg, pet_files, tmp_path / "lesions.nii.gz")
    assert not (tmp_path / "lesions.nii.gz").exists()
    assert str(seg) in str(caught.value)
    return caught.value


@pytest.mark.parametrize("omit", [False, True], ids=["empty frames kept", "lit frames only"])
def test_a_segment_lies_voxel_for_voxel_on_the_pet(tmp_path, pet_files, lesions, omit):
    seg = save_seg(tmp_path / "seg.dcm", pet_files, [lesions], omit=omit)
    np.testing.assert_array_equal(written(seg, pet_files, tmp_path), lesions)


def test_the_lesions_of_a_download_lie_where_its_pet_is_hot(tmp_path):
    study = make_tree(tmp_path / "tree", [StudySpec(pets=(PetSpec(),), seg=True)]).studies[0]
    lesions, suv = tmp_path / "lesions.nii.gz", tmp_path / "suv.nii.gz"
    grid = write_lesions(study.seg.files[0], study.pet.files, lesions)
    factor = write_suv(study.pet.files, suv).factor
    mask = read_volume(lesions)
    assert grid == mask.grid == read_volume(suv).grid
    np.testing.assert_array_equal(mask.array, read_volume(suv).array > 10_000 * factor)
    assert mask.array.sum() == study.seg.voxels.sum() > 0


def test_a_study_without_lesions_has_an_empty_mask(tmp_path, pet_files):
    seg = save_seg(tmp_path / "seg.dcm", pet_files, [np.zeros(SHAPE, bool)])
    assert not written(seg, pet_files, tmp_path).any()


def test_several_segments_are_one_mask_even_where_they_overlap(tmp_path, pet_files, lesions):
    other = np.roll(lesions, 1, axis=2)
    seg = save_seg(tmp_path / "seg.dcm", pet_files, [lesions, other])
    np.testing.assert_array_equal(written(seg, pet_files, tmp_path), lesions | other)


def test_of_fractions_more_than_half_counts(tmp_path, pet_files, lesions):
    fractions = np.where(lesions, 0.51, 0.5)
    seg = save_seg(tmp_path / "seg.dcm", pet_files, [fractions], kind="FRACTIONAL")
    np.testing.assert_array_equal(written(seg, pet_files, tmp_path), lesions)


def test_a_compressed_segmentation_decodes_to_the_same_mask(tmp_path, pet_files, lesions):
    seg = save_seg(tmp_path / "seg.dcm", pet_files, [np.where(lesions, 1.0, 0.0)], kind="FRACTIONAL")
    image = pydicom.dcmread(seg)
    image.compress("1.2.840.10008.1.2.5", encoding_plugin="pydicom", generate_instance_uid=False)
    image.save_as(seg)
    np.testing.assert_array_equal(written(seg, pet_files, tmp_path), lesions)


@pytest.mark.parametrize("turn", ["columns run up", "rows and columns run back", "rows and columns swapped"])
def test_frames_turned_against_the_pet_are_turned_back(tmp_path, pet_files, lesions, turn):
    """As in FDG-PET-CT-Lesions, where columns of segmentations run up and those of the PET down."""
    for path in pet_files:
        edit(path, PixelSpacing=[1.5, 1.5])  # the same both ways, so that axes can be swapped
    seg = save_seg(tmp_path / "seg.dcm", pet_files, [lesions])
    image = pydicom.dcmread(seg)
    slices, rows, columns = SHAPE
    frames = image.pixel_array
    if turn == "columns run up":
        frames, orientation, shift = frames[:, ::-1], [1, 0, 0, 0, -1, 0], (0, rows - 1)
    elif turn == "rows and columns run back":
        frames, orientation, shift = frames[:, ::-1, ::-1], [-1, 0, 0, 0, -1, 0], (columns - 1, rows - 1)
    else:
        frames, orientation, shift = frames.transpose(0, 2, 1), [0, 1, 0, 1, 0, 0], (0, 0)
    image.PixelData = np.packbits(np.ascontiguousarray(frames).ravel(), bitorder="little").tobytes() + b"\0"
    image.Rows, image.Columns = frames.shape[1:]
    image.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = orientation
    for groups in image.PerFrameFunctionalGroupsSequence:
        x, y, z = groups.PlanePositionSequence[0].ImagePositionPatient
        groups.PlanePositionSequence[0].ImagePositionPatient = [x + 1.5 * shift[0], y + 1.5 * shift[1], z]
    image.save_as(seg)
    assert len(frames) == slices
    np.testing.assert_array_equal(written(seg, pet_files, tmp_path), lesions)


def test_a_segmentation_of_another_series_is_refused(tmp_path, pet_files, lesions):
    seg = save_seg(tmp_path / "seg.dcm", pet_files, [lesions])
    for path in pet_files:
        edit(path, SeriesInstanceUID="1.2.3.4")
    error = refused(seg, pet_files, tmp_path)
    assert error.code is Code.LESIONS_OTHER_SERIES
    assert "1.2.3.4" in str(error)


def test_a_segmentation_of_another_scan_is_refused_where_it_names_no_series(tmp_path, pet_files, lesions):
    seg = save_seg(tmp_path / "seg.dcm", pet_files, [lesions])
    edit(seg, ReferencedSeriesSequence=None, FrameOfReferenceUID="1.2.3.5")
    error = refused(seg, pet_files, tmp_path)
    assert error.code is Code.LESIONS_OTHER_SERIES
    assert "1.2.3.5" in str(error)


@pytest.mark.parametrize(
    "moved",
    [
        {"ImagePositionPatient": [-20.0, -30.0, 101.5]},  # half a slice up
        {"ImagePositionPatient": [-20.4, -30.0, 100.0]},  # half a pixel to the right
        {"ImagePositionPatient": [-20.0, -30.0, 94.0]},  # two slices down, off the stack
        {"PixelSpacing": [3.0, 0.75]},
    ],
)
def test_frames_between_voxels_or_outside_are_refused(tmp_path, pet_files, lesions, moved):
    seg = save_seg(tmp_path / "seg.dcm", pet_files, [lesions])
    image = pydicom.dcmread(seg)
    if "PixelSpacing" in moved:
        image.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = moved["PixelSpacing"]
    else:
        image.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient = [
            *moved["ImagePositionPatient"]
        ]
    image.save_as(seg)
    assert refused(seg, pet_files, tmp_path).code is Code.LESIONS_OFF_GRID


def test_what_is_no_segmentation_is_refused(tmp_path, pet_files):
    slice_ = tmp_path / "slice.dcm"
    shutil.copy(pet_files[0], slice_)
    error = refused(slice_, pet_files, tmp_path)
    assert error.code is Code.MIXED_SERIES
    assert "expected SEG" in str(error)


def test_a_truncated_segmentation_is_refused(tmp_path, pet_files, lesions):
    seg = save_seg(tmp_path / "seg.dcm", pet_files, [lesions])
    seg.write_bytes(seg.read_bytes()[:-10])
    assert refused(seg, pet_files, tmp_path).code in (Code.TRUNCATED_FILE, Code.CORRUPT_FILE)
