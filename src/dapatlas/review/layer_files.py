"""The files in which a browser gets a volume: coarse ones made once and kept, the finest the data set's own."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dapatlas.dataset.digests import place_of, sha256_of
from dapatlas.errors import BadFileError
from dapatlas.files import write_json
from dapatlas.locations import HIDDEN, user_cache
from dapatlas.review.level_files import VolumeKind, make_levels
from dapatlas.review.pyramid import StructurePlace
from dapatlas.volumes import Grid

FORMAT = 1  # of what is kept; what has another number is made anew
FOLDER = Path(HIDDEN) / "review"
VOLUMES = "volumes"
TRIES = 3  # while somebody writes to the source


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of a volume.

    Attributes
    ----------
    step
        How many voxels of the volume one of its voxels stands for along each axis: 4, 2, or 1 for the volume itself;
        fewer along short axes.
    path
        A ``.nii.gz``.
    shape, spacing_mm
        Of its grid, along i, j, k of the file; the spacing in mm.
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
    places: tuple[StructurePlace, ...]


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


def layer_files(source: Path, kind: VolumeKind, cache: Path, case: str, layer: str) -> LayerFiles:
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
                row = {"format": FORMAT, **make_levels(source, kind, folder, layer, digest)}
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

    Returns
    -------
    LayerFiles or None
        ``None`` where they are to be made, anew perhaps.

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


def _place_from(row: dict[str, Any]) -> StructurePlace:
    i, j, k = ((start, stop) for start, stop in row["box"])
    return StructurePlace(
        row["id"], row["voxels"], row["ml"], (i, j, k), tuple(row["center"]), tuple(row["center_mm"])
    )


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
