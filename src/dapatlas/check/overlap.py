"""How many voxels two label maps give each structure, apart and in common: one joint histogram for all of them.

The measures that come of these counts are NaN where they are not defined, that is where their denominator is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadLabelsError, GridMismatchError
from dapatlas.labels import LabelScheme
from dapatlas.volumes import joint_histogram


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Voxels of each id, indexed by id, background 0 among them.

    Attributes
    ----------
    predicted, reference
        In each of the maps; shape (largest id of the scheme + 1,).
    common
        In both at once.
    """

    predicted: NDArray[np.int64]
    reference: NDArray[np.int64]
    common: NDArray[np.int64]


def count(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    scheme: LabelScheme,
    ignore: NDArray[np.bool_] | None = None,
) -> Counts:
    """Count voxels of every id in each map and in both.

    Parameters
    ----------
    prediction, reference
        Ids of the scheme, of one shape, in any memory order.
    scheme
        What the ids mean.
    ignore
        True where voxels are not counted.

    Raises
    ------
    GridMismatchError
        Shapes differ.
    BadLabelsError
        A map holds no whole numbers, or ids outside the scheme.
    """
    check_shapes(prediction.shape, reference=reference.shape, ignore=None if ignore is None else ignore.shape)
    _check_range(prediction, scheme, "prediction")
    _check_range(reference, scheme, "reference")
    shape = (scheme.max_id + 1, scheme.max_id + 1)
    table = joint_histogram(prediction, reference, shape)
    counts = Counts(table.sum(axis=1), table.sum(axis=0), table.diagonal().copy())
    _check_gaps(counts.predicted, scheme, "prediction")
    _check_gaps(counts.reference, scheme, "reference")
    if ignore is None:
        return counts
    left_out = joint_histogram(prediction[ignore], reference[ignore], shape)
    table -= left_out
    return Counts(table.sum(axis=1), table.sum(axis=0), table.diagonal().copy())


def check_shapes(expected: tuple[int, ...], **found: tuple[int, ...] | None) -> None:
    """Raise GridMismatchError where an array's shape is not the prediction's."""
    for name, shape in found.items():
        if shape is not None and shape != expected:
            raise GridMismatchError(
                f"prediction of shape {expected} and {name} of shape {shape}; expected one grid for both: "
                "resample the prediction to the reference's grid"
            )


def dice(predicted: int, reference: int, common: int) -> float:
    """Twice the common voxels by the sum of both structures' voxels (Dice 1945, Sørensen 1948)."""
    return _ratio(2 * common, predicted + reference)


def iou(predicted: int, reference: int, common: int) -> float:
    """Intersection over union (Jaccard 1912)."""
    return _ratio(common, predicted + reference - common)


def sensitivity(reference: int, common: int) -> float:
    """How much of the reference was found (recall)."""
    return _ratio(common, reference)


def precision(predicted: int, common: int) -> float:
    """How much of what was found is the reference's (positive predictive value)."""
    return _ratio(common, predicted)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _check_range(label_map: NDArray[Any], scheme: LabelScheme, name: str) -> None:
    if label_map.dtype.kind not in "uib":
        raise BadLabelsError(f"{name}: a label map holds whole numbers; found {label_map.dtype}")
    if not label_map.size or label_map.dtype.kind == "b":
        return
    negative = label_map.dtype.kind == "i" and label_map.min() < 0
    if negative or label_map.max() > scheme.max_id:
        ids = np.unique(label_map)
        raise _unknown(ids[(ids < 0) | (ids > scheme.max_id)], scheme, name)


def _check_gaps(voxels: NDArray[np.int64], scheme: LabelScheme, name: str) -> None:
    unknown = np.setdiff1d(np.flatnonzero(voxels), scheme.ids)
    if unknown.size:
        raise _unknown(unknown, scheme, name)


def _unknown(ids: NDArray[Any], scheme: LabelScheme, name: str) -> BadLabelsError:
    listed = ", ".join(map(str, ids[:5].tolist())) + (" …" if len(ids) > 5 else "")
    return BadLabelsError(
        f"{name}: found ids outside the scheme {scheme.name!r}: {listed}; expected its ids, 0…{scheme.max_id}; "
        "name the scheme that the map was made with"
    )
