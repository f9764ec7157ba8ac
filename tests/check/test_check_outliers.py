"""Outliers of a cohort: those planted are found, chance finds none, and the numbers are those of other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dapatlas.check.outliers import FAR_Z, LEAST_N, cohort_outliers, spreads
from dapatlas.labels import Sex


def cohort(n: int, seed: int = 0, names: tuple[str, ...] = ("liver",)) -> dict[str, dict[str, float]]:
    draw = np.random.default_rng(seed)
    return {f"case{i:03d}": {name: float(draw.lognormal(7.3, 0.2)) for name in names} for i in range(n)}


def whole(volumes: dict[str, dict[str, float]]) -> dict[str, set[str]]:
    return {case: set(found) for case, found in volumes.items()}


def test_a_planted_outlier_is_found_and_no_other() -> None:
    volumes = cohort(60)
    volumes["case007"]["liver"] = 8000.0
    (found,) = cohort_outliers(volumes, whole(volumes))
    assert (found.case, found.structure, found.code) == ("case007", "liver", "volume-outlier")
    assert found.found == "8000 ml"


def test_both_directions_are_found_the_farthest_first() -> None:
    volumes = cohort(60)
    volumes["case001"]["liver"], volumes["case002"]["liver"] = 100.0, 6000.0
    assert [f.case for f in cohort_outliers(volumes, whole(volumes))] == ["case001", "case002"]


def test_a_large_normal_cohort_has_none() -> None:
    volumes = cohort(400, 3, tuple(f"structure{i}" for i in range(50)))
    assert cohort_outliers(volumes, whole(volumes)) == []


def test_numbers_agree_with_scipy_and_numpy() -> None:
    volumes = cohort(31, 5)
    (spread,) = spreads(volumes, whole(volumes))
    logs = np.log([found["liver"] for found in volumes.values()])
    assert spread.n == 31
    assert spread.median_ml == pytest.approx(np.exp(np.median(logs)))
    assert spread.log_mad == pytest.approx(stats.median_abs_deviation(logs))
    z = (logs - np.median(logs)) / stats.median_abs_deviation(logs, scale="normal")
    assert list(spread.z.values()) == pytest.approx(z.tolist(), rel=1e-4)


def test_what_is_cut_off_neither_counts_nor_is_judged() -> None:
    volumes = cohort(40)
    volumes["case007"]["liver"] = 8000.0
    seen = whole(volumes)
    seen["case007"] = set()
    (spread,) = spreads(volumes, seen)
    assert "case007" not in spread.ml
    assert cohort_outliers(volumes, seen) == []


def test_too_few_cases_are_not_judged() -> None:
    volumes = cohort(LEAST_N - 1)
    volumes["case007"]["liver"] = 80_000.0
    assert spreads(volumes, whole(volumes)) == []


def test_sexes_are_kept_apart_where_there_are_enough_of_each() -> None:
    """A woman's volume that a man may have is an outlier among women alone."""
    women, men = cohort(40, 1), {f"m{case}": {"liver": 3 * v["liver"]} for case, v in cohort(40, 2).items()}
    women["case000"]["liver"] = 5000.0
    volumes = women | men
    sexes = dict.fromkeys(women, Sex.FEMALE) | dict.fromkeys(men, Sex.MALE)
    assert cohort_outliers(volumes, whole(volumes)) == []
    (found,) = cohort_outliers(volumes, whole(volumes), sexes)
    assert found.case == "case000"
    assert "of 40 women" in found.message


def test_too_few_of_one_sex_are_taken_together_with_the_other() -> None:
    volumes = cohort(LEAST_N + 2)
    sexes = {case: Sex.MALE if i < 2 else Sex.FEMALE for i, case in enumerate(volumes)}
    assert [(s.sex, s.n) for s in spreads(volumes, whole(volumes), sexes)] == [(None, LEAST_N + 2)]


def test_a_structure_of_one_sex_is_judged_in_that_sex() -> None:
    volumes = cohort(LEAST_N, names=("prostate",)) | {"f": {"liver": 1.0}}
    sexes = {case: Sex.FEMALE if case == "f" else Sex.MALE for case in volumes}
    assert [(s.structure, s.sex) for s in spreads(volumes, whole(volumes), sexes)] == [("prostate", Sex.MALE)]


def test_a_cohort_of_equals_does_not_make_outliers_of_small_differences() -> None:
    volumes = {f"case{i}": {"liver": 1500.0} for i in range(30)}
    volumes["case0"]["liver"] = 1800.0
    assert cohort_outliers(volumes, whole(volumes)) == []
    volumes["case0"]["liver"] = 1500.0 * np.exp(0.05 * FAR_Z) * 1.01
    assert len(cohort_outliers(volumes, whole(volumes))) == 1


def test_women_and_men_make_no_cohort_together_where_sex_decides_the_size() -> None:
    names = ("liver", "breast_left")
    volumes = cohort(LEAST_N + 4, names=names)
    women = sorted(volumes)[:9]
    for case in women:
        volumes[case]["breast_left"] *= 60
    sexes = {case: Sex.FEMALE if case in women else Sex.MALE for case in volumes}
    assert [(spread.structure, spread.sex) for spread in spreads(volumes, whole(volumes), sexes)] == [
        ("liver", None)
    ]
    assert cohort_outliers(volumes, whole(volumes), sexes) == []
