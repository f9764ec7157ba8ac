"""How far a review is."""

from __future__ import annotations

from said import NOON, OLD_MAP, adjudication, facts, mark, verdict

from dapatlas.review.accounts import Reader, Role
from dapatlas.review.plan import Order, Plan
from dapatlas.review.progress import progress_of
from dapatlas.review.queue import at_random


def reader(name: str, role: Role = Role.READER) -> Reader:
    return Reader(name, role, True, NOON, True)


def test_progress_in_the_words_of_the_api():
    known = facts("1", "2", "3", "4", structures=frozenset({"liver"}))
    said = [
        verdict("a", case="1", minutes=5),
        verdict("b", "reject", mark("liver"), case="1", minutes=2),
        verdict("a", "remarks", case="2", digest=OLD_MAP, minutes=9),
        verdict("gone", None, case="3", minutes=1),
        verdict("a", case="no longer there"),
        adjudication("approve", case="4", minutes=3),
    ]
    readers = [reader("b"), reader("a"), reader("idle"), reader("chief", Role.ADJUDICATOR)]
    assert progress_of(known, said, Plan(readings=2), readers).as_dict() == {
        "states": {"unread": 0, "reading": 1, "disagreement": 1, "approved": 1, "remarks": 0, "rejected": 0, "stale": 1},
        "readers": [
            {"reader": "a", "role": "reader", "read": 1, "approve": 1, "remarks": 0, "reject": 0, "last_at": "2026-03-01T12:09:00+00:00"},
            {"reader": "b", "role": "reader", "read": 1, "approve": 0, "remarks": 0, "reject": 1, "last_at": "2026-03-01T12:02:00+00:00"},
            {"reader": "chief", "role": "adjudicator", "read": 0, "approve": 0, "remarks": 0, "reject": 0, "last_at": "2026-03-01T12:03:00+00:00"},
            {"reader": "gone", "role": None, "read": 0, "approve": 0, "remarks": 0, "reject": 0, "last_at": "2026-03-01T12:01:00+00:00"},
            {"reader": "idle", "role": "reader", "read": 0, "approve": 0, "remarks": 0, "reject": 0, "last_at": None},
        ],
        "pairs": [{"readers": ["a", "b"], "cases": 1, "agreement": 0.0, "kappa": 0.0}],
        "structures": [
            {"structure": "liver", "read": 2, "marked": 1, "rate": 0.5, "low": 0.09453120573423074, "high": 0.9054687942657693, "kinds": {"leaks": 1}}
        ],
        "disagreements": ["1"],
    }  # fmt: skip


def test_states_are_counted_over_the_sample():
    known = facts(*map(str, range(10)))
    drawn = at_random(known, 4)[:3]
    said = [verdict("a", case=case) for case in known]
    assert progress_of(known, said, Plan(Order.WORST, 3, 4), []).states["approved"] == 3
    assert progress_of(known, said[:0], Plan(Order.RANDOM, 3, 4), []).states["unread"] == 3
    assert len(drawn) == 3


def test_an_empty_review():
    found = progress_of({}, [], Plan(), [])
    assert set(found.states.values()) == {0}
    assert (found.readers, found.pairs, found.structures, found.disagreements) == ((), (), (), ())
