"""Files that ITK reads and nibabel does not: MetaImage and NRRD, through SimpleITK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadFileError
from dapatlas.extras import needed
from dapatlas.formats.worlds import LPS_TO_RAS
from dapatlas.volumes import Grid, as_ids

SUFFIXES = (".mha", ".mhd", ".nrrd")
EXTRA = "itk"


@dataclass(frozen=True, slots=True, eq=False)
class ItkVolume:
    """A volume as ITK read it.

    Attributes
    ----------
    channels
        The file's numbers, shape (channels, i, j, k), each channel in Fortran order if there is one alone.
    grid
        Where the voxels lie.
    metadata
        Key and value pairs of the file's header.
    """

    channels: NDArray[Any]
    grid: Grid
    metadata: Mapping[str, str]


class _Held:
    """Memory of an ITK image for numpy, which keeps the image alive for as long as an array uses it."""

    def __init__(self, view: NDArray[Any], image: Any) -> None:
        self.image = image
        interface = dict(view.__array_interface__)
        interface["data"] = (interface["data"][0], False)  # nobody else has the image
        self.__array_interface__ = interface


def is_itk(path: Path) -> bool:
    """Whether a file is one of those that this module reads, by its name."""
    return path.name.endswith(SUFFIXES)


def data_files(path: Path) -> tuple[Path, ...]:
    """The files that a volume consists of: with a MetaImage header (.mhd), also the one that has the voxels."""
    if path.suffix == ".mhd":
        for line in path.read_text(errors="replace").splitlines():
            key, _, value = line.partition("=")
            data = path.parent / value.strip()
            if key.strip() == "ElementDataFile" and data.is_file():
                return path, data
    return (path,)


def itk_grid(path: Path) -> Grid:
    """Read only the grid of a file; raises as :func:`read_itk`."""
    return _grid(_reader(path), path)


def read_itk(path: Path) -> ItkVolume:
    """Read a volume with three axes of space; nothing is copied.

    Raises
    ------
    BadFileError
        The file is missing, truncated, corrupt, or has other axes.
    DapatlasError
        SimpleITK is not installed.
    """
    sitk, reader = needed("SimpleITK", EXTRA, f"to read {path}"), _reader(path)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise _unreadable(path, error) from None
    array = np.asarray(_Held(sitk.GetArrayViewFromImage(image), image))
    channels = array[..., None] if array.ndim == 3 else array
    metadata = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    return ItkVolume(channels.T, _grid(image, path), metadata)


def read_itk_label_map(path: Path) -> tuple[NDArray[Any], Grid]:
    """Read a label map in the smallest unsigned integer type that holds its ids, as NIfTI ones are read.

    Raises
    ------
    BadFileError
        As :func:`read_itk`, or a voxel has several numbers.
    BadLabelsError
        Values are negative or not whole.

    Warns
    -----
    IntegralFloatWarning
        The file stores whole numbers as floating point.
    """
    volume = read_itk(path)
    if len(volume.channels) != 1:
        raise BadFileError(
            f"{path}: expected one number a voxel, found {len(volume.channels)}; "
            "a segmentation of 3D Slicer is of kind slicer-segmentation"
        )
    return as_ids(volume.channels[0], path), volume.grid


def _reader(path: Path) -> Any:
    """A reader that has read the header of a file with three axes of space."""
    reader = needed("SimpleITK", EXTRA, f"to read {path}").ImageFileReader()
    if not path.is_file():
        raise BadFileError(f"{path}: no such file")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _unreadable(path, error) from None
    if reader.GetDimension() != 3:
        raise BadFileError(
            f"{path}: expected a volume with three axes of space, found {reader.GetDimension()}"
        )
    return reader


def _unreadable(path: Path, error: RuntimeError) -> BadFileError:
    said = " ".join(str(error).split())[-200:]
    return BadFileError(
        f"{path}: ITK cannot read it; truncated or corrupt? Copy or download it again (… {said})"
    )


def _grid(image: Any, path: Path) -> Grid:
    """The grid of an image, or of a reader that has read its header."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    try:
        return Grid(image.GetSize(), LPS_TO_RAS @ affine)
    except BadFileError as error:
        raise BadFileError(f"{path}: {error}") from None
