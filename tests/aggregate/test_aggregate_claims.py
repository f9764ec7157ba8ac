"""Maps kept deflated come back as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dapatlas.aggregate import claims
from dapatlas.aggregate.claims import Slabs

MAPS = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7))


@given(MAPS, st.integers(1, 60), st.sampled_from("CF"))
def test_a_map_comes_back_whole_and_in_parts(label_map: np.ndarray, voxels: int, order: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "SLAB_VOXELS", voxels)
        slabs = Slabs.of(np.array(label_map, order=order))  # type: ignore[call-overload]
    np.testing.assert_array_equal(slabs.inflated(), label_map)
    np.testing.assert_array_equal(np.concatenate(list(slabs)), label_map.ravel(order="F"))
    i, j, k = (slice(n // 3, n) for n in label_map.shape)
    np.testing.assert_array_equal(slabs.part((i, j, k)), label_map[i, j, k])


def test_ids_are_renamed_on_the_way() -> None:
    table = np.zeros(256, np.uint8)
    table[7] = 9
    label_map = np.array([[[0, 7, 8]]], np.uint16)
    assert Slabs.of(label_map, table).inflated().tolist() == [[[0, 9, 0]]]
