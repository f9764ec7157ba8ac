"""From scores to labels block by block: what resampling the whole and taking the largest gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, zoom

from dapatlas.experts.nnunet.resample_slab import AxisMap, axis_map, winners

LENGTHS = [(10, 10), (10, 17), (17, 10), (3, 40), (40, 3), (1, 5), (5, 1), (64, 95)]


def applied(values: NDArray[Any], along: AxisMap) -> NDArray[Any]:
    """Values of one axis after a map."""
    return values[along.low] * (1 - along.weight) + values[along.high] * along.weight


@pytest.mark.parametrize(("length", "wanted"), LENGTHS)
def test_linear_maps_agree_with_scipys_zoom_between_box_voxels(length: int, wanted: int) -> None:
    values = np.random.default_rng(0).standard_normal(length)
    expected = zoom(values, wanted / length, order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(applied(values, axis_map(length, wanted, 1)), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("length", "wanted"), LENGTHS)
def test_nearest_maps_agree_with_scipys_map_coordinates(length: int, wanted: int) -> None:
    values = np.random.default_rng(0).standard_normal(length)
    places = length / wanted * (np.arange(wanted) + 0.5) - 0.5
    expected = map_coordinates(values, places[None], order=0, mode="nearest")
    np.testing.assert_array_equal(applied(values, axis_map(length, wanted, 0)), expected)


def test_a_map_onto_itself_copies() -> None:
    assert axis_map(7, 7, 1).is_copy
    assert axis_map(7, 7, 0).is_copy
    assert not axis_map(7, 8, 1).is_copy


def test_a_part_of_a_map_names_what_it_needs() -> None:
    # 4 voxels into 8: output 3 lies at 1.25, output 4 at 1.75
    part = axis_map(4, 8, 1).part(3, 5)
    assert part.source() == (1, 3)
    assert part.weight.tolist() == [0.25, 0.75]


@pytest.mark.parametrize("orders", [(1, 1, 1), (0, 1, 1), (1, 1, 0)])
@pytest.mark.parametrize("as_half", [False, True])
def test_winners_are_the_largest_of_all_resampled_classes(orders: tuple[int, ...], as_half: bool) -> None:
    torch = pytest.importorskip("torch")
    shape, wanted = (6, 9, 7), (11, 9, 12)
    scores = (
        np.random.default_rng(3).standard_normal((20, *shape)).astype(np.float16 if as_half else np.float32)
    )
    maps = tuple(axis_map(n, m, order) for n, m, order in zip(shape, wanted, orders, strict=True))
    whole = scores.astype(float)
    for axis, along in enumerate(maps):
        whole = np.moveaxis(applied_along(whole, along, axis + 1), 0, axis + 1)
    rounded = whole.astype(scores.dtype)
    found = winners(torch.from_numpy(scores), (maps[0], maps[1], maps[2]), as_half=as_half).numpy()
    np.testing.assert_array_equal(found, rounded.argmax(0))


def applied_along(values: NDArray[Any], along: AxisMap, axis: int) -> NDArray[Any]:
    """Values after a map along one axis, that axis first."""
    first = np.moveaxis(values, axis, 0)
    weight = along.weight.reshape(-1, 1, 1, 1)
    return first[along.low] * (1 - weight) + first[along.high] * weight


def test_of_equal_scores_the_lowest_class_wins_whatever_the_order_of_trying() -> None:
    torch = pytest.importorskip("torch")
    scores = torch.zeros((4, 2, 2, 2))
    scores[3] = 1.0
    scores[1] = 1.0
    scores[3, 0, 0, 0] = 5.0  # tried first
    same = axis_map(2, 2, 1)
    found = winners(scores, (same, same, same), as_half=False).numpy()
    assert found[0, 0, 0] == 3
    assert np.unique(found.ravel()[1:]).tolist() == [1]


def test_half_precision_makes_ties_as_in_nnunetv2() -> None:
    torch = pytest.importorskip("torch")
    scores = torch.tensor([8.0, 8.001]).reshape(2, 1, 1, 1)  # halves near 8 are 1/128 apart
    one = axis_map(1, 1, 1)
    assert winners(scores, (one, one, one), as_half=True).item() == 0
    assert winners(scores, (one, one, one), as_half=False).item() == 1
