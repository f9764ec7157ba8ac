"""How readers agree with each other, and with the maps.

Cohen's kappa (Cohen 1960, Educ Psychol Meas 20:37) is the agreement of two readers beyond what chance would give
readers who decide as often so and so as they do. Approval rates carry Wilson's score interval (Wilson 1927, J Am Stat
Assoc 22:209), which holds for few readings and for rates near 1 (Newcombe 1998, Stat Med 17:857).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import Any

from dapatlas.review.case_index import CaseFacts
from dapatlas.review.outcome import Outcome
from dapatlas.review.verdict import Decision, Kind, MarkKind, Verdict

Z_95 = 1.959963984540054  # of a two-sided interval of 95 %


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """How two readers agree.

    Attributes
    ----------
    readers
        Their names, in name order.
    cases
        How many maps both have decided on.
    agreement
        Share of them on which they decided the same.
    kappa
        Cohen's; ``None`` where it is not defined, see :func:`cohens_kappa`.
    """

    readers: tuple[str, str]
    cases: int
    agreement: float
    kappa: float | None

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "readers": list(self.readers),
            "cases": self.cases,
            "agreement": self.agreement,
            "kappa": self.kappa,
        }


@dataclass(frozen=True, slots=True)
class StructureRate:
    """How readers find one structure.

    Attributes
    ----------
    structure
        Its canonical name.
    read
        Readings of maps that hold it, or on which it was marked, as missing perhaps.
    marked
        Those with a mark on it.
    rate
        Share without one.
    low, high
        Wilson's interval of 95 % about the rate.
    kinds
        How many marks of each kind, those that occur.
    """

    structure: str
    read: int
    marked: int
    rate: float
    low: float
    high: float
    kinds: Mapping[MarkKind, int]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "structure": self.structure,
            "read": self.read,
            "marked": self.marked,
            "rate": self.rate,
            "low": self.low,
            "high": self.high,
            "kinds": {kind.value: number for kind, number in self.kinds.items()},
        }


def cohens_kappa(pairs: Sequence[tuple[Decision, Decision]]) -> float | None:
    """Cohen's kappa, unweighted, of what two readers decided on the same cases.

    Returns
    -------
    float or None
        1 where they always agree, 0 where no more than by chance, negative where less. ``None`` where it is not
        defined: no case, or both gave one and the same decision throughout, so that chance alone would have them
        agree always.
    """
    if not pairs:
        return None
    number = len(pairs)
    firsts, seconds = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    agreed = sum(one is other for one, other in pairs)
    by_chance = sum(firsts[decision] * seconds[decision] for decision in Decision)  # over number²
    if by_chance == number**2:
        return None
    return (agreed * number - by_chance) / (number**2 - by_chance)


def pair_agreements(verdicts: Iterable[Verdict]) -> tuple[PairAgreement, ...]:
    """Every two readers who have decided on the same map at least once, in name order.

    Readings alone count, not adjudications; those of a map that has since changed too, for both looked at the same one.
    """
    by_map: defaultdict[tuple[str, str], dict[str, Decision]] = defaultdict(dict)
    for verdict in verdicts:
        if verdict.kind is Kind.READING and verdict.content.decision is not None:
            by_map[verdict.case, verdict.map_sha256][verdict.reader] = verdict.content.decision
    both: defaultdict[tuple[str, str], list[tuple[Decision, Decision]]] = defaultdict(list)
    for decisions in by_map.values():
        for one, other in combinations(sorted(decisions), 2):
            both[one, other].append((decisions[one], decisions[other]))
    return tuple(
        PairAgreement(
            readers, len(pairs), sum(one is other for one, other in pairs) / len(pairs), cohens_kappa(pairs)
        )
        for readers, pairs in sorted(both.items())
    )


def wilson_interval(hits: int, number: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share.

    Parameters
    ----------
    hits, number
        ``hits`` of ``number``; 0 to 1 where there are none at all.
    z
        Quantile of the normal distribution; that of 95 % by default.
    """
    if number == 0:
        return 0.0, 1.0
    share, odd = hits / number, z * z / number
    middle = (share + odd / 2) / (1 + odd)
    half = z / (1 + odd) * sqrt(share * (1 - share) / number + odd / (4 * number))
    return (0.0 if hits == 0 else middle - half, 1.0 if hits == number else middle + half)


def structure_rates(
    outcomes: Mapping[str, Outcome], facts: Mapping[str, CaseFacts]
) -> tuple[StructureRate, ...]:
    """How readers find each structure, the lowest rate first, then by name.

    Readings of maps as they are now count, not adjudications. Readings of cases without a report are passed over, for
    nothing tells what is in view there; `dapatlas check` makes one.
    """
    read, marked = Counter[str](), Counter[str]()
    kinds: defaultdict[str, Counter[MarkKind]] = defaultdict(Counter)
    for case, outcome in outcomes.items():
        in_view = facts[case].structures
        if in_view is None:
            continue
        for reading in outcome.readings:
            named = {mark.structure for mark in reading.content.marks}
            read.update(in_view | named)
            marked.update(named)
            for mark in reading.content.marks:
                kinds[mark.structure][mark.kind] += 1
    rates = [_rate(name, number, marked[name], kinds[name]) for name, number in read.items()]
    return tuple(sorted(rates, key=lambda each: (each.rate, -each.read, each.structure)))


def _rate(name: str, read: int, marked: int, kinds: Counter[MarkKind]) -> StructureRate:
    low, high = wilson_interval(read - marked, read)
    return StructureRate(
        name,
        read,
        marked,
        1 - marked / read,
        low,
        high,
        {kind: kinds[kind] for kind in MarkKind if kinds[kind]},
    )
