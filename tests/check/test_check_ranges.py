"""Limits follow from published values by the stated rules; the data files cite every number."""

from __future__ import annotations

import copy
import math
import tomllib
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from dapatlas.check.limits import Expected, Quantity, Range
from dapatlas.check.measured_case import Patient
from dapatlas.check.ranges import BadRangesError, Row, expected_extreme, parse, table
from dapatlas.labels import Sex, dap

FILES = ("volumes", "ratios", "composition", "hounsfield")

MINIMAL: dict[str, Any] = {
    "quantity": "volume",
    "sources": {
        "paper": {"title": "A paper on livers", "journal": "J Test", "year": 2000, "doi": "10.1000/x"}
    },
    "rows": {"table": [{"structures": ["liver"], "unit": "ml", "low": 500, "high": 1000, "source": "paper"}]},
}


def changed(**row: Any) -> dict[str, Any]:
    data = copy.deepcopy(MINIMAL)
    data["rows"]["table"][0] |= row
    return data


@pytest.mark.parametrize("name", FILES)
def test_every_row_cites_a_source_and_every_source_is_cited(name: str) -> None:
    found = table(name)
    assert all(row.sources for row in found.rows)
    assert {key for row in found.rows for key in row.sources} == set(found.sources)


@pytest.mark.parametrize("name", FILES)
def test_every_source_can_be_looked_up(name: str) -> None:
    for key, source in table(name).sources.items():
        # ICRP 89 is a book, Prassopoulos and Overland are found by journal and pages
        assert source.doi or source.pmid or source.url or (source.authors and source.year), key


@pytest.mark.parametrize("name", FILES)
def test_limits_rise_and_the_possible_holds_the_usual(name: str) -> None:
    found = table(name)
    for row in found.rows:
        usual, possible = row.limits(found.quantity)
        assert usual.low < usual.high
        assert possible.low <= usual.low or found.quantity is Quantity.HU
        assert possible.low < possible.high
        assert possible.high >= usual.high or found.quantity is Quantity.HU
        assert found.quantity is Quantity.HU or usual.low > 0


@pytest.mark.parametrize("name", FILES)
def test_structures_exist_and_sex_agrees_with_the_scheme(name: str) -> None:
    for row in table(name).rows:
        for structure in (*row.structures, *row.of):
            assert dap()[structure].sex in (None, row.sex) or row.sex is None


def test_published_means_of_another_study_are_usual() -> None:
    """Geraghty et al. 2004 (Abdom Imaging 29:482), hand-outlined CT of 149 adults, is in no row."""
    means = {
        Sex.FEMALE: {"pancreas": 64.4, "kidney_left": 156.5, "kidney_right": 156.5, "spleen": 179.8,
                     "liver": 1411.0, "adrenal_gland_left": 4.4},
        Sex.MALE: {"pancreas": 87.4, "kidney_left": 193.1, "kidney_right": 193.1, "spleen": 238.4, "liver": 1710.0},
    }  # fmt: skip
    volumes = table("volumes")
    for sex, organs in means.items():
        for name, ml in organs.items():
            rows = [row for row in volumes.rows if row.structures == (name,) and row.holds_for(Patient(sex))]
            expected = volumes.expected(rows)
            assert expected is not None
            assert ml in expected.usual, name


def test_reference_persons_of_icrp_are_usual() -> None:
    """Masses of ICRP 89 of organs whose rows come from elsewhere (JNM's table 2: reference woman, reference man)."""
    grams = {
        Sex.FEMALE: {"liver": 1400, "spleen": 130, "kidney_left": 138, "brain": 1300, "thyroid_left": 8.5},
        Sex.MALE: {"liver": 1800, "spleen": 150, "kidney_right": 155, "brain": 1450, "thyroid_right": 10, "prostate": 17},
    }  # fmt: skip
    volumes = table("volumes")
    for sex, organs in grams.items():
        for name, mass in organs.items():
            rows = [row for row in volumes.rows if row.structures == (name,) and row.holds_for(Patient(sex))]
            expected = volumes.expected(rows)
            assert expected is not None
            assert mass / 1.05 in expected.usual, name


def test_three_standard_deviations_of_a_log_normal_hold_all_but_a_quarter_per_cent() -> None:
    row = Row(structures=("spleen",), unit="ml", mean=198, sd=88, source="x")
    usual, possible = row.limits(Quantity.VOLUME)
    sigma = math.sqrt(math.log(1 + (88 / 198) ** 2))
    draws = np.random.default_rng(1).lognormal(math.log(198) - sigma**2 / 2, sigma, 400_000)
    assert draws.mean() == pytest.approx(198, rel=0.01)
    assert draws.std() == pytest.approx(88, rel=0.01)
    outside = ((draws < usual.low) | (draws > usual.high)).mean()
    assert outside == pytest.approx(0.0027, abs=0.0004)
    assert math.log(possible.high / possible.low) == pytest.approx(math.log(usual.high / usual.low) * 5 / 3)


def test_a_published_range_in_grams_becomes_millilitres_with_its_margins() -> None:
    row = Row(structures=("liver",), unit="g", low=838, high=2584, n=232, source="x")
    usual, possible = row.limits(Quantity.VOLUME)
    assert usual.low == pytest.approx(838 / 1.05 / 1.25)
    assert usual.high == pytest.approx(2584 / 1.05 * 1.25)
    assert possible.high == pytest.approx(2584 / 1.05 * 3)


def test_disease_lifts_the_possible_limits() -> None:
    row = Row(structures=("spleen",), unit="ml", low=100, high=300, grows=True, source="x")
    assert row.limits(Quantity.VOLUME)[1] == Range(100 / 3, math.inf)


def test_margins_of_shares_are_on_the_odds() -> None:
    row = Row(structures=("fat",), unit="1", low=0.5, high=0.5, margin=3, source="x")
    usual, possible = row.limits(Quantity.SHARE)
    assert (usual.low, usual.high) == (pytest.approx(0.25), pytest.approx(0.75))
    assert possible.high == pytest.approx(6 / 7)


def test_margins_of_hu_are_added() -> None:
    row = Row(structures=("brain",), unit="HU", low=20, high=45, least=-30, source="x")
    assert row.limits(Quantity.HU) == (Range(0, 65), Range(-30, math.inf))


def test_expected_extreme_is_that_of_simulated_ranges() -> None:
    draws = np.random.default_rng(2).standard_normal((20_000, 102)).max(axis=1).mean()
    assert expected_extreme(102) == pytest.approx(draws, abs=0.02)


def test_several_rows_give_the_widest_limits() -> None:
    rows = [
        Row(structures=("liver",), unit="ml", low=500, high=1000, source="paper"),
        Row(structures=("liver",), unit="ml", low=800, high=2000, source="paper"),
    ]
    expected = parse(MINIMAL, "test").expected(rows)
    assert expected is not None
    assert (expected.usual.low, expected.usual.high) == (400, 2500)
    assert expected.sources == ("J Test 2000",)


def test_rows_hold_for_sex_and_age_where_known() -> None:
    row = Row(structures=("prostate",), unit="ml", low=10, high=90, sex=Sex.MALE, ages=(55, 70), source="x")
    assert row.holds_for(Patient(None, None))
    assert row.holds_for(Patient(Sex.MALE, 60))
    assert not row.holds_for(Patient(Sex.FEMALE, 60))
    assert not row.holds_for(Patient(Sex.MALE, 30))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(unit="cm"), "in 'cm'"),
        (changed(unit="HU"), "in 'HU'"),
        (changed(low=2000), "do not rise"),
        (changed(structures=["livre"]), "no structure 'livre'"),
        (changed(source="other"), "unknown or no sources"),
        (changed(source=""), "unknown or no sources"),
        (changed(mean=700, sd=100), "give low and high, or mean and sd"),
        (changed(colour="red"), "colour"),
        ({**MINIMAL, "rows": {"table": []}}, "no row cites: paper"),
        ({**MINIMAL, "quantity": "length"}, "length"),
    ],
)
def test_a_bad_data_file_is_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRangesError, match=message):
        parse(data, "test")


def test_how_far_out_is_counted_in_half_widths() -> None:
    hu = Expected(Quantity.HU, Range(0, 100), Range())
    assert hu.far_out(50) == 0
    assert hu.far_out(150) == pytest.approx(1)
    volume = Expected(Quantity.VOLUME, Range(100, 400), Range())
    assert volume.far_out(800) == pytest.approx(1)  # once more what lies between the middle, 200, and 400
    assert volume.far_out(50) == pytest.approx(1)
    assert volume.far_out(0) == math.inf
    assert Expected(Quantity.HU, Range(0), Range()).far_out(-100) == pytest.approx(1)


@pytest.mark.parametrize("name", FILES)
def test_data_files_are_read_as_they_are_written(name: str) -> None:
    text = (files("dapatlas.check") / "data" / f"{name}.toml").read_text(encoding="utf-8")
    assert len(table(name).rows) == len(tomllib.loads(text)["rows"]["table"])
