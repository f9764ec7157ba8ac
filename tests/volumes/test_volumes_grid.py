"""Grids, views and resampling."""

from __future__ import annotations

import itertools
import pickle

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import affine_transform

from dapatlas.errors import BadFileError
from dapatlas.volumes import Grid, reorient, resample_labels

ALL_CODES = [
    "".join(codes[axis] for axis in order)
    for codes in itertools.product("RL", "AP", "SI")
    for order in itertools.permutations(range(3))
]
OBLIQUE = np.array([[1.9, 0.3, 0.1, -40.0], [-0.3, 1.8, 0.5, 12.0], [0.1, -0.4, 2.9, 700.0], [0, 0, 0, 1.0]])


def random_map(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice([0, 3, 77, 144], shape).astype(np.uint8)


@pytest.mark.parametrize("codes", ALL_CODES)
def test_spacing_and_orientation_are_nibabels(codes: str):
    grid = Grid.from_spacing((4, 5, 6), (1.0, 2.0, 3.0), codes, (7, 8, 9))
    assert grid.orientation == codes == "".join(nib.aff2axcodes(grid.affine))
    assert grid.spacing == tuple(nib.affines.voxel_sizes(grid.affine))
    assert grid.to_world((0, 0, 0)).tolist() == [7, 8, 9]
    assert grid.voxel_ml == pytest.approx(0.006)


def test_oblique_spacing_is_the_length_of_steps():
    grid = Grid((4, 5, 6), OBLIQUE)
    assert grid.spacing == pytest.approx(tuple(np.sqrt((OBLIQUE[:3, :3] ** 2).sum(axis=0))))
    assert grid.voxel_ml == pytest.approx(np.linalg.det(OBLIQUE) / 1000)


def test_world_and_index_are_each_others_inverse():
    grid = Grid((4, 5, 6), OBLIQUE)
    points = np.random.default_rng(0).normal(0, 50, (20, 3))
    assert np.allclose(grid.to_index(grid.to_world(points)), points)
    assert np.allclose(grid.to_world(points), nib.affines.apply_affine(OBLIQUE, points))


@pytest.mark.parametrize(
    "affine", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([1, 1, 0, 1.0]), np.eye(3)]
)
def test_what_cannot_be_inverted_is_no_affine(affine: np.ndarray):
    with pytest.raises(BadFileError, match="not an affine"):
        Grid((2, 2, 2), affine)


def test_an_axis_that_vanishes_beside_the_others_is_refused():
    with pytest.raises(BadFileError, match="points nowhere"):
        Grid((2, 2, 2), np.diag([1e200, 1.0, 1.0, 1.0]))


@pytest.mark.parametrize("shape", [(0, 2, 2), (2, 2), (2, 2, 2, 2)])
def test_a_grid_has_three_axes_and_a_voxel(shape: tuple[int, ...]):
    with pytest.raises(BadFileError, match="three axes"):
        Grid(shape, np.eye(4))  # type: ignore[arg-type]


def test_grids_are_values():
    one, same = Grid((2, 3, 4), OBLIQUE), Grid((2, 3, 4), OBLIQUE.copy())
    assert one == same
    assert hash(one) == hash(same)
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(ValueError, match="read-only"):
        one.affine[0, 0] = 3
    other = OBLIQUE.copy()
    other[0, 3] += 1e-9
    assert one != Grid((2, 3, 4), other)
    assert one.is_close(Grid((2, 3, 4), other))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shape": (10, 10, 11)}, "shape (10, 10, 10) against (10, 10, 11)"),
        ({"spacing": (1, 1, 2.5)}, "spacing (1, 1, 2) mm against (1, 1, 2.5) mm"),
        ({"orientation": "LPS"}, "orientation RAS against LPS"),
        ({"origin": (0, 0, 0.5)}, "affine: corners up to 0.5 mm apart"),
    ],
)
def test_differences_are_named_with_numbers(change: dict[str, object], says: str):
    settings = {"shape": (10, 10, 10), "spacing": (1, 1, 2), "orientation": "RAS"}
    assert says in Grid.from_spacing(**settings).differences(Grid.from_spacing(**(settings | change)))  # type: ignore[arg-type]


def test_closeness_counts_where_voxels_lie_not_how_matrices_look():
    turn = np.eye(4)
    turn[0, 1], turn[1, 0] = 1e-5, -1e-5
    grid, turned = Grid((500, 500, 10), np.eye(4)), Grid((500, 500, 10), turn)
    assert turned.differences(grid) == ["affine: corners up to 0.007057 mm apart"]
    assert Grid((50, 50, 10), turn).is_close(Grid((50, 50, 10), np.eye(4)))


@pytest.mark.parametrize("codes", ALL_CODES)
def test_views_share_memory_agree_with_nibabel_and_lead_back(codes: str):
    array, grid = random_map((4, 5, 6)), Grid((4, 5, 6), OBLIQUE)
    view, view_grid = reorient(array, grid, codes)
    assert np.shares_memory(view, array)
    assert view_grid.orientation == codes
    image = nib.Nifti1Image(array, OBLIQUE)
    turn = nib.orientations.ornt_transform(nib.io_orientation(OBLIQUE), nib.orientations.axcodes2ornt(codes))
    oracle = image.as_reoriented(turn)
    assert (view == np.asanyarray(oracle.dataobj)).all()
    assert np.allclose(view_grid.affine, oracle.affine)
    back, back_grid = reorient(view, view_grid, grid.orientation)
    assert (back == array).all()
    assert back_grid.is_close(grid)


@pytest.mark.parametrize("codes", ["RAX", "RRA", "RA", "RASI", "ras"])
def test_what_is_no_orientation_is_refused(codes: str):
    with pytest.raises(ValueError, match="expected an orientation"):
        reorient(np.zeros((2, 2, 2)), Grid((2, 2, 2), np.eye(4)), codes)


@given(st.sampled_from(ALL_CODES), st.sampled_from(ALL_CODES))
@settings(max_examples=40)
def test_resampling_commutes_with_flips_and_permutations(one: str, other: str):
    array, grid = random_map((5, 6, 7)), Grid((5, 6, 7), OBLIQUE)
    source, source_grid = reorient(array, grid, one)
    target, target_grid = reorient(array, grid, other)
    assert (resample_labels(source, source_grid, target_grid) == target).all()


def oracle(label_map: np.ndarray, source: Grid, target: Grid) -> np.ndarray:
    step = np.linalg.inv(source.affine) @ target.affine
    # +1 so that what scipy fills in beyond the edge can be told from background
    found = affine_transform(
        label_map.astype(int) + 1,
        step[:3, :3],
        step[:3, 3],
        target.shape,
        order=0,
        mode="grid-constant",
        cval=0,
    )
    return np.where(found == 0, 0, found - 1)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.floats(-0.7, 0.7)] * 3),
    st.tuples(*[st.floats(0.6, 3)] * 3),
    st.tuples(*[st.floats(-4, 4)] * 3),
    st.integers(0, 100),
)
def test_any_affine_agrees_with_scipy_where_no_tie_is_near(
    turn: tuple[float, ...], spacing: tuple[float, ...], shift: tuple[float, ...], seed: int
):
    label_map, source = random_map((8, 9, 7), seed), Grid((8, 9, 7), OBLIQUE)
    rotation = np.eye(4)
    for axis, angle in enumerate(turn):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(4)
        step[one, one] = step[two, two] = np.cos(angle)
        step[one, two], step[two, one] = -np.sin(angle), np.sin(angle)
        rotation = rotation @ step
    affine = OBLIQUE @ rotation @ np.diag([*spacing, 1])
    affine[:3, 3] += shift
    target = Grid((6, 7, 8), affine)
    ours, theirs = resample_labels(label_map, source, target), oracle(label_map, source, target)
    position = source.to_index(target.to_world(np.moveaxis(np.indices(target.shape), 0, -1)))
    clear = (np.abs(position - np.floor(position) - 0.5) > 1e-4).all(axis=-1)
    assert (ours == theirs)[clear].all()
    assert set(np.unique(ours)) <= {0, *np.unique(label_map).tolist()}


@pytest.mark.parametrize("spacing", [(1, 1, 1), (2, 3, 4), (0.5, 0.7, 5)])
@pytest.mark.parametrize("codes", ["RAS", "SLP"])
def test_grids_along_each_other_agree_with_scipy(spacing: tuple[float, ...], codes: str):
    source = Grid.from_spacing((20, 15, 10), (1.3, 1.1, 2.0), "LPS", (0.03, 0.01, 0.02))
    corner = source.to_world((4, 3, 2) if codes == "SLP" else (12, 12, -3))
    target = Grid.from_spacing((9, 11, 10), spacing, codes, tuple(corner + 0.017))  # type: ignore[arg-type]
    label_map = random_map((20, 15, 10))
    assert (resample_labels(label_map, source, target) == oracle(label_map, source, target)).all()


def test_a_point_half_way_takes_the_larger_index():
    source = Grid.from_spacing((4, 1, 1), (1, 1, 1))
    target = Grid.from_spacing((3, 1, 1), (1, 1, 1), origin=(0.5, 0, 0))
    label_map = np.array([1, 2, 3, 4], np.uint8).reshape(4, 1, 1)
    assert resample_labels(label_map, source, target).ravel().tolist() == [2, 3, 4]


def test_beyond_the_field_of_view_there_is_background():
    source, far = Grid((4, 4, 4), np.eye(4)), np.eye(4)
    far[:3, 3] = 100
    ones = np.ones((4, 4, 4), np.uint8)
    assert not resample_labels(ones, source, Grid((3, 3, 3), far)).any()
    assert not resample_labels(ones, source, Grid((3, 3, 3), far @ OBLIQUE)).any()
    wider = Grid.from_spacing((6, 6, 6), (1, 1, 1), origin=(-1, -1, -1))
    assert resample_labels(ones, source, wider).sum() == 64


def test_a_map_must_lie_on_its_grid():
    with pytest.raises(ValueError, match="shape"):
        resample_labels(np.ones((2, 2, 2)), Grid((3, 3, 3), np.eye(4)), Grid((3, 3, 3), np.eye(4)))
