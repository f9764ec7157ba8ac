"""Surface distances: against DeepMind's package, MONAI, SciPy, and the definition written out."""

from __future__ import annotations

import itertools
import math
import warnings
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_oracles import Mask, Spacing, blob, by_definition, deepmind, deepmind_scores
from scipy.spatial.distance import directed_hausdorff

from dapatlas.check import surface
from dapatlas.check.surface import (
    Distances,
    hausdorff_mm,
    mean_distance_mm,
    surface_dice,
    surface_distances,
)
from dapatlas.check.surface_areas import surfel_areas
from dapatlas.check.surfels import surfels
from dapatlas.volumes import bounding_box, hull

UNIT = (1.0, 1.0, 1.0)
SPACINGS = [UNIT, (0.7, 0.7, 5.0), (3.0, 0.9, 1.3)]


def all_surfels(
    mask: Mask, box: tuple[slice, slice, slice], ignore: Mask | None = None
) -> tuple[np.ndarray, np.ndarray]:
    places, codes = zip(*surfels(np.asfortranarray(mask), 1, box, ignore), strict=True)
    return np.concatenate(places), np.concatenate(codes)


def measured(prediction: Mask, reference: Mask, spacing: Spacing = UNIT) -> tuple[Distances, Distances]:
    box = hull(bounding_box(prediction), bounding_box(reference))
    return surface_distances(np.asfortranarray(prediction), np.asfortranarray(reference), 1, box, spacing)


def spread(mm: np.ndarray, mm2: np.ndarray) -> list[tuple[float, float]]:
    """How much area at each distance."""
    table: dict[float, float] = {}
    for far, area in zip(np.round(mm, 9).tolist(), mm2.tolist(), strict=True):
        table[far] = table.get(far, 0) + area
    return sorted((far, area) for far, area in table.items() if area)


def same_spread(found: Distances, mm: np.ndarray, mm2: np.ndarray) -> None:
    ours, theirs = np.array(spread(found.mm, found.mm2)), np.array(spread(mm, mm2))
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def agrees_with_deepmind(prediction: Mask, reference: Mask, spacing: Spacing, tolerance_mm: float) -> None:
    there, back = measured(prediction, reference, spacing)
    dice, hd95, mean = deepmind_scores(prediction, reference, spacing, tolerance_mm)
    assert surface_dice(there, back, tolerance_mm) == pytest.approx(dice, rel=1e-12)
    assert any(hausdorff_mm(there, back) == pytest.approx(mm, rel=1e-12, abs=1e-12) for mm in hd95)
    assert mean_distance_mm(there, back) == pytest.approx(mean, rel=1e-12, abs=1e-12)


# areas


def test_areas_are_those_of_deepminds_table() -> None:
    tables = pytest.importorskip("surface_distance.lookup_tables")
    rng = np.random.default_rng(1)
    for spacing in [*SPACINGS, *map(tuple, rng.uniform(0.3, 6, (20, 3)))]:
        theirs = tables.create_table_neighbour_code_to_surface_area(spacing)
        np.testing.assert_allclose(surfel_areas(spacing), theirs, rtol=1e-12, atol=1e-12)


def test_area_of_a_block_is_its_faces_less_what_edges_and_corners_round_off() -> None:
    mask = np.zeros((9, 8, 7), np.bool_)
    mask[2:7, 2:6, 2:5] = True  # 5 × 4 × 3 voxels of 1 × 2 × 3 mm
    _, codes = all_surfels(mask, (slice(0, 9), slice(0, 8), slice(0, 7)))
    # marching cubes: whole faces inside each side, a bevel along edges, a triangle at corners
    faces = 2 * (4 * 3 * 2 * 1 + 4 * 2 * 3 * 1 + 3 * 2 * 3 * 2)  # (n-1)(m-1) corners of a face each
    bevels = 4 * (4 * math.hypot(1, 1.5) * 1 + 3 * math.hypot(0.5, 1.5) * 2 + 2 * math.hypot(0.5, 1) * 3)
    triangles = 8 * np.linalg.norm([6 / 8, 3 / 8, 2 / 8])
    assert surfel_areas((1.0, 2.0, 3.0))[codes].sum() == pytest.approx(faces + bevels + triangles)


def test_areas_turn_with_the_grid_and_know_no_inside() -> None:
    areas, turned = surfel_areas((1.0, 2.0, 3.0)), surfel_areas((3.0, 2.0, 1.0))
    np.testing.assert_allclose(areas, areas[::-1])
    bits = list(itertools.product((0, 1), repeat=8))
    for bits_of_code in bits:
        cube = np.array(bits_of_code).reshape(2, 2, 2)
        code, other = (int("".join(map(str, c.ravel())), 2) for c in (cube, cube.transpose(2, 1, 0)))
        assert areas[code] == pytest.approx(turned[other])


# distances


@given(st.integers(0, 2**32 - 1), st.sampled_from(SPACINGS))
@settings(max_examples=15)
def test_distances_and_areas_by_definition(seed: int, spacing: Spacing) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 8, 3).tolist())
    one, other = blob(rng, shape), blob(rng, shape, 0.2)
    for found, (mm, mm2) in zip(
        measured(one, other, spacing), by_definition(one, other, spacing), strict=True
    ):
        same_spread(found, mm, mm2)


@given(st.integers(0, 2**32 - 1), st.sampled_from(SPACINGS), st.sampled_from([0.0, 1.0, 2.1, 5.0]))
@settings(max_examples=60)
def test_equal_to_deepmind_on_random_shapes(seed: int, spacing: Spacing, tolerance_mm: float) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 24, 3).tolist())
    agrees_with_deepmind(
        blob(rng, shape, rng.uniform(0.01, 0.9)), blob(rng, shape, 0.4), spacing, tolerance_mm
    )


@pytest.mark.parametrize("spacing", SPACINGS)
def test_equal_to_deepmind_far_beyond_the_rings(spacing: Spacing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface, "TREE_POINTS", 300)  # several trees
    monkeypatch.setattr(surface, "LOOKUPS", 200)
    one, other = np.zeros((2, 60, 50, 40), np.bool_)
    one[3:14, 4:20, 2:9] = True
    other[40:55, 30:48, 25:38] = True
    other[8:12, 40:44, 3:6] = True
    agrees_with_deepmind(one, other, spacing, 20.0)
    there, back = measured(one, other, spacing)
    theirs = deepmind(one, other, spacing)
    same_spread(there, theirs["distances_pred_to_gt"], theirs["surfel_areas_pred"])
    same_spread(back, theirs["distances_gt_to_pred"], theirs["surfel_areas_gt"])


def test_equal_to_deepmind_where_rings_give_up_early() -> None:
    # far from the reference in one place, near it in another: distances of rings and of the tree are interlaced
    rng = np.random.default_rng(1)
    other = np.zeros((48, 40, 30), np.bool_)
    other[4:12, 4:36, 4:26] = True
    one = np.roll(other, 2, axis=0) & (rng.random(other.shape) < 0.9)
    one[30:44, 10:30, 8:20] = True
    for spacing in SPACINGS:
        agrees_with_deepmind(one, other, spacing, 3.0)


def single(*voxel: int, shape: tuple[int, int, int] = (6, 6, 6)) -> Mask:
    mask = np.zeros(shape, np.bool_)
    mask[voxel] = True
    return mask


FULL = np.ones((4, 3, 5), np.bool_)
HALF = np.arange(60).reshape(4, 3, 5) % 2 == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(single(2, 2, 2), single(2, 2, 2), id="one voxel, the same"),
        pytest.param(single(2, 2, 2), single(3, 2, 2), id="one voxel, its neighbour"),
        pytest.param(single(0, 0, 0), single(5, 5, 5), id="opposite corners of the field of view"),
        pytest.param(FULL, FULL, id="the whole field of view"),
        pytest.param(FULL, HALF, id="whole against a checkerboard"),
        pytest.param(
            single(0, 0, 0, shape=(1, 1, 1)), single(0, 0, 0, shape=(1, 1, 1)), id="a volume of one voxel"
        ),
        pytest.param(np.tri(7, dtype=bool)[:, :, None], np.eye(7, dtype=bool)[:, :, None], id="one slice"),
    ],
)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_equal_to_deepmind_at_the_edges(one: Mask, other: Mask, spacing: Spacing) -> None:
    agrees_with_deepmind(one, other, spacing, 1.0)


def test_known_distances_between_two_voxels() -> None:
    # surfels of a voxel are its eight corners; moved by 3 voxels of 2 mm along i, the near four are 4 mm off the
    # other's near four, the far four 6 mm; moved by one, four corners are shared
    there, back = measured(single(1, 1, 1), single(4, 1, 1), (2.0, 1.0, 1.0))
    assert spread(there.mm, there.mm2 / there.area_mm2) == [(4.0, 0.5), (6.0, 0.5)]
    assert hausdorff_mm(there, back) == 6.0
    assert hausdorff_mm(there, back, 50) == 4.0
    assert mean_distance_mm(there, back) == 5.0
    assert surface_dice(there, back, 4.0) == 0.5
    assert surface_dice(there, back, 3.99) == 0.0


@pytest.mark.parametrize("spacing", SPACINGS)
def test_full_hausdorff_distance_is_scipys(spacing: Spacing) -> None:
    rng = np.random.default_rng(5)
    one, other = blob(rng, (20, 18, 9), 0.1), blob(rng, (20, 18, 9), 0.3)
    box = (slice(0, 20), slice(0, 18), slice(0, 9))
    points = [
        np.stack(np.unravel_index(all_surfels(mask, box)[0], (21, 19, 10), order="F"), axis=1) * spacing
        for mask in (one, other)
    ]
    expected = max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])
    assert hausdorff_mm(*measured(one, other, spacing), 100) == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow  # importing it takes ten seconds
@pytest.mark.skipif(find_spec("monai") is None, reason="MONAI is not installed")
@pytest.mark.parametrize("spacing", SPACINGS)
def test_surface_dice_is_monais(spacing: Spacing) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch, metrics = import_module("torch"), import_module("monai.metrics")
        rng = np.random.default_rng(6)
        one, other = blob(rng, (20, 18, 12), 0.3), blob(rng, (20, 18, 12), 0.35)
        theirs = metrics.compute_surface_dice(
            *(torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (one, other)),
            class_thresholds=[1.5],
            include_background=True,
            spacing=spacing,
            use_subvoxels=True,
        )
    assert surface_dice(*measured(one, other, spacing), 1.5) == pytest.approx(theirs.item(), rel=1e-5)


def test_does_not_depend_on_memory_order_or_type() -> None:
    rng = np.random.default_rng(7)
    one, other = blob(rng, (9, 8, 7)), blob(rng, (9, 8, 7))
    box = (slice(0, 9), slice(0, 8), slice(0, 7))
    expected = measured(one, other, (1.0, 2.0, 3.0))
    for order, dtype in itertools.product("FC", (np.uint8, np.uint16, np.int64)):
        maps = [np.array(np.where(mask, 200, 3), dtype, order=order) for mask in (one, other)]
        for found, known in zip(surface_distances(*maps, 200, box, (1.0, 2.0, 3.0)), expected, strict=True):
            same_spread(found, known.mm, known.mm2)


def test_slabs_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    mask, hidden = blob(rng, (9, 8, 17)), blob(rng, (9, 8, 17), 0.1)
    box = (slice(1, 9), slice(0, 7), slice(2, 17))
    whole = all_surfels(mask, box, hidden)
    for voxels in (1, 200, 500):
        monkeypatch.setattr("dapatlas.check.surfels.SLAB_VOXELS", voxels)
        for found, known in zip(all_surfels(mask, box, hidden), whole, strict=True):
            np.testing.assert_array_equal(found, known)


# what has no weight


def test_surface_that_touches_ignored_voxels_has_no_weight() -> None:
    # two equal blocks, but for a slab that one lacks; the slab and what borders on it is ignored
    one = np.zeros((12, 12, 12), np.bool_, order="F")
    one[2:10, 2:10, 2:10] = True
    other, ignore = one.copy(order="F"), np.zeros_like(one)
    other[:, :, 7:] = False
    ignore[:, :, 6:] = True
    box = bounding_box(one)
    there, back = surface_distances(one, other, 1, box, UNIT, ignore)
    assert mean_distance_mm(there, back) == 0.0
    # left is the bottom, 8 × 8 voxels, and 4 corners' height (k = 2 … 5 is below the ignored corners at 6) of the sides
    bottom = 7 * 7 + 4 * 7 * math.hypot(0.5, 0.5) + 4 * math.sqrt(3) / 8
    sides = 3 * (4 * 7 + 4 * math.hypot(0.5, 0.5))
    assert there.area_mm2 == pytest.approx(bottom + sides)
    seen, _ = surface_distances(one, other, 1, box, UNIT)
    assert seen.area_mm2 > there.area_mm2


def test_nothing_is_defined_where_all_surface_is_ignored() -> None:
    mask, ignore = single(2, 2, 2), single(2, 2, 3)
    there, back = surface_distances(mask, mask, 1, bounding_box(mask), UNIT, ignore)
    assert there.area_mm2 > 0  # the lower four corners
    ignore |= single(2, 2, 1)
    box = (slice(0, 6),) * 3
    there, back = surface_distances(mask, mask, 1, box, UNIT, ignore)
    assert math.isnan(surface_dice(there, back, 1.0))
    assert math.isnan(hausdorff_mm(there, back))
    assert math.isnan(mean_distance_mm(there, back))
