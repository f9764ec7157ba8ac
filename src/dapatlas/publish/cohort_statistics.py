"""A data set in numbers: what each structure measures over all cases, and which cases are out of line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, inf, log, sqrt
from statistics import median
from typing import Any

from dapatlas.labels import LabelScheme, Region, Sex, Structure, TissueClass
from dapatlas.publish.case_statistics import CaseStatistics, MeasuredStructure

# Modified z-score with its usual limit: Iglewicz & Hoaglin, How to Detect and Handle Outliers, ASQC 1993.
OUTLIER_Z = 3.5
MAD_TO_SD = 1.4826  # of a normal distribution
MIN_WHOLE = 5  # of fewer whole ones no one can tell what is usual
MIN_SPREAD = log(1.1)  # organs of healthy people differ by more than ten per cent: less is nothing to look at
UNKNOWN = "unknown"
GROUPS = (Sex.FEMALE.value, Sex.MALE.value, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Outlier:
    """A structure of a case whose size is out of line.

    Attributes
    ----------
    case, structure
        Which one.
    group
        ``F``, ``M`` or ``unknown``.
    volume_ml, median_ml
        Its volume, and the median of the whole ones that it is compared with.
    z
        Modified z-score of the logarithm of the volume: distance from the median in robust standard deviations.
    """

    case: str
    structure: str
    group: str
    volume_ml: float
    median_ml: float
    z: float

    @property
    def ratio(self) -> float:
        """Volume over the median."""
        return self.volume_ml / self.median_ml


@dataclass(frozen=True, slots=True)
class StructureSummary:
    """One structure over all cases.

    Attributes
    ----------
    structure
        Which one.
    cases, share
        In how many cases it is, and in which share of all.
    whole
        In how many cases it reaches no face of the volume.
    volumes_ml
        By group (``F``, ``M``, ``unknown``), each in the order of cases.
    mean_hu, sd_hu
        Mean of the cases' means; root of the mean of the cases' variances within the structure. ``None`` without CT.
    outliers
        Gravest first.
    """

    structure: Structure
    cases: int
    share: float
    whole: int
    volumes_ml: Mapping[str, tuple[float, ...]]
    mean_hu: float | None
    sd_hu: float | None
    outliers: tuple[Outlier, ...]

    @property
    def all_ml(self) -> tuple[float, ...]:
        """Volumes of all groups in rising order."""
        return tuple(sorted(ml for group in self.volumes_ml.values() for ml in group))

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON; volumes as quantiles."""
        volumes = {group: quantiles(values) for group, values in self.volumes_ml.items() if values}
        return {
            "structure": self.structure.name,
            "id": self.structure.id,
            "cases": self.cases,
            "share": self.share,
            "whole": self.whole,
            "volume_ml": quantiles(self.all_ml) if self.cases else None,
            "volume_ml_by_sex": volumes,
            "mean_hu": self.mean_hu,
            "sd_hu": self.sd_hu,
            "outliers": len(self.outliers),
        }


@dataclass(frozen=True, slots=True)
class CohortStatistics:
    """A data set in numbers.

    Attributes
    ----------
    name
        Of the data set.
    cases
        In the order of their ids.
    groups
        ``F``, ``M`` or ``unknown`` of each case.
    structures
        All of the scheme but background, in the order of ids; those that no case has among them.
    """

    name: str
    cases: tuple[CaseStatistics, ...]
    groups: Mapping[str, str]
    structures: tuple[StructureSummary, ...]

    @property
    def subjects(self) -> int:
        """How many persons."""
        return len({case.subject for case in self.cases})

    @property
    def seen(self) -> tuple[StructureSummary, ...]:
        """Structures that some case has."""
        return tuple(summary for summary in self.structures if summary.cases)

    @property
    def labelled_litres(self) -> float:
        """Everything that is not background, over all cases."""
        return sum(row.volume_ml for case in self.cases for row in case.structures) / 1000

    @property
    def without_ct(self) -> int:
        """How many cases have no CT."""
        return sum(not case.has_ct for case in self.cases)

    @property
    def outliers(self) -> tuple[Outlier, ...]:
        """Of all structures, gravest first."""
        found = [outlier for summary in self.structures for outlier in summary.outliers]
        return tuple(sorted(found, key=lambda one: (-abs(one.z), one.case, one.structure)))

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        named = [row for row in self.seen if is_named(row.structure)]
        return {
            "dataset": self.name,
            "cases": len(self.cases),
            "subjects": self.subjects,
            "cases_by_sex": {g: sum(v == g for v in self.groups.values()) for g in GROUPS},
            "structures": len(named),
            "labelled_litres": self.labelled_litres,
            "cases_without_ct": self.without_ct,
            "per_structure": [summary.as_dict() for summary in self.structures],
            "outliers": [asdict(outlier) for outlier in self.outliers],
        }


def cohort_statistics(
    name: str, cases: Sequence[CaseStatistics], sexes: Mapping[str, Sex | None], scheme: LabelScheme
) -> CohortStatistics:
    """Sum up the cases of a data set.

    Parameters
    ----------
    name
        Of the data set.
    cases
        In any order.
    sexes
        Case id to sex; one that is missing or ``None`` belongs to the group ``unknown``.
    scheme
        What the ids mean.
    """
    ordered = tuple(sorted(cases, key=lambda case: case.case))
    groups = {case.case: (sex.value if (sex := sexes.get(case.case)) else UNKNOWN) for case in ordered}
    found: dict[int, list[tuple[str, MeasuredStructure]]] = {}
    for case in ordered:
        for row in case.structures:
            found.setdefault(row.id, []).append((case.case, row))
    summaries = tuple(
        _summary(structure, found.get(structure.id, []), groups) for structure in scheme if structure.id
    )
    return CohortStatistics(name, ordered, groups, summaries)


def is_named(structure: Structure) -> bool:
    """Whether it counts as a structure: background and tissue that nobody could name do not."""
    return not (structure.tissue is TissueClass.RESIDUAL and structure.region is Region.WHOLE_BODY)


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Count, least, quartiles and greatest, of at least one value.

    Quartiles are interpolated between the neighbours in rank, as numpy's are by default.
    """
    ordered = sorted(values)
    named = {"min": 0.0, "q1": 0.25, "median": 0.5, "q3": 0.75, "max": 1.0}
    return {"n": len(ordered)} | {key: _quantile(ordered, share) for key, share in named.items()}


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _summary(
    structure: Structure, rows: Sequence[tuple[str, MeasuredStructure]], groups: Mapping[str, str]
) -> StructureSummary:
    volumes = {group: tuple(row.volume_ml for case, row in rows if groups[case] == group) for group in GROUPS}
    means = [row.mean_hu for _, row in rows if row.mean_hu is not None]
    variances = [row.sd_hu**2 for _, row in rows if row.sd_hu is not None]
    return StructureSummary(
        structure,
        cases=len(rows),
        share=len(rows) / len(groups) if groups else 0.0,
        whole=sum(not row.is_cut for _, row in rows),
        volumes_ml=volumes,
        mean_hu=sum(means) / len(means) if means else None,
        sd_hu=sqrt(sum(variances) / len(variances)) if variances else None,
        outliers=_outliers(rows, groups),
    )


def _outliers(
    rows: Sequence[tuple[str, MeasuredStructure]], groups: Mapping[str, str]
) -> tuple[Outlier, ...]:
    """Sizes out of line; one that the edge of the view cuts may be small, but not large.

    A case is compared with its own sex, for gonads and breasts differ between the sexes; one of unknown sex with all.
    """
    usual = {group: _usual([row for case, row in rows if groups[case] == group]) for group in GROUPS}
    usual[UNKNOWN] = _usual([row for _, row in rows])
    found = []
    for case, row in rows:
        middle, spread = usual[groups[case]] or (0.0, inf)
        z = (log(row.volume_ml) - middle) / spread
        if z > OUTLIER_Z or (z < -OUTLIER_Z and not row.is_cut):
            found.append(Outlier(case, row.structure, groups[case], row.volume_ml, exp(middle), z))
    return tuple(sorted(found, key=lambda one: (-abs(one.z), one.case)))


def _usual(rows: Sequence[MeasuredStructure]) -> tuple[float, float] | None:
    """Median and robust standard deviation of the logarithm of the whole ones' volumes; ``None`` of too few."""
    whole = [log(row.volume_ml) for row in rows if not row.is_cut]
    if len(whole) < MIN_WHOLE:
        return None
    middle = median(whole)
    return middle, max(MAD_TO_SD * median(abs(value - middle) for value in whole), MIN_SPREAD)
