"""NIfTI files plane by plane, of three axes or four, in the memory of one plane."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from dapatlas.errors import BadFileError, BadLabelsError
from dapatlas.volumes import Grid, read_header
from dapatlas.volumes.gzipped import BLOCK_BYTES, open_reader, read_into
from dapatlas.volumes.ids import not_whole


@dataclass(frozen=True, slots=True)
class PlaneFile:
    """A NIfTI file whose voxels have not been read.

    Attributes
    ----------
    path
        The file.
    grid
        Of one channel.
    channels
        How many volumes lie one after the other.
    dtype
        As stored.
    slope, inter
        What stored numbers are to be multiplied with, and what is then added.
    offset
        Bytes before the first voxel.
    """

    path: Path
    grid: Grid
    channels: int
    dtype: np.dtype[Any]
    slope: float
    inter: float
    offset: int

    @property
    def is_float(self) -> bool:
        """Whether the file's numbers are no integers, as stored or once scaled."""
        return self.dtype.kind == "f" or not (self.slope.is_integer() and self.inter.is_integer())

    @contextmanager
    def open(self) -> Iterator[Iterator[NDArray[Any]]]:
        """All planes of all channels in the order of the file, shape (i, j); each is overwritten by the next.

        The checksum of a compressed file is verified after the last one.

        Raises
        ------
        BadFileError
            The file is truncated or corrupt.
        """
        with open_reader(self.path) as stream:
            yield self._planes(stream)

    def _planes(self, stream: IO[bytes]) -> Iterator[NDArray[Any]]:
        read_into(stream, bytearray(self.offset))
        i, j, k = self.grid.shape
        plane: NDArray[Any] = np.empty((i, j), self.dtype, order="F")
        raw = plane.T.view(np.uint8).data  # the same memory, whatever its type and byte order
        count = k * self.channels
        for done in range(count):
            got = read_into(stream, raw)
            if got < plane.nbytes:
                raise BadFileError(
                    f"{self.path}: truncated: its header promises {count * plane.nbytes} bytes of voxels, "
                    f"found {done * plane.nbytes + got}; copy or download the file again"
                )
            yield plane if self.slope == 1 and self.inter == 0 else plane * self.slope + self.inter
        while stream.read(BLOCK_BYTES):  # the checksum comes after the last byte
            pass


def plane_file(path: Path) -> PlaneFile:
    """Read the header of a file with three axes; raises as :func:`dapatlas.volumes.read_header`."""
    grid, header = read_header(path)
    slope, inter = header.get_slope_inter()
    return PlaneFile(
        path,
        grid,
        1,
        header.get_data_dtype(),
        1.0 if slope is None else float(slope),
        0.0 if inter is None else float(inter),
        int(header["vox_offset"]),
    )


def channel_file(path: Path) -> PlaneFile:
    """Read the header of a file with three axes of space and one of channels.

    NIfTI's own place for what is no time is the fifth axis, so ``(x, y, z, 1, channels)`` is taken as well.

    Raises
    ------
    BadFileError
        The file is missing, no NIfTI file, or has other axes.
    """
    if not path.is_file():
        raise BadFileError(f"{path}: no such file")
    try:
        image: Any = nib.load(path)
        shape, stored = image.shape, image.dataobj
        dtype, affine = image.get_data_dtype(), image.affine
    except (
        ImageFileError,
        HeaderDataError,
        EOFError,
        OSError,
        ValueError,
        zlib.error,
        AttributeError,
    ) as error:
        raise BadFileError(f"{path}: cannot be read as NIfTI ({error}); expected .nii or .nii.gz") from None
    if len(shape) == 5 and shape[3] == 1:
        shape = (*shape[:3], shape[4])
    if len(shape) != 4:
        raise BadFileError(
            f"{path}: expected four axes (x, y, z, channel), found shape {shape}; "
            "one label map a case is of kind label-maps"
        )
    if dtype.kind not in "iuf":
        raise BadFileError(f"{path}: expected one number a voxel, found type {dtype}")
    try:
        grid = Grid(shape[:3], affine)
    except BadFileError as error:
        raise BadFileError(f"{path}: {error}") from None
    return PlaneFile(
        path, grid, shape[3], dtype, float(stored.slope), float(stored.inter), int(stored.offset)
    )


def mask_plane(plane: NDArray[Any], path: Path) -> NDArray[Any]:
    """What of a plane, shape (i, j), is not 0, as bool or uint8; ``path`` is told in errors.

    Raises
    ------
    BadLabelsError
        A number is negative or not whole, so that this is no mask.
    """
    if plane.dtype == np.uint8:
        return plane
    if plane.dtype.kind == "f":
        odd = not_whole(plane)
        if odd.size:
            raise BadLabelsError(
                f"{path}: a mask holds whole numbers; found {odd[0]:g}; was it resampled with interpolation? "
                "Resample it again by nearest neighbour"
            )
    if plane.dtype.kind != "u" and plane.size and plane.min() < 0:
        raise BadLabelsError(f"{path}: a mask has no negative numbers; found {plane.min():g}")
    inside: NDArray[np.bool_] = plane != 0
    return inside
