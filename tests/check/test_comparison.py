"""Two predictors: pairs, tests and their correction."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from score_cases import cohort, made_up, with_dice

from dapatlas.check.comparison import LEAST_PAIRS, compare, holm, paired
from dapatlas.check.evaluate import EvaluatedCase
from dapatlas.labels import dap


def test_holm_by_hand():
    # sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04, which may not fall below 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_its_step_down_procedure_rejects(p_values):
    for level in (0.01, 0.05, 0.3):
        rejected, order = set(), sorted(range(len(p_values)), key=lambda i: p_values[i])
        for step, index in enumerate(order):
            if p_values[index] * (len(p_values) - step) > level:
                break
            rejected.add(index)
        assert {i for i, p in enumerate(holm(p_values)) if p <= level} == rejected


def test_the_test_is_scipys_on_pairs_that_differ():
    rng = np.random.default_rng(3)
    values = np.round(rng.uniform(0.5, 1.0, size=(20, 2)), 3)
    values[:3, 1] = values[:3, 0]
    found = paired("liver", values)
    differences = values[3:, 0] - values[3:, 1]
    assert found.p == pytest.approx(stats.wilcoxon(differences).pvalue)
    ranks = stats.rankdata(abs(differences))
    assert found.effect == pytest.approx(
        (ranks[differences > 0].sum() - ranks[differences < 0].sum()) / ranks.sum()
    )
    assert (found.n, found.better + found.worse) == (20, 17)
    assert found.difference == pytest.approx((values[:, 0] - values[:, 1]).mean())
    assert found.ci95[0] <= found.difference <= found.ci95[1]


def test_all_in_one_direction_is_the_exact_p_and_a_full_effect():
    values = np.array([[0.9, 0.9 - 0.01 * (n + 1)] for n in range(8)])
    found = paired("liver", values)
    assert found.p == pytest.approx(2 / 2**8)
    assert found.effect == 1
    assert (found.better, found.worse) == (8, 0)


def test_too_few_pairs_are_not_tested():
    values = np.array([[0.9, 0.8]] * (LEAST_PAIRS - 1))
    found = paired("liver", values)
    assert found.p is None
    assert found.difference == pytest.approx(0.1)
    same = paired("liver", np.array([[0.7, 0.7]] * 10))
    assert (same.p, same.effect, same.better, same.worse) == (None, 0.0, 0, 0)


def test_pairs_are_cases_of_both_whose_reference_has_the_structure():
    one = [
        EvaluatedCase("a", (with_dice("liver", 0.9), made_up("spleen", 10, 0, 0)), ("spleen",)),
        EvaluatedCase("b", (with_dice("liver", 0.8),)),
        EvaluatedCase("only_ours", (with_dice("liver", 0.1),)),
    ]
    other = [
        EvaluatedCase("a", (with_dice("liver", 0.5),)),
        EvaluatedCase("b", (made_up("liver", 0, 1000, 0),)),
    ]
    (liver,) = compare(one, other, dap())
    assert liver.structure == "liver"
    assert liver.n == 2
    assert liver.other_mean == pytest.approx(0.25)  # a liver that is missed counts as 0


def test_correction_is_over_the_structures_that_were_tested():
    up = [0.9, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96]
    one = cohort({"liver": up, "spleen": up, "aorta": [0.5] * 3 + [math.nan] * 4})
    other = cohort({"liver": [d - 0.1 for d in up], "spleen": up[::-1], "aorta": [0.4] * 3 + [math.nan] * 4})
    found = {line.structure: line for line in compare(one, other, dap())}
    assert found["aorta"].p_holm is None
    assert found["liver"].p == pytest.approx(2 / 2**7)
    assert found["liver"].p_holm == pytest.approx(2 * 2 / 2**7)
    assert found["spleen"].p_holm == pytest.approx(max(found["spleen"].p, found["liver"].p_holm))
    swapped = {line.structure: line for line in compare(other, one, dap())}
    assert swapped["liver"].difference == pytest.approx(-found["liver"].difference)
    assert swapped["liver"].effect == -found["liver"].effect
