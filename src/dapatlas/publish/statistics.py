"""What each structure of a case measures: size, place and density, from one pass over CT and label map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadLabelsError, GridMismatchError
from dapatlas.labels import LabelScheme
from dapatlas.volumes import Grid, Measurement, Measurements, measure

CHUNK_VOXELS = 1 << 20  # counted at a time, so that what is in hand stays in the cache
MAX_RANGE_HU = (
    1 << 16
)  # between the least and the largest number of a CT; more than this is no table to count in


@dataclass(frozen=True, slots=True)
class Density:
    """Numbers of the CT within one structure, HU.

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


@dataclass(frozen=True, slots=True)
class StructureRow:
    """One structure of one case.

    Attributes
    ----------
    structure, id
        Canonical name and id.
    voxels, volume_ml
        How many, and their volume.
    density
        HU within it.
    box
        First and last index along i, j, k of the file, ``stop`` exclusive: (i0, i1, j0, j1, k0, k1).
    centroid_mm
        Mean world position (RAS) of its voxel centres.
    """

    structure: str
    id: int
    voxels: int
    volume_ml: float
    density: Density
    box: tuple[int, int, int, int, int, int]
    centroid_mm: tuple[float, float, float]

    def as_dict(self) -> dict[str, Any]:
        """Flat, in the columns of the table: :data:`COLUMNS` without case and subject."""
        return {
            "structure": self.structure,
            "id": self.id,
            "voxels": self.voxels,
            "volume_ml": self.volume_ml,
            "mean_hu": self.density.mean,
            "sd_hu": self.density.sd,
            "min_hu": self.density.minimum,
            "median_hu": self.density.median,
            "max_hu": self.density.maximum,
            **dict(zip(("i0", "i1", "j0", "j1", "k0", "k1"), self.box, strict=True)),
            **dict(zip(("x_mm", "y_mm", "z_mm"), self.centroid_mm, strict=True)),
        }


COLUMNS: Mapping[str, str] = {  # name and type of every column of the table, in order
    "case": "string",
    "subject": "string",
    "structure": "string",
    "id": "uint8",
    "voxels": "int64",
    "volume_ml": "double",
    "mean_hu": "double",
    "sd_hu": "double",
    "min_hu": "double",
    "median_hu": "double",
    "max_hu": "double",
    **dict.fromkeys(("i0", "i1", "j0", "j1", "k0", "k1"), "int32"),
    **dict.fromkeys(("x_mm", "y_mm", "z_mm"), "double"),
}


def structure_statistics(
    label_map: NDArray[Any], ct: NDArray[Any], grid: Grid, scheme: LabelScheme
) -> list[StructureRow]:
    """Measure every structure in view, background left out, in the order of ids.

    Parameters
    ----------
    label_map
        Ids, unsigned integers of the grid's shape.
    ct
        HU, of the same shape. Of integers all numbers come exactly from one table of how often each HU occurs
        in each structure; of floating point ones they are taken structure by structure within its box.
    grid
        Their grid.
    scheme
        What the ids mean.

    Raises
    ------
    GridMismatchError
        CT and map differ in shape.
    BadLabelsError
        The map holds ids that the scheme does not have.
    """
    if label_map.shape != ct.shape:
        raise GridMismatchError(
            f"a CT of shape {ct.shape} and a label map of shape {label_map.shape}; expected one grid for both"
        )
    measured = measured_in(scheme, label_map, grid)
    densities = _densities(label_map, ct, measured)
    return [_row(found, densities[found.id], scheme) for found in measured if found.id]


def measured_in(scheme: LabelScheme, label_map: NDArray[Any], grid: Grid) -> Measurements:
    """Measure a label map all of whose ids a scheme has; raises BadLabelsError for any other."""
    measured = measure(label_map, grid)
    unknown = [str(id_) for id_ in measured.ids.tolist() if id_ not in scheme]
    if unknown:
        raise BadLabelsError(
            f"ids outside the scheme {scheme.name!r}: {', '.join(unknown)}; "
            "name the scheme that the map is in; `dapatlas validate` tells how many voxels they have"
        )
    return measured


def _row(found: Measurement, density: Density, scheme: LabelScheme) -> StructureRow:
    i, j, k = found.box
    box = (i.start, i.stop, j.start, j.stop, k.start, k.stop)
    return StructureRow(
        scheme[found.id].name, found.id, found.voxels, found.ml, density, box, found.centroid_mm
    )


def _densities(label_map: NDArray[Any], ct: NDArray[Any], measured: Measurements) -> dict[int, Density]:
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
    """How often each HU occurs in each structure, shape (structures, HU from ``low`` to ``high``)."""
    rows, columns = len(measured), high - low + 1
    start = np.zeros(int(measured.ids[-1]) + 1, np.intp)
    start[measured.ids] = np.arange(rows) * columns - low  # the place of 0 HU in a structure's row
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
