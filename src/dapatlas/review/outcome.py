"""What becomes of a case: one word from all that was said about its map.

=========================================================== ==================================
what there is of the map as it is now                        state
=========================================================== ==================================
an adjudication with a decision                              that decision, whatever readers said
two readings or more that differ                             disagreement
as many readings as are needed, and they agree               their decision
fewer, or a verdict without a decision                       reading
nothing, but there are verdicts on a map that has changed    stale
nothing at all                                               unread
=========================================================== ==================================

A *reading* here has a decision. Readings differ where their decisions do, or the kinds of marks on any structure; notes
and places of marks make no difference. A verdict on a map that has since changed is stale and has no say. Who reads a
map that nobody can read (its digest is empty) reads nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from dapatlas.review.case_index import CaseFacts
from dapatlas.review.plan import Plan
from dapatlas.review.verdict import Content, Decision, Kind, Verdict


class State(StrEnum):
    """How a case stands."""

    UNREAD = "unread"
    READING = "reading"
    DISAGREEMENT = "disagreement"
    APPROVED = "approved"
    REMARKS = "remarks"  # approved with remarks
    REJECTED = "rejected"
    STALE = "stale"


DECIDED = {
    Decision.APPROVE: State.APPROVED,
    Decision.REMARKS: State.REMARKS,
    Decision.REJECT: State.REJECTED,
}
GOOD = frozenset({State.APPROVED, State.REMARKS})  # what may be published


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a case stands, and why.

    Attributes
    ----------
    case
        Case id.
    state
        See the module.
    needed
        How many readings it needs.
    readings
        Those with a decision, of the map as it is now; by reader's name.
    unfinished
        Verdicts of the map as it is now that have no decision yet.
    stale
        Verdicts of a map that has since changed.
    adjudication
        Of the map as it is now, with a decision; ``None`` where there is none.
    """

    case: str
    state: State
    needed: int
    readings: tuple[Verdict, ...] = ()
    unfinished: tuple[Verdict, ...] = ()
    stale: tuple[Verdict, ...] = ()
    adjudication: Verdict | None = None

    @property
    def read_by(self) -> frozenset[str]:
        """Who has read the map as it is now."""
        return frozenset(each.reader for each in self.readings)

    @property
    def is_good(self) -> bool:
        """Whether the case is approved, with remarks or without."""
        return self.state in GOOD


def outcome_of(case: str, verdicts: Iterable[Verdict], map_sha256: str, needed: int = 1) -> Outcome:
    """How one case stands.

    Parameters
    ----------
    case
        Its id.
    verdicts
        On it, in any order; one a reader, and at most one adjudication.
    map_sha256
        Digest of the map as it is now; empty where it cannot be read.
    needed
        How many readings the plan wants.
    """
    own = sorted(verdicts, key=lambda each: (each.reader, each.kind))
    current = [each for each in own if not is_stale(each, map_sha256)]
    decided = [each for each in current if each.content.decision is not None]
    readings = tuple(each for each in decided if each.kind is Kind.READING)
    adjudication = next((each for each in decided if each.kind is Kind.ADJUDICATION), None)
    unfinished = tuple(each for each in current if each.content.decision is None)
    stale = tuple(each for each in own if is_stale(each, map_sha256))
    state = _state(readings, adjudication, bool(unfinished), bool(stale), needed)
    return Outcome(case, state, needed, readings, unfinished, stale, adjudication)


def outcomes(facts: Mapping[str, CaseFacts], verdicts: Iterable[Verdict], plan: Plan) -> dict[str, Outcome]:
    """How every case stands, in the order of ``facts``; verdicts on cases that are gone are passed over."""
    by_case: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_case[verdict.case].append(verdict)
    return {
        case: outcome_of(case, by_case[case], known.map_sha256, plan.readings)
        for case, known in facts.items()
    }


def is_stale(verdict: Verdict, map_sha256: str) -> bool:
    """Whether the map is no longer the one that was looked at."""
    return not map_sha256 or verdict.map_sha256 != map_sha256


def differ(readings: Iterable[Verdict]) -> bool:
    """Whether any two differ in their decisions, or in the kinds of marks on a structure."""
    return len({_said(each.content) for each in readings}) > 1


def _said(content: Content) -> tuple[Decision | None, frozenset[tuple[str, str]]]:
    return content.decision, frozenset((mark.structure, mark.kind.value) for mark in content.marks)


def _state(
    readings: tuple[Verdict, ...], adjudication: Verdict | None, unfinished: bool, stale: bool, needed: int
) -> State:
    settled = adjudication or (readings[0] if len(readings) >= needed else None)
    if adjudication is None and differ(readings):
        return State.DISAGREEMENT
    if settled is not None and settled.content.decision is not None:
        return DECIDED[settled.content.decision]
    if readings or unfinished:
        return State.READING
    return State.STALE if stale else State.UNREAD
