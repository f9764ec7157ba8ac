"""Two predictors on the same cases: which is better, structure by structure, and is that more than chance.

Pairs are the cases whose reference has the structure, so that both predictors have a Dice in each. The Wilcoxon
signed-rank test (Wilcoxon 1945, Biometrics Bulletin 1:80; two-sided, equal pairs left out) asks whether differences
lie evenly around 0. It needs six pairs that differ: of five, not even all in one direction would reach p = 0.05
(2/2⁵ = 0.06). Many structures are tested, so that p-values are adjusted by Holm's method (Holm 1979, Scand J Stat
6:65). The size of the effect is the matched-pairs rank-biserial correlation (Kerby 2014, Compr Psychol 3:1): the share
of ranks in favour of the one minus the share in favour of the other, -1…1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dapatlas.check.evaluate import EvaluatedCase
from dapatlas.check.summary import interval_of_mean, value
from dapatlas.labels import LabelScheme

LEAST_PAIRS = 6  # that differ
SAME = 1e-12  # a smaller difference is none: it is rounding


@dataclass(frozen=True, slots=True)
class Paired:
    """One structure, one predictor against another.

    Attributes
    ----------
    structure
        Canonical name.
    n
        Pairs.
    mean, other_mean
        Of the measure, for the one and the other predictor.
    difference, ci95
        Mean of the one minus the other, and its bootstrap interval (``None`` for fewer than five pairs).
    better, worse
        Pairs in which the one is better, and worse.
    effect
        Rank-biserial correlation, positive where the one is better; 0 where all pairs are equal.
    p, p_holm
        Of the signed-rank test, as it is and adjusted for all structures tested; ``None`` where fewer than six pairs
        differ.
    """

    structure: str
    n: int
    mean: float
    other_mean: float
    difference: float
    ci95: tuple[float, float] | None
    better: int
    worse: int
    effect: float
    p: float | None
    p_holm: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "structure"}
        return plain | {"ci95": None if self.ci95 is None else list(self.ci95)}


def compare(
    one: Sequence[EvaluatedCase], other: Sequence[EvaluatedCase], scheme: LabelScheme, metric: str = "dice"
) -> tuple[Paired, ...]:
    """Compare two predictors on the cases that both were evaluated on.

    Parameters
    ----------
    one, other
        Scores of each, against the same references.
    scheme
        The common scheme of both.
    metric
        Where more is better: ``dice``, ``iou`` or ``surface_dice``.

    Returns
    -------
    tuple of Paired
        One for each structure that has a pair, in the order of ids.
    """
    others = {case.case: case for case in other}
    shared = [(case, others[case.case]) for case in sorted(one, key=lambda c: c.case) if case.case in others]
    values: dict[str, list[tuple[float, float]]] = {}
    for case, rival in shared:
        theirs = {score.structure: score for score in rival.scores}
        for score in case.scores:
            if score.reference_voxels and score.structure in theirs:
                pair = value(score, metric), value(theirs[score.structure], metric)
                values.setdefault(score.structure, []).append(pair)
    found = [
        paired(structure.name, np.array(values[structure.name]))
        for structure in scheme
        if structure.name in values
    ]
    return _adjusted([one for one in found if one.n])


def paired(structure: str, values: NDArray[np.float64]) -> Paired:
    """Compare one structure's values, shape (n, 2); ``p_holm`` is still to come."""
    values = values[np.isfinite(values).all(axis=1)]
    differences = values[:, 0] - values[:, 1]
    differences[np.abs(differences) < SAME] = 0.0
    moved = differences[differences != 0]
    ranks = stats.rankdata(np.abs(moved))
    effect = float((np.sign(moved) * ranks).sum() / ranks.sum()) if moved.size else 0.0
    p = float(stats.wilcoxon(moved).pvalue) if moved.size >= LEAST_PAIRS else None
    n = len(values)
    return Paired(
        structure,
        n=n,
        mean=float(values[:, 0].mean()) if n else math.nan,
        other_mean=float(values[:, 1].mean()) if n else math.nan,
        difference=float(differences.mean()) if n else math.nan,
        ci95=interval_of_mean(differences),
        better=int((differences > 0).sum()),
        worse=int((differences < 0).sum()),
        effect=effect,
        p=p,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that the chance of even one false alarm stays below the level (Holm 1979).

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, so_far = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        so_far = max(so_far, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = so_far
    return adjusted


def _adjusted(found: Sequence[Paired]) -> tuple[Paired, ...]:
    tested = [one for one in found if one.p is not None]
    corrected: Mapping[str, float] = dict(
        zip((one.structure for one in tested), holm([one.p or 0.0 for one in tested]), strict=True)
    )
    return tuple(replace(one, p_holm=corrected.get(one.structure)) for one in found)
