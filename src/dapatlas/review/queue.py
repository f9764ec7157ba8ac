"""Which case is read next, by whom, and why.

Nothing here knows of a clock or a database: the time and the claims are handed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dapatlas.review.case_index import CaseFacts
from dapatlas.review.outcome import Outcome, State
from dapatlas.review.plan import Claim, Order, Plan
from dapatlas.review.verdict import Kind

LEAST_APART = 0.005  # less is 0 % in words


@dataclass(frozen=True, slots=True)
class QueuedCase:
    """A case's place in the queue, and why it stands there, in words."""

    case: str
    why: str


@dataclass(frozen=True, slots=True)
class Next:
    """What a reader gets.

    Attributes
    ----------
    case
        ``None`` where nothing is to be had now.
    left
        How many cases wait for this reader, those among them that are in others' hands just now.
    """

    case: str | None
    left: int


def planned(facts: Mapping[str, CaseFacts], plan: Plan) -> tuple[QueuedCase, ...]:
    """The cases that a plan wants read, in its order.

    Worst first: by errors, then outliers of the cohort, then how far experts were apart, then warnings; what is equal
    in all of them by id. At random: in an order that depends on the seed and the ids alone. A sample is the first cases
    of that random order, whichever order they are then read in: a larger sample holds the smaller one.
    """
    drawn = at_random(facts, plan.seed)[: plan.sample]
    if plan.order is Order.RANDOM:
        return tuple(QueuedCase(case, f"drawn at random (seed {plan.seed})") for case in drawn)
    worst = sorted(drawn, key=lambda case: (_badness(facts[case]), case))
    return tuple(QueuedCase(case, why_bad(facts[case])) for case in worst)


def at_random(cases: Iterable[str], seed: int) -> list[str]:
    """The cases in a random order: by SHA-256 of the seed and the id, so that it is the same everywhere for ever."""
    return sorted(cases, key=lambda case: (hashlib.sha256(f"{seed}\0{case}".encode()).digest(), case))


def why_bad(facts: CaseFacts) -> str:
    """What speaks for looking at a case early, the gravest first."""
    counts = ((facts.errors, "error"), (facts.outliers, "outlier of the cohort"), (facts.warnings, "warning"))
    errors, outliers, warnings = (f"{n} {_plural(noun, n)}" if n else "" for n, noun in counts)
    apart = f"experts {facts.disagreement:.0%} apart" if (facts.disagreement or 0) >= LEAST_APART else ""
    return ", ".join(part for part in (errors, outliers, apart, warnings) if part) or "nothing was found"


def next_case(
    queue: Sequence[str],
    outcomes: Mapping[str, Outcome],
    claims: Iterable[Claim],
    reader: str,
    now: datetime,
    *,
    kind: Kind = Kind.READING,
    after: str | None = None,
) -> Next:
    """The case that a reader gets.

    Parameters
    ----------
    queue
        Case ids in the order of the plan; see :func:`planned`.
    outcomes
        How each of them stands.
    claims
        Who has what in hand; those that have run out are passed over.
    reader
        Who asks.
    now
        The time, in UTC.
    kind
        For a reading: cases that this reader has not read as they are now, and that lack readings which nobody else
        has in hand. For an adjudication: cases on which readings differ, and that nobody has in hand but who read
        them.
    after
        The case that the reader comes from: the search starts behind it and comes back to it last.
    """
    waiting = [case for case in queue if case in outcomes and waits_for(outcomes[case], reader, kind)]
    held: dict[str, set[str]] = {}
    for claim in claims:
        if claim.until > now and claim.reader != reader:
            held.setdefault(claim.case, set()).add(claim.reader)
    turn = {case: place for place, case in enumerate(queue)}
    start = turn.get(after, -1) if after is not None else -1
    free = [case for case in waiting if _has_room(outcomes[case], held.get(case, set()), kind)]
    nearest = min(free, key=lambda case: (turn[case] <= start, turn[case]), default=None)
    return Next(nearest, len(waiting))


def waits_for(outcome: Outcome, reader: str, kind: Kind) -> bool:
    """Whether a case needs this reader, or might, whoever has it in hand."""
    if kind is Kind.ADJUDICATION:
        return outcome.state is State.DISAGREEMENT
    read_by = outcome.read_by
    return outcome.adjudication is None and reader not in read_by and len(read_by) < outcome.needed


def _has_room(outcome: Outcome, held_by: set[str], kind: Kind) -> bool:
    if kind is Kind.ADJUDICATION:
        return not held_by - outcome.read_by  # who has read it may still have it in hand
    return len(outcome.read_by | held_by) < outcome.needed


def _badness(facts: CaseFacts) -> tuple[float, ...]:
    apart = facts.disagreement or 0.0
    return -facts.errors, -facts.outliers, -apart, -facts.warnings


def _plural(noun: str, number: int) -> str:
    first, space, rest = noun.partition(" ")
    return f"{first}{'' if number == 1 else 's'}{space}{rest}"
