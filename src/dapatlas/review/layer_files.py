"""The files in which a browser gets a volume: coarse ones made once and kept, the finest the data set's own."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dapatlas.dataset.digests import place_of, sha256_of
from dapatlas.errors import BadFileError
from dapatlas.files import write_json
from dapatlas.locations import HIDDEN, user_cache
from dapatlas.review.pyramid import (
    Place,
    block_mean,
    coarse_grid,
    coarse_labels,
    coarse_steps,
    factors_of,
    places,
)
from dapatlas.volumes import (
    Grid,
    Header,
    measure,
    read_header,
    read_label_map,
    read_volume,
    write_label_map,
    write_volume,
)
from dapatlas.volumes.gzipped import is_gzipped

FORMAT = 1  # of what is kept; what has another number is made anew
FOLDER = Path(HIDDEN) / "review"
VOLUMES = "volumes"
CT_TYPES = ("uint8", "int16", "uint16", "int32", "float32")  # that browsers show as they are
NIFTI_1 = 348  # bytes of its header, which the pages read
LABEL_TYPES = ("uint8", "int16", "uint16")
MAKING = BoundedSemaphore(2)  # volumes in memory at a time, however many cases are opened
TRIES = 3  # while somebody writes to the source

Kind = Literal["ct", "labels"]


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of a volume.

    Attributes
    ----------
    step
        4, 2, or 1 for the volume itself; short axes are made less coarse than that.
    path
        A ``.nii.gz``.
    shape, spacing_mm
        Of its grid.
    bytes
        Size of the file.
    """

    step: int
    path: Path
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    bytes: int


@dataclass(frozen=True, slots=True)
class LayerFiles:
    """A volume in all its resolutions.

    Attributes
    ----------
    sha256
        Of the file it comes from.
    grid
        Of that file.
    levels
        Coarsest first; the last is the volume itself.
    places
        Where each structure is; empty for a CT.
    """

    sha256: str
    grid: Grid
    levels: tuple[Level, ...]
    places: tuple[Place, ...]


def cache_folder(dataset: Path, wanted: Path | None = None) -> Path:
    """Where coarse volumes are kept: the folder that is wanted, one in the data set, or one of the user's cache."""
    if wanted is not None:
        return wanted
    own = dataset / FOLDER
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError:  # of a read-only file system too
        pass
    else:
        if os.access(own, os.W_OK):
            return own
    key = hashlib.sha256(str(dataset.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return user_cache() / "review" / key


def layer_files(source: Path, kind: Kind, cache: Path, case: str, layer: str) -> LayerFiles:
    """The files of one layer of a case; made if they are not there, once for all who ask at a time.

    What was made of an earlier content of the source goes.

    Parameters
    ----------
    source
        NIfTI file.
    kind
        Whether its voxels are HU or labels.
    cache
        Folder for what is made.
    case, layer
        Name what is made.

    Raises
    ------
    BadFileError
        The source cannot be read, or changes all the time.
    BadLabelsError
        A label map holds what is no label.
    """
    folder = cache / VOLUMES / case
    known = known_files(source, cache, case, layer)
    if known is not None:
        return known
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / f".{layer}.lock"):
        known = known_files(source, cache, case, layer)  # somebody else may have made it meanwhile
        if known is not None:
            return known
        for _ in range(TRIES):
            place = _place(source)
            digest = sha256_of(source)
            row = _kept_row(folder, layer, digest)
            if row is None:
                with MAKING:
                    row = _made(source, kind, folder, layer, digest)
            if _place(source) == place:
                write_json(folder / f"{layer}.json", row | {"place": place})
                _drop_others(folder, layer, digest)
                return _from_row(row, folder, source)
    raise BadFileError(f"{source}: it changes while it is read; open the case again when it is finished")


def _place(source: Path) -> list[Any]:
    try:
        return place_of(source)
    except OSError as error:
        raise BadFileError(f"{source}: cannot be read ({error.strerror or error})") from None


def known_files(source: Path, cache: Path, case: str, layer: str) -> LayerFiles | None:
    """The files of one layer, if they are there and the source is the very file that they were made from.

    Raises
    ------
    BadFileError
        The source is not there.
    """
    folder = cache / VOLUMES / case
    row = _read(folder / f"{layer}.json")
    return _from_row(row, folder, source) if row is not None and row["place"] == _place(source) else None


def _kept_row(folder: Path, layer: str, digest: str) -> dict[str, Any] | None:
    """What is kept of a layer, if its source has the content that it was made from, wherever it lies now."""
    row = _read(folder / f"{layer}.json")
    return row if row is not None and row["sha256"] == digest else None


def _read(path: Path) -> dict[str, Any] | None:
    """What is kept; ``None`` where it is not whole, or of another format."""
    try:
        row: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        sound = row["format"] == FORMAT and all(
            level["file"] is None or (path.parent / level["file"]).stat().st_size == level["bytes"]
            for level in row["levels"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return row if sound else None


def _from_row(row: dict[str, Any], folder: Path, source: Path) -> LayerFiles:
    i, j, k = row["shape"]
    return LayerFiles(
        row["sha256"],
        Grid((i, j, k), np.array(row["affine"])),
        tuple(
            Level(
                level["step"],
                source if level["file"] is None else folder / level["file"],
                tuple(level["shape"]),
                tuple(level["spacing_mm"]),
                level["bytes"],
            )
            for level in row["levels"]
        ),
        tuple(_place_from(each) for each in row["places"]),
    )


def _place_from(row: dict[str, Any]) -> Place:
    i, j, k = ((start, stop) for start, stop in row["box"])
    return Place(
        row["id"], row["voxels"], row["ml"], (i, j, k), tuple(row["center"]), tuple(row["center_mm"])
    )


def _made(source: Path, kind: Kind, folder: Path, layer: str, digest: str) -> dict[str, Any]:
    """Make the coarse files of a layer, and tell what there is."""
    volume = read_volume(source) if kind == "ct" else read_label_map(source)
    array, grid = volume.array, volume.grid
    found = measure(array, grid) if kind == "labels" else None
    levels = []
    for step in coarse_steps(grid.shape):
        factors = factors_of(grid.shape, step)
        coarse = block_mean(array, factors) if found is None else coarse_labels(array, factors, found)
        levels.append(_written(folder, layer, digest, step, _plain(coarse), coarse_grid(grid, factors), kind))
    if browser_reads(source, kind, read_header(source)[1], grid):
        levels.append(_level(1, None, grid, source.stat().st_size))
    else:
        levels.append(_written(folder, layer, digest, 1, _plain(array), grid, kind))
    said = [] if found is None else [asdict(each) for each in places(array, grid, found)]
    return {
        "format": FORMAT,
        "sha256": digest,
        "shape": list(grid.shape),
        "affine": grid.affine.tolist(),
        "levels": levels,
        "places": said,
    }


def browser_reads(source: Path, kind: Kind, header: Header, grid: Grid) -> bool:
    """Whether a browser shows a file just as we read it: type, scale, place in the world."""
    types = CT_TYPES if kind == "ct" else LABEL_TYPES
    dtype = header.get_data_dtype()
    slope, inter = header.get_slope_inter()
    # where both forms are given the browser takes that of the larger code, nibabel the sform
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    shown = header.get_qform() if qform > sform else header.get_sform()
    return bool(
        source.name.endswith(".nii.gz")
        and is_gzipped(source)
        and int(header["sizeof_hdr"]) == NIFTI_1
        and dtype.newbyteorder("=").name in types
        and dtype.newbyteorder("<") == dtype
        and len(header.get_data_shape()) == 3
        and (kind == "ct" or (slope, inter) in ((None, None), (1, 0)))
        and max(sform, qform) > 0
        and np.allclose(shown, grid.affine, rtol=0, atol=1e-3)
    )


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """In a type that browsers read."""
    if array.dtype.name in CT_TYPES:
        return array
    if array.dtype.kind in "iu":
        low, high = int(array.min(initial=0)), int(array.max(initial=0))
        fits = np.iinfo(np.int16).min <= low and high <= np.iinfo(np.int16).max
        return array.astype(np.int16 if fits else np.int32)
    return array.astype(np.float32)


def _written(
    folder: Path, layer: str, digest: str, step: int, array: NDArray[Any], grid: Grid, kind: Kind
) -> dict[str, Any]:
    path = folder / f"{layer}-{digest[:16]}-{step}.nii.gz"
    (write_volume if kind == "ct" else write_label_map)(path, array, grid)
    return _level(step, path.name, grid, path.stat().st_size)


def _level(step: int, file: str | None, grid: Grid, size: int) -> dict[str, Any]:
    return {
        "step": step,
        "file": file,
        "shape": list(grid.shape),
        "spacing_mm": list(grid.spacing),
        "bytes": size,
    }


def _drop_others(folder: Path, layer: str, digest: str) -> None:
    """Drop what was made of earlier contents; who is reading it goes on reading."""
    for path in folder.glob(f"{layer}-*-?.nii.gz"):
        name, of, _ = path.name.rsplit("-", 2)
        if name == layer and of != digest[:16]:
            path.unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that threads and processes share."""
    with path.open("w") as lock:
        with suppress(OSError):  # a file system without locks: at worst something is made twice
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
