"""Filling what nobody claims."""

from __future__ import annotations

import numpy as np
import pytest

from dapatlas.aggregate import fill_tissues
from dapatlas.aggregate.skin import shells
from dapatlas.labels import dap
from dapatlas.volumes import Grid, reorient

SHAPE = (40, 36, 8)


@pytest.fixture
def grid() -> Grid:
    return Grid.from_spacing(SHAPE, (3.0, 3.0, 5.0), "RAS")


@pytest.fixture
def body() -> np.ndarray:
    inside = np.zeros(SHAPE, bool)
    inside[5:35, 4:32, :] = True
    return inside


def fill(label_map: np.ndarray, hu: float, body: np.ndarray, grid: Grid, **settings: object) -> np.ndarray:
    return fill_tissues(label_map, np.full(SHAPE, hu), body, grid, dap(), **settings)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hu", "tissue"),
    [
        (-190, "fat"),
        (-30, "fat"),
        (-29, "muscles"),
        (150, "muscles"),
        (151, "unknown_tissue"),
        (-191, "unknown_tissue"),
    ],
)
def test_the_ends_of_the_ranges_belong_to_them(hu: float, tissue: str, body: np.ndarray, grid: Grid):
    filled = fill(np.zeros(SHAPE, np.uint8), hu, body, grid)
    assert filled[20, 18, 4] == dap()[tissue].id


def test_no_voxel_of_the_body_stays_background_and_none_outside_is_touched(body: np.ndarray, grid: Grid):
    ct = np.random.default_rng(0).integers(-1000, 1500, SHAPE)
    filled, findings = fill_tissues(np.zeros(SHAPE, np.uint8), ct, body, grid, dap())
    assert (filled[body] > 0).all()
    assert (filled[~body] == 0).all()
    assert sum(finding.voxels for finding in findings) == body.sum()


def test_claimed_voxels_are_never_touched(body: np.ndarray, grid: Grid):
    claimed = np.zeros(SHAPE, np.uint8)
    claimed[5:12, 4:20] = 13  # the liver, up to the outer rim
    claimed[0, 0, 0] = 26  # and a voxel outside the body
    filled = fill(claimed, 40, body, grid)
    assert (filled[claimed > 0] == claimed[claimed > 0]).all()


def test_skin_is_the_rim_and_not_the_faces_that_the_field_of_view_cuts(body: np.ndarray, grid: Grid):
    filled = fill(np.zeros(SHAPE, np.uint8), -100, body, grid, skin_mm=2.0)
    expected = body.copy()
    expected[6:34, 5:31, :] = False
    assert ((filled == dap()["skin"].id) == expected).all()


def test_a_voxel_beneath_the_skin_is_skin_only_where_it_is_denser_than_fat(body: np.ndarray, grid: Grid):
    ct = np.full(SHAPE, -100.0)
    ct[6:8, 10, 4] = 20  # half dermis, and one voxel deeper
    filled, _ = fill_tissues(np.zeros(SHAPE, np.uint8), ct, body, grid, dap())
    named = [dap()[id_].name for id_ in filled[5:9, 10, 4].tolist()]
    assert named == ["skin", "skin", "muscles", "fat"]


def test_thicker_skin_follows_millimetres_not_voxels(body: np.ndarray, grid: Grid):
    # two voxels of 3 mm, one of 5 mm
    shell = np.stack([shell for shell, _ in shells(body, grid, 6.5)], axis=2)
    assert shell[:, 18, 4].tolist() == [False] * 5 + [True] * 2 + [False] * 26 + [True] * 2 + [False] * 5
    assert not shell[20, 18, :].any()


def test_tissue_among_organs_is_the_cavitys(body: np.ndarray, grid: Grid):
    organs = np.zeros(SHAPE, np.uint8)
    for i in (10, 28):
        for j in (9, 26):
            organs[i, j, :] = dap()["colon"].id
    filled = fill(organs, -100, body, grid)
    assert (filled[11:28, 10:26, :] == dap()["abdominal_tissue"].id).all()
    assert filled[7, 18, 4] == dap()["fat"].id
    assert (fill(organs, -100, body, grid, cavities=False)[19, 18] == dap()["fat"].id).all()


def test_gas_in_a_cavity_is_unknown_not_tissue(body: np.ndarray, grid: Grid):
    organs = np.zeros(SHAPE, np.uint8)
    organs[10, 9], organs[28, 9], organs[20, 26] = (dap()["colon"].id,) * 3
    assert fill(organs, -900, body, grid)[20, 14, 4] == dap()["unknown_tissue"].id


@pytest.mark.parametrize("orientation", ["LAS", "LPS", "PIR"])
def test_filling_commutes_with_orientation(orientation: str, body: np.ndarray, grid: Grid):
    random = np.random.default_rng(1)
    ct = random.integers(-300, 300, SHAPE)
    organs = np.where(random.random(SHAPE) < 0.002, dap()["liver"].id, 0).astype(np.uint8)
    straight, _ = fill_tissues(organs, ct, body, grid, dap())
    turned_grid = reorient(ct, grid, orientation)[1]
    turn = [reorient(array, grid, orientation)[0] for array in (organs, ct, body)]
    turned, _ = fill_tissues(*turn, turned_grid, dap())  # type: ignore[misc]
    assert (turned == reorient(straight, grid, orientation)[0]).all()


def test_no_skin_is_found_where_the_scanner_stopped_looking(body: np.ndarray, grid: Grid):
    ct = np.full(SHAPE, -100)
    body = body.copy()
    body[:12] = False
    ct[~body] = -1000
    ct[:12] = -3024  # padding: the body goes on there
    filled, _ = fill_tissues(np.zeros(SHAPE, np.uint8), ct, body, grid, dap())
    assert (filled[12, 10:26, :] == dap()["fat"].id).all()
    assert (filled[34, 10:26, :] == dap()["skin"].id).all()


def test_skin_of_no_thickness_is_none(body: np.ndarray, grid: Grid):
    assert not (fill(np.zeros(SHAPE, np.uint8), 40, body, grid, skin_mm=0) == dap()["skin"].id).any()
