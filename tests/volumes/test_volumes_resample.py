"""Resampling that keeps what is small and thin."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, map_coordinates
from scipy.spatial import cKDTree

from dapatlas.volumes import Grid, joint_histogram, measure, read_label_map, reorient, resample_labels
from dapatlas.volumes.share import LEVELS, share_of
from dapatlas.volumes.thin import thin_labels
from dapatlas.volumes.thinning import NEIGHBOURS, Lattice, _can_go, thinned

OBLIQUE = np.array([[1.9, 0.3, 0.1, -40.0], [-0.3, 1.8, 0.5, 12.0], [0.1, -0.4, 2.9, 700.0], [0, 0, 0, 1.0]])


def turned(source: Grid, mm: float, angles: tuple[float, float] = (0.3, 0.2), wider: float = 1.45) -> Grid:
    """An oblique grid of cubes around the middle of another."""
    a, b = angles
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    shape = tuple(int(np.ceil(wider * n * d / mm)) for n, d in zip(source.shape, source.spacing, strict=True))
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x * mm
    middle = source.to_world((np.array(source.shape) - 1) / 2)
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)  # type: ignore[arg-type]


def coarser(mm: float, size: int, offset: float = 1.0) -> Grid:
    return Grid.from_spacing((size,) * 3, (mm,) * 3, origin=(offset,) * 3)


@cache
def helix(size: int, width: float) -> np.ndarray:
    """A tube of two turns: voxels of 1 mm whose centres lie within half its width of the line."""
    t = np.linspace(0, 1, 4000)
    around = 4 * np.pi * t
    line = size * np.stack([0.5 + 0.3 * np.cos(around), 0.5 + 0.3 * np.sin(around), 0.1 + 0.8 * t], axis=1)
    far, _ = cKDTree(line).query(np.moveaxis(np.indices((size,) * 3), 0, -1).reshape(-1, 3))
    return np.asfortranarray((far <= width / 2).reshape((size,) * 3).astype(np.uint8))


def ball(size: int, radius: float, middle: tuple[float, ...] | None = None) -> np.ndarray:
    at = np.indices((size,) * 3) - np.reshape(middle or ((size - 1) / 2,) * 3, (3, 1, 1, 1))
    return np.asfortranarray(((at**2).sum(axis=0) <= radius**2).astype(np.uint8))


def pieces(mask: np.ndarray) -> int:
    return int(cc3d.connected_components(np.asfortranarray(mask), connectivity=26, return_N=True)[1])


def unit(shape: tuple[int, ...]) -> Grid:
    return Grid(shape, np.eye(4))  # type: ignore[arg-type]


# ---- shares -----------------------------------------------------------------------------------------------


def spread(label_map: np.ndarray, source: Grid, target: Grid, id_: int) -> np.ndarray:
    """Our shares of one label, over the whole target."""
    found = measure(label_map, source)
    share = share_of(label_map, id_, found[id_].box, source.index_from(target), target.shape)
    whole = np.zeros(target.shape)
    if share is not None:
        whole[tuple(share.indices())] = share.levels / LEVELS
    return whole


@pytest.mark.parametrize("seed", range(4))
def test_shares_on_finer_oblique_grids_are_linear_interpolation_of_the_whole_membership(seed: int):
    rng = np.random.default_rng(seed)
    label_map = np.zeros((12, 11, 10), np.uint8, order="F")
    label_map[2:-2, 2:-2, 2:-2] = rng.choice([0, 0, 3, 7], (8, 7, 6))
    source = Grid(label_map.shape, OBLIQUE)
    target = turned(source, 1.7, (rng.uniform(-1, 1), rng.uniform(-1, 1)))
    position = source.to_index(target.to_world(np.moveaxis(np.indices(target.shape), 0, -1)))
    for id_ in (3, 7):
        whole = map_coordinates(
            (label_map == id_).astype(float), np.moveaxis(position, -1, 0), order=1, mode="constant"
        )
        assert np.abs(spread(label_map, source, target, id_) - whole).max() < 0.6 / LEVELS


@pytest.mark.parametrize("factors", [(3, 3, 3), (2, 1, 4), (5, 3, 1)])
@pytest.mark.parametrize("codes", ["RAS", "LPI", "SLP"])
def test_shares_of_larger_voxels_are_how_much_of_each_is_filled(factors: tuple[int, ...], codes: str):
    label_map = np.random.default_rng(1).choice([0, 2, 9], np.array([4, 5, 6]) * factors, p=[0.8, 0.1, 0.1])
    label_map = np.asfortranarray(label_map.astype(np.uint8))
    source = Grid(label_map.shape, OBLIQUE)
    grow = np.diag([*map(float, factors), 1])
    grow[:3, 3] = (np.array(factors) - 1) / 2
    filled = (label_map == 9).reshape(4, factors[0], 5, factors[1], 6, factors[2]).mean(axis=(1, 3, 5))
    expected, target = reorient(filled, Grid((4, 5, 6), OBLIQUE @ grow), codes)
    assert np.abs(spread(label_map, source, target, 9) - expected).max() < 0.6 / LEVELS


def test_a_share_at_the_edge_of_the_source_is_whole():
    full = np.ones((5, 6, 7), np.uint8, order="F")
    fine = Grid.from_spacing((10, 12, 14), (0.5, 0.5, 0.5), origin=(-0.25, -0.25, -0.25))
    assert (spread(full, unit(full.shape), fine, 1) == 1).all()
    beyond = Grid.from_spacing((9, 6, 7), (1, 1, 1), origin=(-2, 0, 0))
    assert spread(full, unit(full.shape), beyond, 1)[:, 0, 0].tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]


# ---- what stays as it is ------------------------------------------------------------------------------------

ALL_CODES = [
    "".join(codes[axis] for axis in order)
    for codes in itertools.product("RL", "AP", "SI")
    for order in itertools.permutations(range(3))
]


@given(st.sampled_from(ALL_CODES), st.sampled_from(ALL_CODES), st.integers(0, 99))
@settings(max_examples=40)
def test_flips_and_permutations_only_move_voxels(one: str, other: str, seed: int):
    array = np.random.default_rng(seed).choice([0, 3, 77, 144], (5, 6, 7)).astype(np.uint8)
    grid = Grid(array.shape, OBLIQUE)
    (source, source_grid), (target, target_grid) = reorient(array, grid, one), reorient(array, grid, other)
    assert (resample_labels(source, source_grid, target_grid, keep_thin=True) == target).all()


@given(st.tuples(*[st.integers(-4, 4)] * 3), st.integers(0, 99))
@settings(max_examples=30)
def test_shifts_by_whole_voxels_only_move_voxels(shift: tuple[int, ...], seed: int):
    array = np.random.default_rng(seed).choice([0, 3, 77], (5, 6, 7)).astype(np.uint8)
    source, moved = Grid(array.shape, OBLIQUE), OBLIQUE.copy()
    moved[:3, 3] += OBLIQUE[:3, :3] @ shift
    target = Grid((6, 6, 6), moved)
    nearest = resample_labels(array, source, target)
    assert (resample_labels(array, source, target, keep_thin=True) == nearest).all()


@given(
    st.tuples(*[st.floats(0.5, 3.5)] * 3),
    st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5)),
    st.integers(0, 99),
)
@settings(max_examples=30)
def test_no_id_is_made_and_nothing_lies_beyond_the_source(
    scale: tuple[float, ...], angles: tuple[float, float], seed: int
):
    rng = np.random.default_rng(seed)
    label_map = np.asfortranarray(
        rng.choice([5, 3, 77, 300], (8, 9, 7), p=[0.7, 0.1, 0.1, 0.1]).astype(np.uint16)
    )
    before, source = label_map.copy(), Grid((8, 9, 7), OBLIQUE)
    target = Grid((8, 8, 8), turned(source, 1.5, angles).affine @ np.diag([*scale, 1]))
    kept = resample_labels(label_map, source, target, keep_thin=True)
    nearest = resample_labels(label_map, source, target)
    assert kept.dtype == np.uint16
    assert kept.flags.f_contiguous
    assert set(np.unique(kept)) <= {0, 3, 5, 77, 300}
    assert ((kept == 0) == (nearest == 0)).all()  # there is no background but beyond the source
    assert (resample_labels(label_map, source, target, keep_thin=True) == kept).all()
    assert (label_map == before).all()


def test_large_labels_are_left_to_the_nearest_neighbour():
    label_map = ball(40, 17) * 5
    source, target = unit(label_map.shape), turned(unit(label_map.shape), 1.3)
    assert thin_labels(measure(label_map, source), source, target) == []
    nearest = resample_labels(label_map, source, target)
    assert (resample_labels(label_map, source, target, keep_thin=True) == nearest).all()


def test_what_counts_as_small_or_thin():
    label_map = np.zeros((100, 100, 100), np.uint8, order="F")
    label_map[10:26, 10:26, 10:25] = 1  # 3 840 mm³: less than a cube of 8 × 2 mm, 4 096
    label_map[30:46, 10:26, 10:26] = 2  # just that
    label_map[60:67, 10:17, 2:98] = 3  # 7 mm wide, 96 long: 4 704 mm³ over 96.5 mm, 7 mm
    label_map[70:80, 10:20, 2:98] = 4  # 10 mm wide
    label_map[2:98, 50:98, 50:53] = 5  # a sheet of 3 mm
    label_map[2:98, 50:98, 60:65] = 6  # of 5 mm
    source, target = unit(label_map.shape), coarser(2, 50)
    assert thin_labels(measure(label_map, source), source, target) == [1, 3, 5]
    # each mark moves with the voxel: of 1 mm, 512 mm³, 4 mm and 2 mm
    assert thin_labels(measure(label_map, source), source, source) == []


# ---- vessels ------------------------------------------------------------------------------------------------


def three_grids() -> list[Grid]:
    source = unit((90, 90, 90))
    return [coarser(3, 30), coarser(3, 30, 0.3), coarser(2.7, 33), turned(source, 3)]


@pytest.mark.parametrize("which", range(4))
def test_a_vessel_as_wide_as_the_coarse_voxel_keeps_its_volume_and_stays_whole(which: int):
    tube, target = helix(90, 3), three_grids()[which]
    volume_mm3, voxel_mm3 = int(tube.sum()), abs(np.linalg.det(target.affine[:3, :3]))
    nearest = resample_labels(tube, unit(tube.shape), target)
    kept = resample_labels(tube, unit(tube.shape), target, keep_thin=True)
    assert pieces(tube) == 1
    assert pieces(nearest) >= 10
    assert pieces(kept) == 1
    assert kept.sum() * voxel_mm3 == pytest.approx(volume_mm3, rel=0.25)


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("width", [1.5, 2.0])
def test_a_thinner_one_becomes_a_chain_of_voxels_from_end_to_end(which: int, width: float):
    tube, target = helix(90, width), three_grids()[which]
    kept = resample_labels(tube, unit(tube.shape), target, keep_thin=True)
    assert pieces(resample_labels(tube, unit(tube.shape), target)) >= 10
    assert pieces(kept) == 1
    places, source = target.to_world(np.argwhere(kept)), np.argwhere(tube)
    # no voxel lies away from the vessel, and no part of the vessel is away from a voxel
    assert cKDTree(source).query(places)[0].max() < 3 * np.sqrt(3)
    assert cKDTree(places).query(source)[0].max() < 2 * 3
    # a chain: no more voxels than steps along the axes, give or take a few
    assert len(places) < 1.15 * 347 / 3


@pytest.mark.parametrize("width", [4.5, 6.0])
def test_the_volume_of_wider_ones_is_right(width: float):
    tube = helix(90, width)
    for target in three_grids():
        kept = resample_labels(tube, unit(tube.shape), target, keep_thin=True)
        voxel_mm3 = abs(np.linalg.det(target.affine[:3, :3]))
        assert kept.sum() * voxel_mm3 == pytest.approx(int(tube.sum()), rel=0.02)
        assert pieces(kept) == 1


def test_what_is_apart_stays_apart():
    label_map = np.zeros((60, 60, 60), np.uint8, order="F")
    label_map[20:22, 20:22, 5:55] = 1
    label_map[32:34, 20:22, 5:55] = 1
    kept = resample_labels(label_map, unit(label_map.shape), coarser(3, 20), keep_thin=True)
    assert pieces(kept) == 2
    assert np.flatnonzero(kept.any(axis=(0, 1))).tolist() == list(
        range(2, 18)
    )  # the outermost voxels are a third full


def test_a_thread_of_voxels_that_touch_by_corners_stays_whole_on_a_finer_grid():
    thread = np.zeros((20, 20, 20), np.uint8, order="F")
    thread[range(3, 17), range(3, 17), range(3, 17)] = 1
    for target in (
        Grid.from_spacing((40,) * 3, (0.5,) * 3, origin=(-0.25,) * 3),
        turned(unit(thread.shape), 0.6),
    ):
        kept = resample_labels(thread, unit(thread.shape), target, keep_thin=True)
        assert pieces(kept) == 1
        assert kept.sum() * abs(np.linalg.det(target.affine[:3, :3])) == pytest.approx(14, rel=0.25)


def test_thick_slices_keep_a_vessel_that_runs_across_them():
    tube = helix(90, 5)
    thick, source = Grid.from_spacing((90, 90, 18), (1, 1, 5), origin=(0, 0, 2)), unit(tube.shape)
    there = resample_labels(tube, source, thick, keep_thin=True)
    back = resample_labels(there, thick, source, keep_thin=True)
    assert pieces(there) == pieces(back) == 1
    assert back.sum() == pytest.approx(int(tube.sum()), rel=0.05)


# ---- volumes and neighbours ----------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_thin", [False, True])
@pytest.mark.parametrize("radius", [6.3, 15.2])
def test_a_ball_on_a_finer_grid_has_its_volume(keep_thin: bool, radius: float):
    label_map = ball(40, radius) + 1  # within another label, which it must not eat
    source = unit(label_map.shape)
    target = turned(source, 0.6, wider=0.9)
    out = resample_labels(label_map, source, target, keep_thin=keep_thin)
    assert (out == 2).sum() * 0.6**3 == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.03)


def test_a_small_ball_is_rounder_than_the_nearest_neighbours():
    source, label_map = unit((20, 20, 20)), ball(20, 4.2)
    target = Grid.from_spacing((80,) * 3, (0.25,) * 3, origin=(-0.375,) * 3)
    truth = ball(80, 4.2 * 4)
    differing = [
        (resample_labels(label_map, source, target, keep_thin=keep) != truth).sum() for keep in (False, True)
    ]
    assert differing[1] < 0.75 * differing[0]


def test_the_voxels_with_the_largest_shares_are_taken():
    source, label_map = unit((20, 20, 20)), ball(20, 4.2)
    target = turned(source, 0.7)
    shares = spread(label_map, source, target, 1)
    kept = resample_labels(label_map, source, target, keep_thin=True) == 1
    assert kept.sum() == pytest.approx(shares.sum(), abs=1)
    assert shares[kept].min() >= shares[~kept].max()
    assert 0.4 < shares[kept].min() < 0.55


def test_neighbours_that_touch_share_their_border_fairly():
    label_map = ball(30, 5, (10, 14.5, 14.5)) + 2 * ball(30, 5, (21, 14.5, 14.5))
    source = unit(label_map.shape)
    for mm in (0.7, 2.0):
        target = turned(source, mm)
        out = resample_labels(label_map, source, target, keep_thin=True)
        for id_ in (1, 2):
            assert (out == id_).sum() * mm**3 == pytest.approx((label_map == id_).sum(), rel=0.04)


def test_what_a_thin_label_leaves_goes_to_its_neighbours_and_not_to_background():
    label_map = np.ones((30, 30, 30), np.uint8, order="F")
    label_map[15:] = 2
    label_map[13:17, 13:17] = 3
    source = unit(label_map.shape)
    for target in (turned(source, 0.8, wider=0.7), turned(source, 3.1, wider=0.7)):
        out = resample_labels(label_map, source, target, keep_thin=True)
        nearest = resample_labels(label_map, source, target)
        assert out.min() == 1
        left = (nearest == 3) & (out != 3)
        assert left.any() or target.spacing[0] > 3
        x = target.to_world(np.argwhere(left))[:, 0]
        clear = np.abs(x - 14.5) > target.spacing[0]
        assert (out[left][clear] == np.where(x < 14.5, 1, 2)[clear]).all()


def test_a_single_voxel_does_not_vanish_and_what_is_out_of_view_does_not_appear():
    label_map = np.zeros((30, 30, 30), np.uint8, order="F")
    label_map[13, 14, 15], label_map[2, 2, 2], label_map[20, 20:22, 28] = 4, 5, 6
    target = Grid.from_spacing((7, 7, 7), (3, 3, 3), origin=(5, 5, 5))
    out = resample_labels(label_map, unit(label_map.shape), target, keep_thin=True)
    assert np.argwhere(out).tolist() == [[3, 3, 3]]
    assert out[3, 3, 3] == 4


def test_a_speck_beside_a_vessel_is_not_made_larger():
    label_map = helix(90, 4).copy(order="F")
    label_map[45, 45, 45] = 1
    kept = resample_labels(label_map, unit(label_map.shape), coarser(3, 30), keep_thin=True)
    assert pieces(kept) == 1
    assert not kept[15, 15, 15]


def test_what_the_target_cuts_off_counts_only_as_far_as_it_is_seen():
    label_map = np.zeros((40, 40, 40), np.uint8, order="F")
    label_map[18:22, 18:22, :] = 1
    target = Grid.from_spacing((13, 13, 5), (3, 3, 3), origin=(1, 1, 1))
    out = resample_labels(label_map, unit(label_map.shape), target, keep_thin=True)
    assert int(out.sum()) * 27 == pytest.approx(4 * 4 * 15, rel=0.05)
    assert out.any(axis=(0, 1)).all()


# ---- thinning ------------------------------------------------------------------------------------------------


@given(st.integers(0, (1 << 26) - 1))
@settings(max_examples=300)
def test_a_voxel_may_go_if_its_neighbours_hang_together_without_it(around: int):
    block = np.zeros((3, 3, 3), np.uint8, order="F")
    for bit, step in enumerate(NEIGHBOURS):
        block[tuple(step + 1)] = around >> bit & 1
    faces = block[[0, 2, 1, 1, 1, 1], [1, 1, 0, 2, 1, 1], [1, 1, 1, 1, 0, 2]]
    expected = pieces(block) == 1 and block.sum() > 1 and not faces.all()
    assert _can_go(np.array([around], np.int32)).tolist() == [expected]


@given(st.integers(0, 999), st.floats(0.1, 0.9))
@settings(max_examples=40)
def test_thinning_parts_nothing_and_stops_at_the_number(seed: int, share: float):
    rng = np.random.default_rng(seed)
    window = np.asfortranarray(rng.random((7, 8, 9)) < rng.uniform(0.1, 0.9))
    places = np.flatnonzero(window.ravel(order="F"))
    weights, count = rng.integers(1, 50, len(places)), round(share * len(places))
    left = thinned(Lattice((7, 8, 9), places), *np.ones((2, len(places)), bool), weights, count)
    after = np.zeros(window.size, bool)
    after[places[left]] = True
    assert left.sum() >= count
    grown = binary_dilation(after.reshape((7, 8, 9), order="F"), np.ones((3, 3, 3)))
    assert (grown | ~window).all()
    assert pieces(after.reshape((7, 8, 9), order="F")) == pieces(window)


def test_the_lightest_go_first():
    weights = np.arange(1, 126)
    left = thinned(Lattice((5, 5, 5), np.arange(125)), *np.ones((2, 125), bool), weights, 124)
    assert np.flatnonzero(~left).tolist() == [0]


# ---- a real map ----------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_thin_structures_survive_a_turned_grid_and_back(real_data: Path):
    volume = read_label_map(real_data / "total.nii.gz")
    label_map, source = volume.array, volume.grid
    vessels, ribs = range(65, 69), range(98, 104)  # iliac arteries and veins; left ribs 7-12

    def there_and_back(mm: float, keep: bool) -> np.ndarray:
        target = turned(source, mm)
        there = resample_labels(label_map, source, target, keep_thin=keep)
        table = joint_histogram(label_map, resample_labels(there, target, source, keep_thin=keep), (118, 118))
        dice: np.ndarray = 2 * np.diag(table) / np.maximum(1, table.sum(axis=0) + table.sum(axis=1))
        return dice

    assert there_and_back(2.0, keep=True)[vessels].min() > 0.95
    kept, nearest = there_and_back(4.0, keep=True), there_and_back(4.0, keep=False)
    assert kept[vessels].min() > 0.88
    assert (kept[vessels] > nearest[vessels] + 0.04).all()
    assert kept[ribs].mean() > nearest[ribs].mean() + 0.04
