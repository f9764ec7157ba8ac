"""What becomes of a case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import MAP, OLD_MAP, adjudication, facts, mark, verdict

from dapatlas.review.outcome import State, outcome_of, outcomes
from dapatlas.review.plan import Plan
from dapatlas.review.verdict import Kind, MarkKind, Verdict

LEAK, OTHER_LEAK = mark("liver"), mark("spleen")


@pytest.mark.parametrize(
    ("said", "needed", "state"),
    [
        ([], 1, "unread"),
        ([], 2, "unread"),
        ([verdict(decision="approve")], 1, "approved"),
        ([verdict(decision="remarks")], 1, "remarks"),
        ([verdict(decision="reject")], 1, "rejected"),
        ([verdict(decision="reject")], 2, "reading"),
        ([verdict(decision=None)], 1, "reading"),
        ([verdict("a"), verdict("b", None)], 2, "reading"),
        ([verdict("a"), verdict("b")], 2, "approved"),
        ([verdict("a"), verdict("b", "remarks")], 2, "disagreement"),
        ([verdict("a"), verdict("b", "remarks")], 1, "disagreement"),
        ([verdict("a", "remarks", LEAK), verdict("b", "remarks", LEAK)], 2, "remarks"),
        ([verdict("a", "remarks", LEAK), verdict("b", "remarks", OTHER_LEAK)], 2, "disagreement"),
        ([verdict("a", "remarks", LEAK), verdict("b", "remarks", mark("liver", MarkKind.MISSING))], 2, "disagreement"),
        ([verdict("a", "remarks", mark(note="x")), verdict("b", "remarks", mark(note="y"), mark())], 2, "remarks"),
        ([verdict(digest=OLD_MAP)], 1, "stale"),
        ([verdict(decision=None, digest=OLD_MAP)], 1, "stale"),
        ([verdict("a", digest=OLD_MAP), verdict("b")], 2, "reading"),
        ([verdict("a", digest=OLD_MAP), verdict("b", "reject")], 1, "rejected"),
        ([verdict("a", digest=OLD_MAP), verdict("b", None)], 1, "reading"),
        ([adjudication("reject")], 2, "rejected"),
        ([verdict("a"), verdict("b", "reject"), adjudication("remarks")], 2, "remarks"),
        ([verdict("a"), verdict("b"), adjudication("reject")], 2, "rejected"),
        ([verdict("a"), verdict("b", "reject"), adjudication(None)], 2, "disagreement"),
        ([verdict("a"), verdict("b", "reject"), adjudication("remarks", digest=OLD_MAP)], 2, "disagreement"),
        ([adjudication(digest=OLD_MAP)], 1, "stale"),
    ],
)  # fmt: skip
def test_state(said: list[Verdict], needed: int, state: str):
    assert outcome_of("one", said, MAP, needed).state == state


def test_a_map_that_cannot_be_read_is_not_approved_by_anybody():
    assert outcome_of("one", [verdict(digest="")], "").state is State.STALE


def test_cases_that_are_gone_have_no_outcome():
    found = outcomes(facts("one", "two"), [verdict(case="one"), verdict(case="gone")], Plan())
    assert {case: each.state.value for case, each in found.items()} == {"one": "approved", "two": "unread"}


marks = st.lists(
    st.builds(mark, st.sampled_from(["liver", "spleen"]), st.sampled_from(list(MarkKind))), max_size=2
)
one_reading = st.builds(
    lambda decision, digest, own: ("", decision, digest, own),
    st.sampled_from([None, "approve", "remarks", "reject"]), st.sampled_from([MAP, OLD_MAP]), marks,
)  # fmt: skip
cases = st.tuples(st.lists(one_reading, max_size=4), st.none() | one_reading)


def said_in(drawn: tuple[list[tuple], tuple | None]) -> list[Verdict]:
    readings, settled = drawn
    found = [verdict(f"r-{n}", d, *own, digest=digest) for n, (_, d, digest, own) in enumerate(readings)]
    if settled is not None:
        found.append(verdict("chief", settled[1], *settled[3], digest=settled[2], kind=Kind.ADJUDICATION))
    return found


@given(cases, st.sampled_from([1, 2]), st.randoms())
def test_whatever_is_said(drawn: tuple, needed: int, shuffler):
    said = said_in(drawn)
    found = outcome_of("one", said, MAP, needed)
    shuffled = list(said)
    shuffler.shuffle(shuffled)
    assert outcome_of("one", shuffled, MAP, needed).state is found.state  # the order of verdicts is nothing
    now = [each for each in said if each.map_sha256 == MAP]
    if now:  # what was said of an earlier map changes nothing once something is said of this one
        assert outcome_of("one", now, MAP, needed).state is found.state
    assert found.is_good == (found.state in ("approved", "remarks"))
    if found.is_good:  # nobody's rejection is passed over in silence
        settled = [v for v in now if v.kind is Kind.ADJUDICATION and v.content.decision]
        rejected = any(v.content.decision == "reject" for v in now if v.kind is Kind.READING)
        assert settled or (not rejected and len(found.readings) >= needed)
    assert (found.state is State.UNREAD) == (not said)


@given(cases)
def test_more_readings_needed_never_settles_a_case(drawn: tuple):
    settled = {State.APPROVED, State.REMARKS, State.REJECTED}
    said = said_in(drawn)
    two, one = (outcome_of("one", said, MAP, needed).state for needed in (2, 1))
    if two in settled:
        assert one is two
    assert two is one or (two is State.READING and one in settled)


@given(cases)
def test_an_adjudication_has_the_last_word(drawn: tuple):
    readings, _ = drawn
    for decision, state in (("approve", "approved"), ("remarks", "remarks"), ("reject", "rejected")):
        assert outcome_of("one", [*said_in((readings, None)), adjudication(decision)], MAP, 2).state == state
