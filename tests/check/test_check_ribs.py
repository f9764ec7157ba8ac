from __future__ import annotations

import numpy as np
import pytest
from geometry_cases import MM, case_of, codes, erase, extent, found, id_of, labels, phantom, rename, where

from dapatlas.check import ribs
from dapatlas.check.geometry import geometry
from dapatlas.check.rib_lengths import way_mm
from dapatlas.findings import Severity
from dapatlas.phantom.anatomy_thorax import rib_line


def test_a_straight_bar_is_as_long_as_it_is():
    bar = np.zeros((40, 5, 5), np.bool_)
    bar[2:38, 1:4, 1:4] = True
    length = way_mm(bar, (2.0, 2.0, 2.0))
    assert 70.0 <= length <= 73.0  # 35 steps of 2 mm, and a bit from corner to corner


def test_an_arc_is_measured_along_its_bend():
    x, y = np.mgrid[-60:61, -60:61] * 1.0
    radius = np.hypot(x, y)
    arc = ((radius > 47) & (radius < 53) & (y > 0))[:, :, None] & np.ones((1, 1, 4), np.bool_)
    length = way_mm(arc, (1.0, 1.0, 1.0))
    # the inside of the bend is the shortest way, steps to 26 neighbours make it up to 8 % longer
    assert 0.97 * np.pi * 47 <= length <= 1.08 * np.pi * 50


def test_ribs_are_as_long_as_they_were_drawn():
    case = case_of(phantom().label_map, phantom().grid)
    scale = np.array([0.94, 0.955, 0.965])  # of a woman's body, within 3 %
    for number in (2, 5, 8, 11):
        line = np.array(rib_line(number)) * scale
        drawn = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
        measured = ribs._length_mm(case, number, ribs.Side.LEFT)
        assert measured == pytest.approx(drawn, rel=0.12)


def test_lengths_of_ribs_rise_and_fall():
    lengths = geometry().ribs.lengths_mm
    longest = int(np.argmax(lengths))
    assert 4 <= longest + 1 <= 8
    assert list(lengths[: longest + 1]) == sorted(lengths[: longest + 1])
    assert list(lengths[longest:]) == sorted(lengths[longest:], reverse=True)
    assert lengths[5] == pytest.approx(12.6 * 25.4)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_side_that_is_counted_one_off_is_one_error(side):
    spoiled = labels()
    rename(spoiled, **{f"costa_{n}_{side}": f"costa_{n - 1}_{side}" for n in range(12, 1, -1)})
    errors = [f for f in found(ribs, spoiled) if f.severity is Severity.ERROR]
    assert [f.code for f in errors] == ["rib-vertebra"]
    assert f"11 {side} ribs" in errors[0].message
    assert "1 vertebra higher" in errors[0].message


def test_two_ribs_that_changed_places():
    spoiled = labels()
    rename(spoiled, costa_6_left="costa_7_left", costa_7_left="costa_6_left")
    errors = codes(found(ribs, spoiled), Severity.ERROR)
    assert errors == {("rib-vertebra", "costa_6_left"), ("rib-vertebra", "costa_7_left")}
    (one, _) = sorted(f.message for f in found(ribs, spoiled) if f.code == "rib-vertebra")
    assert one == "costa_6_left, rib 7, starts at vertebrae_T6"


def test_ribs_beside_a_vertebra_that_was_missed_are_excused():
    spoiled = labels()
    erase(spoiled, "vertebrae_T7")
    assert not codes(found(ribs, spoiled), Severity.ERROR)


def test_half_a_rib_is_short_and_unlike_its_fellow():
    spoiled = labels()
    half = where(spoiled, "costa_6_left")  # rib 7
    middle = sum(extent(spoiled, "costa_6_left", 1)) // 2
    half[:, :middle] = False  # the front
    spoiled[half] = id_of("muscles")
    assert {("rib-length", "costa_6_left"), ("rib-sides", "costa_6_left")} <= codes(
        found(ribs, spoiled), Severity.WARNING
    )


def test_a_rib_without_its_back_is_attached_to_nothing():
    spoiled = labels()
    back = where(spoiled, "costa_5_right")  # rib 8
    spine = int(np.argwhere(where(spoiled, "vertebrae_T8"))[:, 0].mean())
    near = np.abs(np.arange(spoiled.shape[0]) - spine) * MM < 70
    spoiled[back & near[:, None, None]] = id_of("muscles")
    assert ("rib-unattached", "costa_5_right") in codes(found(ribs, spoiled))


def test_ribs_cut_by_the_field_of_view_have_no_length():
    body = labels()
    low, high = extent(body, "costa_7_left", 1)
    cut = body[:, : (low + high) // 2]  # no front
    assert found(ribs, cut) == []


def test_without_thoracic_vertebrae_ribs_are_not_counted():
    spoiled = labels()
    for n in range(1, 13):
        erase(spoiled, f"vertebrae_T{n}")
    findings = found(ribs, spoiled)
    assert codes(findings, Severity.INFO) == {("not-judged", "")}
    assert len(findings) == 1
