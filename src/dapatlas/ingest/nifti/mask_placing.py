"""Bringing in one mask: onto the grid of its CT exactly, or not at all.

A mask on the grid of its CT is copied as it is; one whose axes are flipped or swapped is brought onto that grid, voxel
for voxel; any other is refused, for resampling would change it.
"""

from __future__ import annotations

import filecmp
import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import fastremap
import numpy as np

from dapatlas.errors import BadFileError, BadLabelsError, first_few
from dapatlas.files import whole_file
from dapatlas.findings import Finding
from dapatlas.ingest.archive import Archive
from dapatlas.ingest.codes import Code, finding
from dapatlas.ingest.nifti.axes import Kind, Move, Relation, relation
from dapatlas.ingest.nifti.released_masks import Pair
from dapatlas.ingest.space import full_disk_named
from dapatlas.volumes import Grid, IntegralFloatWarning, Volume, read_grid, read_label_map, write_label_map
from dapatlas.volumes.gzipped import is_gzipped

_REMEDIES = {
    Kind.MIRRORED: "look at both in a viewer: if the mask's voxels lie right on the CT's, copy the CT's affine into "
    "it; if they lie mirrored, get the mask again",
    Kind.SHIFTED: "take the CT that the mask was made on: the CT.nii.gz of AutoPET's own converter, neither cropped "
    "nor padded",
    Kind.SPACING: "take the CT itself, not the one resampled to the PET (CTres)",
    Kind.OTHER: "take the CT that the mask was made on; `dapatlas ingest tcia` makes its grid from DICOM",
}


@dataclass(frozen=True, slots=True)
class Placed:
    """How it ended for one mask.

    Attributes
    ----------
    case
        Case id.
    how
        ``copied`` byte for byte, ``turned`` onto the CT's grid, ``stored anew`` as uint8, ``up to date``, or
        ``refused``.
    findings
        What was changed, or why it was refused.
    """

    case: str
    how: str
    findings: tuple[Finding, ...] = ()


def place(pair: Pair, *, overwrite: bool = False) -> Placed:
    """Bring one mask into the data set, whole or not at all.

    Parameters
    ----------
    pair
        As :func:`plan` made it.
    overwrite
        Replace a mask that stands with other content; else it is left, and told.

    Raises
    ------
    BadFileError
        Mask or CT cannot be read.
    BadLabelsError
        The mask holds fractions, negative numbers, or ids outside the scheme.
    NoSpaceError
        The disk is full.
    """
    pair.target.parent.mkdir(parents=True, exist_ok=True)
    with (
        full_disk_named(pair.target),
        TemporaryDirectory(prefix=".placing-", dir=pair.target.parent) as folder,
        Archive(pair.source) as archive,
    ):
        copy = Path(folder, pair.member.file_name)
        archive.copy(pair.member, copy)
        mask = _read(copy, pair)
        grid = mask.grid if pair.ct is None else read_grid(pair.ct)
        related = relation(mask.grid, grid)
        if related.move is None:
            return Placed(pair.case, "refused", (_off_grid(pair, mask.grid, grid, related),))
        ready, placed = _made_fit(copy, pair, mask, grid, related.move)
        return _put(ready, pair, placed, overwrite=overwrite)


def _made_fit(copy: Path, pair: Pair, mask: Volume, grid: Grid, move: Move) -> tuple[Path, Placed]:
    """The file to place: the copy itself if it will do, else one on the grid of the CT, in uint8."""
    stored = _stored_how(copy, mask)
    if move.is_identity and not stored:
        return copy, Placed(pair.case, "copied")
    ready = copy.parent / "ready" / pair.target.name
    write_label_map(ready, move.apply(mask.array), mask.grid if move.is_identity else grid, mask.header)
    if move.is_identity:
        how, code, said = (
            "stored anew",
            Code.STORED_ANEW,
            f"it was {stored}, and is stored anew as uint8, gzipped",
        )
    else:
        how, code, said = (
            "turned",
            Code.AXES_TURNED,
            f"{move}, to lie on the grid of its CT; no voxel was changed",
        )
    told = finding(pair.case, code, f"{pair.where}: {said}", file=str(pair.target))
    return ready, Placed(pair.case, how, (told,))


def _put(ready: Path, pair: Pair, placed: Placed, *, overwrite: bool) -> Placed:
    """Give the file its name, unless a mask stands there."""
    stands = pair.stands if pair.stands is not None and pair.stands.exists() else pair.target
    if stands.exists():
        if _same(ready, stands):
            return Placed(pair.case, "up to date")
        if not overwrite:
            said = f"{stands}: stands already, and differs from {pair.where}; it was left"
            return Placed(
                pair.case, "refused", (finding(pair.case, Code.MASK_STANDS, said, file=str(stands)),)
            )
    with whole_file(pair.target) as scratch:
        ready.replace(scratch)
    return placed


def _read(copy: Path, pair: Pair) -> Volume:
    """The mask, its ids known to the scheme; what is wrong is told of where it comes from, not of the copy."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IntegralFloatWarning)  # it is stored anew, and told
            mask = read_label_map(copy)
    except (BadFileError, BadLabelsError) as error:
        raise type(error)(str(error).replace(str(copy), pair.where)) from None
    ids, counts = fastremap.unique(mask.array, return_counts=True)
    unknown = [
        f"{label} ({n} voxels)" for label, n in zip(ids, counts, strict=True) if int(label) not in pair.scheme
    ]
    if unknown:
        raise BadLabelsError(
            f"{pair.where}: holds ids outside the scheme {pair.scheme.name!r}: {first_few(unknown)}; expected the "
            "released masks: get them from their source, or name the scheme that these are in"
        )
    return mask


def _stored_how(copy: Path, mask: Volume) -> str:
    """How a mask is stored, if not as a data set's masks are; else empty."""
    stored = mask.header.get_data_dtype()
    scaled = mask.header.get_slope_inter() not in ((None, None), (1, 0))
    if stored != np.uint8 or scaled:
        return f"stored as {stored}{' with a scale factor' if scaled else ''}"
    return "" if is_gzipped(copy) else "not compressed"


def _same(ready: Path, stands: Path) -> bool:
    """Whether two masks have the same ids in the same places, however they are stored."""
    if stands.name == ready.name and filecmp.cmp(ready, stands, shallow=False):
        return True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IntegralFloatWarning)
            old, new = read_label_map(stands), read_label_map(ready)
    except (BadFileError, BadLabelsError):
        return False
    stored_alike = old.header.get_data_dtype() == new.header.get_data_dtype()
    return stored_alike and old.grid.is_close(new.grid) and np.array_equal(old.array, new.array)


def _off_grid(pair: Pair, mask: Grid, ct: Grid, related: Relation) -> Finding:
    return finding(
        pair.case,
        Code.GRID_DIFFERS,
        f"{pair.where}: the mask does not lie on the grid of its CT {pair.ct}: {related.message}",
        file=pair.where,
        expected=repr(ct),
        found=repr(mask),
        remedy=_REMEDIES[related.kind],
    )
