"""Minimum size and smooth boundaries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dapatlas.aggregate import Wholes, tidy
from dapatlas.aggregate.provenance import SMOOTHED
from dapatlas.labels import dap
from dapatlas.volumes import Grid

WHOLES = Wholes(dap())
LIVER, SPLEEN, AORTA, ADRENAL = (
    dap()[name].id for name in ("liver", "spleen", "aorta", "adrenal_gland_left")
)
SHAPE = (40, 36, 30)
GRID = Grid.from_spacing(SHAPE, (2, 2, 3))


def test_small_pieces_go_and_the_largest_stays_however_small() -> None:
    label_map = np.zeros(SHAPE, np.uint8, order="F")
    label_map[2:20, 2:20, 2:20] = LIVER
    label_map[30:33, 30:33, 20:22] = LIVER  # 18 voxels of 0.012 ml
    label_map[30:33, 2:5, 2:4] = ADRENAL
    expected = label_map.copy()
    expected[30:33, 30:33, 20:22] = 0
    (finding,) = tidy.drop_small_pieces(label_map, GRID, WHOLES, 0.5, "x")
    np.testing.assert_array_equal(label_map, expected)
    assert (finding.code, finding.structure, finding.voxels) == ("small-pieces", "liver", 18)


def two_organs(seed: int = 0) -> np.ndarray:
    """Liver and spleen side by side, with a ragged border between and around them, and an aorta in the liver."""
    random = np.random.default_rng(seed)
    label_map = np.zeros(SHAPE, np.uint8, order="F")
    label_map[5:35, 5:30, 5:25] = LIVER
    label_map[20:35, 5:30, 5:25] = SPLEEN
    flips = random.random(SHAPE) < 0.15
    flips[:, :, :4] = False
    label_map[flips & (label_map == LIVER)] = SPLEEN
    label_map[8, 8, 5:25] = AORTA
    return label_map


@pytest.mark.parametrize("slab_voxels", [1 << 22, 1])
def test_each_voxel_goes_to_what_weighs_most_around_it(
    slab_voxels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the definition: a Gaussian of every mask over the whole volume, the largest wins."""
    monkeypatch.setattr(tidy, "SLAB_VOXELS", slab_voxels)
    label_map = two_organs()
    sigma = [3.0 / mm for mm in GRID.spacing]
    ids = [0, LIVER, SPLEEN]
    weights = [
        gaussian_filter((label_map == id_).astype(np.float32), sigma, truncate=3.0, mode="nearest")
        for id_ in ids
    ]
    expected = np.array(ids, np.uint8)[np.argmax(weights, axis=0)]
    expected[label_map == AORTA] = AORTA
    made, decided = label_map.copy(order="F"), np.ones(SHAPE, np.uint8, order="F")
    (finding,) = tidy.smooth(made, decided, GRID, WHOLES, 3.0, "x")
    assert (made != expected).sum() <= 2  # ties
    assert finding.voxels == (made != label_map).sum() > 100
    np.testing.assert_array_equal(decided == SMOOTHED, made != label_map)


def test_long_and_small_structures_neither_grow_nor_shrink() -> None:
    label_map = two_organs()
    label_map[25:28, 20:23, 10:12] = ADRENAL
    made = label_map.copy(order="F")
    tidy.smooth(made, np.ones(SHAPE, np.uint8), GRID, WHOLES, 4.0)
    for id_ in (AORTA, ADRENAL):
        np.testing.assert_array_equal(made == id_, label_map == id_)
