from __future__ import annotations

import json

import numpy as np
import pytest
from phantom_cases import coarse, fine
from scipy import ndimage

from dapatlas.errors import DapatlasError
from dapatlas.labels import dap
from dapatlas.phantom import ErrorKind, Phantom, not_plantable, plant, restore
from dapatlas.volumes import reorient

EVERYONE = [
    ErrorKind.SWAPPED_SIDES,
    ErrorKind.VERTEBRA_FRAGMENT,
    ErrorKind.STRAY_ISLANDS,
    ErrorKind.RIBS_MISCOUNTED,
    ErrorKind.COLON_IN_HEAD,
]
CASES = [("F", kind) for kind in (*EVERYONE, ErrorKind.PROSTATE_IN_WOMAN)]
CASES += [("M", kind) for kind in (*EVERYONE, ErrorKind.UTERUS_IN_MAN)]
SEEDS = range(4)
EVERYWHERE = np.ones((3, 3, 3), bool)


def label(name: str) -> int:
    return dap()[name].id


@pytest.mark.parametrize(("sex", "kind"), CASES)
def test_the_record_is_exactly_what_changed_and_takes_it_back(sex: str, kind: ErrorKind) -> None:
    phantom = coarse(sex, "PIR")
    before = phantom.label_map.copy()
    for seed in SEEDS:
        planted, (error,) = plant(phantom.label_map, phantom.grid, [kind], seed)
        changed = np.flatnonzero((planted != phantom.label_map).reshape(-1, order="F"))
        assert np.array_equal(changed, error.indices)
        assert error.kind is kind
        assert error.voxels == len(changed) > 0
        assert {dap()[int(i)].name for i in np.unique(planted[planted != before])} == set(error.structures)
        where = np.argwhere(planted != before)
        assert error.box == tuple(
            (int(a), int(b) + 1) for a, b in zip(where.min(axis=0), where.max(axis=0), strict=True)
        )
        assert np.array_equal(restore(planted, [error]), before)
    assert np.array_equal(phantom.label_map, before)


@pytest.mark.parametrize("sex", ["F", "M"])
@pytest.mark.parametrize("seed", SEEDS)
def test_errors_planted_together_are_disjoint(sex: str, seed: int) -> None:
    phantom = coarse(sex)
    kinds = [kind for owner, kind in CASES if owner == sex] * 2
    kinds.remove(ErrorKind.RIBS_MISCOUNTED)
    planted, errors = plant(phantom.label_map, phantom.grid, kinds, seed)
    assert [error.kind for error in errors] == kinds
    everything = np.concatenate([error.indices for error in errors])
    assert len(np.unique(everything)) == len(everything)
    changed = np.flatnonzero((planted != phantom.label_map).reshape(-1, order="F"))
    assert np.array_equal(np.sort(everything), changed)
    assert np.array_equal(restore(planted, errors), phantom.label_map)


@pytest.mark.parametrize("orientation", ["LAS", "RAS", "PIR"])
def test_an_error_is_the_same_in_every_orientation(orientation: str) -> None:
    kinds = [kind for owner, kind in CASES if owner == "F"]
    one, other = coarse("F", "LPS"), coarse("F", orientation)
    expected, errors = plant(one.label_map, one.grid, kinds, 3)
    found, turned_errors = plant(other.label_map, other.grid, kinds, 3)
    view, _ = reorient(found, other.grid, "LPS")
    assert np.array_equal(view, expected)
    assert [e.voxels for e in errors] == [e.voxels for e in turned_errors]


def test_the_same_seed_plants_the_same_and_another_another() -> None:
    phantom = coarse("M")
    first, again, other = (
        plant(phantom.label_map, phantom.grid, ["stray_islands"], seed)[0] for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_vertebra_fragment_stands_clear_of_the_neighbour_it_is_given_to(seed: int) -> None:
    phantom = fine("M")
    planted, (error,) = plant(phantom.label_map, phantom.grid, ["vertebra_fragment"], seed)
    (neighbour,) = error.structures
    (owner,) = {dap()[int(i)].name for i in np.unique(error.truth)}
    order = [s.name for s in dap() if s.name.startswith("vertebrae")]
    assert abs(order.index(owner) - order.index(neighbour)) == 1
    pieces = ndimage.label(planted == label(neighbour), EVERYWHERE)[1]
    rest = ndimage.label(planted == label(owner), EVERYWHERE)[1]
    assert (pieces, rest) == (2, 1)
    assert 0.03 < error.voxels / (phantom.label_map == label(owner)).sum() < 0.4


@pytest.mark.parametrize("seed", range(2))
def test_islands_are_small_pieces_in_other_tissue_far_from_the_organ(seed: int) -> None:
    phantom = fine("F")
    planted, (error,) = plant(phantom.label_map, phantom.grid, ["stray_islands"], seed)
    organ = label(error.structures[0])
    pieces, count = ndimage.label(planted == organ, EVERYWHERE)
    sizes = np.sort(np.bincount(pieces.ravel())[1:])
    assert count == 4
    assert (sizes[:3] * phantom.grid.voxel_ml < 3).all()
    far = ndimage.distance_transform_edt(phantom.label_map != organ, sampling=phantom.grid.spacing)
    assert far.reshape(-1, order="F")[error.indices].min() > 15


@pytest.mark.parametrize("seed", range(8))
def test_ribs_are_miscounted_by_one_on_whole_sides(seed: int) -> None:
    phantom = coarse("F")
    planted, (error,) = plant(phantom.label_map, phantom.grid, ["ribs_miscounted"], seed)
    shifts = set()
    for side in ("left", "right"):
        for n in range(1, 13):
            given = np.unique(planted[phantom.label_map == label(f"costa_{n}_{side}")])
            assert len(given) == 1
            name = dap()[int(given[0])].name
            assert name.endswith(side)
            shift = int(name.split("_")[1]) - n
            if not ((n == 12 and shift == 0) or (n == 1 and shift == 0)):
                shifts.add((side, shift))
    moved = {(side, shift) for side, shift in shifts if shift}
    assert len({shift for _, shift in moved}) == 1
    assert all(abs(shift) == 1 for _, shift in moved)
    assert all((side, 0) not in shifts for side, _ in moved)
    assert error.voxels > 0


def test_half_of_the_swaps_are_whole_and_some_give_only_a_part() -> None:
    phantom = coarse("M")
    whole = 0
    for seed in range(12):
        planted, (error,) = plant(phantom.label_map, phantom.grid, ["swapped_sides"], seed)
        assert all(name.endswith(("_left", "_right")) for name in error.structures)
        if len(error.structures) == 2:
            whole += 1
            left, right = (label(name) for name in error.structures)
            assert np.array_equal(planted == left, phantom.label_map == right)
    assert 2 < whole < 10


def test_colon_lands_in_the_brain() -> None:
    phantom = coarse("F")
    _, (error,) = plant(phantom.label_map, phantom.grid, ["colon_in_head"], 0)
    assert error.structures == ("colon",)
    assert set(error.truth.tolist()) == {label("brain")}


NOT_IN_VIEW = [
    ("abdomen", "F", ErrorKind.COLON_IN_HEAD, "brain"),
    ("thorax", "F", ErrorKind.PROSTATE_IN_WOMAN, "bladder"),
    ("full", "M", ErrorKind.PROSTATE_IN_WOMAN, "without a prostate"),
    ("full", "F", ErrorKind.UTERUS_IN_MAN, "without a uterus"),
    ("pelvis", "M", ErrorKind.RIBS_MISCOUNTED, "ribs"),
    ("head_neck", "M", ErrorKind.VERTEBRA_FRAGMENT, "vertebra"),
    ("head_neck", "M", ErrorKind.STRAY_ISLANDS, "liver"),
]


@pytest.mark.parametrize(("field_of_view", "sex", "kind", "reason"), NOT_IN_VIEW)
def test_what_is_not_in_view_cannot_be_planted_and_says_why(
    field_of_view: str, sex: str, kind: ErrorKind, reason: str
) -> None:
    phantom: Phantom = coarse(sex, "LPS", field_of_view)
    with pytest.raises(DapatlasError, match=reason):
        plant(phantom.label_map, phantom.grid, [kind])
    assert reason in str(not_plantable(phantom.label_map, phantom.grid, kind))
    planted, errors = plant(phantom.label_map, phantom.grid, [kind], skip_impossible=True)
    assert errors == []
    assert np.array_equal(planted, phantom.label_map)


def test_what_can_be_planted_has_no_objection() -> None:
    phantom = coarse("F")
    assert not_plantable(phantom.label_map, phantom.grid, "colon_in_head") is None


def test_an_unknown_kind_names_the_known_ones() -> None:
    phantom = coarse("F")
    with pytest.raises(DapatlasError, match="stray_islands"):
        plant(phantom.label_map, phantom.grid, ["hiccups"])


def test_a_record_goes_into_json() -> None:
    phantom = coarse("F")
    _, (error,) = plant(phantom.label_map, phantom.grid, ["colon_in_head"], 0)
    record = json.loads(json.dumps(error.as_dict()))
    assert record["voxels"] == error.voxels
    assert record["kind"] == "colon_in_head"
