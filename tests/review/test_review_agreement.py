"""How readers agree: against scikit-learn, SciPy and published values."""

from __future__ import annotations

import math
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import MAP, OLD_MAP, adjudication, facts, mark, verdict
from scipy.stats import binomtest

from dapatlas.review.outcome import outcomes
from dapatlas.review.plan import Plan
from dapatlas.review.reader_agreement import (
    PairAgreement,
    cohens_kappa,
    pair_agreements,
    structure_rates,
    wilson_interval,
)
from dapatlas.review.verdict import Decision, MarkKind

APPROVE, REMARKS, REJECT = Decision
decisions = st.sampled_from(list(Decision))


@given(st.lists(st.tuples(decisions, decisions), max_size=40))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[Decision, Decision]]):
    from sklearn.metrics import cohen_kappa_score

    found = cohens_kappa(pairs)
    if not pairs:
        assert found is None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where kappa is not defined
        expected = cohen_kappa_score([one.value for one, _ in pairs], [other.value for _, other in pairs])
    if found is None:
        assert math.isnan(expected)
        assert len({decision for pair in pairs for decision in pair}) == 1
    else:
        assert found == pytest.approx(expected, abs=1e-12)


def test_kappa_of_a_textbook_table():
    # 50 applications, 20 both yes, 15 both no, 5 and 10 apart: 0.7 agreed, 0.5 by chance, kappa 0.4
    pairs = [(APPROVE, APPROVE)] * 20 + [(REJECT, REJECT)] * 15
    pairs += [(APPROVE, REJECT)] * 5 + [(REJECT, APPROVE)] * 10
    assert cohens_kappa(pairs) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("pairs", "kappa"),
    [
        ([], None),
        ([(APPROVE, APPROVE)] * 9, None),  # chance alone agrees always
        ([(APPROVE, REJECT)] * 9, 0.0),  # each of them constant: agreement 0, by chance 0
        ([(APPROVE, APPROVE), (REJECT, REJECT), (REMARKS, REMARKS)], 1.0),
        ([(APPROVE, REJECT), (REJECT, APPROVE)], -1.0),
    ],
)
def test_kappa_at_its_ends(pairs: list[tuple[Decision, Decision]], kappa: float | None):
    assert cohens_kappa(pairs) == kappa


def test_pairs_are_of_readings_on_the_same_map():
    said = [
        verdict("a", case="1"), verdict("b", case="1"),
        verdict("a", "reject", case="2"), verdict("b", "remarks", case="2"), verdict("c", "remarks", case="2"),
        verdict("a", case="3", digest=OLD_MAP), verdict("b", case="3", digest=MAP),  # two maps
        verdict("a", "remarks", case="4", digest=OLD_MAP), verdict("b", "remarks", case="4", digest=OLD_MAP),
        verdict("a", None, case="5"), verdict("b", case="5"),  # one is not finished
        adjudication(case="1", reader="c"),
    ]  # fmt: skip
    # a and b: approve/approve, reject/remarks, remarks/remarks; by chance (1·1 + 1·2 + 1·0) / 9 = 1/3
    ab, ac, bc = pair_agreements(said)
    assert ab == PairAgreement(("a", "b"), 3, 2 / 3, pytest.approx((2 / 3 - 1 / 3) / (1 - 1 / 3)))
    assert ac == PairAgreement(("a", "c"), 1, 0.0, 0.0)
    assert bc == PairAgreement(("b", "c"), 1, 1.0, None)


@pytest.mark.parametrize(
    ("hits", "number", "low", "high"),
    [  # Newcombe 1998, Stat Med 17:857, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_those_published(hits: int, number: int, low: float, high: float):
    assert wilson_interval(hits, number) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 3000), st.data())
def test_intervals_are_those_of_scipy(number: int, data: st.DataObject):
    hits = data.draw(st.integers(0, number))
    low, high = wilson_interval(hits, number)
    expected = binomtest(hits, number).proportion_ci(0.95, "wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= low <= hits / number <= high <= 1


def test_no_reading_tells_nothing_about_a_rate():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_rates_of_structures():
    known = facts("1", "2", structures=frozenset({"liver", "spleen"})) | facts("unknown")
    said = [
        verdict("a", "approve", case="1"),
        verdict("b", "reject", mark("liver"), mark("liver", MarkKind.WRONG_SIDE), case="1"),
        verdict("a", "remarks", mark("heart", MarkKind.MISSING), case="2"),
        verdict("b", None, mark("spleen"), case="2"),  # not finished
        verdict("c", "reject", mark("spleen"), case="2", digest=OLD_MAP),  # of an earlier map
        verdict("a", "reject", mark("spleen"), case="unknown"),  # nobody knows what is in view there
        adjudication("reject", case="2", reader="d"),
    ]
    rates = structure_rates(outcomes(known, said, Plan(readings=2)), known)
    found = {each.structure: (each.read, each.marked, each.rate, dict(each.kinds)) for each in rates}
    assert found == {
        "heart": (1, 1, 0.0, {MarkKind.MISSING: 1}),
        "liver": (3, 1, pytest.approx(2 / 3), {MarkKind.WRONG_SIDE: 1, MarkKind.LEAKS: 1}),
        "spleen": (3, 0, 1.0, {}),
    }
    assert [each.structure for each in rates] == ["heart", "liver", "spleen"]  # the worst first
    assert (rates[1].low, rates[1].high) == wilson_interval(2, 3)
