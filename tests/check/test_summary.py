"""Means over cases, groups, and intervals that hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from score_cases import cohort, made_up, with_dice

from dapatlas.check.evaluate import EvaluatedCase
from dapatlas.check.summary import LEAST_FOR_INTERVAL, interval_of_mean, spread, summarise
from dapatlas.labels import dap

NAN = math.nan


def test_a_structures_numbers_by_hand():
    cases = cohort({"liver": [0.9, 0.8, 1.0], "spleen": [0.5, NAN, 0.7]})
    summary = summarise(cases, dap())
    liver, spleen = summary.structures
    assert (liver.structure.name, spleen.structure.name) == ("liver", "spleen")
    assert (liver.cases, spleen.cases) == (3, 2)
    assert liver.measures["dice"].mean == pytest.approx(0.9)
    assert liver.measures["dice"].median == pytest.approx(0.9)
    assert liver.measures["dice"].sd == pytest.approx(0.1)
    assert spleen.measures["dice"].mean == pytest.approx(0.6)
    assert "hd95_mm" not in liver.measures


def test_macro_micro_and_the_benchmarks_mean_are_three_things():
    big, small = made_up("liver", 1000, 1000, 900), made_up("spleen", 10, 10, 5)
    cases = [EvaluatedCase("a", (big, small)), EvaluatedCase("b", (made_up("liver", 1000, 1000, 700),))]
    everything = summarise(cases, dap()).everything
    assert everything.measures["dice"].mean == pytest.approx(((0.9 + 0.5) / 2 + 0.7) / 2)
    assert everything.mean_of_structures == pytest.approx(((0.9 + 0.7) / 2 + 0.5) / 2)
    assert everything.micro_dice == pytest.approx(2 * (900 + 5 + 700) / (2000 + 20 + 2000))
    assert "volume_difference_ml" not in everything.measures


def test_groups_are_kinds_of_tissue_and_regions():
    cases = cohort({"liver": [0.9], "aorta": [0.8], "femur_left": [0.7], "autochthon_left": [0.6]})
    summary = summarise(cases, dap())
    assert {group.name: group.measures["dice"].mean for group in summary.tissues} == pytest.approx(
        {"organ": 0.9, "vessel": 0.8, "bone": 0.7, "muscle": 0.6}
    )
    assert {group.name for group in summary.regions} == {
        str(dap()[n].region) for n in ("liver", "aorta", "femur_left", "autochthon_left")
    }


def test_failures_are_counted_by_kind():
    missed, invented = made_up("liver", 0, 10, 0), made_up("liver", 10, 0, 0)
    cases = [
        EvaluatedCase("a", (missed,)),
        EvaluatedCase("b", (invented,), ("liver",)),
        EvaluatedCase("c", (with_dice("liver", 1.0),)),
    ]
    (liver,) = summarise(cases, dap()).structures
    assert (liver.cases, liver.missed, liver.invented, liver.failed) == (3, 1, 1, 2)
    assert liver.measures["dice"].mean == pytest.approx(1 / 3)
    assert liver.measures["sensitivity"].n == 2  # what was invented has no reference to find


def test_the_order_of_cases_does_not_matter():
    cases = cohort({"liver": [0.9, 0.2, 0.5, 0.7, 0.6, 0.8]})
    assert summarise(cases, dap()).as_dict() == summarise(cases[::-1], dap()).as_dict()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_interval_is_scipys_bca(seed):
    values = np.random.default_rng(seed).beta(8, 2, size=25)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=40000, method="BCa", rng=np.random.default_rng(5)
    )
    low, high = interval_of_mean(values, resamples=40000)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert low == pytest.approx(theirs.confidence_interval.low, abs=0.03 * width)
    assert high == pytest.approx(theirs.confidence_interval.high, abs=0.03 * width)


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says():
    rng, truth = np.random.default_rng(7), 8 / 10
    inside = 0
    for _ in range(400):
        low, high = interval_of_mean(rng.beta(8, 2, size=30), resamples=1000)
        inside += low <= truth <= high
    assert 0.90 <= inside / 400 <= 0.98  # 0.95 less what a bootstrap of 30 loses; ±2 binomial sd are 0.022


def test_too_few_cases_have_no_interval_and_equal_ones_a_point():
    assert interval_of_mean(np.full(LEAST_FOR_INTERVAL - 1, 0.5)) is None
    assert interval_of_mean(np.full(9, 0.3)) == pytest.approx((0.3, 0.3))
    assert interval_of_mean(np.array([])) is None


def test_what_is_not_defined_is_left_out():
    assert spread([NAN, math.inf]) is None
    found = spread([0.5, NAN])
    assert (found.n, found.mean) == (1, 0.5)
    assert found.as_dict()["sd"] is None
