"""Scores of label maps: the rule for absent structures, any grid, any memory; real data against DeepMind's package."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from metric_oracles import blob, deepmind_scores

from dapatlas.check.scores import ShearedGridError, StructureScore, score
from dapatlas.errors import BadLabelsError, GridMismatchError
from dapatlas.labels import dap, load_scheme
from dapatlas.volumes import Grid, read_label_map, reorient

SHAPE = (14, 12, 10)
SPACING = (0.7, 0.7, 5.0)
GRID = Grid.from_spacing(SHAPE, SPACING, "LPS")
LIVER, SPLEEN, PANCREAS = (dap()[name].id for name in ("liver", "spleen", "pancreas"))


def organs(seed: int) -> np.ndarray:
    """Liver and spleen of random shape, pancreas in one corner."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.uint8, order="F")
    labels[blob(rng, SHAPE)] = LIVER
    labels[blob(rng, SHAPE, 0.2)] = SPLEEN
    labels[-1, -1, -1] = PANCREAS
    return labels


def by_name(scores: tuple[StructureScore, ...]) -> dict[str, StructureScore]:
    return {found.structure: found for found in scores}


def test_scores_of_each_structure_are_those_of_its_masks() -> None:
    prediction, reference = organs(1), organs(2)
    found = score(prediction, reference, GRID, dap(), tolerance_mm=1.0)
    assert [s.id for s in found] == sorted([LIVER, SPLEEN, PANCREAS])
    for own in found:
        ours, theirs = prediction == own.id, reference == own.id
        common = (ours & theirs).sum()
        assert own.structure == dap()[own.id].name
        assert (own.predicted_voxels, own.reference_voxels, own.common_voxels) == (
            ours.sum(),
            theirs.sum(),
            common,
        )
        assert own.dice == pytest.approx(2 * common / (ours.sum() + theirs.sum()))
        assert own.iou == pytest.approx(common / (ours | theirs).sum())
        assert own.sensitivity == pytest.approx(common / theirs.sum())
        assert own.precision == pytest.approx(common / ours.sum())
        assert own.volume_difference_ml == pytest.approx((ours.sum() - theirs.sum()) * 0.7 * 0.7 * 5 / 1000)
        surface_dice, hd95, mean = deepmind_scores(ours, theirs, SPACING, 1.0)
        assert own.surface is not None
        assert own.surface.surface_dice == pytest.approx(surface_dice)
        assert any(own.surface.hd95_mm == pytest.approx(mm) for mm in hd95)
        assert own.surface.mean_surface_distance_mm == pytest.approx(mean)
        assert own.surface.tolerance_mm == 1.0


def test_equal_maps_are_perfect() -> None:
    labels = organs(3)
    for own in score(labels, labels.copy(), GRID, dap(), tolerance_mm=0.0):
        assert own.surface is not None
        assert (own.dice, own.iou, own.sensitivity, own.precision, own.volume_difference_ml) == (
            1,
            1,
            1,
            1,
            0,
        )
        assert (own.surface.surface_dice, own.surface.hd95_mm) == (1, 0)
        assert own.surface.mean_surface_distance_mm == 0


def test_swapping_maps_swaps_sensitivity_and_precision_only() -> None:
    one, other = organs(4), organs(5)
    for own, turned in zip(score(one, other, GRID, dap()), score(other, one, GRID, dap()), strict=True):
        assert own.surface is not None
        assert turned.surface is not None
        assert (own.dice, own.iou, own.sensitivity) == (turned.dice, turned.iou, turned.precision)
        assert own.volume_difference_ml == -turned.volume_difference_ml
        assert own.surface.surface_dice == pytest.approx(turned.surface.surface_dice)
        assert own.surface.hd95_mm == pytest.approx(turned.surface.hd95_mm)


# absence


def test_absent_in_both_is_left_out_and_absent_in_one_is_a_failure() -> None:
    reference = organs(6)
    missed, invented = reference.copy(order="F"), reference.copy(order="F")
    missed[missed == SPLEEN] = 0
    invented[0, 0, 0] = dap()["gallbladder"].id
    lost = by_name(score(missed, reference, GRID, dap()))["spleen"]
    assert lost.surface is not None
    assert (lost.dice, lost.iou, lost.sensitivity, lost.surface.surface_dice) == (0, 0, 0, 0)
    assert math.isnan(lost.precision)
    assert math.isnan(lost.surface.hd95_mm)
    assert math.isnan(lost.surface.mean_surface_distance_mm)
    found = by_name(score(invented, reference, GRID, dap()))
    extra = found["gallbladder"]
    assert extra.surface is not None
    assert (extra.dice, extra.iou, extra.precision, extra.surface.surface_dice) == (0, 0, 0, 0)
    assert math.isnan(extra.sensitivity)
    assert extra.volume_difference_ml == pytest.approx(GRID.voxel_ml)
    assert "stomach" not in found
    assert "background" not in found


def test_empty_maps_have_no_scores() -> None:
    empty = np.zeros(SHAPE, np.uint8)
    assert score(empty, empty, GRID, dap()) == ()
    (only,) = score(empty, np.where(organs(7) == LIVER, LIVER, 0), GRID, dap())
    assert (only.structure, only.dice) == ("liver", 0)


def test_what_is_not_defined_is_none_in_json() -> None:
    reference = organs(8)
    scores = score(np.zeros_like(reference), reference, GRID, dap(), structures=["liver"])
    plain = json.loads(json.dumps(scores[0].as_dict(), allow_nan=False))
    assert plain["dice"] == 0
    assert plain["precision"] is None
    assert plain["surface"] == {
        "surface_dice": 0,
        "hd95_mm": None,
        "mean_surface_distance_mm": None,
        "tolerance_mm": 3,
    }
    (without,) = score(reference, reference, GRID, dap(), structures=["liver"], surface=False)
    assert without.surface is None
    assert without.as_dict()["surface"] is None


# what is asked for


def test_structures_asked_for_in_their_order_once() -> None:
    labels = organs(9)
    names = ["spleen", "Liver", "liver", "stomach", "background"]
    assert [s.structure for s in score(labels, labels, GRID, dap(), structures=names)] == ["spleen", "liver"]
    with pytest.raises(BadLabelsError, match="spleeen.*spleen"):
        score(labels, labels, GRID, dap(), structures=["spleeen"])


def test_tolerance_by_structure() -> None:
    one, other = organs(10), organs(11)
    found = by_name(score(one, other, GRID, dap(), tolerance_mm={"Liver": 0.5}))
    tolerances = {name: own.surface.tolerance_mm for name, own in found.items() if own.surface}
    assert tolerances == {"liver": 0.5, "spleen": 3.0, "pancreas": 3.0}
    alone = by_name(score(one, other, GRID, dap(), tolerance_mm=0.5))
    assert found["liver"] == alone["liver"]
    with pytest.raises(BadLabelsError, match="lifer"):
        score(one, other, GRID, dap(), tolerance_mm={"lifer": 1.0})
    for wrong in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="tolerance of 0 mm or more"):
            score(one, other, GRID, dap(), tolerance_mm=wrong)


def test_ignored_voxels_are_in_neither_map() -> None:
    reference, ignore = organs(12), np.zeros(SHAPE, np.bool_)
    ignore[:, :, 5:] = True
    prediction = reference.copy(order="F")
    prediction[:, :, 5:] = SPLEEN
    for own in score(prediction, reference, GRID, dap(), ignore=ignore):
        assert own.surface is not None
        assert own.reference_voxels == (reference[:, :, :5] == own.id).sum()
        assert own.dice == 1
        assert own.surface.mean_surface_distance_mm == 0
    assert "pancreas" not in by_name(score(prediction, reference, GRID, dap(), ignore=ignore))


# grids and memory


@pytest.mark.parametrize("codes", ["RAS", "PIR", "SLA"])
def test_turned_grids_and_views_score_the_same(codes: str) -> None:
    one, other, ignore = organs(13), organs(14), organs(15) == SPLEEN
    expected = score(one, other, GRID, dap(), ignore=ignore)
    ours, grid = reorient(one, GRID, codes)
    theirs, hidden = reorient(other, GRID, codes)[0], reorient(ignore, GRID, codes)[0]
    for maps in (
        (ours, theirs, hidden),
        tuple(np.ascontiguousarray(a) for a in (ours, theirs, hidden)),
        (np.ascontiguousarray(ours).astype(np.uint16), np.asfortranarray(theirs), hidden),
    ):
        same(score(maps[0], maps[1], grid, dap(), ignore=maps[2]), expected)


def test_oblique_grid_has_the_spacing_of_its_axes() -> None:
    one, other = organs(16), organs(17)
    turn = np.array([[0.8, -0.6, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    same(score(one, other, Grid(SHAPE, turn @ GRID.affine), dap()), score(one, other, GRID, dap()))


def same(found: tuple[StructureScore, ...], expected: tuple[StructureScore, ...]) -> None:
    assert len(found) == len(expected) > 0
    for own, known in zip(found, expected, strict=True):
        plain, other = own.as_dict(), known.as_dict()
        assert plain.pop("surface") == pytest.approx(other.pop("surface"), rel=1e-9)
        assert plain.pop("structure") == other.pop("structure")
        assert plain == pytest.approx(other, rel=1e-9)


def test_threads_change_nothing() -> None:
    one, other = organs(18), organs(19)
    assert score(one, other, GRID, dap(), threads=3) == score(one, other, GRID, dap())


def test_sheared_grid_is_refused_where_surfaces_are_measured() -> None:
    affine = np.diag([*SPACING, 1.0])
    affine[1, 2] = 5.0 * math.tan(math.radians(12))
    tilted, labels = Grid(SHAPE, affine), organs(20)
    with pytest.raises(ShearedGridError, match="12.00° off a right angle.*leave surface measures out"):
        score(labels, labels, tilted, dap())
    assert score(labels, labels, tilted, dap(), surface=False)[0].dice == 1


def test_maps_that_are_not_on_the_grid_are_refused() -> None:
    labels = organs(21)
    with pytest.raises(GridMismatchError, match="grid of shape"):
        score(labels, labels, Grid.from_spacing((14, 12, 9), SPACING), dap())
    with pytest.raises(GridMismatchError, match="reference of shape"):
        score(labels, labels[:-1], GRID, dap())
    with pytest.raises(GridMismatchError, match="ignore of shape"):
        score(labels, labels, GRID, dap(), ignore=np.zeros((1, 1, 1), np.bool_))


@pytest.mark.real_data
def test_a_real_map_and_one_that_is_moved_are_as_far_apart_as_deepmind_says(real_data: Path) -> None:
    volume = read_label_map(real_data / "total.nii.gz")
    scheme = load_scheme("totalsegmentator")
    moved = np.asfortranarray(np.roll(volume.array, (1, 2), (0, 1)))
    scores = score(moved, volume.array, volume.grid, scheme)
    assert len(scores) > 40
    for own in scores[::8]:
        dice, hd95, mean = deepmind_scores(moved == own.id, volume.array == own.id, volume.grid.spacing, 3.0)
        assert own.surface is not None
        assert own.surface.surface_dice == pytest.approx(dice, rel=1e-9)
        assert any(own.surface.hd95_mm == pytest.approx(mm, rel=1e-9) for mm in hd95)
        assert own.surface.mean_surface_distance_mm == pytest.approx(mean, rel=1e-9)
