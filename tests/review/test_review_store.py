"""Saving, disagreeing about versions, claiming: on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from savers import MAP, OTHER_MAP, Asker, Racer, assert_whole, in_processes, in_threads, some_content
from sqlalchemy import select

from dapatlas.review.accounts import AccountError
from dapatlas.review.database.connect import reading
from dapatlas.review.database.tables import VerdictRow
from dapatlas.review.database.verdict_rows import find_verdict, verdict_of
from dapatlas.review.plan import Claimed, Order, Plan
from dapatlas.review.store import Store
from dapatlas.review.verdict import BadVerdictError, Conflict, Content, Decision, Kind, Mark, MarkKind

NOON = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)
ONE = timedelta(minutes=1)


@pytest.fixture
def readers(store: Store) -> Store:
    for name in ("r-01", "r-02", "r-03", "r-04"):
        store.add_reader(name)
    return store


def test_a_new_review_is_empty(store: Store) -> None:
    assert store.verdicts() == ()
    assert store.readers() == ()
    assert store.claims(NOON) == ()
    assert store.plan() == Plan(Order.WORST, None, 0, 1)


def test_what_is_saved_comes_back_whole(readers: Store) -> None:
    marks = (
        Mark("liver", MarkKind.LEAKS, "into the stomach — \U0001f600 'quoted' \"twice\"", (3, 0, 511), None),
        Mark("rib_left_7", MarkKind.MISNUMBERED, "", None, ((0, 4), (10, 12), (0, 1))),
        Mark("spleen", MarkKind.MISSING),
    )
    content = Content(Decision.REMARKS, "two\nlines\r\n", marks)
    saved = readers.save("c/1 ö", "r-01", Kind.READING, content, MAP, 0, NOON)
    assert (saved.case, saved.reader, saved.kind, saved.content) == ("c/1 ö", "r-01", Kind.READING, content)
    assert (saved.version, saved.map_sha256, saved.created_at, saved.saved_at) == (1, MAP, NOON, NOON)
    assert readers.verdict("c/1 ö", "r-01", Kind.READING) == saved
    assert readers.verdicts() == readers.verdicts("c/1 ö") == (saved,)
    assert readers.verdicts("c/1") == ()


def test_times_are_utc_whatever_zone_they_came_in(readers: Store) -> None:
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    readers.save("c", "r-01", Kind.READING, Content(), MAP, 0, there)
    found = readers.verdict("c", "r-01", Kind.READING)
    assert found is not None
    for moment in (found.saved_at, found.created_at, readers.history("c", "r-01", Kind.READING)[0].at):
        assert moment == NOON
        assert moment.utcoffset() == timedelta(0)
        assert moment.isoformat() == "2026-05-04T12:00:00.123456+00:00"


def test_a_time_without_a_zone_is_refused(readers: Store) -> None:
    with pytest.raises(Exception, match="no time zone"):
        readers.save("c", "r-01", Kind.READING, Content(), MAP, 0, NOON.replace(tzinfo=None))
    assert readers.verdicts() == ()


def test_every_save_leaves_a_revision(readers: Store) -> None:
    contents = [some_content(number) for number in (4, 2, 3)]
    for version, content in enumerate(contents):
        readers.save("c", "r-01", Kind.READING, content, MAP, version, NOON + version * ONE)
    history = readers.history("c", "r-01", Kind.READING)
    assert [revision.content for revision in history] == contents
    assert [revision.version for revision in history] == [1, 2, 3]
    assert [revision.at for revision in history] == [NOON, NOON + ONE, NOON + 2 * ONE]
    current = readers.verdict("c", "r-01", Kind.READING)
    assert current is not None
    assert (current.content, current.created_at, current.saved_at) == (contents[-1], NOON, NOON + 2 * ONE)
    assert_whole(readers.engine)


def test_a_clock_that_was_set_back_does_not_turn_the_history_round(readers: Store) -> None:
    readers.save("c", "r-01", Kind.READING, some_content(1), MAP, 0, NOON)
    assert readers.save("c", "r-01", Kind.READING, some_content(2), MAP, 1, NOON - ONE).saved_at == NOON


def test_saving_what_stands_already_changes_nothing(readers: Store) -> None:
    first = readers.save("c", "r-01", Kind.READING, some_content(3), MAP, 0, NOON)
    assert readers.save("c", "r-01", Kind.READING, some_content(3), MAP, 1, NOON + ONE) == first
    assert (
        readers.save("c", "r-01", Kind.READING, some_content(3), MAP, 0, NOON + ONE) == first
    )  # the answer was lost
    assert len(readers.history("c", "r-01", Kind.READING)) == 1


def test_the_same_words_on_another_map_are_a_new_revision(readers: Store) -> None:
    readers.save("c", "r-01", Kind.READING, some_content(3), MAP, 0)
    assert readers.save("c", "r-01", Kind.READING, some_content(3), OTHER_MAP, 1).version == 2
    assert [each.map_sha256 for each in readers.history("c", "r-01", Kind.READING)] == [MAP, OTHER_MAP]


@pytest.mark.parametrize("version", [0, 1, 3, -1])
def test_who_saw_another_version_is_told_what_stands(readers: Store, version: int) -> None:
    readers.save("c", "r-01", Kind.READING, some_content(1), MAP, 0)
    current = readers.save("c", "r-01", Kind.READING, some_content(2), MAP, 1)
    with pytest.raises(Conflict) as conflict:
        readers.save("c", "r-01", Kind.READING, some_content(3), MAP, version)
    assert conflict.value.current == current
    assert readers.verdicts() == (current,)
    assert_whole(readers.engine)


def test_a_version_of_what_never_was_is_a_conflict_with_nothing(readers: Store) -> None:
    with pytest.raises(Conflict) as conflict:
        readers.save("c", "r-01", Kind.READING, some_content(3), MAP, 1)
    assert conflict.value.current is None
    assert readers.verdicts() == ()


def test_readings_are_each_readers_own(readers: Store) -> None:
    mine = readers.save("c", "r-01", Kind.READING, some_content(1), MAP, 0)
    others = readers.save("c", "r-02", Kind.READING, some_content(2), MAP, 0)
    assert readers.verdicts("c") == (mine, others)
    assert readers.verdict("c", "r-01", Kind.READING) == mine
    assert readers.verdict("c", "r-03", Kind.READING) is None


def test_an_adjudication_there_is_one_of(readers: Store) -> None:
    reading = readers.save("c", "r-01", Kind.READING, some_content(1), MAP, 0)
    readers.save("c", "r-01", Kind.ADJUDICATION, some_content(2), MAP, 0)
    with pytest.raises(Conflict):
        readers.save("c", "r-02", Kind.ADJUDICATION, some_content(3), MAP, 0)
    taken_over = readers.save("c", "r-02", Kind.ADJUDICATION, some_content(2), MAP, 1)
    assert (taken_over.version, taken_over.reader) == (2, "r-02")
    assert readers.verdict("c", "r-03", Kind.ADJUDICATION) == taken_over
    history = readers.history("c", "r-03", Kind.ADJUDICATION)
    assert [revision.reader for revision in history] == ["r-01", "r-02"]
    assert readers.verdict("c", "r-01", Kind.READING) == reading
    assert_whole(readers.engine)


def test_only_known_readers_save(readers: Store) -> None:
    with pytest.raises(AccountError, match="'nobody'"):
        readers.save("c", "nobody", Kind.READING, Content(), MAP, 0)
    with pytest.raises(BadVerdictError):
        readers.save("c", "r-01", Kind.READING, Content(), "no digest", 0)


def test_who_reads_while_somebody_saves_sees_one_state_of_it(readers: Store) -> None:
    before = readers.save("c", "r-01", Kind.READING, some_content(4), MAP, 0)
    with reading(readers.engine) as session:
        assert session.scalars(select(VerdictRow.version)).one() == 1
        readers.save("c", "r-01", Kind.READING, some_content(2), MAP, 1)
        row = find_verdict(session, "c", "reader:1")
        assert row is not None
        assert verdict_of(row) == before


@pytest.mark.parametrize("run", [in_threads, in_processes])
@pytest.mark.parametrize("kind", Kind)
def test_of_savers_at_once_one_wins_each_version_and_the_others_see_who(
    readers: Store, review_url: str, run: Callable[[list[Any]], list[Any]], kind: Kind
) -> None:
    names = ["r-01", "r-02", "r-03"] if kind is Kind.ADJUDICATION else ["r-01"] * 3
    rounds = 12
    answers = run([Racer(review_url, name, kind, number, rounds) for number, name in enumerate(names)])
    for version in range(rounds):
        at_once = [answer[version] for answer in answers]
        assert sum(said == "mine" for said, _, _ in at_once) == 1
        assert {after for _, _, after in at_once} == {version + 1}
        assert len({said for said, _, _ in at_once}) == 2  # the losers saw the same: the winner's
    history = readers.history("case", "r-01", kind)
    assert [revision.version for revision in history] == list(range(1, rounds + 1))
    for version, revision in enumerate(history):
        winner = next(k for k, answer in enumerate(answers) if answer[version][0] == "mine")
        assert revision.content == some_content(1000 * (winner + 1) + version)
        assert revision.reader == names[winner]
    assert_whole(readers.engine)


def test_a_case_is_in_ones_hands_until_it_falls_back(readers: Store) -> None:
    claim = readers.claim("c", "r-01", NOON, 30, 1)
    assert claim.until == NOON + 30 * ONE
    with pytest.raises(Claimed) as refused:
        readers.claim("c", "r-02", NOON + 29 * ONE, 30, 1)
    assert refused.value.claim == claim
    assert readers.claims(NOON + 29 * ONE) == (claim,)
    assert readers.claims(NOON + 30 * ONE) == ()
    assert readers.claim("c", "r-02", NOON + 30 * ONE, 30, 1).reader == "r-02"
    assert [claim.reader for claim in readers.claims(NOON + 31 * ONE)] == ["r-02"]


def test_claiming_again_takes_longer(readers: Store) -> None:
    readers.claim("c", "r-01", NOON, 30, 1)
    again = readers.claim("c", "r-01", NOON + 20 * ONE, 30, 1)
    assert readers.claims(NOON + 45 * ONE) == (again,)


def test_released_cases_are_free(readers: Store) -> None:
    readers.claim("c", "r-01", NOON, 30, 1)
    readers.release("c", "r-02")
    assert len(readers.claims(NOON)) == 1
    readers.release("c", "r-01")
    readers.release("c", "r-01")
    assert readers.claim("c", "r-02", NOON, 30, 1).reader == "r-02"


def test_as_many_as_are_needed_have_a_case(readers: Store) -> None:
    readers.claim("c", "r-01", NOON, 30, 2)
    readers.claim("c", "r-02", NOON, 60, 2)
    with pytest.raises(Claimed) as refused:
        readers.claim("c", "r-03", NOON, 30, 2)
    assert refused.value.claim.reader == "r-02"  # the one that falls back last


def test_who_has_read_a_case_counts_once_whether_they_hold_it_or_not(readers: Store) -> None:
    readers.claim("c", "r-01", NOON, 30, 2)
    readers.claim("c", "r-02", NOON, 30, 2, read_by=["r-01"])
    with pytest.raises(Claimed):
        readers.claim("c", "r-03", NOON, 30, 2, read_by=["r-01"])
    readers.release("c", "r-01")
    with pytest.raises(Claimed):
        readers.claim("c", "r-03", NOON, 30, 2, read_by=["r-01"])


def test_a_case_that_needs_nobody_can_still_be_taken_in_hand(readers: Store) -> None:
    assert readers.claim("c", "r-02", NOON, 30, 1, read_by=["r-01"]).reader == "r-02"
    assert readers.claim("d", "r-02", NOON, 30, 0).reader == "r-02"


def test_what_was_saved_after_one_looked_at_the_queue_is_not_read_twice(readers: Store) -> None:
    looked = NOON
    readers.save("c", "r-01", Kind.READING, some_content(1), MAP, 0, NOON + ONE)  # and gave it back
    with pytest.raises(Claimed):
        readers.claim("c", "r-02", looked, 30, 1)
    assert readers.claim("c", "r-02", NOON + 2 * ONE, 30, 1).reader == "r-02"


@pytest.mark.parametrize("run", [in_threads, in_processes])
@pytest.mark.parametrize("needed", [1, 2])
def test_askers_at_once_never_get_a_case_that_is_in_enough_hands(
    readers: Store, review_url: str, run: Callable[[list[Any]], list[Any]], needed: int
) -> None:
    cases = 15
    mine = run([Asker(review_url, f"r-0{number}", cases, needed) for number in (1, 2, 3, 4)])
    handed_out = sorted(case for each in mine for case in each)
    assert handed_out == sorted(f"case-{number}" for number in range(cases) for _ in range(needed))
    assert len(readers.claims(datetime.now(UTC))) == cases * needed


def test_a_plan_is_kept(readers: Store) -> None:
    for plan in (Plan(Order.RANDOM, 5, 2**31 - 1, 2), Plan()):
        assert readers.set_plan(plan) == plan
        assert readers.plan() == plan
