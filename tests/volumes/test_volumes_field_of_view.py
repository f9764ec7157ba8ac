"""What one grid covers of another."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dapatlas.volumes import Grid, resample_labels
from dapatlas.volumes.field_of_view import FieldOfView

TARGET = Grid.from_spacing((12, 10, 8), (1.5, 2.0, 3.0), "LPS", (9.0, 9.0, -5.0))


def turned(grid: Grid, angles: tuple[float, float], shift: tuple[float, ...] = (0, 0, 0)) -> Grid:
    (a, b), middle = angles, grid.to_world((np.array(grid.shape) - 1) / 2)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = grid.affine.copy()
    affine[:3, :3] = about_z @ about_x @ affine[:3, :3]
    affine[:3, 3] = middle + shift - affine[:3, :3] @ ((np.array(grid.shape) - 1) / 2)
    return Grid(grid.shape, affine)


def brute_force(source: Grid, target: Grid) -> tuple[np.ndarray, np.ndarray]:
    """One voxel at a time; and which voxels are no matter of rounding."""
    covered, clear = np.zeros(target.shape, bool), np.zeros(target.shape, bool)
    for index in np.ndindex(*target.shape):
        world = target.affine @ (*index, 1)
        position = np.linalg.solve(source.affine, world)[:3]
        covered[index] = all(-0.5 <= p < n - 0.5 for p, n in zip(position, source.shape, strict=True))
        clear[index] = all(
            min(abs(p + 0.5), abs(p - n + 0.5)) > 1e-5 for p, n in zip(position, source.shape, strict=True)
        )
    return covered, clear


SOURCES = {
    "the same": TARGET,
    "cropped": Grid(
        (5, 4, 3), TARGET.affine @ np.array([[1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 1, 1], [0, 0, 0, 1.0]])
    ),
    "larger, flipped and permuted": Grid.from_spacing((40, 30, 50), (1, 2, 1), "SRA", (-20, -20, -20)),
    "flipped, covers a part": Grid.from_spacing((7, 6, 9), (1.1, 1.3, 2.1), "RAI", (-3, -4, 11)),
    "oblique": turned(TARGET, (0.3, -0.2)),
    "oblique and away a little": turned(TARGET, (0.9, 0.4), (7, -6, 5)),
    "oblique and far larger": turned(
        Grid.from_spacing((90, 90, 90), (1, 1, 1), origin=(-45, -45, -45)), (0.5, 0.5)
    ),
    "disjoint": Grid.from_spacing((5, 5, 5), (1, 1, 1), origin=(500, 0, 0)),
    "disjoint and oblique": turned(Grid.from_spacing((5, 5, 5), (1, 1, 1), origin=(500, 0, 0)), (0.3, 0.2)),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_mask_is_what_asking_every_voxel_gives(name: str):
    view = FieldOfView(SOURCES[name], TARGET)
    covered, clear = brute_force(SOURCES[name], TARGET)
    mask = view.mask()
    assert mask.flags.f_contiguous
    assert mask.dtype == np.bool_
    assert (mask == covered)[clear].all()
    assert clear.mean() > 0.8
    assert view.covers_all == bool(mask.all())


def test_the_cases_above_are_of_all_kinds():
    shares = {name: FieldOfView(source, TARGET).mask().mean() for name, source in SOURCES.items()}
    assert {name for name, share in shares.items() if share == 1} == {
        "the same", "larger, flipped and permuted", "oblique and far larger",
    }  # fmt: skip
    assert {name for name, share in shares.items() if share == 0} == {"disjoint", "disjoint and oblique"}


@pytest.mark.parametrize("name", SOURCES)
def test_a_box_gives_that_part_of_the_whole(name: str):
    view = FieldOfView(SOURCES[name], TARGET)
    whole = view.mask()
    some = ((0, 3), (2, 9), (11, 12))
    for i, j, k in itertools.product(some, ((0, 10), (4, 6)), ((1, 7), (5, 8), (3, 3))):
        box = (slice(*i), slice(*j), slice(*k))
        assert (view.mask(box) == whole[box]).all()
        assert view.mask(box).shape == whole[box].shape
    assert (view.mask((slice(None), slice(-3, None), slice(2, None))) == whole[:, -3:, 2:]).all()


@given(
    st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5)),
    st.tuples(*[st.floats(-25, 25)] * 3),
    st.tuples(*[st.floats(0.4, 4)] * 3),
)
@settings(max_examples=60)
def test_covered_is_what_resampling_can_give_a_label(
    angles: tuple[float, float], shift: tuple[float, ...], scale: tuple[float, ...]
):
    stretched = Grid((9, 8, 7), turned(TARGET, angles, shift).affine @ np.diag([*scale, 1]))
    view = FieldOfView(stretched, TARGET)
    given_one = resample_labels(np.ones(stretched.shape, np.uint8), stretched, TARGET) == 1
    assert (view.mask() == given_one).all()
    assert view.covers_all == given_one.all()


def test_a_voxel_centre_on_the_border_lies_in_the_voxel_above():
    source = Grid.from_spacing((4, 1, 1), (1, 1, 1))
    half = Grid.from_spacing((6, 1, 1), (1, 1, 1), origin=(-0.5, 0, 0))
    assert FieldOfView(source, half).mask().ravel().tolist() == [True] * 4 + [False] * 2
    rounded = Grid.from_spacing((6, 1, 1), (1, 1, 1), origin=(-0.5 - 1e-9, 0, 0))
    assert FieldOfView(source, rounded).mask().ravel().tolist() == [True] * 4 + [False] * 2


def test_steps_are_refused():
    with pytest.raises(ValueError, match="without steps"):
        FieldOfView(TARGET, TARGET).mask((slice(0, 4, 2), slice(0, 2), slice(0, 2)))
