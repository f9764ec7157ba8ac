"""The body outline on bodies of known shape."""

from __future__ import annotations

import numpy as np
import pytest

from dapatlas.aggregate import body_outline
from dapatlas.errors import BadFileError
from dapatlas.volumes import Grid, reorient

SHAPE, SPACING = (90, 70, 40), (3.0, 3.0, 5.0)
AIR, FAT, LUNG, COUCH = -1000, -100, -850, 100


@pytest.fixture
def grid() -> Grid:
    return Grid.from_spacing(SHAPE, SPACING, "RAS")


def ellipse(radii_mm: tuple[float, float], centre: tuple[float, float] = (135.0, 115.0)) -> np.ndarray:
    x, y = np.meshgrid(np.arange(SHAPE[0]) * SPACING[0], np.arange(SHAPE[1]) * SPACING[1], indexing="ij")
    flat = ((x - centre[0]) / radii_mm[0]) ** 2 + ((y - centre[1]) / radii_mm[1]) ** 2 <= 1
    return np.repeat(flat[:, :, None], SHAPE[2], axis=2)


def scan(body: np.ndarray) -> np.ndarray:
    ct = np.full(SHAPE, AIR, np.int16, order="F")
    ct[body] = FAT
    return ct


def test_a_plain_body_is_found_to_the_voxel(grid: Grid):
    body = ellipse((110, 75))
    assert (body_outline(scan(body), grid) == body).all()


def test_lungs_belong_to_the_body_although_the_field_of_view_cuts_them(grid: Grid):
    body, lungs = ellipse((110, 75)), ellipse((40, 35), (90, 115)) | ellipse((40, 35), (180, 115))
    ct = scan(body)
    ct[lungs] = LUNG
    assert (body_outline(ct, grid) == body).all()


def test_a_couch_that_touches_the_back_is_left_out(grid: Grid):
    body = ellipse((110, 75))
    ct = scan(body)
    ct[:, 11:13, :] = COUCH  # a plate of 6 mm under the back, which ends at y = 40 mm
    found = body_outline(ct, grid)
    assert (found & ~body).sum() < 0.01 * body.sum()
    assert (body & ~found).sum() == 0
    assert not found[:20, 11:13].any()


def test_arms_apart_from_the_trunk_are_body_and_a_cable_is_not(grid: Grid):
    trunk, arm = ellipse((80, 75)), ellipse((18, 20), (25, 115))
    cable = np.zeros(SHAPE, bool)
    cable[85:87, 60:62] = True
    found = body_outline(scan(trunk | arm | cable), grid)
    assert (found == trunk | arm).all()


def test_the_gap_between_raised_arms_and_head_is_air(grid: Grid):
    head, ring = ellipse((40, 40)), ellipse((110, 100)) & ~ellipse((80, 70))
    chest = ellipse((120, 90))
    body = np.where(np.arange(SHAPE[2]) < 15, chest, head)
    body = np.where((np.arange(SHAPE[2]) > 25) & (np.arange(SHAPE[2]) < 32), head | ring, body)
    found = body_outline(scan(body), grid)
    assert (body & ~found).sum() == 0
    # a corner where the field of view cuts the ring may be rounded off; the gap itself is 2000 voxels a slice
    assert (found & ~body).sum(axis=(0, 1)).max() < 10


def test_the_gap_between_the_thighs_is_air(grid: Grid):
    thighs = ellipse((60, 70), (72, 115)) | ellipse((60, 70), (198, 115))  # 6 mm apart
    body = np.where(np.arange(SHAPE[2]) < 25, thighs, ellipse((120, 75)))
    found = body_outline(scan(body), grid)
    assert (body & ~found).sum() == 0
    assert (found & ~body).sum() < 0.01 * body.sum()


def test_a_throat_behind_an_open_mouth_is_inside(grid: Grid):
    neck = ellipse((60, 60))
    ct = scan(neck)
    throat = ellipse((9, 12))
    ct[throat] = AIR
    ct[:, 40:, 28:36][ellipse((20, 90))[:, 40:, 28:36]] = AIR  # the mouth: 40 mm wide, open to the front
    found = body_outline(ct, grid)
    assert found[:, :, :26][throat[:, :, :26]].all()


@pytest.mark.parametrize("orientation", ["LAS", "LPS", "PIR", "SAL"])
def test_the_outline_does_not_depend_on_orientation(grid: Grid, orientation: str):
    body = ellipse((110, 75))
    body[:, :, :5] = False  # not symmetric along the body
    ct, turned_grid = reorient(scan(body), grid, orientation)
    turned, _ = reorient(body, grid, orientation)
    assert (body_outline(ct, turned_grid) == turned).all()


def test_fine_grids_are_drawn_at_their_own_resolution():
    grid = Grid.from_spacing((200, 160, 12), (1.0, 1.0, 4.0), "LPS")
    x, y = np.meshgrid(np.arange(200), np.arange(160), indexing="ij")
    flat = ((x - 100) / 80) ** 2 + ((y - 80) / 60) ** 2 <= 1
    body = np.repeat(flat[:, :, None], 12, axis=2)
    ct = np.where(body, FAT, AIR).astype(np.int16)
    assert (body_outline(ct, grid) == body).all()


def test_a_scan_without_a_body_is_an_error_that_tells_the_values(grid: Grid):
    with pytest.raises(BadFileError, match=r"no body found.*-1000…-1000.*Hounsfield"):
        body_outline(np.full(SHAPE, AIR, np.int16), grid)


FINE = Grid.from_spacing((320, 240, 40), (1.0, 1.0, 3.0), "LPS")
SKIN = 20


def fine_ellipse(radii_mm: tuple[float, float], centre: tuple[float, float] = (160, 120)) -> np.ndarray:
    x, y = np.meshgrid(np.arange(320.0), np.arange(240.0), indexing="ij")
    flat = ((x - centre[0]) / radii_mm[0]) ** 2 + ((y - centre[1]) / radii_mm[1]) ** 2 <= 1
    return np.repeat(flat[:, :, None], 40, axis=2)


def noisy(body: np.ndarray) -> np.ndarray:
    """HU of a body with the noise of a low dose."""
    ct = np.where(body, FAT, AIR) + np.random.default_rng(0).normal(0, 25, body.shape)
    return np.rint(ct).astype(np.int16)


@pytest.mark.parametrize("gap_mm", [1, 2, 4])
def test_a_blanket_is_left_out_where_one_voxel_of_air_lies_under_it(gap_mm: int):
    body = fine_ellipse((110, 75))
    blanket = fine_ellipse((113 + gap_mm, 78 + gap_mm)) & ~fine_ellipse((110 + gap_mm, 75 + gap_mm))
    blanket[:, 120:] = False  # over the front
    ct = noisy(body)
    ct[blanket] = -50
    assert (body_outline(ct, FINE) == body).all()


def test_cloth_on_the_skin_adds_no_more_than_the_voxel_that_skin_and_air_share():
    body = fine_ellipse((110, 75))
    ct = noisy(body)
    ct[fine_ellipse((114, 79)) & ~body] = -300
    extra = body_outline(ct, FINE) & ~body
    one_voxel = sum(np.roll(body, step, axis) for axis in (0, 1) for step in (-1, 1)) > 0
    assert not (extra & ~one_voxel).any()


def test_a_couch_that_the_back_is_pressed_on_is_known_from_where_it_is_bare():
    body = fine_ellipse((110, 75))
    body[:, 190:] = False  # the back is flat where it lies
    body[:, :, :10] = fine_ellipse((60, 50))[:, :, :10]  # neck
    ct = noisy(body)
    ct[30:290, 190:194] = 60
    assert (body_outline(ct, FINE) == body).all()


@pytest.mark.parametrize("centre", [27, 22])
def test_an_arm_is_body_whether_it_touches_the_trunk_or_not(centre: int):
    body = fine_ellipse((110, 75)) | fine_ellipse((22, 25), (centre, 120))
    assert (body_outline(noisy(body), FINE) == body).all()


def test_a_body_that_reaches_over_the_edge_of_the_field_of_view_ends_there():
    body = fine_ellipse((190, 100))
    ct = noisy(body)
    ct[fine_ellipse((40, 50), (60, 120))] = LUNG
    assert (body_outline(ct, FINE) == body).all()
