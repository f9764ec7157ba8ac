"""NIfTI files, compressed or not: nibabel for headers and affines, ISA-L for the bytes."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from dapatlas.errors import BadFileError, BadLabelsError, GridMismatchError
from dapatlas.files import whole_file
from dapatlas.locations import location
from dapatlas.volumes.grid import Grid
from dapatlas.volumes.gzipped import BLOCK_BYTES, open_reader, open_writer, read_into
from dapatlas.volumes.ids import as_ids

WRITE_THREADS = 4  # beyond that, cutting the array into blocks is what takes the time
HEADER_CLASSES: dict[int, Any] = {348: nib.Nifti1Header, 540: nib.Nifti2Header}
MAX_HEADER_BYTES = 1 << 26  # header extensions larger than this are a corrupt offset

Header = nib.Nifti1Header  # Nifti2Header derives from it
StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """A volume read from a file.

    Attributes
    ----------
    array
        Indexed [i, j, k] as in the file, in Fortran order.
    grid
        Where the voxels lie.
    header
        As it was in the file, for writing others like it.
    """

    array: NDArray[Any]
    grid: Grid
    header: Header


def read_header(path: StrPath) -> tuple[Grid, Header]:
    """Read only the header of a NIfTI file.

    Raises
    ------
    BadFileError
        The file is missing, truncated, or no NIfTI file with three axes.
    """
    path = location(path)
    with open_reader(path) as stream:
        return _header_of(stream, path)


def read_grid(path: StrPath) -> Grid:
    """Read only the grid of a NIfTI file; raises as :func:`read_header`."""
    return read_header(path)[0]


def read_volume(path: StrPath) -> Volume:
    """Read a volume; a scale slope and intercept in the header are applied.

    Whole slope and intercept give integers, others floating point numbers. Bytes are decompressed straight
    into the array, and the checksum of a compressed file is verified.

    Raises
    ------
    BadFileError
        The file is missing, truncated, corrupt, or no NIfTI file with three axes.
    """
    path = location(path)
    with open_reader(path) as stream:
        grid, header = _header_of(stream, path)
        array = _read_array(stream, header, grid.shape, path)
        while stream.read(BLOCK_BYTES):  # the checksum comes after the last byte
            pass
    return Volume(_scaled(array, header), grid, header)


def read_label_map(path: StrPath) -> Volume:
    """Read a label map; its array has the smallest unsigned integer type that holds its ids.

    Raises
    ------
    BadFileError
        As :func:`read_volume`.
    BadLabelsError
        Values are negative or not whole.

    Warns
    -----
    IntegralFloatWarning
        The file stores whole numbers as floating point.
    """
    path = location(path)
    volume = read_volume(path)
    return Volume(as_ids(volume.array, path), volume.grid, volume.header)


def read_slice(path: StrPath, index: int | None = None, axis: int = 2) -> NDArray[Any]:
    """Read one slice, decompressing no further than its end.

    Parameters
    ----------
    path
        NIfTI file.
    index
        Position along the axis; the middle, ``n // 2``, when ``None``.
    axis
        0, 1 or 2; the last is the one that lies together in the file, so only there can reading stop early
        by much.

    Returns
    -------
    ndarray
        Two-dimensional: the array with this axis taken out. Slope and intercept are applied.

    Raises
    ------
    BadFileError
        As :func:`read_volume`, as far as the file had to be read.
    IndexError
        There is no such slice.
    """
    path = location(path)
    with open_reader(path) as stream:
        grid, header = _header_of(stream, path)
        place = grid.shape[axis] // 2 if index is None else index
        if not 0 <= place < grid.shape[axis]:
            raise IndexError(f"{path}: slice {place} of axis {axis}, which has {grid.shape[axis]}")
        i, j, k = grid.shape
        if axis == 2:
            _skip(stream, place * i * j * header.get_data_dtype().itemsize, path)
            array = _read_array(stream, header, (i, j, 1), path)[:, :, 0]
        else:
            # slabs of whole k-slices keep memory at one slice
            slabs = (_read_array(stream, header, (i, j, 1), path) for _ in range(k))
            array = np.stack([slab.take(place, axis)[:, 0] for slab in slabs], axis=1)
    return _scaled(array, header)


def write_volume(path: StrPath, array: NDArray[Any], grid: Grid, header: Header | None = None) -> None:
    """Write a volume, whole or not at all; the same volume gives the same bytes.

    Parameters
    ----------
    path
        Ends in ``.nii.gz`` or ``.nii``.
    array
        Of the grid's shape; integers, floating point numbers or bool (written as uint8).
    grid
        Gives the affine.
    header
        Where the rest of the header comes from: everything but shape, type and scaling is kept bit for bit,
        qform and sform too unless they disagree with the grid.

    Raises
    ------
    GridMismatchError
        Array and grid differ in shape.
    """
    path = location(path)
    if array.shape != grid.shape:
        raise GridMismatchError(f"{path}: array of shape {array.shape} on a grid of shape {grid.shape}")
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    head = _header_bytes(_fitting_header(array.dtype, grid, header))
    with whole_file(path) as scratch, open_writer(scratch, WRITE_THREADS) as stream:
        stream.write(head)
        # one slice at a time: an array in another memory order is never copied whole
        if array.flags.f_contiguous:
            stream.write(array.T.data.cast("B"))
        else:
            for k in range(array.shape[2]):
                stream.write(array[:, :, k].tobytes(order="F"))


def write_label_map(path: StrPath, array: NDArray[Any], grid: Grid, header: Header | None = None) -> None:
    """Write a label map in the smallest unsigned integer type that holds its ids; else as :func:`write_volume`.

    Raises
    ------
    BadLabelsError
        The array holds negative ids or no integers.
    """
    if array.dtype.kind not in "uib":
        raise BadLabelsError(f"{path}: a label map holds integers, not {array.dtype}; round it first")
    low, high = int(array.min()), int(array.max())
    if low < 0:
        raise BadLabelsError(f"{path}: a label map has no negative ids; found {low}")
    if header is not None:
        header = header.copy()
        header["cal_min"] = header["cal_max"] = 0  # the window of a CT means nothing on labels
    smallest = np.uint8 if array.dtype == np.bool_ else np.min_scalar_type(high)
    write_volume(path, array.astype(smallest, copy=False), grid, header)


def _header_of(stream: IO[bytes], path: Path) -> tuple[Grid, Header]:
    """Read a header and its extensions; the stream then stands at the first voxel."""
    start = stream.read(4)
    sizes = {int.from_bytes(start, order): order for order in ("little", "big")} if len(start) == 4 else {}
    size = next((size for size in sizes if size in HEADER_CLASSES), None)
    if size is None:
        raise BadFileError(f"{path}: not a NIfTI file (it starts with {start!r}); expected .nii or .nii.gz")
    raw = start + stream.read(size - 4)
    if len(raw) < size:
        raise BadFileError(
            f"{path}: truncated: {len(raw)} bytes of a header of {size}; copy or download it again"
        )
    try:
        offset = int(HEADER_CLASSES[size](raw, check=False)["vox_offset"])
        if not size <= offset <= MAX_HEADER_BYTES:
            raise BadFileError(
                f"{path}: voxels said to start at byte {offset}; expected a single-file NIfTI (.nii)"
            )
        raw += stream.read(offset - size)
        header: Header = HEADER_CLASSES[size].from_fileobj(io.BytesIO(raw))
        kind = header.get_data_dtype().kind
        affine = header.get_best_affine()
        header.get_slope_inter()  # refuses an infinite one
    except (HeaderDataError, ImageFileError, ValueError, OverflowError) as error:
        raise BadFileError(f"{path}: broken NIfTI header: {error}") from None
    shape = header.get_data_shape()
    volume_shape = shape[:3]
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise BadFileError(f"{path}: expected a volume with three axes, found shape {shape}")
    if kind not in "iuf":
        raise BadFileError(f"{path}: expected one number a voxel, found type {header.get_data_dtype()}")
    try:
        return Grid(volume_shape, affine), header
    except BadFileError as error:
        raise BadFileError(f"{path}: {error}") from None


def _read_array(stream: IO[bytes], header: Header, shape: tuple[int, int, int], path: Path) -> NDArray[Any]:
    """Decompress voxels straight into a new array, in the machine's own byte order."""
    dtype = header.get_data_dtype()
    array: NDArray[Any] = np.empty(shape, dtype, order="F")
    got = read_into(stream, array.T.data.cast("B"))
    if got < array.nbytes:
        raise BadFileError(
            f"{path}: truncated: its header promises {array.nbytes} bytes of voxels for shape {shape} in {dtype}, "
            f"found {got}; copy or download the file again"
        )
    if not dtype.isnative:
        array = array.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return array


def _skip(stream: IO[bytes], count: int, path: Path) -> None:
    while count:
        block = stream.read(min(count, BLOCK_BYTES))
        if not block:
            raise BadFileError(
                f"{path}: truncated before the slice asked for; copy or download the file again"
            )
        count -= len(block)


def _scaled(array: NDArray[Any], header: Header) -> NDArray[Any]:
    """Apply slope and intercept; nibabel gives None where the header has none (0 or NaN)."""
    slope, inter = (
        default if value is None else value
        for value, default in zip(header.get_slope_inter(), (1, 0), strict=True)
    )
    if slope == 1 and inter == 0:
        return array
    if array.dtype.kind in "iu" and float(slope).is_integer() and float(inter).is_integer():
        ends = [int(end) * int(slope) + int(inter) for end in (array.min(), array.max())]
        smallest = np.result_type(*(np.min_scalar_type(min(end, -1 - end)) for end in ends), np.int16)
        if smallest.kind == "i":
            return _scaled_whole(array, int(slope), int(inter), smallest)
    wide = np.float64 if array.dtype.itemsize > 2 and array.dtype != np.float32 else np.float32
    scaled: NDArray[Any] = array.astype(wide)
    scaled *= wide(slope)
    scaled += wide(inter)
    return scaled


def _scaled_whole(array: NDArray[Any], slope: int, inter: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """Scale in integers that hold the outcome; stored values, slope and intercept need not fit into them.

    Integers of n bits are exact modulo 2^n, so that what overflows on the way comes round again.
    """
    bits = 8 * kind.itemsize
    times, plus = (
        np.array(number % (1 << bits), f"u{kind.itemsize}").view(kind) for number in (slope, inter)
    )
    scaled: NDArray[Any] = array.astype(kind)
    scaled *= times
    scaled += plus
    return scaled


def _fitting_header(dtype: np.dtype[Any], grid: Grid, header: Header | None) -> Header:
    """The header to write: the one given, changed only where shape, type and affine demand it."""
    if header is None:
        fitting = nib.Nifti1Header()
        fitting.set_xyzt_units("mm", "sec")
    else:
        fitting = header.copy() if header.endianness == "<" else header.as_byteswapped("<")
    fitting.set_data_shape(grid.shape)
    fitting.set_data_dtype(dtype)
    if fitting.get_slope_inter() not in ((None, None), (1, 0)):
        fitting["scl_slope"] = fitting["scl_inter"] = np.nan  # nibabel's "none"
    fitting["vox_offset"] = 0  # for nibabel to set
    if header is None or not np.array_equal(header.get_best_affine(), grid.affine):
        fitting.set_sform(grid.affine, code=int(fitting["sform_code"]) or 1)
        fitting.set_qform(grid.affine, code=int(fitting["qform_code"]) or 1, strip_shears=True)
    return fitting


def _header_bytes(header: Header) -> bytes:
    stream = io.BytesIO()
    header.write_to(stream)
    written = stream.getvalue()
    return written.ljust(int(header["vox_offset"]), b"\0")
