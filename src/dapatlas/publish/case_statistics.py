"""What the statistics of a data set take from one case: its grid, its structures, and a small coronal picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from numpy.typing import NDArray

from dapatlas.labels import LabelScheme
from dapatlas.publish.statistics import measured_in, structure_statistics
from dapatlas.volumes import Grid


@dataclass(frozen=True, slots=True)
class MeasuredStructure:
    """One structure of one case.

    Attributes
    ----------
    structure, id
        Canonical name and id.
    voxels, volume_ml
        How many, and their volume.
    mean_hu, sd_hu
        Of the CT within it; ``None`` without a CT, or where the CT holds no finite number there.
    is_cut
        Whether it reaches a face of the volume, so that a part of it may lie out of view.
    """

    structure: str
    id: int
    voxels: int
    volume_ml: float
    mean_hu: float | None
    sd_hu: float | None
    is_cut: bool


@dataclass(frozen=True, slots=True)
class CaseStatistics:
    """One case in numbers.

    Attributes
    ----------
    case, subject
        Case id, and who was scanned.
    shape, spacing_mm
        Voxels, and mm from one to the next, along the patient's axes: left-right, front-back, head-foot.
    has_ct
        Whether there was a CT to take HU from.
    structures
        Those in view, background left out, in the order of ids.
    """

    case: str
    subject: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    has_ct: bool
    structures: tuple[MeasuredStructure, ...]

    @property
    def height_mm(self) -> float:
        """Extent of the field of view from head to foot."""
        return self.shape[2] * self.spacing_mm[2]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> CaseStatistics:
        """Read back what :meth:`as_dict` gave."""
        structures = tuple(MeasuredStructure(**row) for row in record["structures"])
        shape, spacing = tuple(record["shape"]), tuple(record["spacing_mm"])
        return cls(record["case"], record["subject"], shape, spacing, record["has_ct"], structures)


def case_statistics(
    case: str, subject: str, label_map: NDArray[Any], ct: NDArray[Any] | None, grid: Grid, scheme: LabelScheme
) -> CaseStatistics:
    """Measure one case.

    Parameters
    ----------
    case, subject
        Case id, and who was scanned.
    label_map
        Ids, unsigned integers of the grid's shape, any orientation.
    ct
        HU of the same shape; ``None`` where there is no CT.
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
    if ct is None:
        rows = _without_ct(label_map, grid, scheme)
    else:
        rows = [
            MeasuredStructure(
                row.structure,
                row.id,
                row.voxels,
                row.volume_ml,
                _finite(row.density.mean),
                _finite(row.density.sd),
                _reaches_a_face(row.box, grid),
            )
            for row in structure_statistics(label_map, ct, grid, scheme)
        ]
    order = _patient_axes(grid)
    shape = (grid.shape[order[0]], grid.shape[order[1]], grid.shape[order[2]])
    spacing = (grid.spacing[order[0]], grid.spacing[order[1]], grid.spacing[order[2]])
    return CaseStatistics(case, subject, shape, spacing, ct is not None, tuple(rows))


def _without_ct(label_map: NDArray[Any], grid: Grid, scheme: LabelScheme) -> list[MeasuredStructure]:
    rows = []
    for found in measured_in(scheme, label_map, grid):
        if found.id:
            i, j, k = found.box
            box = (i.start, i.stop, j.start, j.stop, k.start, k.stop)
            is_cut = _reaches_a_face(box, grid)
            rows.append(
                MeasuredStructure(scheme[found.id].name, found.id, found.voxels, found.ml, None, None, is_cut)
            )
    return rows


def _reaches_a_face(box: tuple[int, int, int, int, int, int], grid: Grid) -> bool:
    return 0 in box[::2] or any(stop == size for stop, size in zip(box[1::2], grid.shape, strict=True))


def _patient_axes(grid: Grid) -> tuple[int, int, int]:
    """Array axes that run left-right, front-back and head-foot, whichever way."""
    codes = grid.orientation
    left_right = next(axis for axis, code in enumerate(codes) if code in "LR")
    front_back = next(axis for axis, code in enumerate(codes) if code in "AP")
    head_foot = next(axis for axis, code in enumerate(codes) if code in "SI")
    return left_right, front_back, head_foot


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None
