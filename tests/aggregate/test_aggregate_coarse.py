"""Blocks of voxels against numpy done the long way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapatlas.aggregate.coarse import Blocks
from dapatlas.aggregate.shapes import small_holes
from dapatlas.volumes import Grid, reorient

ORIENTATIONS = ("RAS", "LPS", "LAS", "PIR", "SAL", "ASR")


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, Grid]:
    shape = tuple(draw(st.integers(1, 9)) for _ in range(3))
    spacing = tuple(draw(st.sampled_from([0.8, 1.0, 2.0, 5.0])) for _ in range(3))
    seed = draw(st.integers(0, 99))
    grid = Grid.from_spacing(shape, spacing, draw(st.sampled_from(ORIENTATIONS)))  # type: ignore[arg-type]
    return np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.int16), grid


@given(cases())
def test_mean_and_least_value_of_each_block(case: tuple[np.ndarray, Grid]):
    array, grid = case
    blocks = Blocks(grid, 4.0)
    view, _ = reorient(array, grid, "RAS")
    mean, least = blocks.mean(array), blocks.minimum(array)
    for place in np.ndindex(mean.shape):
        block = view[tuple(slice(n * s, (n + 1) * s) for n, s in zip(place, blocks.strides, strict=True))]
        assert mean[place] == pytest.approx(block.mean(), abs=1e-3)
        assert least[place] == block.min()


@given(cases())
def test_every_voxel_finds_its_block_again(case: tuple[np.ndarray, Grid]):
    array, grid = case
    blocks = Blocks(grid, 4.0)
    numbered = np.arange(blocks.mean(array).size).reshape(blocks.mean(array).shape, order="F")
    back = np.stack(list(blocks.slices(numbered)), axis=-1)
    assert back.shape == array.shape
    view, _ = reorient(back, grid, "RAS")
    i, j, k = (np.arange(n) // s for n, s in zip(view.shape, blocks.strides, strict=True))
    assert (view == numbered[np.ix_(i, j, k)]).all()
    assert (blocks.sample(back) == numbered).all()


def test_blocks_are_no_larger_than_asked_for():
    assert Blocks(Grid.from_spacing((8, 8, 8), (1.0, 2.0, 5.0), "LPS"), 4.5).strides == (4, 2, 1)


def test_small_holes_are_those_that_a_ring_encloses():
    plane = np.zeros((30, 30), bool)
    plane[2:8, 2:8], plane[3:7, 3:7] = True, False  # a hole of 16
    plane[12:28, 12:28], plane[13:27, 13:27] = True, False  # one of 196
    plane[20:, 2:5] = True  # none
    expected = np.zeros_like(plane)
    expected[3:7, 3:7] = True
    assert (small_holes(plane, 100) == expected).all()
    assert not small_holes(np.zeros((5, 5), bool), 100).any()
