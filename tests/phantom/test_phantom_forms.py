"""Forms against the formulas of geometry."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dapatlas.phantom.forms import Cut, Ellipsoid, Form, HalfSpace, Loft, Plate, Tube
from dapatlas.phantom.painter import Canvas
from dapatlas.phantom.parts import Part, both_sides, pair


def canvas(mm: float = 1.0, half: float = 60.0) -> Canvas:
    axis = np.arange(-half, half + mm / 2, mm)
    return Canvas(
        np.zeros((len(axis),) * 3, np.uint8, order="F"),
        (axis, axis, axis),
        {"air": 0, "a": 1, "b_left": 2, "b_right": 3},
    )


def volume(form: Form) -> float:
    """Volume in mm3, counted on a 1 mm grid."""
    target = canvas()
    target.paint([Part("a", form, grows=True)])
    return float((target.labels == 1).sum())


def test_ellipsoid_has_its_volume() -> None:
    assert volume(Ellipsoid((3, -4, 5), (30, 20, 10))) == pytest.approx(4 / 3 * math.pi * 6000, rel=0.01)


def test_turning_an_ellipsoid_keeps_its_volume_and_points_its_long_axis() -> None:
    form = Ellipsoid((0, 0, 0), (40, 15, 10), long_axis=(1, 1, 1))
    assert volume(form) == pytest.approx(4 / 3 * math.pi * 6000, rel=0.01)
    x, y, z = (np.array(values, np.float32)[:, None, None] for values in ([22.0], [22.0], [22.0]))
    assert form.inside(x, y, z).all()  # 38 mm along the diagonal
    assert not form.inside(x, -y, z).any()


def test_straight_tube_is_a_cylinder_with_round_ends() -> None:
    form = Tube([(-20, 0, 0), (20, 0, 0)], 8.0)
    expected = math.pi * 64 * 40 + 4 / 3 * math.pi * 512
    assert volume(form) == pytest.approx(expected, rel=0.03)
    assert volume(Cut(form, (HalfSpace((1, 0, 0), 0.5),))) == pytest.approx(expected / 2, rel=0.03)


def test_tapered_tube_lies_between_its_ends() -> None:
    cone = math.pi * 40 * (25 + 50 + 100) / 3
    balls = 2 / 3 * math.pi * (125 + 1000)
    assert volume(Tube([(0, 0, -20), (0, 0, 20)], [5, 10])) == pytest.approx(cone + balls, rel=0.03)


def test_loft_of_equal_sections_is_an_elliptic_cylinder() -> None:
    form = Loft([(-25, 0, 20, -5, 15), (0, 0, 20, -5, 15), (25, 0, 20, -5, 15)])
    assert volume(form) == pytest.approx(math.pi * 20 * 10 * 51, rel=0.01)  # 51 planes of voxels
    inner = form.inset(side=2, back=1, front=3)
    assert volume(inner) == pytest.approx(math.pi * 18 * 8 * 51, rel=0.03)


def test_plate_is_a_triangle_with_thickness() -> None:
    form = Plate(((-30, -30, 0), (30, -30, 0), (-30, 30, 0)), 7.0)
    low, high = 1800 * 7, (1800 + 3.5 * (60 + 60 + 60 * 2**0.5) + 150) * 7
    assert low < volume(form) < high


def test_a_thin_tube_is_not_broken_by_a_coarse_grid() -> None:
    target = canvas(mm=10.0)
    target.paint([Part("a", Tube([(-45, -40, -50), (10, 15, 0), (45, 40, 50)], 0.5), grows=True)])
    painted = np.argwhere(target.labels == 1)
    steps = [np.abs(painted - voxel).max(axis=1) for voxel in painted]
    assert len(painted) >= 11
    assert all((step == 1).any() for step in steps)


def test_a_pair_is_mirrored_in_the_midline() -> None:
    target = canvas()
    body = [Part("a", Ellipsoid((0, 0, 0), (58, 58, 58)), grows=True)]
    target.paint([*body, *pair("b", Tube([(10, 5, 0), (30, -5, 20)], 6.0))])
    assert np.array_equal(target.labels[::-1] == 2, target.labels == 3)
    assert (np.argwhere(target.labels == 3)[:, 0] > 60).all()  # right is positive x


def test_parts_are_painted_only_over_what_they_may() -> None:
    target = canvas()
    air_only = both_sides("a", Ellipsoid((20, 0, 0), (10, 10, 10)))
    target.paint(air_only)
    assert not target.labels.any()  # nothing but an outline makes body out of air
    target.paint([Part("a", Ellipsoid((0, 0, 0), (20, 20, 20)), grows=True)])
    target.paint([Part("b_left", Ellipsoid((20, 0, 0), (10, 10, 10)), over=("b_right",))])
    assert not (target.labels == 2).any()
