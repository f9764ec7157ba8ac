"""What training takes, by hand."""

from __future__ import annotations

import pytest

from dapatlas.train.memory import BYTES_A_SCORE, training_memory


def test_scores_of_all_classes_at_all_resolutions_are_counted():
    # 64³ voxels at the finest of three stages; the coarsest has no output
    found = training_memory(5e8, (64, 64, 64), [(1, 1, 1), (2, 2, 2), (2, 2, 2)], 145, 2)
    fine, coarse = 145 * 64**3, 145 * 32**3
    assert found.classes_gb == pytest.approx((fine + coarse) * 2 * BYTES_A_SCORE / 1e9)
    assert found.deep_supervision_gb == pytest.approx(coarse * 2 * BYTES_A_SCORE / 1e9)
    assert found.features_gb == pytest.approx((5e8 - fine - coarse) * 8 / 560e6)
    assert found.total_gb == pytest.approx(found.features_gb + found.classes_gb)


def test_nnunets_own_reference_comes_out_for_few_classes():
    # 560 million numbers at a batch of two are 8 GB in nnU-Net's planner
    assert training_memory(560e6, (1, 1, 1), [(1, 1, 1)], 0, 2).total_gb == pytest.approx(8)


def test_a_stride_of_one_plane_keeps_the_planes():
    flat = training_memory(0, (8, 32, 32), [(1, 1, 1), (1, 2, 2), (2, 2, 2)], 10, 1)
    assert flat.deep_supervision_gb == pytest.approx(10 * 8 * 16 * 16 * BYTES_A_SCORE / 1e9)
