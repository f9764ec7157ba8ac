"""All that came out of an evaluation: its cases, their summary, and what it was compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dapatlas import __version__
from dapatlas.check.benchmark_table import BenchmarkTable
from dapatlas.check.common_scheme import CommonScheme
from dapatlas.check.comparison import LEAST_PAIRS, Paired
from dapatlas.check.evaluate import EvaluatedCase, EvaluationSettings
from dapatlas.check.scores import StructureScore
from dapatlas.check.summary import METRICS, Summary, value


@dataclass(frozen=True, slots=True)
class Comparison:
    """Another predictor on the same references.

    Attributes
    ----------
    other
        Where its maps are.
    metric
        What was compared.
    structures
        One line a structure.
    cases
        How many cases both were scored on.
    failed, without_prediction
        Its cases that could not be scored, and why; and references that it has no prediction for.
    """

    other: str
    metric: str
    structures: tuple[Paired, ...]
    cases: int
    failed: Mapping[str, str] = field(default_factory=dict)
    without_prediction: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        return {
            "other": self.other,
            "metric": self.metric,
            "cases": self.cases,
            "test": f"Wilcoxon signed-rank, two-sided, Holm over structures; at least {LEAST_PAIRS} pairs that differ",
            "structures": {one.structure: one.as_dict() for one in self.structures},
            "failed": dict(self.failed),
            "without_prediction": list(self.without_prediction),
        }


@dataclass(frozen=True)
class Evaluation:
    """What came out.

    Attributes
    ----------
    prediction, reference
        Where the maps are.
    schemes
        Names of their label schemes.
    common
        The scheme in which they were compared.
    settings
        What was measured.
    cases
        Those that were scored, in name order.
    failed
        Cases that could not be scored, and why.
    without_prediction, without_reference
        Cases that lack a partner.
    summary
        ``None`` where no case was scored.
    comparison, benchmark
        Where asked for.
    single
        Whether one file was compared with one.
    """

    prediction: str
    reference: str
    schemes: tuple[str, str]
    common: CommonScheme
    settings: EvaluationSettings
    cases: tuple[EvaluatedCase, ...]
    failed: Mapping[str, str]
    without_prediction: tuple[str, ...]
    without_reference: tuple[str, ...]
    summary: Summary | None
    comparison: Comparison | None = None
    benchmark: BenchmarkTable | None = None
    single: bool = False

    @property
    def complete(self) -> bool:
        """Whether every reference was scored, by the other predictor as well where there is one."""
        other = self.comparison
        return not (
            self.failed or self.without_prediction or (other and (other.failed or other.without_prediction))
        )

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON holds it; of a single pair, structures have numbers where cohorts have means."""
        document: dict[str, Any] = {
            "dapatlas": __version__,
            "prediction": self.prediction,
            "reference": self.reference,
            "schemes": {"prediction": self.schemes[0], "reference": self.schemes[1]},
            "rule": self.settings.rule,
            "settings": self.settings.as_dict(),
            "merged": [asdict(one) for one in self.common.merged],
            "left_out": [asdict(one) for one in self.common.left_out],
        }
        document |= self._numbers()
        document |= {
            "failed": dict(self.failed),
            "without_prediction": list(self.without_prediction),
            "without_reference": list(self.without_reference),
        }
        if self.comparison:
            document["comparison"] = self.comparison.as_dict()
        if self.benchmark:
            document["benchmark"] = self.benchmark.as_dict()
        return document

    def _numbers(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"structures": {}, "groups": {}, "regions": {}}
        summary = self.summary.as_dict() if self.summary else empty
        cases = {case.case: _case_document(case) for case in self.cases}
        if self.single and cases:
            (only,) = cases.values()
            return {**summary, **only, "cases": cases}
        return {**summary, "cases": cases}


def flat(one: StructureScore) -> dict[str, Any]:
    """A score as one line: counts and every measure by its name, ``None`` for what is not defined."""
    measures = {name: value(one, name) for name in METRICS if one.surface or hasattr(one, name)}
    return {
        "id": one.id,
        "reference_voxels": one.reference_voxels,
        "predicted_voxels": one.predicted_voxels,
        "common_voxels": one.common_voxels,
        **{name: number if math.isfinite(number) else None for name, number in measures.items()},
    }


def _case_document(case: EvaluatedCase) -> dict[str, Any]:
    return {
        "structures": {one.structure: flat(one) for one in case.scores},
        "invented": list(case.invented),
        "resampled": case.resampled,
    }
