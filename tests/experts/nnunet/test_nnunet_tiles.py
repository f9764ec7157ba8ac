"""Tiles and their weights: nnU-Net's, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapatlas.errors import DapatlasError
from dapatlas.experts.nnunet.tiles import tile_weights, tiling


def test_tiles_spread_evenly_and_no_further_apart_than_the_step() -> None:
    # the example of nnU-Net's own source: 110 voxels, patch 64, step 0.5
    cut = tiling((110, 64, 70), (64, 64, 64), 0.5)
    assert cut.starts == ((0, 23, 46), (0,), (0, 6))
    assert cut.count == 6


def test_small_volumes_are_padded_around_with_the_odd_zero_behind() -> None:
    cut = tiling((34, 55, 200), (96, 64, 64))
    assert cut.pad == (31, 4, 0)
    assert cut.padded == (96, 64, 200)


def test_steps_that_leave_gaps_are_refused() -> None:
    with pytest.raises(DapatlasError, match="gaps"):
        tiling((110, 64, 70), (64, 64, 64), 1.5)


@given(length=st.integers(1, 700), patch=st.integers(1, 200), step=st.floats(0.1, 1.0))
def test_every_voxel_lies_in_a_tile_and_every_tile_in_the_volume(
    length: int, patch: int, step: float
) -> None:
    cut = tiling((length, 1, 1), (patch, 1, 1), step)
    covered = np.zeros(cut.padded[0], bool)
    for start in cut.starts[0]:
        assert 0 <= start <= cut.padded[0] - patch
        covered[start : start + patch] = True
    assert covered.all()


@pytest.mark.parametrize("step", [0.3, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(64, 64, 64), (65, 97, 500), (333, 127, 80)])
def test_tiles_lie_where_nnunetv2_puts_them(shape: tuple[int, int, int], step: float) -> None:
    inference = pytest.importorskip("nnunetv2.inference.sliding_window_prediction")
    theirs = inference.compute_steps_for_sliding_window(shape, (64, 64, 64), step)
    assert [list(starts) for starts in tiling(shape, (64, 64, 64), step).starts] == theirs


@pytest.mark.parametrize("patch", [(16, 24, 16), (9, 40, 33)])
def test_weights_are_those_of_nnunetv2(patch: tuple[int, int, int]) -> None:
    torch = pytest.importorskip("torch")
    inference = pytest.importorskip("nnunetv2.inference.sliding_window_prediction")
    theirs = inference.compute_gaussian(patch, value_scaling_factor=10, device=torch.device("cpu")).numpy()
    np.testing.assert_array_equal(tile_weights(patch, "v2", 8), theirs)


def test_weights_of_version_1_are_a_gaussian_of_an_eighth_of_the_patch_that_is_never_0() -> None:
    weights = tile_weights((32, 8, 8), "v1", 8)
    assert weights.dtype == np.float32
    assert weights[16, 4, 4] == 1
    assert weights.min() > 0
    # two voxels from the middle at a standard deviation of 32/8 = 4
    assert weights[18, 4, 4] == pytest.approx(np.exp(-0.5 * (2 / 4) ** 2), rel=1e-4)


def test_version_1_counts_all_voxels_alike_in_a_single_tile() -> None:
    assert (tile_weights((8, 8, 8), "v1", 1) == 1).all()
    assert tile_weights((8, 8, 8), "v2", 1).min() < 1
