"""One prediction against its reference: brought to one scheme and one grid, and scored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import fastremap
import numpy as np
from numpy.typing import NDArray

from dapatlas.check.common_scheme import CommonScheme
from dapatlas.check.scores import DEFAULT_TOLERANCE_MM, StructureScore, SurfaceScore, score
from dapatlas.errors import BadLabelsError, GridMismatchError, first_few
from dapatlas.labels import LabelScheme
from dapatlas.volumes import Volume, remap, resample_labels

RULE = (
    "A structure that is absent in both maps of a case is not scored there. Absent in one: Dice, IoU and surface Dice "
    "are 0, distances are not defined and counted as failures."
)
RULE_IN_REFERENCE = (
    "A structure is scored in the cases whose reference has it. Absent in the prediction: Dice, IoU and surface Dice "
    "are 0, distances are not defined and counted as failures. What only the prediction has is counted as invented."
)


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """What to measure.

    Attributes
    ----------
    structures
        Names in the common scheme, or their names in DAP; all where empty.
    surface
        Whether to measure surfaces.
    tolerance_mm
        Of surface Dice.
    tolerances_mm
        Tolerance of single structures.
    resample
        Whether a prediction on another grid is brought to the reference's; an error otherwise.
    only_in_reference
        Whether a structure is scored only where the reference has it.
    """

    structures: tuple[str, ...] = ()
    surface: bool = True
    tolerance_mm: float = DEFAULT_TOLERANCE_MM
    tolerances_mm: Mapping[str, float] = field(default_factory=dict)
    resample: bool = False
    only_in_reference: bool = False

    @property
    def rule(self) -> str:
        """What is done about absent structures, in words."""
        return RULE_IN_REFERENCE if self.only_in_reference else RULE

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        plain = {part.name: getattr(self, part.name) for part in fields(self)}
        return plain | {"structures": list(self.structures), "tolerances_mm": dict(self.tolerances_mm)}


@dataclass(frozen=True, slots=True)
class EvaluatedCase:
    """How well a prediction agrees with its reference.

    Attributes
    ----------
    case
        Case id.
    scores
        A score for each structure that is in either map (or in the reference, by the settings), in the order of ids.
    invented
        Structures that only the prediction has.
    resampled
        Whether the prediction was brought to the reference's grid.
    """

    case: str
    scores: tuple[StructureScore, ...]
    invented: tuple[str, ...] = ()
    resampled: bool = False

    def __getitem__(self, structure: str) -> StructureScore:
        """The score of a structure by its name; KeyError where it was not scored."""
        for one in self.scores:
            if one.structure == structure:
                return one
        raise KeyError(structure)

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON holds it, structures by name."""
        return {
            "case": self.case,
            "resampled": self.resampled,
            "invented": list(self.invented),
            "structures": {one.structure: one.as_dict() for one in self.scores},
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> EvaluatedCase:
        """The way back from :meth:`as_dict`."""
        scores = tuple(_score_from(row) for row in plain["structures"].values())
        return cls(plain["case"], scores, tuple(plain["invented"]), plain["resampled"])


def evaluate_pair(
    case: str,
    prediction: Volume,
    reference: Volume,
    schemes: tuple[LabelScheme, LabelScheme],
    common: CommonScheme,
    settings: EvaluationSettings | None = None,
    *,
    threads: int = 1,
) -> EvaluatedCase:
    """Score one prediction.

    Parameters
    ----------
    case
        Case id, for errors and the answer.
    prediction, reference
        Label maps in the axis order of their files.
    schemes
        Of prediction and reference.
    common
        In which they are compared; see :func:`dapatlas.check.common_scheme.common_scheme`.
    settings
        What to measure.
    threads
        How many structures are worked on at once.

    Raises
    ------
    GridMismatchError
        The grids differ, and the settings do not ask for resampling.
    BadLabelsError
        A map holds ids outside its scheme, or the settings name an unknown structure.
    """
    wanted = settings or EvaluationSettings()
    ours, resampled = _on_grid(case, prediction, reference, resample=wanted.resample)
    maps = [
        _in_common(array, scheme, table, f"{case}: {side}", same=common.same)
        for array, scheme, table, side in (
            (ours, schemes[0], common.prediction, "prediction"),
            (reference.array, schemes[1], common.reference, "reference"),
        )
    ]
    ignore = None
    if common.ignored:
        ignore = np.isin(reference.array, np.array(common.ignored, reference.array.dtype))
    scores = score(
        maps[0],
        maps[1],
        reference.grid,
        common.scheme,
        structures=wanted.structures or None,
        surface=wanted.surface,
        tolerance_mm=_tolerances(wanted, common.scheme),
        ignore=ignore,
        threads=threads,
    )
    invented = tuple(one.structure for one in scores if not one.reference_voxels)
    if wanted.only_in_reference:
        scores = tuple(one for one in scores if one.reference_voxels)
    return EvaluatedCase(case, scores, invented, resampled)


def _on_grid(
    case: str, prediction: Volume, reference: Volume, *, resample: bool
) -> tuple[NDArray[Any], bool]:
    """The prediction on the reference's grid, and whether it had to be brought there."""
    differences = prediction.grid.differences(reference.grid)
    if not differences:
        return prediction.array, False
    if not resample:
        raise GridMismatchError(
            f"{case}: prediction and reference lie on different grids: {'; '.join(differences)}; expected one grid: "
            "predict on the reference's grid, or pass --resample to bring the prediction there by nearest neighbour"
        )
    return resample_labels(prediction.array, prediction.grid, reference.grid), True


def _in_common(
    array: NDArray[Any], scheme: LabelScheme, table: NDArray[np.uint8], what: str, *, same: bool
) -> NDArray[Any]:
    ids = fastremap.unique(array)
    strange = [id_ for id_ in ids.tolist() if id_ not in scheme]
    if strange:
        listed = first_few(strange)
        raise BadLabelsError(
            f"{what}: found ids outside the scheme {scheme.name!r}: {listed}; expected its ids, 0…{scheme.max_id}; "
            "name the scheme that the map was made with"
        )
    return array if same else remap(array, table)


def _tolerances(settings: EvaluationSettings, scheme: LabelScheme) -> float | dict[str, float]:
    if not settings.tolerances_mm:
        return settings.tolerance_mm
    own = {scheme[name].name: mm for name, mm in settings.tolerances_mm.items() if name in scheme}
    return {structure.name: own.get(structure.name, settings.tolerance_mm) for structure in scheme}


def _score_from(row: Mapping[str, Any]) -> StructureScore:
    """A score from its JSON; what was not defined is NaN again."""
    plain, surface = _undefined(row), row["surface"]
    plain["surface"] = None if surface is None else SurfaceScore(**_undefined(surface))
    return StructureScore(**plain)


def _undefined(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: math.nan if value is None else value for key, value in row.items()}
