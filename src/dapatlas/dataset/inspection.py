"""One case, its headers or all of it, read once and checked: what a worker process does."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fastremap
import numpy as np
import numpy.typing as npt
from nibabel import imageglobals
from nibabel.spatialimages import HeaderDataError

from dapatlas.dataset.case import Case
from dapatlas.dataset.checks.cohort import CaseReport
from dapatlas.dataset.checks.ct import HuRange, check_hu, check_hu_storage
from dapatlas.dataset.checks.grid import check_grids, check_header, check_voxel_size
from dapatlas.dataset.checks.mask import check_ids, check_mask_type, check_sexes, sexes_in
from dapatlas.dataset.codes import Code, finding
from dapatlas.dataset.integrity import damage, diagnose, gzip_end, is_packed, seems_whole
from dapatlas.errors import BadFileError, BadLabelsError
from dapatlas.findings import Finding
from dapatlas.labels import Sex
from dapatlas.volumes import Grid, Header, read_header

CT, LABEL_MAP = "CT", "label map"  # what messages call the two files of a case
DIGEST_BYTES = 16
# What reading a damaged file raises; all but the first where a header holds numbers that are none, or are huge.
UNREADABLE = (BadFileError, HeaderDataError, ValueError, OverflowError, MemoryError)


def inspect_case(case: Case) -> CaseReport:
    """Read CT and label map of a case, one after the other, and check all that one case can tell.

    A file that cannot be read is a finding; it does not keep the other file from being checked.
    """
    with silence():  # what is amiss, the findings say
        place_findings = _look_at_place(case.id, _heads(case))
        ct_findings, ct_digest = _look_at_ct(case)
        mask_findings, mask_digest, sexes = _look_at_mask(case)
    findings = (*place_findings, *ct_findings, *mask_findings)
    return CaseReport(case.id, case.subject, findings, ct_digest, mask_digest, sexes)


def inspect_headers(case: Case) -> CaseReport:
    """Check what headers, sizes and the ends of gzip streams can tell, without reading any voxel.

    Only a file that does not seem whole is read to its end, so that no sound file is told of. The digests are
    those of the files' gzip streams as the files' ends state them, which many a different file could share.
    """
    with silence():
        heads = _heads(case)
        findings = _look_at_place(case.id, heads)
        ends: dict[str, bytes | None] = {}
        for head in heads:
            faults = _look_at_head(case.id, head)
            findings += faults
            ends[head.what] = None if faults else gzip_end(head.path)
    return CaseReport(case.id, case.subject, tuple(findings), ends.get(CT), ends.get(LABEL_MAP))


@contextmanager
def silence() -> Iterator[None]:
    """Keep warnings, and what nibabel logs about odd headers, off the terminal."""
    level = imageglobals.logger.level
    imageglobals.logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        imageglobals.logger.setLevel(level)


@dataclass(frozen=True, slots=True)
class _Head:
    """Header of a file, or why it could not be read."""

    what: str
    path: Path
    read: tuple[Grid, Header] | Exception


def _heads(case: Case) -> list[_Head]:
    heads = []
    for what, path in ((CT, case.image_path), (LABEL_MAP, case.mask_path)):
        if path is not None:
            try:
                heads.append(_Head(what, path, read_header(path)))
            except UNREADABLE as error:
                heads.append(_Head(what, path, error))
    return heads


def _look_at_place(case: str, heads: list[_Head]) -> list[Finding]:
    """Check names, headers and grids; of a file without a readable header, others will tell."""
    findings: list[Finding] = []
    grids = []
    for head in heads:
        if isinstance(head.read, Exception):
            continue
        grid, header = head.read
        findings += _look_at_suffix(case, head.what, head.path)
        findings += check_header(case, head.what, str(head.path), header)
        size_findings = list(check_voxel_size(case, head.what, str(head.path), grid))
        findings += size_findings
        if not size_findings:  # else there is nothing to compare
            grids.append(grid)
    if len(grids) == 2:
        findings += check_grids(case, str(heads[1].path), *grids)
    return findings


def _look_at_head(case: str, head: _Head) -> list[Finding]:
    """Is the file readable and as long as it should be, and of a type that can hold what it must?"""
    if isinstance(head.read, Exception):
        return [_unreadable(case, head.what, head.path, head.read)]
    header = head.read[1]
    if not seems_whole(head.path, header) and (fault := damage(head.path)):
        return [_damaged(case, head.what, head.path, *fault)]
    file = str(head.path)
    stored, scaled = _storage(header)
    if head.what == LABEL_MAP:
        return list(check_mask_type(case, file, stored, scaled))
    return list(check_hu_storage(case, file, _lowest(header), stored))


def _look_at_suffix(case: str, what: str, path: Path) -> list[Finding]:
    """Most programs take the word of the name, and fail."""
    packed = is_packed(path)
    if packed == (path.suffix == ".gz"):
        return []
    found = "compressed" if packed else "not compressed"
    return [
        finding(
            case,
            Code.WRONG_SUFFIX,
            f"the {what} is named {path.name}, but is {found}: most programs will not open it",
            file=str(path),
            expected=".nii.gz for compressed files, .nii for others",
            found=found,
            remedy=f"rename it to {case}.nii.gz" if packed else "compress it with gzip",
        )
    ]


def _look_at_ct(case: Case) -> tuple[list[Finding], bytes | None]:
    if case.image_path is None:
        return [], None
    try:
        ct = case.ct()
    except UNREADABLE as error:
        return [_unreadable(case.id, CT, case.image_path, error)], None
    hu = _hu_range(ct.array, *_storage(ct.header))
    return list(check_hu(case.id, str(case.image_path), hu)), _digest(ct.array)


def _look_at_mask(case: Case) -> tuple[list[Finding], bytes | None, frozenset[Sex]]:
    if case.mask_path is None:
        return [], None, frozenset()
    file = str(case.mask_path)
    try:
        label_map = case.label_map()
    except UNREADABLE as error:
        return [_unreadable(case.id, LABEL_MAP, case.mask_path, error)], None, frozenset()
    except BadLabelsError as error:
        return [_not_integer(case.id, file, error)], None, frozenset()
    voxels = _count(label_map.array)
    findings = [
        *check_mask_type(case.id, file, *_storage(label_map.header)),
        *check_ids(case.id, file, voxels, case.scheme),
        *check_sexes(case.id, file, voxels, case.scheme),
    ]
    digest = _digest(label_map.array) if voxels.keys() - {0} else None
    return findings, digest, frozenset(sexes_in(voxels, case.scheme))


def _unreadable(case: str, what: str, path: Path, error: Exception) -> Finding:
    code, phrase = diagnose(path, error)
    if isinstance(error, MemoryError) and code is Code.UNREADABLE_FILE:
        raise error  # the file is whole, and really that large; a damaged header only pretends to be
    return _damaged(case, what, path, code, phrase)


def _damaged(case: str, what: str, path: Path, code: Code, phrase: str) -> Finding:
    return finding(
        case,
        code,
        f"the {what} {phrase}",
        file=str(path),
        expected="a whole NIfTI file of one volume",
        found=phrase,
        remedy="copy the file again from its source; if it is damaged there too, make it again",
    )


def _not_integer(case: str, file: str, error: BadLabelsError) -> Finding:
    return finding(
        case,
        Code.MASK_NOT_INTEGER,
        f"the label map holds numbers that are no ids: {str(error).removeprefix(f'{file}: ')}",
        file=file,
        expected="whole numbers from 0 on",
        remedy="see whether it is a CT or a probability map, or was resampled with interpolation",
    )


def _storage(header: Header) -> tuple[str, bool]:
    """How the voxels are stored, and whether a scale factor turns them into something else."""
    slope, intercept = header.get_slope_inter()
    scaled = slope is not None and (slope, intercept) != (1.0, 0.0)
    return str(header.get_data_dtype().newbyteorder("=")), scaled


def _lowest(header: Header) -> float:
    """Smallest number that a voxel could stand for."""
    dtype = header.get_data_dtype()
    if dtype.kind == "f":
        return -np.inf
    slope, intercept = header.get_slope_inter()
    limits = np.iinfo(dtype)
    slope, intercept = slope or 1.0, intercept or 0.0
    return float(min(limits.min * slope, limits.max * slope) + intercept)


def _count(label_map: npt.NDArray[np.generic]) -> dict[int, int]:
    """Voxels of each id; any integer will do, for what stands in a mask by mistake may be a CT."""
    ids, counts = fastremap.unique(label_map, return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def _hu_range(ct: npt.NDArray[np.generic], stored: str, scaled: bool) -> HuRange:
    stored = f"{stored} with a scale factor" if scaled else stored
    if ct.dtype.kind == "f":
        bad = ct.size - int(np.count_nonzero(np.isfinite(ct)))
        if bad:
            return HuRange(0.0, 0.0, bad, stored)
    return HuRange(float(ct.min()), float(ct.max()), 0, stored)


def _digest(array: npt.NDArray[np.generic]) -> bytes:
    """Digest of shape and voxels as stored; equal for equal arrays whatever their header says."""
    digest = hashlib.blake2b(repr((array.shape, array.dtype.str)).encode(), digest_size=DIGEST_BYTES)
    digest.update(np.ascontiguousarray(array.T).data)  # files are in Fortran order: no copy is made
    return digest.digest()
