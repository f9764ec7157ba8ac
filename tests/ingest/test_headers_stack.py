"""Slices as stacks: grids, and each fault by its own name."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

sys.path.append(str(Path(__file__).parents[1] / "experts"))

from expert_cases import real_series

from dapatlas.formats.dicom_stack import Flaw, Stack, stack_of

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
UPRIGHT = (1.0, 0, 0, 0, 1.0, 0)


def stack_at(heights, *, beside=None, orientation=UPRIGHT, size=(64, 48), pixel=(0.9, 0.8)) -> Stack:
    """Upright slices at these z; ``beside`` moves them along x."""
    n = len(heights)
    positions = np.zeros((n, 3))
    positions[:, 2] = heights
    if beside is not None:
        positions[:, 0] = beside
    return stack_of(positions, [orientation] * n, [size] * n, [pixel] * n)


def flaws(stack: Stack) -> set[Flaw]:
    return {fault.flaw for fault in stack.faults}


@given(
    turn=st.tuples(*[st.floats(-180, 180)] * 3),
    n=st.integers(2, 60),
    step=st.floats(0.3, 8),
    origin=st.tuples(*[st.floats(-1500, 1500)] * 3),
    pixel=st.tuples(st.floats(0.3, 5), st.floats(0.3, 5)),
    seed=st.integers(0, 2**31),
)
def test_slices_in_any_order_and_direction_give_the_grid_back(turn, n, step, origin, pixel, seed):
    axes = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    row, column, normal = axes.T
    lps = np.eye(4)
    lps[:3, :3] = np.stack([row * pixel[1], column * pixel[0], normal * step], axis=1)
    lps[:3, 3] = origin
    shuffled = np.random.default_rng(seed).permutation(n)
    positions = (lps @ np.stack([0 * shuffled, 0 * shuffled, shuffled, 0 * shuffled + 1]))[:3].T
    made = stack_of(positions, [[*row, *column]] * n, [(11, 7)] * n, [pixel] * n)
    assert made.faults == ()
    assert made.grid is not None
    assert made.grid.shape == (7, 11, n)
    assert made.grid.affine == pytest.approx(LPS_TO_RAS @ lps, abs=1e-6)
    assert shuffled[made.order].tolist() == list(range(n))


def test_positions_in_tenths_of_a_mm_are_even():
    heights = np.round(np.arange(300) * 0.625, 1)  # 0.6 and 0.7 mm apart
    stack = stack_at(heights)
    assert stack.faults == ()
    assert stack.grid is not None
    assert stack.grid.spacing[2] == pytest.approx(0.625, abs=1e-3)


def test_missing_slices_are_counted_and_placed():
    stack = stack_at(np.delete(np.arange(20) * 3.0, [4, 11, 12]))
    assert flaws(stack) == {Flaw.MISSING_SLICES}
    assert stack.grid is None
    (fault,) = stack.faults
    assert fault.count == 3
    assert "1 between 9 and 15 mm, 2 between 30 and 39 mm" in fault.message


def test_every_second_slice_missing_in_the_larger_part():
    assert stack_at([0, 3, 6, 9, 15, 21, 27, 33, 39, 45]).faults[0].count == 6


@given(st.integers(0, 18), st.integers(2, 40))
def test_the_slices_taken_out_are_the_slices_missed(first, count):
    heights = np.r_[np.arange(first + 1), np.arange(first + 1 + count, 60 + count)] * 1.25
    assert [(f.flaw, f.count) for f in stack_at(heights).faults] == [(Flaw.MISSING_SLICES, count)]


def test_duplicates_alone_and_beside_a_gap():
    heights = np.arange(10) * 3.0
    stack = stack_at([*heights, 12.0])
    assert flaws(stack) == {Flaw.DUPLICATE_SLICES}
    assert stack.faults[0].places == (10,)
    assert "at 12 mm" in stack.faults[0].message
    both = stack_at([*np.delete(heights, 3), 12.0])
    assert flaws(both) == {Flaw.DUPLICATE_SLICES, Flaw.MISSING_SLICES}


def test_two_phases_of_one_scan():
    stack = stack_at(np.repeat(np.arange(10) * 2.0, 2))
    assert flaws(stack) == {Flaw.DUPLICATE_SLICES}
    assert stack.faults[0].count == 10
    assert stack.planes_mm.tolist() == (np.arange(10) * 2.0).tolist()


def test_uneven_slices():
    stack = stack_at([0, 3, 6, 9, 13.2, 17.4, 21.6])
    assert flaws(stack) == {Flaw.UNEVEN_SLICES}
    assert "3 to 4.2 mm apart" in stack.faults[0].message
    assert "after 9 mm" in stack.faults[0].message
    assert flaws(stack_at(np.cumsum([3.0, 3.1, 3.2, 3.3, 3.4, 3.5]))) == {Flaw.UNEVEN_SLICES}
    assert flaws(stack_at(np.random.default_rng(1).uniform(0, 100, 40))) == {Flaw.UNEVEN_SLICES}


@pytest.mark.parametrize("degrees", [0.5, 12.0, -20.0])
def test_tilt_as_computed_by_hand(degrees: float):
    """The gantry leans about x; the table moves along z: normal and z enclose the angle of the gantry."""
    angle = np.deg2rad(degrees)
    orientation = (1, 0, 0, 0, np.cos(angle), np.sin(angle))
    stack = stack_at(np.arange(40) * 3.0, orientation=orientation)
    assert flaws(stack) == {Flaw.GANTRY_TILT}
    assert stack.tilt_deg == pytest.approx(abs(degrees), abs=1e-9)
    assert f"{abs(degrees):.2f}°" in stack.faults[0].message
    assert stack.grid is not None  # with a slant
    assert stack.grid.affine[:3, 2] == pytest.approx([0, 0, 3])


def test_rounded_positions_are_no_tilt():
    assert stack_at([0, 3, 6, 9], beside=[0, 0, 0, 0.1]).faults == ()


def test_a_slice_beside_the_line():
    stack = stack_at(np.arange(9) * 3.0, beside=[0, 0, 0, 0, 2.0, 0, 0, 0, 0])
    assert flaws(stack) == {Flaw.OFF_LINE}
    assert "at 12 mm" in stack.faults[0].message


def test_mixed_sizes_and_orientations():
    n = 9
    positions = np.c_[np.zeros((n, 2)), np.arange(n)]
    sizes, spacings, turned = [(64, 64)] * n, [(1.0, 1.0)] * n, [UPRIGHT] * n
    assert stack_of(positions, turned, sizes, spacings).faults == ()
    smaller = stack_of(positions, turned, [(32, 64), *sizes[1:]], spacings)
    assert [(f.flaw, f.places) for f in smaller.faults] == [(Flaw.MIXED_SIZES, (0,))]
    assert "32×64" in smaller.faults[0].message
    finer = stack_of(positions, turned, sizes, [*spacings[:-2], (0.5, 0.5), (0.5, 0.5)])
    assert [(f.flaw, f.places) for f in finer.faults] == [(Flaw.MIXED_SIZES, (7, 8))]
    coronal = stack_of(positions, [*turned[:3], (1, 0, 0, 0, 0, -1), *turned[4:]], sizes, spacings)
    assert [(f.flaw, f.places) for f in coronal.faults] == [(Flaw.MIXED_ORIENTATIONS, (3,))]


def test_one_slice_has_a_grid_as_thick_as_it_is():
    stack = stack_of([(1, 2, 3)], [UPRIGHT], [(5, 6)], [(1, 1)], thickness_mm=2.5)
    assert flaws(stack) == {Flaw.SINGLE_SLICE}
    assert stack.grid is not None
    assert stack.grid.spacing == (1, 1, 2.5)


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("position", (0, 0, np.nan)),
        ("orientation", (0,) * 6),
        ("orientation", (1, 0, 0, 1, 0, 0)),
        ("pixel", (0, 1)),
    ],
)
def test_geometry_that_makes_no_sense(what, value):
    rows = {"position": [(0, 0, 0), (0, 0, 1)], "orientation": [UPRIGHT] * 2, "pixel": [(1, 1)] * 2}
    rows[what][1] = value
    stack = stack_of(rows["position"], rows["orientation"], [(4, 4)] * 2, rows["pixel"])
    assert [(f.flaw, f.places) for f in stack.faults] == [(Flaw.BAD_GEOMETRY, (1,))]
    assert stack.grid is None


def test_nothing_at_all_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="expected positions"):
        stack_of(np.zeros((0, 3)), np.zeros((0, 6)), np.zeros((0, 2)), np.zeros((0, 2)))


@pytest.mark.real_data
def test_the_real_series(real_data: Path):
    images = real_series(real_data / "dicom")[::-1]
    stack = stack_of(
        [i.ImagePositionPatient for i in images],
        [i.ImageOrientationPatient for i in images],
        [(i.Rows, i.Columns) for i in images],
        [i.PixelSpacing for i in images],
    )
    assert stack.faults == ()
    assert stack.grid is not None
    # the lowest slice says (-249.5, -437.5, -804.5) in DICOM's world; 20 slices, 2 mm apart
    assert stack.grid.affine[:3, 3].tolist() == [249.51171875, 437.51171875, -804.5]
    assert stack.grid.spacing == (0.9765625, 0.9765625, 2.0)
