"""One pair, against loops over labels."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from score_cases import SHAPE, SPACING, random_map, volume

from dapatlas.check.common_scheme import common_scheme
from dapatlas.check.evaluate import RULE, EvaluatedCase, EvaluationSettings, evaluate_pair
from dapatlas.errors import BadLabelsError, GridMismatchError
from dapatlas.labels import dap, load_scheme

LIVER, SPLEEN, AORTA = dap()["liver"].id, dap()["spleen"].id, dap()["aorta"].id


def evaluated(prediction, reference, schemes=None, **settings) -> EvaluatedCase:
    schemes = schemes or (dap(), dap())
    wanted = EvaluationSettings(**({"surface": False} | settings))
    return evaluate_pair("c1", prediction, reference, schemes, common_scheme(*schemes), wanted)


def test_overlap_equals_a_loop_over_labels():
    ids = [LIVER, SPLEEN, AORTA]
    ours, theirs = random_map(1, ids), random_map(2, ids)
    found = evaluated(volume(ours), volume(theirs))
    assert [one.id for one in found.scores] == sorted(ids)
    for one in found.scores:
        p, r = ours == one.id, theirs == one.id
        both = (p & r).sum()
        assert one.dice == pytest.approx(2 * both / (p.sum() + r.sum()), abs=1e-15)
        assert one.iou == pytest.approx(both / (p | r).sum(), abs=1e-15)
        assert one.sensitivity == pytest.approx(both / r.sum(), abs=1e-15)
        assert one.precision == pytest.approx(both / p.sum(), abs=1e-15)
        assert one.volume_difference_ml == pytest.approx(
            (int(p.sum()) - int(r.sum())) * math.prod(SPACING) / 1000
        )


def test_two_schemes_are_compared_in_the_references_names():
    btcv = load_scheme("btcv")
    theirs = random_map(3, list(range(1, 14)))
    ours = np.zeros_like(theirs)
    for structure in btcv:
        if structure.id:
            ours[theirs == structure.id] = dap()[structure.dap[0]].id
    ours[:2] = dap()["brain"].id  # BTCV has none: no mistake of ours, but what lay there is missed
    found = evaluated(volume(ours), volume(theirs), (dap(), btcv))
    assert {one.structure for one in found.scores} == set(btcv.names) - {"background"}
    missed = np.count_nonzero(theirs[:2] == 6) / np.count_nonzero(theirs == 6)
    assert found["liver"].sensitivity == pytest.approx(1 - missed)
    assert found["liver"].precision == 1
    assert found["right_kidney"].id == 2


def test_merged_parts_are_scored_as_one():
    ts = load_scheme("totalsegmentator")
    theirs, ours = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    theirs[2:6, 2:8, 2:6] = ts["thyroid_gland"].id
    ours[2:4, 2:8, 2:6], ours[4:6, 2:8, 2:6] = dap()["thyroid_left"].id, dap()["thyroid_right"].id
    found = evaluated(volume(ours), volume(theirs), (dap(), ts), surface=True)
    assert [one.structure for one in found.scores] == ["thyroid_gland"]
    assert found["thyroid_gland"].dice == 1
    assert found["thyroid_gland"].surface.hd95_mm == 0


def test_the_rule_for_absent_structures():
    ours, theirs = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    ours[1:3, 1:3, 1:3], theirs[5:8, 5:8, 5:8] = LIVER, SPLEEN
    found = evaluated(volume(ours), volume(theirs))
    assert {one.structure: one.dice for one in found.scores} == {"liver": 0.0, "spleen": 0.0}
    assert found.invented == ("liver",)
    within = evaluated(volume(ours), volume(theirs), only_in_reference=True)
    assert [one.structure for one in within.scores] == ["spleen"]
    assert within.invented == ("liver",)
    assert "0" in RULE


def test_voxels_that_nobody_annotated_do_not_count():
    with_ignored = next(
        (
            s
            for name in ("kits23", "cads_558", "saros_body_regions", "saros_body_parts")
            for s in [load_scheme(name)]
            if any(x.ignored for x in s)
        ),
        None,
    )
    if with_ignored is None:
        pytest.skip("no scheme has a label for what was not annotated")
    unknown = next(s.id for s in with_ignored if s.ignored)
    known = next(
        s
        for s in with_ignored
        if s.id and not s.ignored and s.id in common_scheme(with_ignored, with_ignored).scheme
    )
    theirs = np.full(SHAPE, known.id, np.uint8)
    theirs[6:] = unknown
    ours = np.full(SHAPE, known.id, np.uint8)
    found = evaluated(volume(ours), volume(theirs), (with_ignored, with_ignored))
    assert found[known.name].dice == 1
    assert found[known.name].predicted_voxels == np.count_nonzero(theirs == known.id)


def test_another_grid_is_an_error_unless_resampling_is_asked_for():
    array = random_map(4, [LIVER, SPLEEN])
    flipped = volume(array[::-1], "LAS")
    there = flipped.grid.affine.copy()
    there[0, 3] = (SHAPE[0] - 1) * SPACING[0]  # the same places, listed from the other end
    flipped = type(flipped)(flipped.array, type(flipped.grid)(SHAPE, there), flipped.header)
    with pytest.raises(GridMismatchError, match=r"c1: .*different grids.*--resample"):
        evaluated(flipped, volume(array))
    found = evaluated(flipped, volume(array), resample=True)
    assert found.resampled
    assert all(one.dice == 1 for one in found.scores)


@pytest.mark.parametrize("schemes", [(dap(), dap()), (dap(), load_scheme("btcv"))])
def test_ids_outside_the_scheme_are_an_error_that_says_whose(schemes):
    ours = np.zeros(SHAPE, np.uint8)
    ours[0, 0, 0] = 200
    with pytest.raises(BadLabelsError, match="c1: prediction: found ids outside the scheme 'dap': 200"):
        evaluated(volume(ours), volume(np.zeros(SHAPE, np.uint8)), schemes)


def test_only_the_structures_asked_for_by_any_of_their_names():
    ours = random_map(5, [LIVER, SPLEEN, dap()["kidney_left"].id])
    theirs = np.where(ours == LIVER, 6, 0).astype(np.uint8)
    found = evaluated(
        volume(ours), volume(theirs), (dap(), load_scheme("btcv")), structures=("Liver", "kidney_left")
    )
    assert {one.structure for one in found.scores} == {"liver", "left_kidney"}


def test_scores_survive_json():
    ours, theirs = random_map(6, [LIVER, SPLEEN]), random_map(7, [LIVER])
    found = evaluated(volume(ours), volume(theirs), surface=True, tolerances_mm={"liver": 1.0})
    back = EvaluatedCase.from_dict(json.loads(json.dumps(found.as_dict(), allow_nan=False)))
    assert repr(back) == repr(found)  # NaN is not equal to itself, but it is written alike
    assert found["liver"].surface.tolerance_mm == 1.0
    assert found["spleen"].surface.tolerance_mm == 3.0
