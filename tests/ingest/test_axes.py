"""Moves between grids: every signed permutation, and the near misses."""

from __future__ import annotations

import re
from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapatlas.ingest.nifti.axes import Kind, Move, exact_move, relation
from dapatlas.volumes import Grid

MOVES = [Move(axes, flips) for axes in permutations(range(3)) for flips in product((False, True), repeat=3)]
CT = Grid((12, 10, 8), np.array([[-0.8, 0, 0, 40], [0, -0.8, 0, 30], [0, 0, 2.5, -700], [0, 0, 0, 1.0]]))


def rotation(angles: tuple[float, float, float]) -> np.ndarray:
    turn = np.eye(3)
    for (a, b), angle in zip(((0, 1), (1, 2), (0, 2)), angles, strict=True):
        step = np.eye(3)
        step[[a, b], [a, b]] = np.cos(angle)
        step[a, b], step[b, a] = -np.sin(angle), np.sin(angle)
        turn = turn @ step
    return turn


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    shape = draw(st.tuples(*[st.integers(1, 7)] * 3))
    spacing = draw(st.tuples(*[st.floats(0.3, 6)] * 3))
    angles = draw(st.tuples(*[st.floats(-3, 3)] * 3))
    affine = np.eye(4)
    affine[:3, :3] = rotation(angles) @ np.diag(spacing)
    affine[:3, 3] = draw(st.tuples(*[st.floats(-800, 800)] * 3))
    return Grid(shape, affine)


@given(grids(), st.sampled_from(MOVES))
def test_every_flip_and_swap_is_found_and_keeps_each_voxel_in_its_place(target: Grid, scramble: Move) -> None:
    # every voxel carries where it lies; that is the oracle, not the move itself
    places = target.to_world(np.moveaxis(np.indices(target.shape), 0, -1))
    numbers = np.arange(target.size).reshape(target.shape)
    source = scramble.apply_to_grid(target)
    scrambled = scramble.apply(numbers)
    where = source.to_world(np.moveaxis(np.indices(source.shape), 0, -1))
    assert np.allclose(places.reshape(-1, 3)[scrambled], where, atol=1e-6)

    move = exact_move(source, target)
    assert move is not None
    back = move.apply(scrambled)
    assert np.array_equal(back, numbers) or min(target.shape) == 1  # an axis of one voxel has no direction
    assert np.allclose(places.reshape(-1, 3)[back], places, atol=1e-6)
    assert np.shares_memory(back, numbers)


@given(grids(), st.sampled_from(MOVES))
def test_the_inverse_undoes_a_move(grid: Grid, move: Move) -> None:
    numbers = np.arange(grid.size).reshape(grid.shape)
    assert np.array_equal(move.inverse.apply(move.apply(numbers)), numbers)
    assert np.allclose(move.inverse.apply_to_grid(move.apply_to_grid(grid)).affine, grid.affine, atol=1e-9)


@pytest.mark.parametrize("codes", ["LPS", "RAS", "SAL", "PIR", "ASR"])
def test_agrees_with_nibabels_reorientation(codes: str) -> None:
    image = nib.Nifti1Image(np.random.default_rng(3).integers(0, 99, CT.shape, np.uint8), CT.affine)
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(CT.affine), nib.orientations.axcodes2ornt(tuple(codes))
    )
    turned = image.as_reoriented(turn)
    move = exact_move(Grid(turned.shape, turned.affine), CT)
    assert move is not None
    assert np.array_equal(move.apply(np.asanyarray(turned.dataobj)), np.asanyarray(image.dataobj))


@given(grids(), st.sampled_from(MOVES), st.integers(0, 2), st.floats(0.01, 2), st.sampled_from([-1, 1]))
def test_a_grid_that_lies_elsewhere_has_no_move(
    target: Grid, scramble: Move, axis: int, mm: float, sign: int
) -> None:
    affine = np.array(scramble.apply_to_grid(target).affine)
    affine[axis, 3] += sign * mm
    source = Grid(scramble.apply_to_grid(target).shape, affine)
    assert exact_move(source, target) is None
    assert relation(source, target).move is None


def test_the_tolerance_is_a_thousandth_of_a_mm_at_the_corners() -> None:
    near, far = np.array(CT.affine), np.array(CT.affine)
    near[0, 3] += 0.0009
    far[0, 3] += 0.0011
    assert exact_move(Grid(CT.shape, near), CT) is not None
    assert exact_move(Grid(CT.shape, far), CT) is None
    stretched = np.array(CT.affine)
    stretched[2, 2] += 0.0002  # small a slice, 0.0014 mm over seven of them
    assert exact_move(Grid(CT.shape, stretched), CT) is None


def test_an_axis_of_one_voxel_still_needs_the_right_spacing() -> None:
    flat = Grid((5, 5, 1), np.diag([1.0, 1, 3, 1]))
    assert exact_move(flat, Grid((5, 5, 1), np.diag([1.0, 1, 2, 1]))) is None
    assert exact_move(flat, flat) is not None


def changed(**parts: object) -> Grid:
    affine = np.array(CT.affine)
    for cell, value in parts.get("affine", {}).items():  # type: ignore[attr-defined]
        affine[cell] = value
    return Grid(parts.get("shape", CT.shape), affine)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "kind", "says"),
    [
        (CT, Kind.SAME, "nothing moved"),
        (Move((1, 0, 2), (False, True, False)).apply_to_grid(CT), Kind.TURNED, "became i, j, k"),
        # x and y with the sign of DICOM's LPS taken for RAS: the origin goes with them
        (changed(affine={(0, 0): 0.8, (1, 1): 0.8, (0, 3): -40, (1, 3): -30}), Kind.MIRRORED, "mirrors i, j"),
        (changed(affine={(0, 0): 0.8}), Kind.MIRRORED, "RPS against LPS"),
        (changed(affine={(2, 3): -700 + 2 * 2.5}), Kind.SHIFTED, "begins 0, 0, 2 voxels .*whole voxels"),
        (changed(affine={(2, 3): -699}), Kind.SHIFTED, "0.4 voxels .*no whole voxels"),
        (changed(shape=(12, 10, 6), affine={(2, 3): -697.5}), Kind.SHIFTED, "12×10×6 voxels .* cropped"),
        (changed(affine={(2, 2): 5.0}, shape=(12, 10, 4)), Kind.SPACING, "0.8×0.8×5 mm against 0.8×0.8×2.5"),
        (
            Grid(
                CT.shape,
                np.block([[rotation((0.1, 0, 0)) @ CT.affine[:3, :3], CT.affine[:3, 3:]], [0, 0, 0, 1]]),
            ),
            Kind.OTHER,
            "angle",
        ),
    ],
)
def test_near_misses_have_names(source: Grid, kind: Kind, says: str) -> None:
    found = relation(source, CT)
    assert found.kind is kind
    assert (found.move is not None) == (kind in (Kind.SAME, Kind.TURNED))
    assert re.search(says, found.message), found.message
