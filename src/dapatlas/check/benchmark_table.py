"""Own scores on a benchmark beside those that others published."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dapatlas.check.benchmark import Benchmark, Published
from dapatlas.check.common_scheme import CommonScheme
from dapatlas.check.summary import Spread, Summary


@dataclass(frozen=True, slots=True)
class OrganRow:
    """One line of the table.

    Attributes
    ----------
    name
        In the common scheme.
    organs
        The benchmark's structures that it stands for: several where they were merged.
    dice
        Over cases; ``None`` where it was scored in none.
    """

    name: str
    organs: tuple[str, ...]
    dice: Spread | None

    def published(self, row: Published) -> float | None:
        """Another's Dice of the very same structure, 0…1; ``None`` where that was not published."""
        per_cent = row.dice.get(self.organs[0]) if len(self.organs) == 1 else None
        return None if per_cent is None else per_cent / 100


@dataclass(frozen=True, slots=True)
class BenchmarkTable:
    """Scores on a benchmark.

    Attributes
    ----------
    benchmark
        Which one.
    rows
        A line for each of its structures, in its order.
    left_out
        Its structures that the prediction's scheme cannot be compared on.
    mean
        Dice: mean over the lines of their means over cases.
    mean_of_cases
        Dice: over cases, of each case's mean; that its interval is known is why it is here.
    cases
        How many were scored.
    """

    benchmark: Benchmark
    rows: tuple[OrganRow, ...]
    left_out: tuple[str, ...]
    mean: float
    mean_of_cases: Spread | None
    cases: int

    def published_mean(self, row: Published) -> float:
        """Another's mean Dice, 0…1: over the lines of this table where all are known, else as published."""
        values = [line.published(row) for line in self.rows]
        known = [value for value in values if value is not None]
        if self.left_out and known and len(known) == len(values):
            return math.fsum(known) / len(known)
        return row.mean_dice / 100

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        interval = self.mean_of_cases.as_dict() if self.mean_of_cases else None
        return {
            "name": self.benchmark.name,
            "title": self.benchmark.title,
            "protocol": self.benchmark.protocol,
            "citation": self.benchmark.citation,
            "cases": self.cases,
            "mean_dice": None if math.isnan(self.mean) else self.mean,
            "mean_of_cases": interval,
            "organs": {row.name: row.dice.as_dict() if row.dice else None for row in self.rows},
            "left_out": list(self.left_out),
            "published": [
                {
                    **row.model_dump(exclude={"mean_dice", "dice"}),
                    "mean_dice": self.published_mean(row),
                    "organs": {
                        line.name: dice for line in self.rows if (dice := line.published(row)) is not None
                    },
                }
                for row in self.benchmark.published
            ],
        }


def organs_in_common(benchmark: Benchmark, common: CommonScheme) -> dict[str, tuple[str, ...]]:
    """Names in the common scheme, each with the benchmark's structures that it stands for, in the benchmark's order."""
    names: dict[str, list[str]] = {}
    for organ in benchmark.organs:
        id_ = int(common.reference[benchmark.label_scheme[organ].id])
        if id_:
            names.setdefault(common.scheme[id_].name, []).append(organ)
    return {name: tuple(organs) for name, organs in names.items()}


def benchmark_table(
    benchmark: Benchmark, common: CommonScheme, summary: Summary | None, cases: int
) -> BenchmarkTable:
    """Put own scores in the benchmark's order.

    Parameters
    ----------
    benchmark
        Whose structures alone were scored.
    common
        The scheme they were scored in.
    summary
        Of all cases; ``None`` where none was scored.
    cases
        How many.
    """
    scored = {one.structure.name: one.measures.get("dice") for one in summary.structures} if summary else {}
    organs = organs_in_common(benchmark, common)
    rows = tuple(OrganRow(name, own, scored.get(name)) for name, own in organs.items())
    compared = {organ for own in organs.values() for organ in own}
    return BenchmarkTable(
        benchmark,
        rows,
        tuple(organ for organ in benchmark.organs if organ not in compared),
        _mean([row.dice.mean for row in rows if row.dice]),
        summary.everything.measures.get("dice") if summary else None,
        cases,
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
