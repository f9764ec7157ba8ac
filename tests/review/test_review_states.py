"""Whatever readers do in whatever order, the store answers as a plain list of all saves would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from savers import MAP, OTHER_MAP, assert_whole, some_content
from sqlalchemy import delete

from dapatlas.review.database.tables import ClaimRow, MarkRow, RevisionRow, VerdictRow
from dapatlas.review.plan import Claimed
from dapatlas.review.store import Store
from dapatlas.review.verdict import Conflict, Content, Kind, Verdict

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
READERS = ("r-01", "r-02", "r-03")
cases, names, kinds = st.sampled_from(["a", "b"]), st.sampled_from(READERS), st.sampled_from(Kind)
Said = tuple[str, Content, str]  # who, what, of which map


class Reading(RuleBasedStateMachine):
    """Readers and adjudicators of two cases; the clock goes on by a minute a step."""

    store: Store  # set by the test

    @initialize()
    def forget(self) -> None:
        self.said: dict[tuple[str, str], list[Said]] = {}
        self.held: dict[tuple[str, str], datetime] = {}
        self.now = NOON
        with self.store.engine.begin() as connection:
            for table in (ClaimRow, MarkRow, RevisionRow, VerdictRow):
                connection.execute(delete(table))

    def slot(self, case: str, reader: str, kind: Kind) -> tuple[str, str]:
        return case, reader if kind is Kind.READING else "adjudication"

    def save(self, case: str, kind: Kind, said: Said, version: int) -> Verdict | None:
        """Save and note it; or be told of a conflict, and note nothing."""
        self.now += timedelta(minutes=1)
        reader, content, digest = said
        so_far = self.said.setdefault(self.slot(case, reader, kind), [])
        try:
            verdict = self.store.save(case, reader, kind, content, digest, version, self.now)
        except Conflict as conflict:
            told: list[Said] | None = self.as_said(conflict.current)
        else:
            told = None
        if told is not None:
            assert told == so_far[-1:] != [said]
            assert len(so_far) != version
            return None
        if so_far[-1:] != [said]:
            assert len(so_far) == version
            so_far.append(said)
        assert self.as_said(verdict) == [said]
        assert verdict.version == len(so_far)
        return verdict

    @staticmethod
    def as_said(verdict: Verdict | None) -> list[Said]:
        return [] if verdict is None else [(verdict.reader, verdict.content, verdict.map_sha256)]

    @rule(
        case=cases,
        reader=names,
        kind=kinds,
        number=st.integers(0, 5),
        digest=st.sampled_from([MAP, OTHER_MAP]),
    )
    def write(self, case: str, reader: str, kind: Kind, number: int, digest: str) -> None:
        version = len(self.said.get(self.slot(case, reader, kind), []))
        assert self.save(case, kind, (reader, some_content(number), digest), version) is not None

    @rule(case=cases, reader=names, kind=kinds, number=st.integers(0, 5), off=st.integers(-2, 2))
    def write_what_may_be_out_of_date(
        self, case: str, reader: str, kind: Kind, number: int, off: int
    ) -> None:
        version = len(self.said.get(self.slot(case, reader, kind), [])) + off
        self.save(case, kind, (reader, some_content(number), MAP), version)

    @rule(case=cases, reader=names, kind=kinds, data=st.data())
    def undo(self, case: str, reader: str, kind: Kind, data: st.DataObject) -> None:
        history = self.store.history(case, reader, kind)
        if history:
            revision = data.draw(st.sampled_from(history))
            assert self.save(case, kind, (reader, revision.content, MAP), history[-1].version) is not None

    @rule(case=cases, reader=names, minutes=st.integers(1, 4), needed=st.integers(1, 2))
    def claim(self, case: str, reader: str, minutes: int, needed: int) -> None:
        self.now += timedelta(minutes=1)
        others = [r for (c, r), until in self.held.items() if c == case and r != reader and until > self.now]
        try:
            self.store.claim(case, reader, self.now, minutes, needed)
        except Claimed as refused:
            by = refused.claim.reader
        else:
            by = ""
            self.held[case, reader] = self.now + timedelta(minutes=minutes)
        assert (len(others) >= needed) is bool(by)
        assert not by or by in others

    @rule(case=cases, reader=names)
    def release(self, case: str, reader: str) -> None:
        self.store.release(case, reader)
        self.held.pop((case, reader), None)

    @invariant()
    def everything_stands_as_it_was_said(self) -> None:
        stands = {self.slot(v.case, v.reader, v.kind): self.as_said(v)[0] for v in self.store.verdicts()}
        assert stands == {slot: said[-1] for slot, said in self.said.items() if said}

    @invariant()
    def cases_are_in_the_hands_that_took_them(self) -> None:
        live = {(claim.case, claim.reader): claim.until for claim in self.store.claims(self.now)}
        assert live == {pair: until for pair, until in self.held.items() if until > self.now}

    def teardown(self) -> None:
        for (case, who), said in self.said.items():
            kind = Kind.ADJUDICATION if who == "adjudication" else Kind.READING
            reader = READERS[0] if kind is Kind.ADJUDICATION else who
            history = self.store.history(case, reader, kind)
            assert [(each.reader, each.content, each.map_sha256) for each in history] == said
        assert_whole(self.store.engine)


def test_the_store_is_a_list_of_all_saves(store: Store) -> None:
    for name in READERS:
        store.add_reader(name)
    machine = type("Reading", (Reading,), {"store": store})
    quick = settings(
        max_examples=10, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=quick)
