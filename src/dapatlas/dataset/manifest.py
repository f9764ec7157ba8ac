"""The manifest of a data set: every file with size, SHA-256, grid, type and label set, one JSON object a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

import fastremap
import numpy as np

from dapatlas.dataset.case import IMAGES, MASKS
from dapatlas.dataset.dataset import LABELS
from dapatlas.dataset.digests import sha256_of
from dapatlas.dataset.inspection import UNREADABLE, silence
from dapatlas.dataset.names import case_id_of
from dapatlas.errors import BadFileError, BadLabelsError
from dapatlas.volumes import Grid, Header, read_header, read_label_map

MANIFEST = "manifest.jsonl"
AFFINE_DECIMALS = (
    6  # of a mm a voxel: over 1000 voxels that is the thousandth of a mm within which grids are one
)

_SHA256 = re.compile("[0-9a-f]{64}")
Affine = tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a data set; what is not a volume has neither grid nor type.

    Attributes
    ----------
    file
        Name within the data set, with slashes.
    size
        Bytes.
    sha256
        Hexadecimal; empty where only the header was looked at.
    shape, affine
        Voxels along i, j, k, and the first three rows of the matrix from them to world mm.
    dtype
        How the voxels are stored, e.g. ``int16``.
    scale
        Slope and intercept, where they turn stored numbers into others.
    ids
        Ids in a label map, ascending; None of other files, or where the map holds no ids.
    """

    file: str
    size: int
    sha256: str = ""
    shape: tuple[int, ...] | None = None
    affine: Affine | None = None
    dtype: str = ""
    scale: tuple[float, float] | None = None
    ids: tuple[int, ...] | None = None

    @property
    def grid(self) -> Grid | None:
        """Where the voxels lie; None of what is no volume."""
        if self.shape is None or self.affine is None:
            return None
        i, j, k = self.shape
        return Grid((i, j, k), np.array([*self.affine, (0.0, 0.0, 0.0, 1.0)]))

    def as_dict(self) -> dict[str, Any]:
        """What is known of the file, ready for JSON."""
        row = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: value for key, value in row.items() if value not in (None, "")}


def listed_files(folder: Path) -> list[str]:
    """Names of the files that a manifest of this data set lists, sorted.

    These are the NIfTI files in ``images/`` and ``masks/``, ``labels.json``, and tables (``*.csv``) beside it: what the
    data set is made of, not what is made from it. Hidden files are none of them.
    """
    names = [LABELS] if (folder / LABELS).is_file() else []
    names += [path.name for path in folder.glob("*.csv") if not path.name.startswith(".") and path.is_file()]
    for room in (IMAGES, MASKS):
        if (folder / room).is_dir():
            paths = (folder / room).iterdir()
            names += [f"{room}/{path.name}" for path in paths if case_id_of(path.name) and not path.is_dir()]
    return sorted(names)


def is_volume(name: str) -> bool:
    """Whether a file of the manifest is one of the data set's volumes."""
    return PurePosixPath(name).parent.name in (IMAGES, MASKS)


def case_of(name: str) -> str:
    """Id of the case that a file belongs to; empty where it belongs to none."""
    return (case_id_of(PurePosixPath(name).name) or "") if is_volume(name) else ""


def header_entry(folder: Path, name: str) -> tuple[Entry, str]:
    """Size of a file, and what its header tells; and why the header cannot be read, or the empty string.

    Raises
    ------
    OSError
        The file is not there.
    """
    entry = Entry(name, (folder / name).stat().st_size)
    if not is_volume(name):
        return entry, ""
    try:
        with silence():
            grid, header = read_header(folder / name)
    except UNREADABLE as error:
        return entry, str(error)
    affine = np.round(grid.affine[:3], AFFINE_DECIMALS) + 0.0  # no negative zeros
    rows: Any = tuple(tuple(row) for row in affine.tolist())
    dtype = str(header.get_data_dtype().newbyteorder("="))
    return replace(entry, shape=grid.shape, affine=rows, dtype=dtype, scale=_scale(header)), ""


def full_entry(folder: Path, name: str) -> tuple[Entry, str]:
    """Everything about a file; and why it cannot be read as what it should be, or the empty string.

    Raises
    ------
    OSError
        The file cannot be read at all.
    """
    entry, why = header_entry(folder, name)
    entry = replace(entry, sha256=sha256_of(folder / name))
    if why or not name.startswith(f"{MASKS}/"):
        return entry, why
    try:
        return replace(entry, ids=label_set(folder / name)), ""
    except (BadLabelsError, *UNREADABLE) as error:
        return entry, str(error)


def label_set(path: Path) -> tuple[int, ...]:
    """Ids in a label map, ascending; raises as :func:`~dapatlas.volumes.read_label_map`."""
    with silence():
        return tuple(fastremap.unique(read_label_map(path).array).tolist())


def _scale(header: Header) -> tuple[float, float] | None:
    slope, intercept = header.get_slope_inter()
    if slope is None or (slope, intercept) == (1.0, 0.0):
        return None
    return float(slope), float(intercept)


def manifest_text(entries: Iterable[Entry]) -> str:
    """Text of a manifest: an object a line, in the order of names; the same files give the same text."""
    ordered = sorted(entries, key=lambda entry: entry.file)
    return "".join(json.dumps(entry.as_dict(), ensure_ascii=False) + "\n" for entry in ordered)


def read_manifest(path: Path) -> dict[str, Entry]:
    """Read a manifest: name to entry, in the file's order.

    Raises
    ------
    BadFileError
        It cannot be read, or a line is no entry; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFileError(f"{path}: cannot be read as a manifest ({error})") from None
    found = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                entry = entry_from(json.loads(line))
            except (ValueError, TypeError, KeyError) as error:
                raise BadFileError(
                    f"{path}:{number}: no entry of a manifest ({error}); expected an object with file, size and "
                    "sha256; write it anew with `dapatlas manifest write`"
                ) from None
            found[entry.file] = entry
    return found


def entry_from(row: Any) -> Entry:
    """Entry from its row; keys that are not known are left.

    Raises
    ------
    ValueError, TypeError, KeyError
        It is no such row, or the name leads out of the data set.
    """
    place = PurePosixPath(row["file"])
    if place.is_absolute() or ".." in place.parts:
        raise ValueError(f"{place} leads out of the data set")
    if not _SHA256.fullmatch(row["sha256"]):
        raise ValueError(f"sha256 {row['sha256']!r} is no SHA-256")
    affine: Any = tuple(tuple(map(float, line)) for line in row["affine"]) if "affine" in row else None
    entry = Entry(
        str(place),
        int(row["size"]),
        row["sha256"],
        tuple(map(int, row["shape"])) if "shape" in row else None,
        affine,
        str(row.get("dtype", "")),
        (float(row["scale"][0]), float(row["scale"][1])) if "scale" in row else None,
        tuple(map(int, row["ids"])) if "ids" in row else None,
    )
    try:
        entry.grid  # noqa: B018  # a grid that is none is found here, not in the middle of a comparison
    except BadFileError as error:
        raise ValueError(str(error)) from None
    return entry
