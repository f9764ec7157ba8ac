"""SUV: hand-worked examples, properties of the formula, and each field that can be missing or odd."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.suv import PetFacts, decay_time_s, parse_datetime, reference_time, suv_factor
from dapatlas.ingest.fault import IngestError

F18_S = 6586.2
NOON = datetime(2003, 3, 23, 12)
FACTS = PetFacts(
    units="BQML",
    decay_correction="START",
    corrections=("NORM", "DTIM", "ATTN", "SCAT", "DECY"),
    weight_kg=75,
    dose_bq=300e6,
    half_life_s=F18_S,
    injected_time="110000",
    series_at=NOON,
    acquired_at=NOON,
)


def refused(**changes) -> IngestError:
    with pytest.raises(IngestError) as caught:
        suv_factor(replace(FACTS, **changes), "series")
    return caught.value


def test_a_factor_worked_out_by_hand():
    """300 MBq an hour before: 300e6 × 2^(-3600 / 6586.2) = 205.38e6 Bq left; 75 000 g of that is 3.6518e-4."""
    assert suv_factor(FACTS, "series") == pytest.approx(3.6518e-4, rel=1e-4)


def test_activity_spread_evenly_over_the_body_is_one():
    """The definition: all of what is left, in a body of the patient's weight and the density of water, is SUV 1."""
    left = 300e6 * 0.5 ** (3600 / F18_S)
    assert left / 75_000 * suv_factor(FACTS, "series") == pytest.approx(1)


def test_values_corrected_to_injection_need_no_decay():
    facts = replace(FACTS, decay_correction="ADMIN", injected_time="", series_at=None, acquired_at=None)
    assert suv_factor(facts, "series") == pytest.approx(75_000 / 300e6)


@given(weight=st.floats(2, 200), dose=st.floats(1e7, 1e9), minutes=st.integers(0, 300))
def test_it_grows_with_weight_and_falls_with_dose(weight, dose, minutes):
    facts = replace(
        FACTS, weight_kg=weight, dose_bq=dose, series_at=NOON + timedelta(minutes=minutes), acquired_at=None
    )
    factor = suv_factor(facts, "series")
    assert suv_factor(replace(facts, weight_kg=2 * weight), "series") == pytest.approx(2 * factor)
    assert suv_factor(replace(facts, dose_bq=2 * dose), "series") == pytest.approx(factor / 2)


@given(half_life=st.floats(3000, 9e5), seconds=st.floats(0, 20_000))
def test_a_half_life_more_doubles_it(half_life, seconds):
    at = datetime(2003, 3, 1, 12)
    facts = replace(FACTS, half_life_s=half_life, injected_at="20030301120000", acquired_at=None)
    before = suv_factor(replace(facts, series_at=at + timedelta(seconds=seconds)), "series")
    after = suv_factor(replace(facts, series_at=at + timedelta(seconds=seconds + half_life)), "series")
    assert after == pytest.approx(2 * before, rel=1e-5)


# ------------------------------------------------------------------------------------------ times


def test_an_injection_before_midnight_was_on_the_day_before():
    after_midnight = datetime(2003, 3, 24, 0, 30)
    facts = replace(FACTS, injected_time="233000.00", series_at=after_midnight, acquired_at=after_midnight)
    assert decay_time_s(facts, F18_S, "series") == 3600


def test_date_and_time_of_injection_come_before_the_time_alone():
    facts = replace(FACTS, injected_at="20030323103000.500000", injected_time="110000")
    assert decay_time_s(facts, F18_S, "series") == 5399.5


@pytest.mark.parametrize("shifted", ["20010101110000", "20030324110000", "20030322110000", "nonsense"])
def test_a_date_of_injection_that_does_not_fit_gives_way_to_the_time_of_day(shifted):
    facts = replace(FACTS, injected_at=shifted)
    assert decay_time_s(facts, F18_S, "series") == 3600


def test_the_reference_is_the_series_unless_it_was_made_after_the_scan():
    later, ge = NOON + timedelta(hours=2), NOON + timedelta(minutes=-1)
    assert reference_time(FACTS, "series") == NOON
    assert reference_time(replace(FACTS, acquired_at=later), "series") == NOON
    assert reference_time(replace(FACTS, series_at=later), "series") == NOON
    assert reference_time(replace(FACTS, series_at=later, ge_scan_at=ge), "series") == ge
    assert reference_time(replace(FACTS, ge_scan_at=ge), "series") == NOON
    assert reference_time(replace(FACTS, series_at=None), "series") == NOON
    assert reference_time(replace(FACTS, acquired_at=None), "series") == NOON


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20030323110159.25", datetime(2003, 3, 23, 11, 1, 59, 250000)),
        ("20030323110159", datetime(2003, 3, 23, 11, 1, 59)),
        ("200303231101", datetime(2003, 3, 23, 11, 1)),
        ("2003032311", datetime(2003, 3, 23, 11)),
        ("2003032311:01:59", datetime(2003, 3, 23, 11, 1, 59)),
        ("20030323110159+0100", datetime(2003, 3, 23, 11, 1, 59)),
        ("20030323235960", datetime(2003, 3, 24)),  # a leap second
        ("20030323", None),
        ("", None),
        ("110159", None),
        ("20030332110159", None),
        ("20030323250000", None),
    ],
)
def test_times_as_dicom_writes_them(text, expected):
    assert parse_datetime(text) == expected


# ------------------------------------------------------------------------------------------ units


def test_values_that_are_suv_stay_as_they_are():
    assert suv_factor(PetFacts(units="GML"), "series") == 1
    assert suv_factor(PetFacts(units="GML", suv_type="BW"), "series") == 1


def test_suv_by_lean_mass_is_no_suv_by_weight():
    error = refused(units="GML", suv_type="LBM")
    assert error.code is Code.SUV_UNITS
    assert "LBM" in str(error)


def test_counts_of_philips_become_suv_by_its_factor():
    assert (
        suv_factor(replace(FACTS, units="CNTS", philips_suv=0.00042, philips_activity=1.5), "series")
        == 0.00042
    )


def test_counts_of_philips_become_activity_where_there_is_that_factor_alone():
    facts = replace(FACTS, units="CNTS", philips_activity=1.5)
    assert suv_factor(facts, "series") == pytest.approx(1.5 * suv_factor(FACTS, "series"))


@pytest.mark.parametrize("units", ["CNTS", "PROPCNTS", ""])
def test_other_units_are_refused(units):
    error = refused(units=units)
    assert error.code is Code.SUV_UNITS
    assert "(0054,1001)" in str(error)


# ------------------------------------------------------------------------------------------ missing and odd fields


@pytest.mark.parametrize(
    ("changes", "tag"),
    [
        ({"weight_kg": None}, "0010,1030"),
        ({"weight_kg": 0}, "0010,1030"),
        ({"dose_bq": None}, "0018,1074"),
        ({"dose_bq": 0}, "0018,1074"),
        ({"half_life_s": None}, "0018,1075"),
        ({"injected_time": ""}, "0018,1072"),
        ({"injected_time": "noon"}, "0018,1072"),
        ({"series_at": None, "acquired_at": None}, "0008,0031"),
        ({"corrections": ()}, "0028,0051"),
        ({"half_life_s": 109.77}, "0018,1075"),  # in minutes: 33 half lives would have passed
    ],
)
def test_a_field_that_is_missing_or_makes_no_sense_is_named_by_its_tag(changes, tag):
    error = refused(**changes)
    assert error.code is Code.SUV_FIELD_MISSING
    assert tag in str(error)
    assert "series" in str(error)


@pytest.mark.parametrize(
    ("changes", "tag"),
    [
        ({"dose_bq": 300}, "0018,1074"),  # MBq
        ({"dose_bq": 300e3}, "0018,1074"),  # kBq
        ({"weight_kg": 75_000}, "0010,1030"),  # g
        ({"weight_kg": -75}, "0010,1030"),
        ({"dose_bq": float("nan")}, "0018,1074"),
        ({"half_life_s": 0.0762}, "0018,1075"),  # days
    ],
)
def test_a_number_in_another_unit_is_refused(changes, tag):
    error = refused(**changes)
    assert error.code is Code.SUV_UNITS
    assert tag in str(error)


@pytest.mark.parametrize("correction", ["NONE", ""])
def test_values_that_are_not_corrected_for_decay_are_refused(correction):
    error = refused(decay_correction=correction)
    assert error.code is Code.SUV_DECAY
    assert "(0054,1102)" in str(error)


@pytest.mark.parametrize(
    ("corrections", "lacking"),
    [(("NORM", "DECY"), "ATTN"), (("ATTN",), "DECY"), (("NORM",), "ATTN and DECY")],
)
def test_a_series_without_corrections_is_refused(corrections, lacking):
    error = refused(corrections=corrections)
    assert error.code is Code.SUV_UNCORRECTED
    assert f"without {lacking}" in str(error)
