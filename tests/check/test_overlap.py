"""Counts of all labels from one histogram: against scikit-learn, and label by label."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from dapatlas.check.overlap import count, dice, iou, precision, sensitivity
from dapatlas.errors import BadLabelsError, GridMismatchError
from dapatlas.labels import LabelScheme, dap

SHAPE = (9, 8, 7)


def small_scheme(*ids: int) -> LabelScheme:
    return LabelScheme("small", tuple(dap()[id_] for id_ in (0, *ids)))


def random_maps(seed: int, dtype: type = np.uint8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 6, SHAPE).astype(dtype)
    return one, np.where(rng.random(SHAPE) < 0.6, one, rng.integers(0, 6, SHAPE)).astype(dtype)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_measures_are_scikit_learns(seed: int) -> None:
    prediction, reference = random_maps(seed)
    counts = count(prediction, reference, dap())
    for id_ in range(1, 6):
        p, r, c = (int(v[id_]) for v in (counts.predicted, counts.reference, counts.common))
        ours, theirs = prediction.ravel() == id_, reference.ravel() == id_
        assert dice(p, r, c) == pytest.approx(f1_score(theirs, ours))
        assert iou(p, r, c) == pytest.approx(jaccard_score(theirs, ours))
        assert sensitivity(r, c) == pytest.approx(recall_score(theirs, ours))
        assert precision(p, c) == pytest.approx(precision_score(theirs, ours))


def test_measures_of_nothing_are_not_defined() -> None:
    assert math.isnan(dice(0, 0, 0))
    assert math.isnan(iou(0, 0, 0))
    assert math.isnan(sensitivity(0, 0))
    assert math.isnan(precision(0, 0))
    assert (dice(3, 0, 0), iou(3, 0, 0), precision(3, 0)) == (0, 0, 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int64])
@pytest.mark.parametrize("order", ["F", "C"])
def test_counts_label_by_label_in_any_memory(dtype: type, order: str) -> None:
    prediction, reference = random_maps(1, dtype)
    counts = count(np.array(prediction, order=order), reference, dap())
    for id_ in range(dap().max_id + 1):
        assert counts.predicted[id_] == (prediction == id_).sum()
        assert counts.reference[id_] == (reference == id_).sum()
        assert counts.common[id_] == ((prediction == id_) & (reference == id_)).sum()


def test_ignored_voxels_are_not_counted() -> None:
    prediction, reference = random_maps(2)
    ignore = np.random.default_rng(3).random(SHAPE) < 0.3
    counts, kept = (
        count(prediction, reference, dap(), ignore),
        count(prediction[~ignore].reshape(-1, 1, 1), reference[~ignore].reshape(-1, 1, 1), dap()),
    )
    np.testing.assert_array_equal(counts.predicted, kept.predicted)
    np.testing.assert_array_equal(counts.reference, kept.reference)
    np.testing.assert_array_equal(counts.common, kept.common)


@pytest.mark.parametrize("stranger", [2, 4, 255])
@pytest.mark.parametrize("name", ["prediction", "reference"])
def test_ids_outside_the_scheme_are_named(stranger: int, name: str) -> None:
    maps = {"prediction": np.zeros(SHAPE, np.uint8), "reference": np.zeros(SHAPE, np.uint8)}
    maps[name][1, 2, 3] = stranger
    with pytest.raises(BadLabelsError, match=f"{name}.*'small': {stranger};"):
        count(**maps, scheme=small_scheme(1, 3))


def test_negative_ids_are_refused() -> None:
    with pytest.raises(BadLabelsError, match="prediction.*: -3;"):
        count(np.full(SHAPE, -3, np.int16), np.zeros(SHAPE, np.uint8), dap())


def test_no_whole_numbers_are_refused() -> None:
    with pytest.raises(BadLabelsError, match="reference.*float32"):
        count(np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.float32), dap())


def test_different_shapes_are_refused() -> None:
    with pytest.raises(GridMismatchError, match=r"\(9, 8, 7\) and reference of shape \(9, 8, 6\)"):
        count(np.zeros(SHAPE, np.uint8), np.zeros((9, 8, 6), np.uint8), dap())


def test_masks_are_label_maps_of_one_structure() -> None:
    counts = count(np.ones(SHAPE, np.bool_), np.zeros(SHAPE, np.bool_), dap())
    assert (counts.predicted[1], counts.reference[0], counts.common.sum()) == (504, 504, 0)
