"""Filling polygons: against the test of single points, and against areas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapatlas.experts.polygons import fill

SHAPE = (13, 9)
corner = st.tuples(st.floats(-3, 15, width=32), st.floats(-3, 12, width=32))
polygons = st.lists(st.lists(corner, min_size=3, max_size=7), min_size=1, max_size=3)


def crossings(point: tuple[float, float], polygon: np.ndarray) -> int:
    """How often a ray from the point towards larger i leaves or enters."""
    count = 0
    for (i0, j0), (i1, j1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if (j0 <= point[1]) != (j1 <= point[1]):
            count += i0 + (point[1] - j0) / (j1 - j0) * (i1 - i0) > point[0]
    return count


def near(point: tuple[float, float], polygon: np.ndarray, reach: float) -> bool:
    start, end = polygon, np.roll(polygon, -1, axis=0)
    along = end - start
    length = np.maximum((along**2).sum(axis=1), 1e-30)
    place = np.clip(((point - start) * along).sum(axis=1) / length, 0, 1)
    return bool(np.hypot(*(start + place[:, None] * along - point).T).min() < reach)


@given(drawn=polygons)
def test_a_centre_is_inside_if_a_ray_from_it_meets_an_odd_number_of_edges(drawn):
    outlines = [np.array(polygon, float) for polygon in drawn]
    mask = fill(outlines, SHAPE)
    for index in np.ndindex(SHAPE):
        if not any(near(index, outline, 0.01) for outline in outlines):
            assert mask[index] == sum(crossings(index, outline) for outline in outlines) % 2


@pytest.mark.parametrize("shift", [0.0, 0.13, 0.5])
def test_a_discs_area_is_the_circles(shift: float):
    angle = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    disc = np.stack([100 + shift + 80 * np.cos(angle), 90 - shift + 80 * np.sin(angle)], axis=1)
    assert fill([disc], (200, 200)).sum() == pytest.approx(np.pi * 80**2, rel=2e-3)


def test_a_slit_between_outline_and_hole_is_no_matter():
    outer = [(1, 1), (11, 1), (11, 7.5), (1, 7.5), (1, 1)]
    hole = [(3.5, 3.5), (3.5, 5.5), (8.5, 5.5), (8.5, 3.5), (3.5, 3.5)]
    expected = np.zeros(SHAPE, bool)
    expected[1:12, 1:8] = True
    expected[4:9, 4:6] = False
    assert (fill([np.array(outer + hole, float)], SHAPE) == expected).all()


def test_what_lies_beyond_the_plane_is_cut_off():
    around = np.array([(-50, -50), (50, -50), (50, 50), (-50, 50)], float)
    assert fill([around], SHAPE).all()
    assert not fill([around + 200], SHAPE).any()
    assert not fill([around - 200], SHAPE).any()
    assert not fill([], SHAPE).any()
