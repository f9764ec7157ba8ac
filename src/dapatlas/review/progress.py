"""How far a review is: over all cases, and by reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dapatlas.review.accounts import Reader, Role
from dapatlas.review.case_index import CaseFacts
from dapatlas.review.outcome import Outcome, State, outcomes
from dapatlas.review.plan import Plan
from dapatlas.review.queue import planned
from dapatlas.review.reader_agreement import PairAgreement, StructureRate, pair_agreements, structure_rates
from dapatlas.review.verdict import Decision, Kind, Verdict


@dataclass(frozen=True, slots=True)
class ReaderProgress:
    """What one reader has done.

    Attributes
    ----------
    reader, role
        Who; ``role`` is ``None`` of one whom the database no longer knows.
    decisions
        How many readings of maps as they are now ended so.
    last_at
        When they last saved anything, in UTC; ``None`` where they never did.
    """

    reader: str
    role: Role | None
    decisions: Mapping[Decision, int]
    last_at: datetime | None

    @property
    def read(self) -> int:
        """How many maps, as they are now, this reader has decided on."""
        return sum(self.decisions.values())

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "reader": self.reader,
            "role": None if self.role is None else self.role.value,
            "read": self.read,
            **{decision.value: self.decisions.get(decision, 0) for decision in Decision},
            "last_at": None if self.last_at is None else self.last_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a review is.

    Attributes
    ----------
    states
        How many of the cases that the plan wants read stand so; every state is there.
    readers
        In name order.
    pairs
        How readers agree.
    structures
        How readers find structures, the lowest rate first.
    outcomes
        How each case of the data set stands, those among them that the plan does not want.
    """

    states: Mapping[State, int]
    readers: tuple[ReaderProgress, ...]
    pairs: tuple[PairAgreement, ...]
    structures: tuple[StructureRate, ...]
    outcomes: Mapping[str, Outcome]

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Cases on which readings differ and nobody has decided yet."""
        return tuple(case for case, each in self.outcomes.items() if each.state is State.DISAGREEMENT)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "states": {state.value: number for state, number in self.states.items()},
            "readers": [each.as_dict() for each in self.readers],
            "pairs": [each.as_dict() for each in self.pairs],
            "structures": [each.as_dict() for each in self.structures],
            "disagreements": list(self.disagreements),
        }


def progress_of(
    facts: Mapping[str, CaseFacts], verdicts: Iterable[Verdict], plan: Plan, readers: Iterable[Reader]
) -> Progress:
    """How far a review is.

    Parameters
    ----------
    facts
        Case id to what is known of it, for every case that has a map.
    verdicts
        All of them.
    plan
        What is to be read, and how often.
    readers
        All of them, those who may no longer log in among them.
    """
    said = list(verdicts)
    found = outcomes(facts, said, plan)
    counts = Counter(found[place.case].state for place in planned(facts, plan))
    return Progress(
        {state: counts[state] for state in State},
        _by_reader(found, said, readers),
        pair_agreements(said),
        structure_rates(found, facts),
        found,
    )


def _by_reader(
    found: Mapping[str, Outcome], verdicts: Iterable[Verdict], readers: Iterable[Reader]
) -> tuple[ReaderProgress, ...]:
    roles: dict[str, Role | None] = {each.name: each.role for each in readers}
    last: dict[str, datetime] = {}
    for verdict in verdicts:
        roles.setdefault(verdict.reader, None)
        last[verdict.reader] = max(verdict.saved_at, last.get(verdict.reader, verdict.saved_at))
    decided: dict[str, Counter[Decision]] = {name: Counter() for name in roles}
    for outcome in found.values():
        for reading in outcome.readings:
            if reading.content.decision is not None and reading.kind is Kind.READING:
                decided[reading.reader][reading.content.decision] += 1
    return tuple(
        ReaderProgress(name, roles[name], dict(decided[name]), last.get(name)) for name in sorted(roles)
    )
