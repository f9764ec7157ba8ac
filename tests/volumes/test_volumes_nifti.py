"""Reading and writing NIfTI, with nibabel as the oracle."""

from __future__ import annotations

import gzip
import warnings
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dapatlas.errors import BadFileError, BadLabelsError, GridMismatchError
from dapatlas.volumes import (
    Grid,
    IntegralFloatWarning,
    nifti,
    read_grid,
    read_label_map,
    read_slice,
    read_volume,
    write_label_map,
    write_volume,
)

SHAPE = (7, 5, 9)
OBLIQUE = np.array([[1.9, 0.3, 0.1, -40.0], [-0.3, 1.8, 0.5, 12.0], [0.1, -0.4, 2.9, 700.0], [0, 0, 0, 1.0]])


def numbers(dtype: str = "int16") -> np.ndarray:
    random = np.random.default_rng(0)
    if dtype.startswith("f"):
        return random.normal(0, 100, SHAPE).astype(dtype)
    info = np.iinfo(dtype)
    return random.integers(max(info.min, -3000), min(info.max, 3000), SHAPE).astype(dtype)


def save(path: Path, array: np.ndarray, affine: np.ndarray = OBLIQUE, **header: object) -> Path:
    image = nib.Nifti1Image(array, affine)
    for key, value in header.items():
        image.header[key] = value
    nib.save(image, path)
    return path


def patched(path: Path, **fields: object) -> Path:
    """Change header fields in the file itself, past nibabel's own scaling."""
    raw = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(raw[:348]), check=False)
    for key, value in fields.items():
        header[key] = value
    raw[:348] = header.binaryblock
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_reading_agrees_with_nibabel(tmp_path: Path, dtype: str, suffix: str):
    path = save(tmp_path / f"x{suffix}", numbers(dtype))
    volume, oracle = read_volume(path), nib.load(path)
    assert volume.array.dtype == dtype
    assert (volume.array == np.asanyarray(oracle.dataobj)).all()
    assert (volume.grid.affine == oracle.affine).all()
    assert volume.array.flags.f_contiguous
    assert read_grid(path) == volume.grid


@pytest.mark.parametrize("kind", [nib.Nifti1Header, nib.Nifti2Header])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_versions_and_both_byte_orders_are_read(tmp_path: Path, kind: type, order: str):
    header = kind(endianness=order)
    header.set_data_dtype(np.dtype("int16").newbyteorder(order))
    image = (nib.Nifti1Image if kind is nib.Nifti1Header else nib.Nifti2Image)(numbers(), OBLIQUE, header)
    nib.save(image, tmp_path / "x.nii.gz")
    volume = read_volume(tmp_path / "x.nii.gz")
    assert volume.array.dtype == np.int16
    assert (volume.array == numbers()).all()


@pytest.mark.parametrize(
    ("slope", "inter", "dtype"),
    [
        (1, -1024, "int16"),
        (2, 0, "int16"),
        (20, 5, "int32"),
        (0.5, 0, "float32"),
        (np.nan, np.nan, "int16"),
        (0, 7, "int16"),  # a slope of 0 means none, whatever the intercept
    ],
)
def test_slope_and_intercept_are_honoured(tmp_path: Path, slope: float, inter: float, dtype: str):
    path = patched(save(tmp_path / "x.nii", numbers()), scl_slope=slope, scl_inter=inter)
    volume = read_volume(path)
    assert volume.array.dtype == dtype
    assert np.allclose(volume.array, nib.load(path).get_fdata())
    assert (read_slice(path, 3) == volume.array[:, :, 3]).all()


def test_a_ct_stored_unsigned_comes_out_in_hu(tmp_path: Path):
    stored = (numbers() + 3000).astype(np.uint16)
    path = patched(save(tmp_path / "x.nii", stored), scl_slope=1, scl_inter=-3000)
    assert (read_volume(path).array == numbers()).all()


@pytest.mark.parametrize(
    ("stored", "slope", "inter", "dtype"),
    [
        ([30000, 60000], 1, -40000, "int16"),  # values fit into a type that the intercept does not fit into
        ([30000, 60000], -1, 60000, "int16"),
        ([0, 0], 40000, 7, "int16"),
        ([0, 60000], 1 << 40, 0, "int64"),
        ([0, 60000], 2.0**60, 0, "float32"),  # no integer holds these
    ],
)
def test_slope_and_intercept_may_be_larger_than_what_they_give(
    tmp_path: Path, stored: list[int], slope: float, inter: float, dtype: str
):
    array = np.array(stored, np.uint16).reshape(2, 1, 1)
    path = patched(save(tmp_path / "x.nii", array), scl_slope=slope, scl_inter=inter)
    volume = read_volume(path)
    assert volume.array.dtype == dtype
    assert volume.array.ravel().tolist() == [value * slope + inter for value in stored]


def test_a_trailing_axis_of_one_is_dropped_and_a_real_fourth_axis_refused(tmp_path: Path):
    save(tmp_path / "one.nii.gz", numbers()[..., None])
    assert read_volume(tmp_path / "one.nii.gz").array.shape == SHAPE
    save(tmp_path / "two.nii.gz", np.stack([numbers()] * 2, axis=-1))
    with pytest.raises(
        BadFileError, match=r"two.nii.gz: expected a volume with three axes, found shape \(7, 5, 9, 2\)"
    ):
        read_volume(tmp_path / "two.nii.gz")


def test_the_name_does_not_matter_only_the_bytes(tmp_path: Path):
    plain = save(tmp_path / "x.nii", numbers())
    (tmp_path / "plain.nii.gz").write_bytes(plain.read_bytes())
    (tmp_path / "packed.nii").write_bytes(gzip.compress(plain.read_bytes()))
    for name in ("plain.nii.gz", "packed.nii"):
        assert (read_volume(tmp_path / name).array == numbers()).all()


def test_gzip_in_several_members_is_read(tmp_path: Path):
    raw = save(tmp_path / "x.nii", numbers()).read_bytes()
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(raw[:500]) + gzip.compress(raw[500:]))
    assert (read_volume(tmp_path / "x.nii.gz").array == numbers()).all()


def _spoil(path: Path, how: str) -> Path:
    raw = path.read_bytes()
    spoiled = {
        "cut short": raw[:-30],
        "checksum": raw[:-8] + b"\0\0\0\0" + raw[-4:],
        "garbage": b"\x1f\x8b" + b"\xff" * 200,
        "text": b"not a NIfTI file at all",
        "empty": b"",
        "header only": gzip.compress(gzip.decompress(raw)[:200]),
        "voxels missing": gzip.compress(gzip.decompress(raw)[:-100]),
    }[how]
    path.write_bytes(spoiled)
    return path


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("cut short", "truncated"),
        ("checksum", "corrupt gzip"),
        ("garbage", "corrupt gzip|truncated"),
        ("text", "not a NIfTI file"),
        ("empty", "not a NIfTI file"),
        ("header only", "truncated: 200 bytes of a header"),
        ("voxels missing", r"truncated: its header promises 630 bytes .*found 530"),
    ],
)
def test_broken_files_are_named_with_what_is_wrong(tmp_path: Path, how: str, says: str):
    path = _spoil(save(tmp_path / "scan.nii.gz", numbers()), how)
    with pytest.raises(BadFileError, match=rf"scan.nii.gz: .*({says})"):
        read_volume(path)


def test_missing_files_pairs_and_colours_are_refused(tmp_path: Path):
    with pytest.raises(BadFileError, match="no such file"):
        read_volume(tmp_path / "none.nii.gz")
    with pytest.raises(BadFileError, match=r"cannot be read"):
        read_volume(tmp_path)
    nib.save(nib.Nifti1Pair(numbers(), OBLIQUE), tmp_path / "pair.img")
    with pytest.raises(BadFileError, match="single-file NIfTI"):
        read_volume(tmp_path / "pair.hdr")
    rgb = np.zeros(SHAPE, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    save(tmp_path / "rgb.nii", rgb)
    with pytest.raises(BadFileError, match="one number a voxel"):
        read_volume(tmp_path / "rgb.nii")


def test_a_singular_affine_is_refused_with_the_file_named(tmp_path: Path):
    path = patched(save(tmp_path / "x.nii", numbers()), srow_x=[0, 0, 0, 0])
    with pytest.raises(BadFileError, match=r"x.nii: not an affine"):
        read_grid(path)


@pytest.mark.parametrize("field", ["vox_offset", "scl_slope", "scl_inter"])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_header_field_without_a_value_is_refused_or_none(tmp_path: Path, field: str, value: float):
    fields = {"scl_slope": 2.0, field: value}
    path = patched(save(tmp_path / "x.nii", numbers()), **fields)
    if field == "scl_slope":  # not finite means no scaling
        assert (read_volume(path).array == numbers()).all()
    else:
        with pytest.raises(BadFileError, match="x.nii: "):
            read_volume(path)


def test_whole_floats_are_labels_with_a_warning_and_fractions_are_not(tmp_path: Path):
    labels = np.arange(315, dtype=np.float64).reshape(SHAPE) % 145
    save(tmp_path / "whole.nii.gz", labels)
    with pytest.warns(IntegralFloatWarning, match="whole.nii.gz.*float64"):
        volume = read_label_map(tmp_path / "whole.nii.gz")
    assert volume.array.dtype == np.uint8
    assert (volume.array == labels).all()
    labels[1, 1, 4] = 3.5
    save(tmp_path / "half.nii.gz", labels)
    with pytest.raises(BadLabelsError, match=r"found 3.5 in slice 4.*nearest neighbour"):
        read_label_map(tmp_path / "half.nii.gz")
    labels[1, 1, 4] = np.nan
    save(tmp_path / "nan.nii.gz", labels)
    with pytest.raises(BadLabelsError, match="found nan"):
        read_label_map(tmp_path / "nan.nii.gz")


@pytest.mark.parametrize(("highest", "dtype"), [(255, "uint8"), (256, "uint16"), (70000, "uint32")])
def test_label_maps_take_the_smallest_type_that_holds_them(tmp_path: Path, highest: int, dtype: str):
    labels = np.zeros(SHAPE, np.int32)
    labels[0, 0, 0] = highest
    save(tmp_path / "x.nii.gz", labels)
    assert read_label_map(tmp_path / "x.nii.gz").array.dtype == dtype
    write_label_map(tmp_path / "y.nii.gz", labels.astype(np.int64), Grid(SHAPE, OBLIQUE))
    assert nib.load(tmp_path / "y.nii.gz").get_data_dtype() == dtype


def test_negative_ids_and_floats_are_no_label_maps(tmp_path: Path):
    save(tmp_path / "x.nii.gz", numbers())
    with pytest.raises(BadLabelsError, match="no negative ids"):
        read_label_map(tmp_path / "x.nii.gz")
    grid = Grid(SHAPE, OBLIQUE)
    with pytest.raises(BadLabelsError, match="no negative ids"):
        write_label_map(tmp_path / "y.nii.gz", numbers(), grid)
    with pytest.raises(BadLabelsError, match="not float32"):
        write_label_map(tmp_path / "y.nii.gz", numbers("float32"), grid)
    assert not (tmp_path / "y.nii.gz").exists()


def test_header_and_affine_survive_bit_for_bit(tmp_path: Path):
    image = nib.Nifti1Image(numbers(), OBLIQUE)
    image.set_qform(np.diag([-2, 2, 3, 1.0]), code=1)
    image.set_sform(OBLIQUE, code=4)
    image.header["descrip"] = b"a scanner's words"
    image.header["cal_max"] = 240
    image.header.set_xyzt_units("mm", "sec")
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"kept as it is"))
    nib.save(image, tmp_path / "x.nii.gz")
    first = read_volume(tmp_path / "x.nii.gz")
    write_volume(tmp_path / "y.nii.gz", first.array, first.grid, first.header)
    before, after = (gzip.decompress((tmp_path / name).read_bytes()) for name in ("x.nii.gz", "y.nii.gz"))
    # pydicom-less fields apart: nibabel writes slope NaN for "none", and so do we
    assert before == after


def test_a_label_map_keeps_the_cts_header_but_for_what_labels_need(tmp_path: Path):
    save(tmp_path / "ct.nii.gz", numbers(), descrip=b"scanner", cal_max=240)
    ct = read_volume(tmp_path / "ct.nii.gz")
    write_label_map(tmp_path / "map.nii.gz", np.ones(SHAPE, np.uint8), ct.grid, ct.header)
    written = nib.load(tmp_path / "map.nii.gz")
    assert written.header["descrip"] == b"scanner"
    assert written.header["cal_max"] == 0
    assert written.header.get_slope_inter() == (None, None)
    for key in ("srow_x", "srow_y", "srow_z", "sform_code", "qform_code", "quatern_b", "pixdim"):
        assert (written.header[key] == ct.header[key]).all(), key


def test_another_grid_than_the_headers_is_written_as_the_grid_says(tmp_path: Path):
    save(tmp_path / "x.nii.gz", numbers())
    header = read_volume(tmp_path / "x.nii.gz").header
    grid = Grid.from_spacing((2, 3, 4), (1, 2, 3), "PIL", (5, 6, 7))
    write_volume(tmp_path / "y.nii.gz", np.ones(grid.shape, np.int16), grid, header)
    written = nib.load(tmp_path / "y.nii.gz")
    assert np.allclose(written.affine, grid.affine)
    assert np.allclose(written.get_qform(), grid.affine)
    assert written.header.get_zooms() == (1, 2, 3)


@pytest.mark.parametrize("order", ["C", "F"])
def test_any_memory_order_and_views_are_written_alike(tmp_path: Path, order: str):
    array = np.array(numbers(), order=order)
    grid = Grid(SHAPE, OBLIQUE)
    write_volume(tmp_path / "x.nii.gz", array, grid)
    write_volume(tmp_path / "y.nii.gz", np.flip(np.flip(array, 0).copy(), 0), grid)
    assert (nib.load(tmp_path / "x.nii.gz").get_fdata() == numbers()).all()
    assert (tmp_path / "x.nii.gz").read_bytes() == (tmp_path / "y.nii.gz").read_bytes()


def test_the_same_volume_gives_the_same_bytes_on_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    array = np.random.default_rng(0).integers(0, 30, (200, 200, 60), np.uint8)  # more than two blocks
    grid = Grid.from_spacing(array.shape, (1, 1, 1))
    written = set()
    for threads in (1, 2, 5):
        monkeypatch.setattr(nifti, "WRITE_THREADS", threads)
        write_label_map(tmp_path / "x.nii.gz", array, grid)
        written.add((tmp_path / "x.nii.gz").read_bytes())
    (raw,) = written
    assert raw[4:8] == bytes(4), "no time in the header"
    assert raw[3] == 0, "no name in the header"
    unpacked = zlib.decompressobj(wbits=31)  # one member only: it must hold everything
    assert len(unpacked.decompress(raw)) == 352 + array.size
    assert unpacked.unused_data == b""


def test_bool_is_written_as_numbers(tmp_path: Path):
    write_label_map(tmp_path / "x.nii.gz", numbers() > 0, Grid(SHAPE, OBLIQUE))
    assert (np.asanyarray(nib.load(tmp_path / "x.nii.gz").dataobj) == (numbers() > 0)).all()


def test_a_failed_write_leaves_what_was_there_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "x.nii.gz"
    path.write_bytes(b"old")

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(nifti, "open_writer", broken)
    with pytest.raises(OSError, match="disk full"):
        write_volume(path, numbers(), Grid(SHAPE, OBLIQUE))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_array_and_grid_must_agree(tmp_path: Path):
    with pytest.raises(GridMismatchError, match=r"\(7, 5, 9\).*\(2, 2, 2\)"):
        write_volume(tmp_path / "x.nii", numbers(), Grid((2, 2, 2), np.eye(4)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_is_that_of_the_whole(tmp_path: Path, axis: int):
    path = save(tmp_path / "x.nii.gz", numbers())
    for index in (0, SHAPE[axis] - 1):
        assert (read_slice(path, index, axis) == numbers().take(index, axis)).all()
    assert (read_slice(path, axis=axis) == numbers().take(SHAPE[axis] // 2, axis)).all()
    with pytest.raises(IndexError, match=f"slice {SHAPE[axis]} of axis {axis}"):
        read_slice(path, SHAPE[axis], axis)


def test_reading_a_slice_stops_when_it_has_it(tmp_path: Path):
    array = np.random.default_rng(0).integers(0, 2000, (128, 128, 64)).astype(np.int16)
    path = save(tmp_path / "x.nii.gz", array)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])  # the second half is not there to be read
    assert (read_slice(path, 10) == array[:, :, 10]).all()
    with pytest.raises(BadFileError, match="truncated"):
        read_slice(path, 60)


@settings(max_examples=25, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.float32]),
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=6),
    ),
    st.sampled_from(["RAS", "LPS", "PIR", "ASL"]),
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, codes: str):
    path = tmp_path_factory.mktemp("round") / "x.nii.gz"
    grid = Grid.from_spacing(array.shape, (0.8, 0.9, 2.5), codes, (-100.5, 33, 7))
    write_volume(path, array, grid)
    volume = read_volume(path)
    assert np.array_equal(volume.array, array, equal_nan=array.dtype.kind == "f")
    assert volume.grid.is_close(grid)
    assert volume.grid.orientation == codes


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["ct", "total", "ct_sm", "total_sm"])
def test_real_files_are_read_as_nibabel_reads_them(real_data: Path, name: str):
    path = real_data / f"{name}.nii.gz"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        volume = read_volume(path)
    oracle = nib.load(path)
    assert (volume.array == np.asanyarray(oracle.dataobj)).all()
    assert (volume.grid.affine == oracle.affine).all()
