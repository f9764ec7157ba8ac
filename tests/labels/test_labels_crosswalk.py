"""Crosswalks, both ways."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from dapatlas.labels import Relation, crosswalk, dap, load_scheme, scheme_names

FORTH, BACK = crosswalk("totalsegmentator", "dap"), crosswalk("dap", "totalsegmentator")


@pytest.mark.parametrize(("number", "side"), list(product(range(1, 13), ("left", "right"))))
def test_ribs_are_counted_from_the_other_end(number: int, side: str):
    rib, costa = f"rib_{side}_{number}", f"costa_{13 - number}_{side}"
    for scheme in ("totalsegmentator", "totalsegmentator_v1"):
        there, back = crosswalk(scheme, "dap")[rib], crosswalk("dap", scheme)[costa]
        assert ([t.name for t in there.targets], there.relation) == ([costa], Relation.EQUAL)
        assert ([t.name for t in back.targets], back.relation) == ([rib], Relation.EQUAL)


@pytest.mark.parametrize(
    ("source", "targets", "relation"),
    [
        ("urinary_bladder", ["bladder"], "equal"),
        ("spinal_cord", ["spinal_canal"], "part_of"),
        ("thyroid_gland", ["thyroid_left", "thyroid_right"], "contains"),
        ("sternum", ["sternum_manubrium", "sternum_corpus"], "contains"),
        ("superior_vena_cava", [], "none"),
        ("liver", ["liver"], "equal"),
        ("common_carotid_artery_left", ["artery_common_carotid_left"], "equal"),
    ],
)
def test_what_totalsegmentators_structures_are_in_dap(source: str, targets: list[str], relation: str):
    link = FORTH[source]
    assert ([t.name for t in link.targets], link.relation) == (targets, relation)


def test_the_way_back_turns_part_and_whole_round():
    assert BACK["thyroid_left"].relation is Relation.PART_OF
    assert [t.name for t in BACK["thyroid_left"].targets] == ["thyroid_gland"]
    assert BACK["spinal_canal"].relation is Relation.CONTAINS
    assert [t.name for t in BACK["sacrum"].targets] == ["sacrum"]  # not its first segment


def test_many_to_one_is_marked():
    assert FORTH["sacrum"].many_to_one
    assert FORTH["vertebrae_S1"].many_to_one
    assert not FORTH["liver"].many_to_one


def test_the_lookup_renames_what_is_certain_and_leaves_the_rest():
    lookup, source = FORTH.lookup(), load_scheme("totalsegmentator")
    assert lookup[source["spleen"].id] == dap()["spleen"].id
    assert lookup[source["vertebrae_S1"].id] == dap()["sacrum"].id
    assert lookup[source["thyroid_gland"].id] == 0
    assert lookup[source["superior_vena_cava"].id] == 0
    assert lookup[0] == 0


@pytest.mark.parametrize(("one", "other"), list(product(scheme_names(), repeat=2)))
def test_between_any_two_schemes_equals_are_mutual_and_ids_exist(one: str, other: str):
    there, back = crosswalk(one, other), crosswalk(other, one)
    assert len(there) == len(load_scheme(one))
    assert set(np.unique(there.lookup()).tolist()) <= set(load_scheme(other).ids.tolist())
    for link in there:
        assert (link.relation is Relation.NONE) == (not link.targets)
        if link.relation is Relation.EQUAL:
            assert back[link.targets[0].name].targets == (link.source,)
    if one == other:
        assert all(link.targets == (link.source,) for link in there)


def test_two_parts_of_one_structure_are_not_taken_for_each_other():
    depots = crosswalk("totalsegmentator_tissue_types", "totalsegmentator_tissue_4_types").as_dict()
    assert depots["torso_fat"] == ["torso_fat"]
    back = crosswalk("totalsegmentator_tissue_4_types", "totalsegmentator_tissue_types").as_dict()
    assert back["intermuscular_fat"] == []


def test_v1_and_v2_meet_by_name():
    names = crosswalk("totalsegmentator_v1", "totalsegmentator").as_dict()
    assert names["rib_left_3"] == ["rib_left_3"]
    assert names["face"] == []


def test_as_dict_leaves_out_background():
    names = FORTH.as_dict()
    assert "background" not in names
    assert len(names) == 117
    assert names["rib_left_12"] == ["costa_1_left"]
