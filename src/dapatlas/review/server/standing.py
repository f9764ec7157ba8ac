"""How the cases stand, kept in memory: what was loaded once is loaded again only when it has changed.

Other servers may write to the same database, so every question begins with one cheap look at the versions there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from threading import Lock

from sqlalchemy import bindparam, select

from dapatlas.review.case_index import CaseFacts
from dapatlas.review.database.connect import reading
from dapatlas.review.database.tables import ReaderRow, VerdictRow
from dapatlas.review.outcome import Outcome, outcome_of
from dapatlas.review.plan import Plan
from dapatlas.review.queue import planned
from dapatlas.review.store import Store
from dapatlas.review.verdict import Kind, Verdict

MANY = 20  # cases that changed: beyond that everything is loaded at once

_VERSIONS = select(VerdictRow.id, VerdictRow.case, VerdictRow.version)
_READINGS = (
    select(ReaderRow.name, VerdictRow.saved_at)
    .join(ReaderRow, ReaderRow.id == VerdictRow.reader_id)
    .where(
        VerdictRow.case == bindparam("case"),
        VerdictRow.kind == Kind.READING.value,
        VerdictRow.decision.is_not(None),
    )
    .order_by(VerdictRow.id)
)

Said = tuple[Verdict, ...]


class Standing:
    """Verdicts and outcomes of all cases, as they are in the database at the moment of asking.

    Parameters
    ----------
    store
        Where verdicts are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._said: dict[str, Said] = {}
        self._outcomes: dict[str, tuple[Said, str, int, Outcome]] = {}
        self._order: tuple[Mapping[str, CaseFacts], Plan, tuple[str, ...]] | None = None
        self._lock = Lock()

    def said(self) -> Mapping[str, Said]:
        """Verdicts by case; cases without any are missing. Ask by case: it changes while one goes through it."""
        with self._lock:
            there: defaultdict[str, dict[int, int]] = defaultdict(dict)
            with reading(self._store.engine) as session:
                for id_, case, version in session.execute(_VERSIONS):
                    there[case][id_] = version
            changed = [case for case, rows in there.items() if rows != _versions(self._said.get(case, ()))]
            if len(changed) > MANY:
                self._keep(self._store.verdicts(), changed)
            else:
                for case in changed:
                    self._keep(self._store.verdicts(case), [case])
            return self._said

    def readings(self, case: str) -> list[tuple[str, datetime]]:
        """Who has decided on a case, and when they last saved; without what they said, so that it is quick."""
        with reading(self._store.engine) as session:
            return [(name, at) for name, at in session.execute(_READINGS, {"case": case})]

    def outcomes(self, facts: Mapping[str, CaseFacts], plan: Plan) -> dict[str, Outcome]:
        """How every case stands, in the order of ``facts``."""
        said = self.said()
        return {
            case: self._outcome(known, said.get(case, ()), plan.readings) for case, known in facts.items()
        }

    def order(self, facts: Mapping[str, CaseFacts], plan: Plan) -> tuple[str, ...]:
        """The cases that the plan wants read, in its order."""
        kept = self._order
        if kept is None or kept[0] is not facts or kept[1] != plan:
            kept = (facts, plan, tuple(place.case for place in planned(facts, plan)))
            self._order = kept
        return kept[2]

    def _keep(self, verdicts: Iterable[Verdict], cases: Iterable[str]) -> None:
        by_case: defaultdict[str, list[Verdict]] = defaultdict(list)
        for verdict in verdicts:
            by_case[verdict.case].append(verdict)
        for case in cases:
            self._said[case] = tuple(by_case[case])

    def _outcome(self, facts: CaseFacts, said: Said, needed: int) -> Outcome:
        kept = self._outcomes.get(facts.case)
        if kept is None or kept[0] is not said or kept[1:3] != (facts.map_sha256, needed):
            outcome = outcome_of(facts.case, said, facts.map_sha256, needed)
            kept = (said, facts.map_sha256, needed, outcome)
            self._outcomes[facts.case] = kept
        return kept[3]


def _versions(said: Said) -> dict[int, int]:
    return {verdict.id: verdict.version for verdict in said}
