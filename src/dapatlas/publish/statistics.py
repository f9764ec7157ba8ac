"""What each structure of a case measures: size, place and density, from one pass over CT and label map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from dapatlas.errors import BadLabelsError, GridMismatchError
from dapatlas.labels import LabelScheme
from dapatlas.volumes import Density, Grid, Measurement, Measurements, densities, measure


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
        HU, of the same shape; see :func:`~dapatlas.volumes.densities`.
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
    within = densities(label_map, ct, measured)
    return [_row(found, within[found.id], scheme) for found in measured if found.id]


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
