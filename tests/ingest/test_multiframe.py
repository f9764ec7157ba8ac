"""Enhanced multi-frame CT: the same volume as its single slices, in whatever order frames come."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_tree import CtSpec, StudySpec, make_tree
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, RLELossless

from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.convert import write_ct
from dapatlas.ingest.fault import IngestError
from dapatlas.volumes import read_volume

FRAMES = 7


@pytest.fixture
def enhanced(tmp_path) -> Path:
    """An Enhanced CT of seven frames."""
    (file,) = made(tmp_path, enhanced=True).files
    return file


def made(folder, *, enhanced):
    name = "enhanced" if enhanced else "single"
    return (
        make_tree(folder / name, [StudySpec(cts=(CtSpec(slices=FRAMES, enhanced=enhanced),))]).studies[0].ct
    )


def written(files, tmp_path):
    write_ct(files, tmp_path / "ct.nii.gz")
    return read_volume(tmp_path / "ct.nii.gz")


def change(path: Path, edit) -> Path:
    """Apply ``edit`` to a file."""
    image = pydicom.dcmread(path)
    edit(image)
    image.save_as(path)
    return path


def reorder(image: Dataset, order) -> None:
    """Put the frames of an image into another order, groups and pixels alike."""
    pixels = np.frombuffer(image.PixelData, "<u2").reshape(len(order), image.Rows, image.Columns)
    image.PixelData = pixels[order].tobytes()
    groups = list(image.PerFrameFunctionalGroupsSequence)
    image.PerFrameFunctionalGroupsSequence = [groups[place] for place in order]


def say_of_frames(image: Dataset, keyword: str, values) -> None:
    for groups, value in zip(image.PerFrameFunctionalGroupsSequence, values, strict=True):
        item = Dataset()
        setattr(item, keyword, value)
        groups.FrameContentSequence = [item]


@pytest.mark.parametrize(
    "order", [range(FRAMES), range(FRAMES)[::-1], [3, 0, 6, 1, 5, 2, 4]], ids=["down", "up", "mixed"]
)
def test_frames_in_any_order_give_the_volume_of_the_single_slices(tmp_path, enhanced, order):
    change(enhanced, lambda image: reorder(image, list(order)))
    volume, single = written([enhanced], tmp_path), written(made(tmp_path, enhanced=False).files, tmp_path)
    np.testing.assert_array_equal(volume.array, single.array)
    assert volume.grid == single.grid
    assert volume.array.dtype == np.int16


def test_simple_itk_reads_the_same_numbers(tmp_path, enhanced):
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.ReadImage(str(enhanced))  # frames as they come: head to feet
    np.testing.assert_array_equal(
        written([enhanced], tmp_path).array[:, ::-1, ::-1], sitk.GetArrayFromImage(image).T
    )


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless], ids=["rle", "jpeg2000"])
def test_compressed_frames_decode_to_the_same_voxels(tmp_path, enhanced, syntax):
    plain = written([enhanced], tmp_path).array
    change(enhanced, lambda image: image.compress(syntax, generate_instance_uid=False))
    np.testing.assert_array_equal(written([enhanced], tmp_path).array, plain)


def test_what_a_frame_says_itself_comes_before_what_all_share(tmp_path, enhanced):
    plain = written([enhanced], tmp_path).array

    def rescale_third(image):
        own = Dataset()
        own.RescaleSlope, own.RescaleIntercept, own.RescaleType = 2, -2048, "HU"
        image.PerFrameFunctionalGroupsSequence[2].PixelValueTransformationSequence = [own]

    change(enhanced, rescale_third)
    expected = plain.copy()
    expected[:, :, FRAMES - 1 - 2] = plain[:, :, FRAMES - 1 - 2] * 2  # frames run head to feet
    np.testing.assert_array_equal(written([enhanced], tmp_path).array, expected)


def test_a_series_cut_into_several_files_is_one_volume(tmp_path, enhanced):
    whole = written([enhanced], tmp_path)
    parts = []
    for number, places in enumerate([range(4), range(4, FRAMES)]):
        image = pydicom.dcmread(enhanced)
        pixels = np.frombuffer(image.PixelData, "<u2").reshape(FRAMES, image.Rows, image.Columns)
        groups = list(image.PerFrameFunctionalGroupsSequence)
        image.PixelData, image.NumberOfFrames = pixels[places].tobytes(), len(places)
        image.PerFrameFunctionalGroupsSequence = [groups[place] for place in places]
        image.SOPInstanceUID += f".{number}"
        parts.append(tmp_path / f"part{number}.dcm")
        image.save_as(parts[-1])
    volume = written(parts[::-1], tmp_path)
    np.testing.assert_array_equal(volume.array, whole.array)
    assert volume.grid == whole.grid


@pytest.mark.parametrize(
    ("keyword", "values", "word"),
    [
        ("TemporalPositionIndex", [1, 1, 1, 2, 2, 2, 2], "2 time points"),
        ("StackID", ["1", "1", "2", "2", "3", "3", "3"], "3 stacks"),
    ],
)
def test_several_volumes_in_one_file_are_refused(tmp_path, enhanced, keyword, values, word):
    change(enhanced, lambda image: say_of_frames(image, keyword, values))
    error = refused(enhanced, tmp_path)
    assert error.code is Code.DUPLICATE_SLICES
    assert word in str(error)


def test_two_frames_at_one_place_are_refused_though_nothing_says_why(tmp_path, enhanced):
    def twice(image):
        groups = image.PerFrameFunctionalGroupsSequence
        groups[4].PlanePositionSequence = groups[3].PlanePositionSequence

    assert refused(change(enhanced, twice), tmp_path).code is Code.DUPLICATE_SLICES


def without_groups(image):
    del image.PerFrameFunctionalGroupsSequence


def without_one_group(image):
    image.PerFrameFunctionalGroupsSequence = list(image.PerFrameFunctionalGroupsSequence)[1:]


def without_position(image):
    del image.PerFrameFunctionalGroupsSequence[5].PlanePositionSequence


def without_rescale(image):
    del image.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (without_groups, "0 items in PerFrameFunctionalGroupsSequence"),
        (without_one_group, "7 frames, and 6 items"),
        (without_position, "frame 6: no ImagePositionPatient"),
        (without_rescale, "no RescaleSlope"),
    ],
)
def test_groups_that_lack_something_are_named(tmp_path, enhanced, edit, word):
    error = refused(change(enhanced, edit), tmp_path)
    assert error.code is Code.MISSING_FIELD
    assert str(enhanced) in str(error)
    assert word in str(error)


def test_fewer_pixels_than_frames_are_an_error(tmp_path, enhanced):
    enhanced.write_bytes(enhanced.read_bytes()[:-3000])
    assert refused(enhanced, tmp_path).code is Code.TRUNCATED_FILE


def refused(file: Path, tmp_path: Path) -> IngestError:
    with pytest.raises(IngestError) as caught:
        write_ct([file], tmp_path / "out.nii.gz")
    assert not (tmp_path / "out.nii.gz").exists()
    return caught.value
