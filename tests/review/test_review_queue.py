"""Which case comes next, for whom, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from said import NOON, OLD_MAP, adjudication, facts, mark, verdict

from dapatlas.review.case_index import CaseFacts
from dapatlas.review.outcome import outcomes
from dapatlas.review.plan import Claim, Order, Plan
from dapatlas.review.queue import Next, at_random, next_case, planned
from dapatlas.review.verdict import Kind, Verdict

ABC = ("a", "b", "c")


def nxt(
    *said: Verdict,
    reader: str = "me",
    claims: tuple[Claim, ...] = (),
    readings: int = 1,
    kind: Kind = Kind.READING,
    after: str | None = None,
    cases: tuple[str, ...] = ABC,
) -> Next:
    found = outcomes(facts(*cases), said, Plan(readings=readings))
    return next_case(cases, found, claims, reader, NOON, kind=kind, after=after)


def held(case: str, reader: str = "other", minutes: int = 5) -> Claim:
    return Claim(case, reader, NOON + timedelta(minutes=minutes))


def test_the_worst_comes_first_and_says_why():
    known = {
        "clean": CaseFacts("clean", ""),
        "warned": CaseFacts("warned", "", warnings=40),
        "apart": CaseFacts("apart", "", disagreement=0.3, warnings=1),
        "nearly": CaseFacts("nearly", "", disagreement=0.002),
        "odd": CaseFacts("odd", "", outliers=1, disagreement=0.1),
        "wrong": CaseFacts("wrong", "", errors=1),
        "worse": CaseFacts("worse", "", errors=2, outliers=3, disagreement=0.5, warnings=1),
    }
    assert [(place.case, place.why) for place in planned(known, Plan())] == [
        ("worse", "2 errors, 3 outliers of the cohort, experts 50% apart, 1 warning"),
        ("wrong", "1 error"),
        ("odd", "1 outlier of the cohort, experts 10% apart"),
        ("apart", "experts 30% apart, 1 warning"),
        ("nearly", "nothing was found"),
        ("warned", "40 warnings"),
        ("clean", "nothing was found"),
    ]


ids = st.lists(st.text("abcdef0123", min_size=1, max_size=5), unique=True, max_size=30)


@given(ids, st.integers(1, 10), st.integers(0, 99), st.randoms())
def test_a_sample_is_drawn_by_seed_and_ids_alone(cases: list[str], k: int, seed: int, shuffler):
    plan = Plan(Order.RANDOM, k, seed)
    drawn = [place.case for place in planned(facts(*cases), plan)]
    shuffled = list(cases)
    shuffler.shuffle(shuffled)
    assert [place.case for place in planned(facts(*shuffled), plan)] == drawn
    assert len(set(drawn)) == min(k, len(cases))
    worst = planned(facts(*shuffled), replace(plan, order=Order.WORST))
    assert {place.case for place in worst} == set(drawn)  # the order of reading does not change who is drawn
    more = planned(facts(*cases), replace(plan, sample=k + 5))
    assert [place.case for place in more][: len(drawn)] == drawn


def test_a_draw_is_the_same_for_ever_and_fair():
    # printf '1\0a' | sha256sum: 03a95b5f…, b: 68be5c71…, c: 75eea72e…; with 7: a: 04d8652d…, b: f2208e36…, c: 735f0039…
    assert at_random("cab", 1) == ["a", "b", "c"]
    assert at_random("cab", 7) == ["a", "c", "b"]
    first = [at_random(ABC, seed)[0] for seed in range(3000)]
    assert all(abs(first.count(case) - 1000) < 130 for case in ABC)  # 5 standard deviations of a fair draw


def test_cases_come_in_order_and_go_on_behind_the_last():
    assert nxt() == Next("a", 3)
    assert nxt(after="a") == Next("b", 3)
    assert nxt(after="c") == Next("a", 3)
    assert nxt(verdict("me", case="b"), after="a") == Next("c", 2)
    assert nxt(verdict("me", case="b"), verdict("me", case="a"), after="c") == Next(
        "c", 1
    )  # the last one left
    assert nxt(after="no such case") == Next("a", 3)
    assert nxt(*(verdict("me", case=case) for case in ABC)) == Next(None, 0)


def test_what_others_have_in_hand_is_passed_over_but_left():
    assert nxt(claims=(held("a"),)) == Next("b", 3)
    assert nxt(claims=(held("a", minutes=0), held("b", minutes=-1))) == Next("a", 3)  # they have run out
    assert nxt(claims=(held("a", "me"),)) == Next("a", 3)
    assert nxt(claims=tuple(map(held, ABC))) == Next(None, 3)


def test_two_readings_by_different_readers():
    assert nxt(verdict("other", case="a"), readings=2) == Next("a", 3)
    assert nxt(verdict("me", case="a"), readings=2) == Next("b", 2)
    both = verdict("other", case="a"), verdict("third", case="a")
    assert nxt(*both, readings=2) == Next("b", 2)
    assert nxt(verdict("other", case="a"), claims=(held("a", "third"),), readings=2) == Next("b", 3)
    assert nxt(claims=(held("a"),), readings=2) == Next("a", 3)  # room for one more
    assert nxt(claims=(held("a"), held("a", "third")), readings=2) == Next("b", 3)
    assert nxt(verdict("other", case="a"), claims=(held("a"),), readings=2) == Next(
        "a", 3
    )  # one reader, not two


def test_an_unfinished_reading_comes_again_and_so_does_a_stale_one():
    assert nxt(verdict("me", None, case="a")) == Next("a", 3)
    assert nxt(verdict("me", case="a", digest=OLD_MAP)) == Next("a", 3)
    assert nxt(verdict("other", case="a", digest=OLD_MAP)) == Next("a", 3)


def test_what_is_adjudicated_needs_no_reader():
    assert nxt(adjudication(case="a"), readings=2) == Next("b", 2)


def test_adjudication_takes_what_readers_differ_on():
    said = [
        verdict("x", case="a"), verdict("y", "reject", case="a"),
        verdict("x", case="b"), verdict("y", case="b"),
        verdict("x", "remarks", mark("liver"), case="c"), verdict("y", "remarks", mark("spleen"), case="c"),
    ]  # fmt: skip
    adjudicating = {"readings": 2, "kind": Kind.ADJUDICATION}
    assert nxt(*said, **adjudicating) == Next("a", 2)
    assert nxt(*said, **adjudicating, after="a") == Next("c", 2)
    assert nxt(*said, **adjudicating, claims=(held("a"),)) == Next("c", 2)
    assert nxt(*said, adjudication(case="a"), **adjudicating) == Next("c", 1)
    assert nxt(*said, adjudication(None, case="a"), **adjudicating) == Next("a", 2)


@given(
    st.lists(st.sampled_from(ABC), max_size=3, unique=True),
    st.sampled_from([None, *ABC]),
    st.sampled_from([1, 2]),
)
def test_somebody_who_goes_on_reads_everything_once(claimed: list[str], after: str | None, readings: int):
    said: list[Verdict] = []
    while (
        got := nxt(*said, after=after, readings=readings, claims=tuple(map(held, claimed)))
    ).case is not None:
        assert got.case not in {each.case for each in said}
        said.append(verdict("me", case=got.case))
        after = got.case
    expected = set(ABC) - (set(claimed) if readings == 1 else set())
    assert {each.case for each in said} == expected
