"""Are the voxels of a volume Hounsfield units, and what is the smallest type that holds them?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastremap
import numpy as np
from numpy.typing import NDArray

from dapatlas.dataset.checks.ct import AIR_HU, HuRange, check_hu
from dapatlas.errors import BadFileError
from dapatlas.findings import Finding, Severity
from dapatlas.ingest.codes import Code
from dapatlas.ingest.fault import IngestError
from dapatlas.volumes import read_slice

MOST_IDS = 300  # of a label map; a CT whose intercept was lost has thousands of values

_INT16 = np.iinfo(np.int16)


def check_values(case: str, file: Path, array: NDArray[Any]) -> list[Finding]:
    """What is odd about the values of a CT, shape (i, j, k), as ``dapatlas validate`` would say it.

    Raises
    ------
    IngestError
        They are no HU: a label map, grey values of a picture, values without their intercept, NaN.
    """
    findings = []
    for found in check_hu(case, str(file), _range(array)):
        if found.severity is Severity.ERROR:
            raise IngestError(
                Code.NOT_A_CT, f"{file}: {_label_map(array) or f'{found.message}; {found.remedy}'}"
            )
        findings.append(found)
    return findings


def smallest(array: NDArray[Any]) -> NDArray[Any]:
    """The same values as int16 where all are whole and fit, else as int32 or float32.

    Numbers in double precision that are not whole lose what single precision cannot hold, under a
    thousandth of a HU.
    """
    if array.dtype.kind == "f" and not _all_whole(array):
        return array.astype(np.float32, copy=False)
    low, high = array.min(), array.max()
    if _INT16.min <= low and high <= _INT16.max:
        return array.astype(np.int16, copy=False)
    int32 = np.iinfo(np.int32)
    if int32.min <= low and high <= int32.max:
        return array.astype(np.int32, copy=False)
    return array.astype(np.float32, copy=False)


def shows_air(path: Path) -> bool:
    """Whether the middle slice of a NIfTI file has values that only a CT has: a first look, of one slice.

    ``False`` too where it cannot be read.
    """
    try:
        return bool(read_slice(path).min() < AIR_HU)
    except BadFileError:
        return False


def _range(array: NDArray[Any]) -> HuRange:
    stored = str(array.dtype)
    if array.dtype.kind == "f":
        not_finite = sum(int((~np.isfinite(array[:, :, k])).sum()) for k in range(array.shape[2]))
        if not_finite:
            return HuRange(0.0, 0.0, not_finite, stored)
    return HuRange(float(array.min()), float(array.max()), 0, stored)


def _label_map(array: NDArray[Any]) -> str:
    """Why a volume that is no CT looks like a label map, in words; empty where it does not."""
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and _all_whole(array)):
        return ""
    if array.min() != 0 or array.max() > _INT16.max:
        return ""
    ids = fastremap.unique(array.astype(np.int16))
    if len(ids) > MOST_IDS:
        return ""
    return (
        f"this is a label map, or a picture of few grey values, and no CT: {len(ids)} values, all whole, "
        f"from 0 to {ids[-1]}; give the CT that it was drawn on"
    )


def _all_whole(array: NDArray[Any]) -> bool:
    return all(bool((array[:, :, k] == np.rint(array[:, :, k])).all()) for k in range(array.shape[2]))
