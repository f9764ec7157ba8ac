"""Pictures: upright, to scale, in the scheme's colours; and ids by table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dapatlas.volumes import Grid, remap, reorient, three_planes
from dapatlas.volumes.picture import blended, windowed

PALETTE = np.zeros((256, 3), np.uint8)
PALETTE[1:5] = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
SHAPE = (20, 16, 30)


def scene() -> tuple[np.ndarray, Grid]:
    """Labels at the right (1), the left (2), the front (3) and the head (4) of a RAS volume."""
    label_map = np.zeros(SHAPE, np.uint8)
    label_map[19, :, :], label_map[0, :, :] = 1, 2
    label_map[5:15, 15, :] = 3
    label_map[5:15, 5:10, 29] = 4
    return label_map, Grid.from_spacing(SHAPE, (2, 2, 3), "RAS")


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SAL"])
def test_the_patient_stands_upright_facing_us_with_the_left_on_our_right(codes: str):
    label_map, grid = reorient(*scene(), codes)
    ct = np.full(label_map.shape, -1000, np.int16)
    picture = np.asarray(three_planes(ct, label_map, grid, palette=PALETTE, opacity=1, height_pixels=90))
    height, widths = 90, (40, 40, 32)  # 2 mm and 3 mm voxels at 1 pixel a mm
    assert picture.shape == (height, sum(widths) + 2 * 6, 3)
    axial, coronal, sagittal = picture[:, :40], picture[:, 46:86], picture[:, 92:]
    middle = height // 2
    assert axial[middle, 1].tolist() == [255, 0, 0]  # the patient's right, on our left
    assert axial[middle, 38].tolist() == [0, 255, 0]
    assert axial[middle - 15, 20].tolist() == [0, 0, 255]  # the front, up
    assert coronal[middle, 1].tolist() == [255, 0, 0]
    assert coronal[1, 20].tolist() == [255, 255, 0]  # the head, up
    assert sagittal[1, 20].tolist() == [255, 255, 0]
    assert sagittal[middle, 1].tolist() == [0, 0, 255]  # the front, on our left


def test_planes_go_through_the_centre_asked_for():
    label_map, grid = np.zeros(SHAPE, np.uint8), Grid.from_spacing(SHAPE, (2, 2, 3), "RAS")
    label_map[3, 4, 5] = 1
    ct = np.zeros(SHAPE, np.int16)
    through = np.asarray(three_planes(ct, label_map, grid, palette=PALETTE, centre=(3, 4, 5), opacity=1))
    beside = np.asarray(three_planes(ct, label_map, grid, palette=PALETTE, centre=(8, 8, 8), opacity=1))
    assert (through == [255, 0, 0]).all(axis=-1).any()
    assert not (beside == [255, 0, 0]).all(axis=-1).any()


def test_a_window_is_linear_between_black_and_white():
    hu = np.array([[-2000, -160, 40, 240, 3000]])
    assert windowed(hu, (-160, 240)).tolist() == [[0, 0, 128, 255, 255]]


def test_background_stays_grey_and_opacity_mixes():
    grey, labels = np.array([[100, 100]], np.uint8), np.array([[0, 1]])
    assert blended(grey, labels, PALETTE, 0.5).tolist() == [[[100, 100, 100], [178, 50, 50]]]


MAPS = hnp.arrays(
    st.sampled_from([np.uint8, np.uint16, np.bool_]), hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)
)


@given(MAPS, st.sampled_from([np.uint8, np.bool_, np.float32]), st.sampled_from(["C", "F", "view"]))
def test_remap_is_a_look_up(label_map: np.ndarray, dtype: type, order: str):
    table = np.random.default_rng(0).integers(0, 200, int(label_map.max(initial=0)) + 1).astype(dtype)
    given_map = {
        "C": np.ascontiguousarray,
        "F": np.asfortranarray,
        "view": lambda a: np.flip(np.flip(a).copy()),
    }[order](label_map)
    found = remap(given_map, table)
    assert found.dtype == dtype
    assert (found == table[label_map.astype(int)]).all()


def test_an_id_beyond_the_table_is_an_error():
    with pytest.raises(IndexError, match="id 7 in the map, but the table has 3"):
        remap(np.full((2, 2, 2), 7, np.uint8), np.zeros(3, np.uint8))
