"""A CT of one's own: what stands in the data set is what the file said, or an error says why not."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from small_cts import AFFINE, SHAPE, hu, write, write_ct

from dapatlas.dataset.codes import Code as DatasetCode
from dapatlas.files import Way
from dapatlas.ingest.codes import Code
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.nifti.any_ct import Placed, is_volume, place_ct
from dapatlas.ingest.space import NoSpaceError
from dapatlas.volumes import read_volume

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
TURNED = AFFINE @ np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1.0]])  # PLI


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "set" / "images" / "trauma-007.nii.gz"


def codes(placed: Placed) -> list[str]:
    return [finding.code for finding in placed.findings]


def refusal(source: Path, target: Path) -> IngestError:
    """The error that a source meets; nothing may be left of it."""
    with pytest.raises(IngestError) as caught:
        place_ct(source, target)
    assert str(source) in str(caught.value)
    assert not list(target.parent.glob("*"))
    return caught.value


def stands(target: Path, array: np.ndarray, affine: np.ndarray, dtype: type) -> None:
    """What nibabel, who wrote nothing of it, reads from the target."""
    image = nib.load(target)
    assert image.get_data_dtype() == dtype
    np.testing.assert_array_equal(np.asarray(image.dataobj), array)
    np.testing.assert_allclose(image.affine, affine, atol=1e-5)


# ---- forms


@pytest.mark.parametrize("link", ["hard", "symbolic", "copy"])
def test_a_file_of_good_form_is_taken_byte_for_byte(tmp_path: Path, target: Path, link: Way) -> None:
    source = write_ct(tmp_path / "mine.nii.gz")
    for _ in range(2):  # a second time changes nothing
        placed = place_ct(source, target, link=link)
    assert target.read_bytes() == source.read_bytes()
    assert target.is_symlink() == (link == "symbolic")
    assert target.samefile(source) == (link != "copy")
    assert placed.as_it_is
    assert placed.findings == ()
    assert placed.grid.shape == SHAPE
    np.testing.assert_array_equal(placed.grid.affine, AFFINE.astype(np.float32))


def test_a_link_to_a_link_leads_to_the_file(tmp_path: Path, target: Path) -> None:
    source = write_ct(tmp_path / "mine.nii.gz")
    (tmp_path / "alias.nii.gz").symlink_to(source.name)
    place_ct(tmp_path / "alias.nii.gz", target, link="symbolic")
    assert target.readlink() == source
    place_ct(source, target, link="symbolic")  # a second time changes nothing
    assert target.readlink() == source


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64, np.int64])
def test_whole_values_that_fit_become_int16(tmp_path: Path, target: Path, dtype: type) -> None:
    source = tmp_path / "mine.nii.gz"
    nib.save(nib.Nifti1Image(hu().astype(dtype), AFFINE, dtype=dtype), source)
    placed = place_ct(source, target, link="symbolic")
    stands(target, hu(), AFFINE, np.int16)
    assert not target.is_symlink()
    assert not placed.as_it_is
    assert codes(placed) == [Code.STORED_ANEW]


def test_big_endian_files_become_little_endian(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "mine.nii.gz"
    header = nib.Nifti1Header(endianness=">")
    nib.save(nib.Nifti1Image(hu(), AFFINE, header), source)
    placed = place_ct(source, target)
    assert "big-endian" in placed.findings[0].message
    stands(target, hu(), AFFINE, np.dtype("<i2"))  # type: ignore[arg-type]


def test_values_beyond_int16_become_int32(tmp_path: Path, target: Path) -> None:
    array = hu().astype(np.float64)
    array[3, 3, 3] = 32768
    place_ct(write(tmp_path / "mine.nii", array), target)
    stands(target, array, AFFINE, np.int32)


def test_fractions_are_kept(tmp_path: Path, target: Path) -> None:
    array = (hu() + 0.25).astype(np.float32)
    assert place_ct(write(tmp_path / "mine.nii.gz", array), target).as_it_is
    stands(target, array, AFFINE, np.float32)
    place_ct(write(tmp_path / "double.nii.gz", array.astype(np.float64)), target)
    stands(target, array, AFFINE, np.float32)


def test_a_scale_factor_is_applied(tmp_path: Path, target: Path) -> None:
    image = nib.Nifti1Image((hu() + 1024).astype(np.uint16), AFFINE)
    image.header.set_slope_inter(1, -1024)
    (tmp_path / "mine.nii.gz").write_bytes(_scaled_bytes(image))
    placed = place_ct(tmp_path / "mine.nii.gz", target)
    assert "scale factor" in placed.findings[0].message
    stands(target, hu(), AFFINE, np.int16)


def _scaled_bytes(image: nib.Nifti1Image) -> bytes:
    """NIfTI with the stored numbers and the slope as they are: nibabel would choose its own."""
    header = image.header.copy()
    header.set_data_dtype(np.uint16)
    header["vox_offset"] = 352
    return header.binaryblock + bytes(4) + np.asarray(image.dataobj).tobytes(order="F")


def test_a_fourth_axis_of_one_is_dropped(tmp_path: Path, target: Path) -> None:
    placed = place_ct(write(tmp_path / "mine.nii.gz", hu()[..., None]), target)
    assert "4 axes" in placed.findings[0].message
    stands(target, hu(), AFFINE, np.int16)


def test_uncompressed_and_nifti2(tmp_path: Path, target: Path) -> None:
    place_ct(write_ct(tmp_path / "mine.nii"), target)
    stands(target, hu(), AFFINE, np.int16)
    nib.save(nib.Nifti2Image(hu(3), TURNED), tmp_path / "two.nii.gz")
    place_ct(tmp_path / "two.nii.gz", target)
    stands(target, hu(3), TURNED, np.int16)


def test_notes_in_the_header_do_not_come_along(tmp_path: Path, target: Path) -> None:
    image = nib.Nifti1Image(hu(), AFFINE)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Muster^Erika"))
    image.header["db_name"] = b"Muster^Erika"
    image.header["descrip"] = b"Klinikum Geheim"
    nib.save(image, tmp_path / "mine.nii.gz")
    placed = place_ct(tmp_path / "mine.nii.gz", target, link="symbolic")
    assert "may name the patient" in placed.findings[0].message
    raw = nib.load(target).header
    assert not raw.extensions
    assert b"Muster" not in raw.binaryblock
    assert b"Geheim" not in raw.binaryblock
    stands(target, hu(), AFFINE, np.int16)


def test_qform_and_sform_stay_as_they_were(tmp_path: Path, target: Path) -> None:
    image = nib.Nifti1Image(hu().astype(np.int32), None)
    image.header.set_qform(TURNED, code=1)
    image.header.set_sform(None, code=0)
    nib.save(image, tmp_path / "mine.nii.gz")
    place_ct(tmp_path / "mine.nii.gz", target)
    header = nib.load(target).header
    assert (int(header["qform_code"]), int(header["sform_code"])) == (1, 0)
    np.testing.assert_allclose(header.get_qform(), TURNED, atol=1e-4)


# ---- ITK's formats


@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd"])
@pytest.mark.parametrize("affine", [AFFINE, TURNED])
def test_itk_files_lie_where_simpleitk_says(
    tmp_path: Path, target: Path, suffix: str, affine: np.ndarray
) -> None:
    sitk = pytest.importorskip("SimpleITK")
    source = tmp_path / f"mine{suffix}"
    sitk.WriteImage(sitk_image(hu(), affine), str(source))
    placed = place_ct(source, target)
    stands(target, hu(), affine, np.int16)
    assert codes(placed) == [Code.STORED_ANEW]
    back = sitk.ReadImage(str(target))
    for index in ((0, 0, 0), (11, 0, 0), (0, 9, 7)):
        here, there = (
            image.TransformIndexToPhysicalPoint(index) for image in (sitk.ReadImage(str(source)), back)
        )
        np.testing.assert_allclose(here, there, atol=1e-3)


def sitk_image(array: np.ndarray, affine: np.ndarray) -> Any:
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    lps = RAS_TO_LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    return image


def test_a_nrrd_in_another_space_as_pynrrd_writes_it(tmp_path: Path, target: Path) -> None:
    pytest.importorskip("SimpleITK")
    nrrd = pytest.importorskip("nrrd")
    place = {
        "space": "right-anterior-superior",
        "space directions": AFFINE[:3, :3].T,
        "space origin": AFFINE[:3, 3],
    }
    nrrd.write(str(tmp_path / "mine.nrrd"), hu(), place)
    assert codes(place_ct(tmp_path / "mine.nrrd", target)) == [Code.STORED_ANEW]
    stands(target, hu(), AFFINE, np.int16)


def test_itk_files_without_a_place_are_told(tmp_path: Path, target: Path) -> None:
    pytest.importorskip("SimpleITK")
    nrrd = pytest.importorskip("nrrd")
    nrrd.write(str(tmp_path / "mine.nrrd"), hu(), {"spacings": [0.8, 0.8, 2.5]})
    assert codes(place_ct(tmp_path / "mine.nrrd", target)) == [
        DatasetCode.ORIENTATION_UNKNOWN,
        Code.STORED_ANEW,
    ]
    sizes = (
        "DimSize = 12 10 8\nElementSpacing = 0.8 0.8 2.5\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    raw = f"ObjectType = Image\nNDims = 3\n{sizes}".encode() + hu().tobytes(order="F")
    (tmp_path / "mine.mha").write_bytes(raw)
    assert codes(place_ct(tmp_path / "mine.mha", target)) == [
        DatasetCode.ORIENTATION_UNKNOWN,
        Code.STORED_ANEW,
    ]
    np.testing.assert_array_equal(read_volume(target).array, hu())


@pytest.mark.parametrize(
    ("suffix", "packed"), [(".mha", False), (".mha", True), (".nrrd", False), (".nrrd", True)]
)
def test_truncated_itk_files_are_refused(tmp_path: Path, target: Path, suffix: str, packed: bool) -> None:
    sitk = pytest.importorskip("SimpleITK")
    source = tmp_path / f"mine{suffix}"
    sitk.WriteImage(sitk_image(hu(), AFFINE), str(source), useCompression=packed)
    source.write_bytes(source.read_bytes()[:-300])
    assert refusal(source, target).code in (Code.CORRUPT_FILE, Code.TRUNCATED_FILE)


def test_itk_files_of_several_numbers_or_axes_are_refused(tmp_path: Path, target: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    image = sitk_image(hu(), AFFINE)
    sitk.WriteImage(sitk.Compose(image, image), str(tmp_path / "two.mha"))
    sitk.WriteImage(sitk.JoinSeries([image, image]), str(tmp_path / "four.mha"))
    sitk.WriteImage(image[:, :, 3], str(tmp_path / "flat.mha"))
    for name in ("two", "four", "flat"):
        assert refusal(tmp_path / f"{name}.mha", target).code == Code.NOT_3D


# ---- what is no CT


def test_label_maps_are_refused(tmp_path: Path, target: Path) -> None:
    ids = np.zeros(SHAPE, np.uint8)
    ids[2:6] = 144
    for dtype in (np.uint8, np.int16, np.float32):
        error = refusal(write(tmp_path / "mine.nii.gz", ids.astype(dtype)), target)
        assert error.code == Code.NOT_A_CT
        assert "this is a label map" in str(error)
        assert "2 values, all whole, from 0 to 144" in str(error)


def test_a_lost_intercept_is_told_as_such(tmp_path: Path, target: Path) -> None:
    wide = np.arange(1000, dtype=np.uint16).reshape(10, 10, 10) * 3
    error = refusal(write(tmp_path / "mine.nii.gz", wide), target)
    assert error.code == Code.NOT_A_CT
    assert "rescale intercept was lost" in str(error)


def test_nan_and_normalised_values_are_refused(tmp_path: Path, target: Path) -> None:
    array = hu().astype(np.float32)
    array[0, 0, 0] = np.nan
    assert "1 voxels that are NaN" in str(refusal(write(tmp_path / "mine.nii.gz", array), target))
    unit = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    assert refusal(write(tmp_path / "unit.nii.gz", unit), target).code == Code.NOT_A_CT


def test_an_odd_ct_is_taken_and_told(tmp_path: Path, target: Path) -> None:
    source = write(tmp_path / "mine.nii.gz", np.clip(hu(), -160, 240).astype(np.int16))
    assert codes(place_ct(source, target)) == [DatasetCode.HU_UNUSUAL]


def test_a_header_that_says_nothing_of_place_is_told(tmp_path: Path, target: Path) -> None:
    image = nib.Nifti1Image(hu().astype(np.int32), None)
    image.header.set_zooms((0.8, 0.8, 2.5))
    nib.save(image, tmp_path / "mine.nii.gz")
    assert codes(place_ct(tmp_path / "mine.nii.gz", target)) == [
        DatasetCode.ORIENTATION_UNKNOWN,
        Code.STORED_ANEW,
    ]
    header = nib.load(target).header  # and the new file claims no more than the old one
    assert (int(header["qform_code"]), int(header["sform_code"])) == (0, 0)
    np.testing.assert_allclose(header.get_zooms(), (0.8, 0.8, 2.5), rtol=1e-6)


def test_voxels_in_metres_are_refused(tmp_path: Path, target: Path) -> None:
    source = write(tmp_path / "mine.nii.gz", hu(), np.diag([8e-4, 8e-4, 2.5e-3, 1]))
    assert refusal(source, target).code == Code.BAD_GEOMETRY


# ---- bad files


def test_several_volumes_are_refused(tmp_path: Path, target: Path) -> None:
    source = write(tmp_path / "mine.nii.gz", np.stack([hu(), hu(1)], axis=-1))
    assert refusal(source, target).code == Code.NOT_3D


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_truncated_files_are_refused(tmp_path: Path, target: Path, suffix: str, kept: float) -> None:
    source = write_ct(tmp_path / f"mine{suffix}")
    raw = source.read_bytes()
    source.write_bytes(raw[: int(len(raw) * kept)])
    assert refusal(source, target).code == Code.TRUNCATED_FILE


def test_corrupt_and_empty_and_foreign_files_are_refused(tmp_path: Path, target: Path) -> None:
    source = write_ct(tmp_path / "mine.nii.gz")
    raw = bytearray(source.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    source.write_bytes(raw)
    assert refusal(source, target).code == Code.CORRUPT_FILE
    source.write_bytes(b"")
    assert refusal(source, target).code == Code.TRUNCATED_FILE
    source.write_bytes(b"%PDF-1.7 " * 100)
    assert refusal(source, target).code == Code.UNKNOWN_FORMAT
    (tmp_path / "mine.pdf").write_bytes(b"%PDF-1.7 ")
    assert refusal(tmp_path / "mine.pdf", target).code == Code.UNKNOWN_FORMAT
    assert refusal(tmp_path / "nothing.nii", target).code == Code.NO_FILES


def test_colours_are_refused(tmp_path: Path, target: Path) -> None:
    colours = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert refusal(write(tmp_path / "mine.nii.gz", colours), target).code == Code.UNKNOWN_FORMAT


def test_source_and_target_must_differ(target: Path) -> None:
    write_ct(target)
    before = target.read_bytes()
    with pytest.raises(IngestError, match="one file"):
        place_ct(target, target, link="symbolic")
    assert target.read_bytes() == before


@pytest.mark.parametrize("dtype", [np.int16, np.int32])  # copied, and written anew
def test_a_full_disk_leaves_nothing_and_what_stood_stays(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch, dtype: type
) -> None:
    first = write_ct(target.with_name("first.nii.gz"))
    source = write(tmp_path / "mine.nii.gz", hu(2).astype(dtype))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("dapatlas.files.os.fsync", full)
    with pytest.raises(NoSpaceError, match="make room"):
        place_ct(source, target)
    assert list(target.parent.iterdir()) == [first]


def test_names_of_volumes(tmp_path: Path) -> None:
    for name in ("a.nii", "a.nii.gz", "a.mha", "a.mhd", "a.nrrd"):
        assert is_volume(tmp_path / name)
    (tmp_path / "folder.nii").mkdir()
    for name in ("a.zip", "a.dcm", "a", "folder.nii", "nii"):
        assert not is_volume(tmp_path / name)


# ---- the real CT


def test_the_real_ct_is_the_same_in_every_form(real_data: Path, tmp_path: Path, target: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    oracle = nib.load(real_data / "ct.nii.gz")
    place_ct(real_data / "ct.nii.gz", target)
    stands(target, np.asarray(oracle.dataobj), oracle.affine, np.int16)
    for suffix in (".nrrd", ".mha"):
        sitk.WriteImage(sitk.ReadImage(str(real_data / "ct.nii.gz")), str(tmp_path / f"ct{suffix}"))
        place_ct(tmp_path / f"ct{suffix}", target)
        stands(target, np.asarray(oracle.dataobj), oracle.affine, np.int16)


def test_the_real_label_map_is_no_ct(real_data: Path, target: Path) -> None:
    assert "this is a label map" in str(refusal(real_data / "total.nii.gz", target))
