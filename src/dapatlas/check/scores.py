"""How well a predicted label map agrees with a reference, structure by structure: overlap and surface measures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.check.overlap import Counts, check_shapes, count, dice, iou, precision, sensitivity
from dapatlas.check.surface import hausdorff_mm, mean_distance_mm, surface_dice, surface_distances
from dapatlas.errors import DapatlasError
from dapatlas.labels import LabelScheme, Structure
from dapatlas.volumes import Box, Grid, hull, measure

DEFAULT_TOLERANCE_MM = 3.0
MAX_COSINE = (
    1e-3  # of the angle between two axes of the grid: distances are wrong by a few thousandths at most
)


class ShearedGridError(DapatlasError):
    """The axes of a grid are not at right angles, which surface measures need."""


@dataclass(frozen=True, slots=True)
class SurfaceScore:
    """How well two surfaces of a structure agree.

    Attributes
    ----------
    surface_dice
        Normalised surface Dice: the share of both surfaces' area that lies within ``tolerance_mm`` of the other one.
    hd95_mm
        95th percentile of the Hausdorff distance by the convention of DeepMind's ``surface-distance``: percentiles are
        weighted by area, one for each direction, and the larger of the two counts.
    mean_surface_distance_mm
        Average symmetric surface distance: weighted by area, over both surfaces together.
    tolerance_mm
        The tolerance of surface Dice.
    """

    surface_dice: float
    hd95_mm: float
    mean_surface_distance_mm: float
    tolerance_mm: float


@dataclass(frozen=True, slots=True)
class StructureScore:
    """How well prediction and reference agree on one structure.

    Attributes
    ----------
    structure, id
        Canonical name and id in the scheme.
    reference_voxels, predicted_voxels, common_voxels
        Voxels in the reference, in the prediction, and in both.
    dice, iou, sensitivity, precision
        Overlap, 0…1; NaN where the denominator is 0.
    volume_difference_ml
        Predicted volume minus reference volume.
    surface
        ``None`` where surfaces were not asked for.
    """

    structure: str
    id: int
    reference_voxels: int
    predicted_voxels: int
    common_voxels: int
    dice: float
    iou: float
    sensitivity: float
    precision: float
    volume_difference_ml: float
    surface: SurfaceScore | None

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON has it: ``None`` for what is not defined; surface measures in a dict of their own."""
        plain = asdict(self)
        surface = plain.pop("surface")
        return _defined(plain) | {"surface": surface and _defined(surface)}


def score(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    grid: Grid,
    scheme: LabelScheme,
    *,
    structures: Sequence[str] | None = None,
    surface: bool = True,
    tolerance_mm: float | Mapping[str, float] = DEFAULT_TOLERANCE_MM,
    ignore: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> tuple[StructureScore, ...]:
    """Score every structure of a predicted label map.

    A structure that is absent in both maps is left out. One that is absent in one of them has Dice, IoU and surface
    Dice 0; its distances are NaN, for there is no surface to measure to, and so is sensitivity or precision where its
    denominator is 0. Background is never scored.

    Parameters
    ----------
    prediction, reference
        Ids of the scheme on one grid, in the file's own axis order [i, j, k]; integers, in any memory order.
    grid
        Of both.
    scheme
        What the ids mean.
    structures
        Names (or aliases) of the only structures to score, in this order; all in the order of ids by default.
    surface
        Whether to measure surfaces, which takes most of the time.
    tolerance_mm
        Of surface Dice; a mapping gives it by structure, and the others have 3 mm.
    ignore
        True where voxels are left out: they are in no structure, and surface that touches them has no weight.
    threads
        How many structures are worked on at once.

    Returns
    -------
    tuple of StructureScore
        One for each structure that is present in either map.

    Raises
    ------
    BadLabelsError
        Ids or names outside the scheme.
    GridMismatchError
        Shapes differ.
    ShearedGridError
        Surfaces are asked for on a grid whose axes are not at right angles.
    ValueError
        A tolerance is negative or no number.
    """
    check_shapes(
        prediction.shape,
        reference=reference.shape,
        grid=grid.shape,
        ignore=None if ignore is None else ignore.shape,
    )
    tolerances = _tolerances(tolerance_mm, scheme)
    counts = count(prediction, reference, scheme, ignore)
    wanted = _wanted(counts, scheme, structures)
    surfaces: dict[int, SurfaceScore] = {}
    if surface:
        both = [s.id for s in wanted if counts.predicted[s.id] and counts.reference[s.id]]
        surfaces = _surfaces(prediction, reference, grid, ignore, both, tolerances, threads)
        for structure in wanted:
            surfaces.setdefault(structure.id, SurfaceScore(0.0, math.nan, math.nan, tolerances[structure.id]))
    return tuple(
        _structure_score(structure, counts, grid.voxel_ml, surfaces.get(structure.id)) for structure in wanted
    )


def _structure_score(
    structure: Structure, counts: Counts, voxel_ml: float, surface: SurfaceScore | None
) -> StructureScore:
    predicted, reference, common = (
        int(voxels[structure.id]) for voxels in (counts.predicted, counts.reference, counts.common)
    )
    return StructureScore(
        structure=structure.name,
        id=structure.id,
        reference_voxels=reference,
        predicted_voxels=predicted,
        common_voxels=common,
        dice=dice(predicted, reference, common),
        iou=iou(predicted, reference, common),
        sensitivity=sensitivity(reference, common),
        precision=precision(predicted, common),
        volume_difference_ml=(predicted - reference) * voxel_ml,
        surface=surface,
    )


def _wanted(counts: Counts, scheme: LabelScheme, names: Sequence[str] | None) -> list[Structure]:
    """Structures to score: asked for, present in either map, not background."""
    asked: Iterable[Structure] = scheme if names is None else dict.fromkeys(scheme[name] for name in names)
    return [s for s in asked if s.id and (counts.predicted[s.id] or counts.reference[s.id])]


def _tolerances(given: float | Mapping[str, float], scheme: LabelScheme) -> dict[int, float]:
    """Tolerance of every id of the scheme."""
    if isinstance(given, Mapping):
        own = {scheme[name].id: float(mm) for name, mm in given.items()}
        tolerances = {structure.id: own.get(structure.id, DEFAULT_TOLERANCE_MM) for structure in scheme}
    else:
        tolerances = {structure.id: float(given) for structure in scheme}
    for id_, mm in tolerances.items():
        if not (math.isfinite(mm) and mm >= 0):
            raise ValueError(f"expected a tolerance of 0 mm or more, found {mm} for {scheme[id_].name}")
    return tolerances


def _surfaces(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    grid: Grid,
    ignore: NDArray[np.bool_] | None,
    ids: Sequence[int],
    tolerances: Mapping[int, float],
    threads: int,
) -> dict[int, SurfaceScore]:
    """Surface measures of structures that are in both maps, by id."""
    _check_right_angles(grid)
    if not ids:
        return {}
    # distances do not ask which way axes run: work in the order in which the reference lies in memory
    order, turned = _layout(reference)
    prediction, reference = (_laid(array, order, turned) for array in (prediction, reference))
    ignore = None if ignore is None else _laid(ignore, order, turned)
    i, j, k = (grid.spacing[axis] for axis in order)
    spacing = (i, j, k)
    plain = Grid.from_spacing((reference.shape[0], reference.shape[1], reference.shape[2]), spacing)
    ours, theirs = measure(prediction, plain), measure(reference, plain)

    def one(id_: int) -> SurfaceScore:
        box = hull(ours[id_].box, theirs[id_].box)
        there, back = surface_distances(prediction, reference, id_, box, spacing, ignore)
        tolerance = tolerances[id_]
        return SurfaceScore(
            surface_dice(there, back, tolerance),
            hausdorff_mm(there, back),
            mean_distance_mm(there, back),
            tolerance,
        )

    if threads == 1:
        return {id_: one(id_) for id_ in ids}
    largest_first = sorted(ids, key=lambda id_: -_voxels(hull(ours[id_].box, theirs[id_].box)))
    with ThreadPoolExecutor(threads) as pool:
        return dict(zip(largest_first, pool.map(one, largest_first), strict=True))


def _check_right_angles(grid: Grid) -> None:
    unit = grid.affine[:3, :3] / np.array(grid.spacing)
    cosine = float(np.abs(unit.T @ unit - np.eye(3)).max())
    if cosine > MAX_COSINE:
        raise ShearedGridError(
            f"axes of this grid are up to {math.degrees(math.asin(min(cosine, 1.0))):.2f}° off a right angle, as with "
            "a tilted gantry; surface measures expect right angles: resample both maps to such a grid, or leave "
            "surface measures out"
        )


def _layout(array: NDArray[Any]) -> tuple[list[int], list[bool]]:
    """Axes from the fastest in memory to the slowest, and which of them run backwards."""
    order = sorted(range(3), key=lambda axis: abs(array.strides[axis]))
    return order, [array.strides[axis] < 0 for axis in order]


def _laid(array: NDArray[Any], order: Sequence[int], turned: Sequence[bool]) -> NDArray[Any]:
    return array.transpose(order)[tuple(slice(None, None, -1 if back else 1) for back in turned)]


def _voxels(box: Box) -> int:
    return math.prod(side.stop - side.start for side in box)


def _defined(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in numbers.items()
    }
