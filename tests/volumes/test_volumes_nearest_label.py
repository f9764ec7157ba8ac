"""Voxels go to the nearest of other labels: against the definition, whatever the slabs and the reach."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dapatlas.volumes import Grid, measure, nearest_label, to_nearest

SHAPE, SPACING = (9, 8, 11), (1.5, 2.0, 3.0)
WHOLE, PARTS = 9, (2, 3, 5)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.005, 0.2),
    st.sampled_from([1, 150, 1 << 22]),
    st.sampled_from([0.5, 4.0, 50.0]),
)
def test_each_voxel_gets_the_nearest_label(
    seed: int, share: float, slab_voxels: int, reach_mm: float
) -> None:
    random = np.random.default_rng(seed)
    label_map = np.asfortranarray(np.where(random.random(SHAPE) < 0.5, WHOLE, 1).astype(np.uint8))
    strewn = random.random(SHAPE) < share
    label_map[strewn] = random.choice(PARTS, int(strewn.sum()))
    label_map[0, 0, 0], label_map[4, 4, 4] = PARTS[0], WHOLE
    found = measure(label_map, Grid.from_spacing(SHAPE, SPACING))
    boxes = {part: found[part].box for part in PARTS if part in found}
    expected = label_map.copy()
    candidates = np.argwhere(np.isin(label_map, PARTS))
    for place in np.argwhere(label_map == WHOLE):
        away = np.linalg.norm((candidates - place) * SPACING, axis=1)
        near = label_map[tuple(candidates[np.isclose(away, away.min())].T)]
        expected[tuple(place)] = near.min()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest_label, "SLAB_VOXELS", slab_voxels)
        patch.setattr(nearest_label, "FIRST_REACH_MM", reach_mm)
        to_nearest(label_map, WHOLE, found[WHOLE].box, boxes, SPACING)
    np.testing.assert_array_equal(label_map, expected)
