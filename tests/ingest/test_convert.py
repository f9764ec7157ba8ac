"""CT series as NIfTI: the voxels and grid of SimpleITK and dicom2nifti, and errors on what makes no volume."""

import logging
import pickle
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from dicom_tree import CtSpec, StudySpec, make_tree
from pydicom.uid import ExplicitVRBigEndian, RLELossless
from small_series import edit, save_series

from dapatlas.errors import BadFileError
from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.convert import write_ct
from dapatlas.ingest.fault import IngestError
from dapatlas.volumes import Grid, read_grid, read_volume, write_label_map

SHAPE = (6, 10, 8)  # slices, rows, columns


@pytest.fixture
def stored() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 4096, SHAPE)


def canonical(array, affine):
    image = nib.as_closest_canonical(nib.Nifti1Image(array, affine))
    return np.asarray(image.dataobj), image.affine


def simple_itk(files):
    """Voxels and affine as SimpleITK reads them, brought to RAS."""
    by_place = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(Path(files[0]).parent))
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(by_place)
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return canonical(SimpleITK.GetArrayFromImage(image).T, np.diag([-1, -1, 1, 1]) @ affine)


def dicom2nifti(files, target):
    """Voxels and grid as dicom2nifti writes them."""
    import pydicom

    convert = pytest.importorskip("dicom2nifti.convert_dicom")
    logging.getLogger("dicom2nifti").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        convert.dicom_array_to_nifti([pydicom.dcmread(path) for path in files], str(target), True)
    return np.asarray(nib.load(target).dataobj), read_grid(target)


def written(files, tmp_path):
    grid = write_ct(files, tmp_path / "ct.nii.gz")
    volume = read_volume(tmp_path / "ct.nii.gz")
    assert volume.grid == grid
    return volume


def refused(files, tmp_path) -> IngestError:
    with pytest.raises(IngestError) as caught:
        write_ct(files, tmp_path / "out" / "ct.nii.gz")
    assert not list((tmp_path / "out").glob("*")), "something was left behind"
    return caught.value


# ------------------------------------------------------------------------------------------ as references read it


def test_a_real_series_comes_in_as_simple_itk_reads_it(real_data, tmp_path):
    files = sorted((real_data / "dicom").iterdir())
    volume = written(files[::-1], tmp_path)
    voxels, affine = canonical(volume.array, volume.grid.affine)
    expected, expected_affine = simple_itk(files)
    np.testing.assert_array_equal(voxels, expected)
    np.testing.assert_allclose(affine, expected_affine, atol=1e-4)
    assert volume.array.dtype == np.int16
    assert volume.grid.spacing == pytest.approx((0.9765625, 0.9765625, 2))


def test_a_real_series_lies_on_the_grid_that_dicom2nifti_gives(real_data, tmp_path):
    files = sorted((real_data / "dicom").iterdir())[:6]
    expected, grid = dicom2nifti(files, tmp_path / "reference.nii.gz")
    volume = written(files, tmp_path)
    assert volume.grid == grid
    np.testing.assert_array_equal(volume.array, expected)


TURNED = np.cos(0.3), np.sin(0.3)
ORIENTATIONS = {
    "upright": (1, 0, 0, 0, 1, 0),
    "feet first": (-1, 0, 0, 0, 1, 0),
    "prone": (-1, 0, 0, 0, -1, 0),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "coronal": (1, 0, 0, 0, 0, -1),
    "oblique": (1, 0, 0, 0, TURNED[0], TURNED[1]),
    "doubly oblique": (TURNED[0], TURNED[1], 0, -TURNED[1] * TURNED[0], TURNED[0] ** 2, TURNED[1]),
}


@pytest.mark.parametrize("order", [1, -1], ids=["ascending", "descending"])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_any_direction_of_slices_gives_the_voxels_and_grids_of_both_references(tmp_path, stored, name, order):
    directions = ORIENTATIONS[name]
    step = order * 3 * np.cross(directions[:3], directions[3:])
    files = save_series(tmp_path / "series", stored, orientation=directions, step=step)
    volume = written(files, tmp_path)

    expected, grid = dicom2nifti(files, tmp_path / "reference.nii.gz")
    np.testing.assert_array_equal(volume.array, expected)
    assert volume.grid.is_close(grid, 1e-4)
    assert volume.grid.orientation == "LAS"

    voxels, affine = canonical(volume.array, volume.grid.affine)
    expected, expected_affine = simple_itk(files)
    np.testing.assert_array_equal(voxels, expected)
    np.testing.assert_allclose(affine, expected_affine, atol=1e-4)


def test_a_mask_written_on_the_grid_compares_equal(tmp_path, stored):
    volume = written(save_series(tmp_path / "series", stored), tmp_path)
    write_label_map(tmp_path / "mask.nii.gz", np.ones(volume.grid.shape, np.uint8), volume.grid)
    assert read_grid(tmp_path / "mask.nii.gz") == volume.grid


# ------------------------------------------------------------------------------------------ how values are stored


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "deflated", "rle", "jpeg2000", "jpegls"])
def test_every_transfer_syntax_decodes_to_the_same_voxels(tmp_path, syntax):
    made = make_tree(tmp_path, [StudySpec(cts=(CtSpec(slices=5, syntax=syntax),))]).studies[0].ct
    volume = written(made.files, tmp_path)
    voxels, affine = canonical(volume.array, volume.grid.affine)
    expected, expected_affine = canonical(made.voxels, made.affine)
    np.testing.assert_array_equal(voxels, expected)
    np.testing.assert_allclose(affine, expected_affine, atol=1e-4)


def test_lossless_jpeg_decodes_to_the_same_voxels(tmp_path, stored):
    gdcm = pytest.importorskip("gdcm")
    files = save_series(tmp_path / "plain", stored)
    packed = [tmp_path / f"{path.stem}-jpeg.dcm" for path in files]
    for path, target in zip(files, packed, strict=True):
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(str(target))
        assert writer.Write()
    np.testing.assert_array_equal(written(packed, tmp_path).array, written(files, tmp_path).array)


def test_big_endian_files_decode_to_the_same_voxels(tmp_path, stored):
    plain = save_series(tmp_path / "plain", stored)
    big = save_series(tmp_path / "big", stored, syntax=ExplicitVRBigEndian)
    np.testing.assert_array_equal(written(big, tmp_path).array, written(plain, tmp_path).array)


@pytest.mark.parametrize(
    ("bits", "signed", "garbage"),
    [(16, True, 0), (12, False, 0), (12, False, 0xA000), (12, True, 0), (12, True, 0x5000)],
    ids=[
        "signed",
        "12 bits",
        "12 bits with an overlay",
        "12 bits without sign",
        "12 bits with an overlay for sign",
    ],
)
def test_bits_that_are_not_the_pixels_are_left_out_as_simple_itk_does(
    tmp_path, stored, bits, signed, garbage
):
    values = stored - 2048 if signed else stored
    words = (values.astype(np.int64) & ((1 << bits) - 1)) | garbage
    files = save_series(
        tmp_path / "series",
        words.astype(np.uint16).view(np.int16) if signed else words,
        bits=bits,
        signed=signed,
    )
    volume = written(files, tmp_path)
    voxels, _ = canonical(volume.array, volume.grid.affine)
    np.testing.assert_array_equal(voxels, simple_itk(files)[0])
    assert volume.array.min() == values.min() - 1024


def test_slices_are_rescaled_with_their_own_slope(tmp_path, stored):
    slopes = [1, 2, 3, 1, 2, 3]
    volume = written(save_series(tmp_path / "series", stored, slopes=slopes), tmp_path)
    expected = stored * np.reshape(slopes, (-1, 1, 1)) - 1024
    np.testing.assert_array_equal(volume.array, expected.T[:, ::-1])
    assert volume.array.dtype == np.int16


def test_slopes_that_are_no_whole_numbers_give_floats(tmp_path, stored):
    files = save_series(tmp_path / "series", stored, slopes=0.5)
    volume = written(files, tmp_path)
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(canonical(volume.array, volume.grid.affine)[0], simple_itk(files)[0])


def test_values_beyond_16_bits_are_kept(tmp_path, stored):
    stored[3, 2, 1] = 65535
    volume = written(save_series(tmp_path / "series", stored), tmp_path)
    np.testing.assert_array_equal(volume.array, (stored - 1024).T[:, ::-1])


def test_padding_keeps_its_value_as_both_references_have_it(tmp_path, stored):
    stored = (stored - 2048).astype(np.int16)
    stored[:, 0] = -2000
    files = save_series(tmp_path / "series", stored, signed=True, PixelPaddingValue=-2000)
    volume = written(files, tmp_path)
    assert (volume.array[:, -1] == -3024).all()
    np.testing.assert_array_equal(canonical(volume.array, volume.grid.affine)[0], simple_itk(files)[0])


def test_instance_numbers_in_disorder_make_no_time_course(tmp_path, stored):
    files = save_series(tmp_path / "series", stored)
    for path, number in zip(files, [4, 1, 6, 2, 5, 3], strict=True):
        edit(path, InstanceNumber=number)
    np.testing.assert_array_equal(written(files, tmp_path).array, (stored - 1024).T[:, ::-1])


# ------------------------------------------------------------------------------------------ what cannot come in


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("missing_slice", Code.MISSING_SLICES),
        ("duplicate_slice", Code.DUPLICATE_SLICES),
        ("uneven", Code.UNEVEN_SLICES),
        ("tilted", Code.GANTRY_TILT),
        ("mixed_sizes", Code.MIXED_SIZES),
        ("mixed_orientations", Code.MIXED_ORIENTATIONS),
        ("single_slice", Code.SINGLE_SLICE),
        ("truncated", Code.TRUNCATED_FILE),
        ("truncated_header", Code.TRUNCATED_FILE),
        ("no_position", Code.MISSING_FIELD),
    ],
)
def test_a_planted_fault_is_named(tmp_path, fault, code):
    made = make_tree(tmp_path, [StudySpec(cts=(CtSpec(fault=fault),))]).studies[0].ct
    error = refused(made.files, tmp_path)
    assert error.code is code
    assert str(made.folder) in str(error)


@pytest.mark.parametrize("syntax", ["implicit", "deflated", "rle", "jpeg2000", "jpegls"])
def test_a_truncated_file_is_named_whatever_its_transfer_syntax(tmp_path, syntax):
    made = (
        make_tree(tmp_path, [StudySpec(cts=(CtSpec(slices=5, syntax=syntax, fault="truncated"),))])
        .studies[0]
        .ct
    )
    cut = made.files[len(made.files) // 2]
    error = refused(made.files, tmp_path)
    assert error.code in (Code.TRUNCATED_FILE, Code.CORRUPT_FILE)
    assert str(cut) in str(error)


def test_what_stood_under_the_name_stays_good_when_a_series_fails(tmp_path, stored):
    target = tmp_path / "ct.nii.gz"
    files = save_series(tmp_path / "series", stored)
    write_ct(files, target)
    before = target.read_bytes()
    files[3].write_bytes(files[3].read_bytes()[:-20])
    with pytest.raises(IngestError, match=r"003\.dcm: truncated"):
        write_ct(files, target)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["ct.nii.gz"]


def test_a_pdf_among_the_slices_is_named(tmp_path, stored):
    files = save_series(tmp_path / "series", stored)
    report = tmp_path / "report.pdf"
    report.write_bytes(b"%PDF-1.4" + b"%" * 500)
    error = refused([*files, report], tmp_path)
    assert error.code is Code.NOT_DICOM
    assert str(report) in str(error)


def test_a_compression_without_decoder_is_named(tmp_path, stored):
    files = save_series(tmp_path / "series", stored, syntax=RLELossless)
    for path in files:
        content = path.read_bytes()
        path.write_bytes(content.replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.999"[:20]))
    error = refused(files, tmp_path)
    assert error.code is Code.UNSUPPORTED_TRANSFER_SYNTAX
    assert "1.2.840.10008.1.2.99" in str(error)


def test_garbage_within_compressed_pixels_is_an_error(tmp_path):
    made = make_tree(tmp_path, [StudySpec(cts=(CtSpec(slices=5, syntax="jpegls"),))]).studies[0].ct
    content = bytearray(made.files[2].read_bytes())
    start = content.index(b"\xff\xd8")  # the first marker of its codestream
    content[start : start + 40] = bytes(40)
    made.files[2].write_bytes(content)
    error = refused(made.files, tmp_path)
    assert error.code is Code.CORRUPT_FILE
    assert str(made.files[2]) in str(error)


@pytest.mark.parametrize(
    ("fields", "code", "word"),
    [
        ({"Modality": "MR"}, Code.MIXED_SERIES, "MR"),
        ({"SeriesInstanceUID": "1.2.3"}, Code.MIXED_SERIES, "another series"),
        ({"RescaleSlope": None}, Code.MISSING_FIELD, "RescaleSlope"),
        ({"PixelSpacing": [1.5]}, Code.BAD_GEOMETRY, "PixelSpacing"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, Code.BAD_GEOMETRY, "ImageOrientationPatient"),
        ({"Rows": 0}, Code.BAD_GEOMETRY, "rows"),
        ({"PixelData": None}, Code.TRUNCATED_FILE, "pixels"),
        ({"SamplesPerPixel": 2}, Code.CORRUPT_FILE, "SamplesPerPixel|Samples per Pixel"),
    ],
)
def test_a_slice_that_does_not_belong_is_named_with_what_is_wrong(tmp_path, stored, fields, code, word):
    files = save_series(tmp_path / "series", stored)
    edit(files[2], **fields)
    error = refused(files, tmp_path)
    assert error.code is code, error
    assert str(files[2]) in str(error)
    assert any(part in str(error) for part in word.split("|")), error


def test_no_files_and_a_file_that_is_gone_are_errors(tmp_path, stored):
    assert refused([], tmp_path).code is Code.NO_FILES
    files = save_series(tmp_path / "series", stored)
    files[1].unlink()
    with pytest.raises(BadFileError, match=r"001\.dcm: no such file"):
        write_ct(files, tmp_path / "ct.nii.gz")


def test_an_error_keeps_its_code_on_the_way_from_a_worker():
    error = pickle.loads(pickle.dumps(IngestError(Code.GANTRY_TILT, "leans")))
    assert (error.code, str(error)) == (Code.GANTRY_TILT, "leans")


def test_the_grid_is_where_the_scanner_put_it(tmp_path, stored):
    """Worked out by hand: 10 rows of 1.5 mm from y = -30 to -16.5, 8 columns of 0.75 mm from x = -20, z from 100."""
    grid = written(save_series(tmp_path / "series", stored), tmp_path).grid
    expected = Grid((8, 10, 6), [[-0.75, 0, 0, 20], [0, 1.5, 0, 16.5], [0, 0, 3, 100], [0, 0, 0, 1]])
    assert grid == expected
