"""What a reader can say, in JSON and back, and what cannot be kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapatlas.errors import DapatlasError
from dapatlas.review.accounts import Role
from dapatlas.review.plan import Order, Plan
from dapatlas.review.verdict import (
    MAX_MARKS,
    MAX_NOTE,
    MAX_REMARKS,
    BadVerdictError,
    Conflict,
    Content,
    Decision,
    Kind,
    Mark,
    MarkKind,
    Revision,
    Verdict,
    check_digest,
)

indices = st.integers(0, 2000)
spans = st.tuples(indices, indices)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
marks = st.builds(
    Mark,
    structure=texts,
    kind=st.sampled_from(MarkKind),
    note=texts,
    point=st.none() | st.tuples(indices, indices, indices),
    box=st.none() | st.tuples(spans, spans, spans),
)
contents = st.builds(
    Content,
    decision=st.none() | st.sampled_from(Decision),
    remarks=texts,
    marks=st.lists(marks, max_size=4).map(tuple),
)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@given(contents)
def test_content_comes_back_from_json_as_it_went(content: Content) -> None:
    assert Content.from_dict(json.loads(json.dumps(content.as_dict()))) == content


def test_json_of_a_verdict_has_the_fields_that_clients_read() -> None:
    content = Content(
        Decision.REJECT, "left is right", (Mark("kidney_left", MarkKind.WRONG_SIDE, "", (1, 2, 3)),)
    )
    row = Verdict("c1", "r-01", Kind.READING, content, 3, "a" * 64, NOON, NOON, 17).as_dict()
    assert json.loads(json.dumps(row)) == {
        "case": "c1",
        "reader": "r-01",
        "kind": "reading",
        "version": 3,
        "map_sha256": "a" * 64,
        "decision": "reject",
        "remarks": "left is right",
        "marks": [
            {"structure": "kidney_left", "kind": "wrong_side", "note": "", "point": [1, 2, 3], "box": None}
        ],
        "created_at": "2026-05-04T12:00:00+00:00",
        "saved_at": "2026-05-04T12:00:00+00:00",
    }


def test_json_of_a_revision_says_who_and_when() -> None:
    row = Revision(1, "r-02", Content(), "b" * 64, NOON).as_dict()
    assert row["at"] == "2026-05-04T12:00:00+00:00"
    assert (row["reader"], row["version"], row["decision"], row["marks"]) == ("r-02", 1, None, [])


def test_nothing_is_lost_while_a_verdict_is_in_progress() -> None:
    assert Content(Decision.REJECT).marks == ()
    assert Content(None, "half a sent").decision is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: Content(remarks="x" * (MAX_REMARKS + 1)),
        lambda: Mark("liver", MarkKind.LEAKS, "x" * (MAX_NOTE + 1)),
        lambda: Content(marks=(Mark("liver", MarkKind.LEAKS),) * (MAX_MARKS + 1)),
        lambda: Content(remarks="a\0b"),
        lambda: Mark("liver", MarkKind.LEAKS, "\ud83d"),
        lambda: Mark("li\0ver", MarkKind.LEAKS),
        lambda: check_digest("A" * 64),
        lambda: check_digest("a" * 63),
        lambda: check_digest("a" * 64 + "\n"),
    ],
)
def test_what_no_database_could_keep_is_refused(make: object) -> None:
    with pytest.raises(BadVerdictError):
        make()  # type: ignore[operator]


def test_the_longest_is_kept() -> None:
    mark = Mark("liver", MarkKind.LEAKS, "x" * MAX_NOTE)
    assert len(Content(None, "\U0001f600" * MAX_REMARKS, (mark,) * MAX_MARKS).marks) == MAX_MARKS


def test_a_conflict_says_what_stands() -> None:
    current = Verdict("c1", "r-02", Kind.ADJUDICATION, Content(), 4, "a" * 64, NOON, NOON, 1)
    conflict = Conflict("c1", 3, current)
    assert conflict.current is current
    assert "c1" in str(conflict)
    assert "r-02 has saved version 4" in str(conflict)
    assert "there is none" in str(Conflict("c1", 3, None))


def test_each_role_may_what_those_before_it_may() -> None:
    may = {(role, needed) for role in Role for needed in Role if role.may(needed)}
    assert may == {
        (Role.READER, Role.READER),
        (Role.ADJUDICATOR, Role.READER),
        (Role.ADJUDICATOR, Role.ADJUDICATOR),
        (Role.ADMIN, Role.READER),
        (Role.ADMIN, Role.ADJUDICATOR),
        (Role.ADMIN, Role.ADMIN),
    }


@pytest.mark.parametrize(
    "plan", [{"readings": 0}, {"readings": 3}, {"sample": 0}, {"seed": -1}, {"seed": 2**31}]
)
def test_a_plan_that_makes_no_sense_is_refused(plan: dict[str, int]) -> None:
    with pytest.raises(DapatlasError):
        Plan(**plan)  # type: ignore[arg-type]


def test_json_of_a_plan() -> None:
    assert json.loads(json.dumps(Plan(Order.RANDOM, 5, 7, 2).as_dict())) == {
        "order": "random",
        "sample": 5,
        "seed": 7,
        "readings": 2,
    }
