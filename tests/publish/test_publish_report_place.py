"""Pictures of places: a planted block is where the body has it, whatever the orientation of the file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dapatlas.publish.report.place import OUTLINE, place_picture
from dapatlas.volumes import Grid, bounding_box, reorient
from dapatlas.volumes.picture import GAP_PIXELS

PIXELS = 200
PALETTE = np.zeros((256, 3), np.uint8)
PALETTE[1], PALETTE[2] = (255, 0, 0), (0, 0, 255)
ORIENTATIONS = ["RAS", "LPS", "PIR", "SAL", "ILA"]


def body() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], Grid]:
    """In LPS at 4, 4, 5 mm: a block of 1, and a block of 2 to its left, in front of it and above it."""
    grid = Grid.from_spacing((60, 60, 60), (4.0, 4.0, 5.0), "LPS")
    labels = np.zeros(grid.shape, np.uint8)
    labels[28:32, 28:32, 28:32] = 1
    labels[36:39, 28:32, 28:32] = 2  # to the patient's left
    labels[28:32, 20:23, 28:32] = 2  # to the front
    labels[28:32, 28:32, 36:39] = 2  # above
    return labels, np.zeros(grid.shape, np.int16), grid


def drawn(orientation: str, **others: Any) -> np.ndarray[Any, Any]:
    labels, ct, grid = body()
    view, own = reorient(labels, grid, orientation)
    view = np.asfortranarray(view)
    i, j, k = ((side.start, side.stop) for side in bounding_box(view == 1))
    given = {"ct": reorient(ct, grid, orientation)[0], "structure_id": 1, **others}
    return np.asarray(
        place_picture(given.pop("ct"), view, own, (i, j, k), palette=PALETTE, pixels=PIXELS, **given)
    )


def blue(plane: np.ndarray[Any, Any], axis: int) -> float:
    """Mean place of what is blue along rows (0) or columns (1), as a share of the plane, from its middle."""
    found = np.nonzero(plane[..., 2] > plane[..., 0].astype(int) + 20)[axis]
    return float(found.mean()) / PIXELS - 0.5


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_left_is_on_the_right_front_is_up_and_head_is_up(orientation: str) -> None:
    picture = drawn(orientation)
    assert picture.shape == (PIXELS, 3 * PIXELS + 2 * GAP_PIXELS, 3)
    axial, coronal, sagittal = (picture[:, n * (PIXELS + GAP_PIXELS) :][:, :PIXELS] for n in range(3))
    middle = np.s_[PIXELS // 2 - 15 : PIXELS // 2 + 15]
    # 160 mm are shown; the blocks lie 30 mm to the left, 34 mm to the front, 37.5 mm above the middle of block 1
    assert blue(axial[middle], 1) == pytest.approx(30 / 160, abs=0.01)
    assert blue(axial[:, middle], 0) == pytest.approx(-34 / 160, abs=0.01)
    assert blue(sagittal[middle], 1) == pytest.approx(-34 / 160, abs=0.01)
    for plane in (coronal, sagittal):
        assert blue(plane[:, middle], 0) == pytest.approx(-37.5 / 160, abs=0.01)


@pytest.mark.parametrize("orientation", ORIENTATIONS[1:])
def test_the_picture_is_the_same_in_every_orientation(orientation: str) -> None:
    one, other = drawn("RAS").astype(int), drawn(orientation).astype(int)
    assert (np.abs(one - other).max(axis=2) > 40).mean() < 0.002  # rounding at edges of voxels


def test_the_outline_is_that_of_the_structure_alone() -> None:
    axial = drawn("RAS")[:, :PIXELS]
    rows, columns = np.nonzero((axial == OUTLINE).all(axis=2))
    expected = 4 * 4 / 160 * PIXELS  # four voxels of 4 mm, of 160 mm
    assert np.ptp(rows) + 1 == pytest.approx(expected, abs=1)
    assert np.ptp(columns) + 1 == pytest.approx(expected, abs=1)
    assert not (drawn("RAS", structure_id=None)[:, :PIXELS] == OUTLINE).all(axis=2).any()


def test_hu_are_seen_through_the_window_and_nothing_is_seen_beyond_the_volume() -> None:
    labels = np.zeros((10, 10, 10), np.uint8)
    ct = np.full(labels.shape, 40, np.int16)
    grid = Grid.from_spacing(labels.shape, (5.0, 5.0, 5.0))
    picture = np.asarray(
        place_picture(ct, labels, grid, ((0, 10),) * 3, palette=PALETTE, window_hu=(-160, 240), pixels=PIXELS)
    )
    assert picture[PIXELS // 2, PIXELS // 2].tolist() == pytest.approx(
        [128] * 3, abs=1
    )  # the middle of the window
    assert picture[2, 100].tolist() == [0, 0, 0]  # 50 mm of body in 160 mm of picture
    share = (picture[:, :PIXELS, 0] > 60).mean()
    assert share == pytest.approx((50 / 160) ** 2, abs=0.02)
    empty = np.asarray(place_picture(None, labels, grid, ((0, 10),) * 3, palette=PALETTE, pixels=PIXELS))
    assert empty[PIXELS // 2, PIXELS // 2].max() == 0


def test_planes_go_through_most_of_the_structure_not_through_the_middle_of_its_box() -> None:
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[2:5, 2:5, 2:5] = 1
    labels[30:38, 30:38, 30:38] = 1  # the middle of the box holds none of it
    grid = Grid.from_spacing(labels.shape, (2.0, 2.0, 2.0))
    picture = np.asarray(
        place_picture(None, labels, grid, ((2, 38),) * 3, palette=PALETTE, structure_id=1, pixels=PIXELS)
    )
    for number in range(3):
        plane = picture[:, number * (PIXELS + GAP_PIXELS) :][:, :PIXELS]
        assert (plane == OUTLINE).all(axis=2).sum() > 30  # corners of the box hide some


@pytest.mark.parametrize(
    "box", [((0, 1), (0, 1), (0, 1)), ((58, 80), (-5, 3), (59, 60)), ((70, 75), (70, 75), (70, 75))]
)
def test_boxes_at_and_beyond_the_edge_are_drawn(box: Any) -> None:
    labels, ct, grid = body()
    place_picture(ct, labels, grid, box, palette=PALETTE, structure_id=1, pixels=64)


def test_a_large_box_is_looked_at_in_steps_and_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dapatlas.publish.report.place.CAUTIOUS_VOXELS", 500)
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[24:36, 24:36, 24:36] = 1
    labels[0, 0, 0] = 1
    grid = Grid.from_spacing(labels.shape, (2.0, 2.0, 2.0))
    picture = np.asarray(
        place_picture(None, labels, grid, ((0, 40),) * 3, palette=PALETTE, structure_id=1, pixels=PIXELS)
    )
    for number in range(3):
        plane = picture[:, number * (PIXELS + GAP_PIXELS) :][:, :PIXELS]
        assert (plane == OUTLINE).all(axis=2).sum() > 30  # corners of the box hide some
