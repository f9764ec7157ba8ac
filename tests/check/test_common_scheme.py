"""Two schemes brought to one: equal, merged, left out."""

from __future__ import annotations

import numpy as np
import pytest

from dapatlas.check.common_scheme import common_scheme
from dapatlas.errors import BadLabelsError
from dapatlas.labels import LabelScheme, dap, load_scheme, scheme_names


def common_id(common, scheme: LabelScheme, name: str, side: str) -> int:
    return int(getattr(common, side)[scheme[name].id])


def test_one_scheme_is_its_own_common_scheme():
    common = common_scheme(dap(), dap())
    assert common.same
    assert common.scheme == dap()
    assert (common.prediction[dap().ids] == dap().ids).all()


def test_the_atlas_against_btcv_has_all_13_organs_by_hand():
    ours, theirs = dap(), load_scheme("btcv")
    common = common_scheme(ours, theirs)
    by_hand = {  # DAP's name: BTCV's id, as the challenge numbers its organs
        "spleen": 1, "kidney_right": 2, "kidney_left": 3, "gallbladder": 4, "esophagus": 5, "liver": 6, "stomach": 7,
        "aorta": 8, "inferior_vena_cava": 9, "portal_vein_and_splenic_vein": 10, "pancreas": 11,
        "adrenal_gland_right": 12, "adrenal_gland_left": 13,
    }  # fmt: skip
    table = np.zeros(256, np.uint8)
    for name, id_ in by_hand.items():
        table[ours[name].id] = id_
    np.testing.assert_array_equal(common.prediction, table)
    np.testing.assert_array_equal(common.reference[:14], np.arange(14))
    assert common.scheme.names == theirs.names
    assert not common.merged


def test_parts_are_merged_to_the_whole_whichever_side_has_them():
    atlas, other = dap(), load_scheme("totalsegmentator")
    for one, two, parts, whole in (
        (atlas, other, "prediction", "reference"),
        (other, atlas, "reference", "prediction"),
    ):
        common = common_scheme(one, two)
        thyroid = common_id(common, other, "thyroid_gland", whole)
        assert thyroid
        assert {common_id(common, atlas, name, parts) for name in ("thyroid_left", "thyroid_right")} == {
            thyroid
        }
        assert common.scheme[thyroid].name == "thyroid_gland"
        merged = {found.structure: found for found in common.merged}
        assert merged["thyroid_gland"].parts == ("thyroid_left", "thyroid_right")
        assert merged["thyroid_gland"].scheme == "dap"


def test_a_cyst_counts_to_its_kidney_where_the_other_labels_kidneys_whole():
    other = load_scheme("totalsegmentator")
    common = common_scheme(dap(), other)
    assert common_id(common, other, "kidney_cyst_left", "reference") == common_id(
        common, dap(), "kidney_left", "prediction"
    )


@pytest.mark.parametrize("name", ["segthor", "totalsegmentator"])
def test_a_whole_heart_is_compared_with_the_heart_and_all_that_lies_on_top_of_it(name):
    other = load_scheme(name)
    common = common_scheme(dap(), other)
    heart = common_id(common, other, "heart", "reference")
    names = [s.name for s in dap() if s.name.startswith("heart")]
    assert len(names) == 7
    assert {common_id(common, dap(), part, "prediction") for part in names} == {heart}
    if name == "totalsegmentator":  # the appendage is a pouch of the atrium, which is in our whole heart
        assert common_id(common, other, "atrial_appendage_left", "reference") == heart


def test_chambers_stay_apart_where_both_have_them():
    common = common_scheme(dap(), load_scheme("totalsegmentator_v1"))
    ids = [
        common_id(common, dap(), f"heart_{part}", "prediction")
        for part in ("atrium_left", "ventricle_right", "myocardium")
    ]
    assert all(ids)
    assert len(set(ids)) == 3


def test_a_part_without_the_rest_is_left_out_and_said():
    common = common_scheme(dap(), load_scheme("totalsegmentator"))
    left = {found.structure: found.reason for found in common.left_out}
    assert "lies within the other" in left["spinal_canal"]
    assert "lies within the other" in left["spinal_cord"]
    assert "no such structure" in left["superior_vena_cava"]
    assert common_id(common, dap(), "spinal_canal", "prediction") == 0


@pytest.mark.parametrize("name", scheme_names())
def test_every_structure_is_compared_or_left_out_never_both(name):
    other = load_scheme(name)
    if name == "dap":
        return
    try:
        common = common_scheme(other, dap())
    except BadLabelsError as error:
        assert "no structure in common" in str(error)  # noqa: PT017
        return
    for side, scheme in (("prediction", other), ("reference", dap())):
        left = {found.structure for found in common.left_out if found.scheme == scheme.name}
        for structure in scheme:
            if structure.id and not structure.ignored:
                compared = bool(common_id(common, scheme, structure.name, side))
                assert compared != (structure.name in left), structure.name
    used = set(common.prediction.tolist()) - {0}
    assert used == set(common.reference.tolist()) - {0} == set(common.scheme.ids.tolist()) - {0}


def test_schemes_without_anything_in_common_are_an_error():
    brain, spine = load_scheme("msd_lung"), load_scheme("verse")
    with pytest.raises(BadLabelsError, match="no structure in common"):
        common_scheme(brain, spine)
