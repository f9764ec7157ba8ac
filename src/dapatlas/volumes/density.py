"""Densities of all labels, from one pass over CT and label map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes.measure import Measurements

CHUNK_VOXELS = 1 << 20  # counted at a time, so that what is in hand stays in the cache
# Between the least and the largest number of a CT; more than this is no table to count in.
MAX_RANGE_HU = 1 << 16


@dataclass(frozen=True, slots=True)
class Density:
    """Numbers of the CT within one label, HU.

    Attributes
    ----------
    mean, sd
        Mean, and standard deviation of its voxels (divided by n, not by n - 1).
    minimum, median, maximum
        Of an even number of voxels the median is the mean of the two in the middle.
    """

    mean: float
    sd: float
    minimum: float
    median: float
    maximum: float


def densities(label_map: NDArray[Any], ct: NDArray[Any], measured: Measurements) -> dict[int, Density]:
    """What the CT says within every label, background left out, by id.

    Of integers all numbers come exactly from one table of how often each HU occurs in each label; of floating
    point ones they are taken label by label within its box.

    Parameters
    ----------
    label_map
        Ids, unsigned integers.
    ct
        HU, of the same shape.
    measured
        What :func:`~dapatlas.volumes.measure` says of the map.
    """
    if ct.dtype.kind in "iu" and ct.dtype.itemsize <= 4:
        low, high = int(ct.min()), int(ct.max())
        if high - low < MAX_RANGE_HU:
            return dict(_from_table(_table(label_map, ct, measured, low, high), measured, low))
    return {
        found.id: _of_values(ct[found.box][label_map[found.box] == found.id])
        for found in measured
        if found.id
    }


def _table(
    label_map: NDArray[Any], ct: NDArray[Any], measured: Measurements, low: int, high: int
) -> NDArray[np.int64]:
    """How often each HU occurs in each label, shape (labels, HU from ``low`` to ``high``)."""
    rows, columns = len(measured), high - low + 1
    start = np.zeros(int(measured.ids[-1]) + 1, np.intp)
    start[measured.ids] = np.arange(rows) * columns - low  # the place of 0 HU in a label's row
    table = np.zeros(rows * columns, np.int64)
    ids, values = label_map.ravel("F"), ct.ravel("F")
    chunk = max(CHUNK_VOXELS, 4 * table.size)  # adding up tables must not cost more than counting
    for begin in range(0, ids.size, chunk):
        place = start[ids[begin : begin + chunk]]
        place += values[begin : begin + chunk]
        table += np.bincount(place, minlength=table.size)
    return table.reshape(rows, columns)


def _from_table(table: NDArray[np.int64], measured: Measurements, low: int) -> Iterator[tuple[int, Density]]:
    hu = np.arange(low, low + table.shape[1], dtype=np.float64)
    for id_, counts in zip(measured.ids.tolist(), table, strict=True):
        if not id_:
            continue
        voxels, up_to = int(counts.sum()), np.cumsum(counts)
        mean = float(hu @ counts) / voxels
        sd = float(np.sqrt((hu - mean) ** 2 @ counts / voxels))
        first, last, *middle = np.searchsorted(up_to, (1, voxels, (voxels + 1) // 2, voxels // 2 + 1))
        yield id_, Density(mean, sd, float(hu[first]), float(hu[middle].mean()), float(hu[last]))


def _of_values(values: NDArray[Any]) -> Density:
    wide = values.astype(np.float64)
    return Density(
        float(wide.mean()), float(wide.std()), float(wide.min()), float(np.median(wide)), float(wide.max())
    )
