"""Scores of many cases in numbers: by structure, by kind of tissue, by region, each with a confidence interval.

The interval is a bootstrap over cases, which are what was sampled: bias-corrected and accelerated (BCa, Efron 1987,
J Am Stat Assoc 82:171), of the mean. For groups a case's value is the mean over the group's structures in it
(macro: every structure counts alike, whatever its size); micro Dice pools voxels first (large structures rule).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from dapatlas.check.evaluate import EvaluatedCase
from dapatlas.check.scores import StructureScore
from dapatlas.labels import LabelScheme, Region, Structure, TissueClass

LEAST_FOR_INTERVAL = 5  # cases; a bootstrap of fewer repeats the same handful of means
RESAMPLES = 5000
CONFIDENCE = 0.95
SEED = 20230725

OVERLAP = ("dice", "iou", "sensitivity", "precision", "volume_difference_ml")
SURFACE = ("surface_dice", "hd95_mm", "mean_surface_distance_mm")
METRICS = (*OVERLAP, *SURFACE)


@dataclass(frozen=True, slots=True)
class Spread:
    """One measure over cases.

    Attributes
    ----------
    n
        Cases in which it is defined.
    mean, median, sd
        Of those; the standard deviation is the sample's, NaN for one case.
    ci95
        95 % confidence interval of the mean; ``None`` for fewer than five cases.
    """

    n: int
    mean: float
    median: float
    sd: float
    ci95: tuple[float, float] | None

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        sd = None if math.isnan(self.sd) else self.sd
        return {
            "n": self.n,
            "mean": self.mean,
            "median": self.median,
            "sd": sd,
            "ci95": None if self.ci95 is None else list(self.ci95),
        }


@dataclass(frozen=True, slots=True)
class StructureScores:
    """One structure over cases.

    Attributes
    ----------
    structure
        Which one.
    cases
        Cases in which it was scored.
    missed, invented
        Cases in which only the reference has it, or only the prediction.
    measures
        By name; those that are defined in no case are left out.
    """

    structure: Structure
    cases: int
    missed: int
    invented: int
    measures: Mapping[str, Spread]

    @property
    def failed(self) -> int:
        """Cases in which only one of the maps has it, so that there are no distances."""
        return self.missed + self.invented

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        counts = {"cases": self.cases, "missed": self.missed, "invented": self.invented}
        measures = {name: spread.as_dict() for name, spread in self.measures.items()}
        return {"id": self.structure.id, **counts, **measures}


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """Several structures over cases.

    Attributes
    ----------
    name
        Of the group.
    structures
        How many of its structures were scored in any case.
    measures
        Macro: of each case's mean over the group's structures.
    mean_of_structures
        Dice: mean over structures of their means over cases, as benchmarks have it.
    micro_dice
        Dice of all voxels of the group, all cases pooled.
    """

    name: str
    structures: int
    measures: Mapping[str, Spread]
    mean_of_structures: float
    micro_dice: float

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        return {
            "structures": self.structures,
            "mean_of_structures": {"dice": self.mean_of_structures},
            "micro": {"dice": self.micro_dice},
            **{name: spread.as_dict() for name, spread in self.measures.items()},
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """All cases.

    Attributes
    ----------
    structures
        In the order of ids.
    everything
        All structures as one group.
    tissues, regions
        Groups by kind of tissue and by region that occur.
    """

    structures: tuple[StructureScores, ...]
    everything: GroupSummary
    tissues: tuple[GroupSummary, ...]
    regions: tuple[GroupSummary, ...]

    def as_dict(self) -> dict[str, Any]:
        """By name, as JSON holds it."""
        groups = {"all": self.everything, **{group.name: group for group in self.tissues}}
        return {
            "structures": {one.structure.name: one.as_dict() for one in self.structures},
            "groups": {name: group.as_dict() for name, group in groups.items()},
            "regions": {group.name: group.as_dict() for group in self.regions},
        }


def summarise(cases: Sequence[EvaluatedCase], scheme: LabelScheme) -> Summary:
    """Sum up the scores of some cases, at least one with a structure.

    Parameters
    ----------
    cases
        In any order; the answer does not depend on it.
    scheme
        The common scheme that they were scored in.
    """
    ordered = sorted(cases, key=lambda case: case.case)
    present = [s for s in scheme if any(one.id == s.id for case in ordered for one in case.scores)]
    structures = tuple(_structure(structure, ordered) for structure in present)

    def groups(
        kinds: Iterable[TissueClass | Region], kind_of: Callable[[Structure], Any]
    ) -> tuple[GroupSummary, ...]:
        parted = [(kind, [one for one in structures if kind_of(one.structure) is kind]) for kind in kinds]
        return tuple(_group(str(kind), members, ordered) for kind, members in parted if members)

    return Summary(
        structures,
        _group("all", structures, ordered),
        groups(TissueClass, lambda structure: structure.tissue),
        groups(Region, lambda structure: structure.region),
    )


def value(one: StructureScore, metric: str) -> float:
    """A measure of a score by its name; NaN where it is not defined."""
    if metric in SURFACE:
        return math.nan if one.surface is None else float(getattr(one.surface, metric))
    return float(getattr(one, metric))


def spread(values: Sequence[float]) -> Spread | None:
    """What is defined of some values; ``None`` where nothing is."""
    array = np.array([v for v in values if math.isfinite(v)])
    if not array.size:
        return None
    sd = float(array.std(ddof=1)) if array.size > 1 else math.nan
    return Spread(array.size, float(array.mean()), float(np.median(array)), sd, interval_of_mean(array))


def interval_of_mean(
    values: NDArray[np.float64],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[float, float] | None:
    """BCa bootstrap interval of a mean; ``None`` for fewer than five values.

    The same values give the same interval. The jackknife of a mean is known without leaving anything out: its
    acceleration is a sixth of the values' skewness over the root of their number.
    """
    n = values.size
    if n < LEAST_FOR_INTERVAL:
        return None
    mean, centred = values.mean(), values - values.mean()
    squares = float((centred**2).sum())
    if squares <= 1e-24 * max(1.0, float(mean) ** 2) * n:
        return float(mean), float(mean)
    means = _draws(n, resamples, seed) @ values / n
    below = (np.count_nonzero(means < mean) + np.count_nonzero(means <= mean)) / (2 * resamples)
    bias = ndtri(min(max(below, 1 / resamples), 1 - 1 / resamples))
    acceleration = float((centred**3).sum()) / (6 * squares**1.5)
    tails = ndtri(np.array([(1 - confidence) / 2, (1 + confidence) / 2]))
    shares = ndtr(bias + (bias + tails) / (1 - acceleration * (bias + tails)))
    low, high = np.quantile(means, shares)
    return float(low), float(high)


@lru_cache(maxsize=16)
def _draws(n: int, resamples: int, seed: int) -> NDArray[np.float32]:
    """How often each of n cases is drawn in each resample."""
    draws = np.random.default_rng([seed, n]).multinomial(n, np.full(n, 1 / n), size=resamples)
    return draws.astype(np.float32)


def _structure(structure: Structure, cases: Sequence[EvaluatedCase]) -> StructureScores:
    scores = [one for case in cases for one in case.scores if one.id == structure.id]
    return StructureScores(
        structure,
        len(scores),
        missed=sum(not one.predicted_voxels for one in scores),
        invented=sum(structure.name in case.invented for case in cases),
        measures=_measures([[one] for one in scores], METRICS),
    )


def _group(name: str, members: Sequence[StructureScores], cases: Sequence[EvaluatedCase]) -> GroupSummary:
    ids = {one.structure.id for one in members}
    scores = [[one for one in case.scores if one.id in ids] for case in cases]
    flat = [one for case in scores for one in case]
    voxels = sum(one.predicted_voxels + one.reference_voxels for one in flat)
    common = sum(one.common_voxels for one in flat)
    means = [one.measures["dice"].mean for one in members]
    return GroupSummary(
        name,
        len(members),
        _measures(
            scores, [name for name in METRICS if name != "volume_difference_ml"]
        ),  # of many sizes: no mean
        float(np.mean(means)) if means else math.nan,
        2 * common / voxels if voxels else math.nan,
    )


def _measures(by_case: Sequence[Sequence[StructureScore]], metrics: Sequence[str]) -> dict[str, Spread]:
    """Spread over cases of each case's mean."""
    found = {}
    for metric in metrics:
        over_cases = spread([_mean([value(one, metric) for one in scores]) for scores in by_case])
        if over_cases is not None:
            found[metric] = over_cases
    return found


def _mean(values: Sequence[float]) -> float:
    defined = [v for v in values if math.isfinite(v)]
    return math.fsum(defined) / len(defined) if defined else math.nan
