"""One-pass measurements against loops over labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from dapatlas.volumes import Grid, components, joint_histogram, measure

AFFINE = np.array([[-1.9, 0.3, 0.1, -40.0], [-0.3, 1.8, 0.5, 12.0], [0.1, -0.4, 2.9, 700.0], [0, 0, 0, 1.0]])
MAPS = hnp.arrays(
    st.sampled_from([np.uint8, np.uint16, np.int32]),
    hnp.array_shapes(min_dims=3, max_dims=3, max_side=7),
    elements=st.sampled_from([0, 1, 2, 144]),
)
VIEWS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "flipped": lambda a: np.flip(np.flip(a, 0).copy(), 0),
    "turned": lambda a: np.ascontiguousarray(a.transpose(2, 0, 1)).transpose(1, 2, 0),
    "strided": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
}


@pytest.mark.parametrize("view", VIEWS)
@settings(max_examples=25, deadline=None)
@given(label_map=MAPS)
def test_every_label_is_measured_as_a_loop_would(label_map: np.ndarray, view: str):
    grid = Grid(label_map.shape, AFFINE)
    found = measure(VIEWS[view](label_map), grid)
    assert found.ids.tolist() == np.unique(label_map).tolist()
    for one in found:
        where = np.argwhere(label_map == one.id)
        assert one.voxels == len(where)
        assert one.ml == pytest.approx(len(where) * abs(np.linalg.det(AFFINE[:3, :3])) / 1000)
        assert [(s.start, s.stop) for s in one.box] == [
            (low, high + 1) for low, high in zip(where.min(axis=0), where.max(axis=0), strict=True)
        ]
        assert np.allclose(
            one.centroid_mm, (where @ AFFINE[:3, :3].T + AFFINE[:3, 3]).mean(axis=0), atol=1e-3
        )


def test_measurements_are_found_by_id():
    label_map = np.zeros((3, 3, 3), np.uint8)
    label_map[1:, 1, 1] = 7
    found = measure(label_map, Grid((3, 3, 3), np.eye(4)))
    assert len(found) == 2
    assert 7 in found
    assert 3 not in found
    assert found[7].voxels == 2
    assert found.boxes[1].tolist() == [[1, 3], [1, 2], [1, 2]]
    with pytest.raises(KeyError):
        found[3]


def test_masks_and_foreign_byte_orders_are_measured():
    mask = np.zeros((4, 4, 4), bool)
    mask[2, 3, 1] = True
    grid = Grid((4, 4, 4), np.eye(4))
    assert measure(mask, grid)[1].centroid_mm == (2, 3, 1)
    assert measure(mask.astype(">u2"), grid)[1].centroid_mm == (2, 3, 1)


@given(MAPS, st.integers(0, 10))
def test_the_joint_histogram_counts_every_pair(first: np.ndarray, seed: int):
    second = np.random.default_rng(seed).choice([0, 1, 5], first.shape).astype(np.uint8)
    table = joint_histogram(first, second)
    assert table.sum() == first.size
    for a in np.unique(first):
        for b in np.unique(second):
            assert table[a, b] == ((first == a) & (second == b)).sum()
    assert (joint_histogram(np.asfortranarray(first), second) == table).all()
    assert (
        joint_histogram(first, second, (200, 200))[: table.shape[0], : table.shape[1]].tolist()
        == table.tolist()
    )


def test_maps_larger_than_a_chunk_are_counted_whole():
    first = np.random.default_rng(0).integers(0, 145, (130, 130, 130), np.uint8)
    table = joint_histogram(first, first)
    assert (np.diag(table) == np.bincount(first.ravel(), minlength=len(table))).all()
    assert table.sum() == first.size


def test_histograms_of_what_does_not_fit_are_refused():
    ones = np.ones((2, 2, 2), np.uint8)
    with pytest.raises(ValueError, match="different shapes"):
        joint_histogram(ones, ones[:1])
    with pytest.raises(ValueError, match="do not fit"):
        joint_histogram(ones, ones, (1, 5))


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@settings(max_examples=25, deadline=None)
@given(label_map=MAPS)
def test_components_are_scipys_label_by_label(label_map: np.ndarray, connectivity: int):
    grid = Grid(label_map.shape, AFFINE)
    found = components(label_map, grid, connectivity)  # type: ignore[arg-type]
    rank = {6: 1, 18: 2, 26: 3}[connectivity]
    total = 0
    for label in np.unique(label_map[label_map > 0]):
        pieces, count = ndimage.label(label_map == label, ndimage.generate_binary_structure(3, rank))
        total += count
        numbers = found.of(int(label))
        assert sorted(found.voxels[numbers - 1].tolist()) == sorted(np.bincount(pieces.ravel())[1:].tolist())
        assert (np.diff(found.voxels[numbers - 1]) <= 0).all(), "largest first"
        for number in numbers.tolist():
            inside = found.component_map == number
            assert len(np.unique(pieces[inside])) == 1
            where = np.argwhere(inside)
            assert found.boxes[number - 1].tolist() == list(
                map(list, zip(where.min(axis=0), where.max(axis=0) + 1, strict=True))
            )
    assert len(found) == total
    assert ((found.component_map == 0) == (label_map == 0)).all()
