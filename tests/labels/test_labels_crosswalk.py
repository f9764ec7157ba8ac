"""Crosswalks, both ways."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapatlas.errors import BadLabelsError
from dapatlas.labels import LabelScheme, Relation, crosswalk, dap, load_scheme, scheme_names
from dapatlas.labels.crosswalk import COMPOSED, INVERSE

FORTH, BACK = crosswalk("totalsegmentator", "dap"), crosswalk("dap", "totalsegmentator")


@pytest.mark.parametrize(("number", "side"), list(product(range(1, 13), ("left", "right"))))
def test_ribs_are_counted_from_the_other_end(number: int, side: str):
    rib, costa = f"rib_{side}_{number}", f"costa_{13 - number}_{side}"
    for scheme in ("totalsegmentator", "totalsegmentator_v1"):
        there, back = crosswalk(scheme, "dap")[rib], crosswalk("dap", scheme)[costa]
        assert ([t.name for t in there.targets], there.relation) == ([costa], Relation.EQUAL)
        assert ([t.name for t in back.targets], back.relation) == ([rib], Relation.EQUAL)


# What is neither a rib nor of the same name in both.
OTHER_NAMES = {
    "urinary_bladder": "bladder",
    "costal_cartilages": "rib_cartilage",
    "brachiocephalic_trunk": "artery_brachiocephalic",
    **{
        f"{vessel}_{part}_{side}": f"{part}_{vessel}_{side}"
        for vessel, part in (
            ("common_carotid", "artery"),
            ("subclavian", "artery"),
            ("brachiocephalic", "vein"),
        )
        for side in ("left", "right")
    },
}
PARTS = {
    "kidney_cyst_left": "kidney_left",
    "kidney_cyst_right": "kidney_right",
    "vertebrae_S1": "sacrum",
    "atrial_appendage_left": "heart_atrium_left",
    "spinal_cord": "spinal_canal",
}
WHOLES = {
    "thyroid_gland": ["thyroid_left", "thyroid_right"],
    "sternum": ["sternum_manubrium", "sternum_corpus"],
}
NEITHER = ["pulmonary_vein", "superior_vena_cava"]


def test_what_every_structure_of_totalsegmentator_is_in_dap():
    for link in FORTH:
        name, targets = link.source.name, [target.name for target in link.targets]
        if name in PARTS:
            assert (targets, link.relation) == ([PARTS[name]], Relation.PART_OF)
        elif name in WHOLES:
            assert (targets, link.relation) == (WHOLES[name], Relation.CONTAINS)
        elif name in NEITHER:
            assert (targets, link.relation) == ([], Relation.NONE)
        elif not name.startswith("rib_"):  # those have a test of their own
            assert (targets, link.relation) == ([OTHER_NAMES.get(name, name)], Relation.EQUAL)


def test_what_totalsegmentators_first_version_had_besides():
    links = crosswalk("totalsegmentator_v1", "dap")
    assert links["face"].relation is Relation.NONE
    chambers = [f"heart_{part}_{side}" for part in ("atrium", "ventricle") for side in ("left", "right")]
    for name in (*chambers, "heart_myocardium", "pulmonary_artery"):
        assert links[name].targets == (dap()[name],)
    assert {link.relation for link in links if link.source.name != "face"} == {Relation.EQUAL}


def test_what_the_tissue_tasks_are_in_dap():
    for task in ("tissue_types", "tissue_4_types"):
        for link in crosswalk(f"totalsegmentator_{task}", "dap"):
            fat = "fat" in link.source.name
            expected = ("fat", Relation.PART_OF) if fat else ("muscles", Relation.EQUAL)
            assert link.source.id == 0 or (link.targets[0].name, link.relation) == expected


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


@pytest.mark.parametrize("one", scheme_names())
def test_between_any_two_schemes_equals_are_mutual_and_ids_exist(one: str):
    for other in scheme_names():
        there, back = crosswalk(one, other), crosswalk(other, one)
        assert len(there) == len(load_scheme(one))
        assert set(np.unique(there.lookup()).tolist()) <= set(load_scheme(other).ids.tolist())
        for link in there:
            assert (link.relation is Relation.NONE) == (not link.targets), (other, link)
            if link.relation is Relation.EQUAL:
                assert back[link.targets[0].name].targets == (link.source,), (other, link)
    assert all(link.targets == (link.source,) for link in crosswalk(one, one))


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


@given(one=st.sampled_from(scheme_names()), other=st.sampled_from(scheme_names()), id_=st.integers(0, 255))
def test_a_map_renamed_there_and_back_holds_nothing_but_what_it_held(one: str, other: str, id_: int):
    there, back = crosswalk(one, other), crosswalk(other, one)
    renamed = int(there.lookup()[id_])
    assert renamed == 0 or renamed in load_scheme(other)
    if renamed and there[id_].relation is Relation.EQUAL:
        assert back.lookup()[renamed] == id_


@pytest.mark.parametrize("one", scheme_names())
def test_the_way_back_says_the_same_from_the_other_end(one: str):
    for other in scheme_names():
        there, back = crosswalk(one, other), crosswalk(other, one)
        for link, target in ((own, target) for own in there for target in own.targets):
            returned = back[target.id]
            # a stronger relation may stand in the way: kidney_left is kidney_left, not what contains its cyst; and a
            # femur that lies in "bones" is told so, not that it contains its head
            if returned.relation is INVERSE[link.relation]:
                # kidney and tumour of the kidney both mean either of two: the way back names the first
                same = there[returned.targets[0].id].targets == link.targets
                assert same or link.source in returned.targets, (other, link)
            else:
                assert returned.relation in (Relation.EQUAL, Relation.PART_OF), (other, link)


def relation_holds(relation: Relation, one: frozenset[int], other: frozenset[int]) -> bool:
    """What the relations mean, of structures as sets of voxels."""
    return {
        Relation.EQUAL: one == other,
        Relation.PART_OF: one <= other,
        Relation.CONTAINS: one >= other,
        Relation.NONE: True,
    }[relation]


VOXELS = st.frozensets(st.integers(0, 3), min_size=1)
LINKED = [Relation.EQUAL, Relation.PART_OF, Relation.CONTAINS]


@given(one=VOXELS, middle=VOXELS, other=VOXELS)
def test_composed_relations_hold_for_any_sets_of_voxels(
    one: frozenset[int], middle: frozenset[int], other: frozenset[int]
):
    for first, second in product(LINKED, repeat=2):
        if relation_holds(first, one, middle) and relation_holds(second, middle, other):
            assert relation_holds(COMPOSED.get((first, second), Relation.NONE), one, other)


@pytest.mark.parametrize(
    ("first", "second", "one", "middle", "other"),
    [
        (Relation.PART_OF, Relation.CONTAINS, {1}, {1, 2}, {2}),  # two parts that do not even meet
        (Relation.CONTAINS, Relation.PART_OF, {1, 2}, {1}, {1, 3}),  # two wholes that only overlap
    ],
)
def test_what_has_no_composition_leads_nowhere(
    first: Relation, second: Relation, one: set[int], middle: set[int], other: set[int]
):
    sets = [frozenset(voxels) for voxels in (one, middle, other)]
    assert relation_holds(first, sets[0], sets[1])
    assert relation_holds(second, sets[1], sets[2])
    assert not any(relation_holds(relation, sets[0], sets[2]) for relation in LINKED)
    assert (first, second) not in COMPOSED
    assert len(COMPOSED) == len(LINKED) ** 2 - 2


def scheme(name: str, *rows: tuple[str, Relation, tuple[str, ...]]) -> LabelScheme:
    """A scheme of a few structures with the relations to DAP that a test needs."""
    structures = [
        replace(dap()[0], id=id_, name=label, display_name=label, aliases=(), relation=relation, dap=targets)
        for id_, (label, relation, targets) in enumerate(rows, start=1)
    ]
    return LabelScheme(name, (dap()[0], *structures))


THYROID = ("thyroid_left", "thyroid_right")


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        # the same name, and nothing said against it
        (("gland", Relation.CONTAINS, THYROID), ("gland", Relation.CONTAINS, THYROID), Relation.EQUAL),
        (("tongue", Relation.NONE, ()), ("tongue", Relation.NONE, ()), Relation.EQUAL),
        (("cord", Relation.NONE, ()), ("cord", Relation.PART_OF, ("spinal_canal",)), Relation.EQUAL),
        # the same name for different things
        (
            ("kidney", Relation.EQUAL, ("kidney_left",)),
            ("kidney", Relation.EQUAL, ("kidney_right",)),
            Relation.NONE,
        ),
        (("heart", Relation.EQUAL, ("heart",)), ("heart", Relation.PART_OF, ("heart",)), Relation.CONTAINS),
        # different names, by way of DAP
        (("lien", Relation.EQUAL, ("spleen",)), ("milt", Relation.EQUAL, ("spleen",)), Relation.EQUAL),
        (
            ("lobe", Relation.EQUAL, ("thyroid_left",)),
            ("gland", Relation.CONTAINS, THYROID),
            Relation.PART_OF,
        ),
        (
            ("gland", Relation.CONTAINS, THYROID),
            ("lobe", Relation.EQUAL, ("thyroid_left",)),
            Relation.CONTAINS,
        ),
        (
            ("cord", Relation.PART_OF, ("spinal_canal",)),
            ("fluid", Relation.PART_OF, ("spinal_canal",)),
            Relation.NONE,
        ),
    ],
)
def test_two_schemes_meet_by_name_or_through_dap(
    here: tuple[str, Relation, tuple[str, ...]],
    there: tuple[str, Relation, tuple[str, ...]],
    expected: Relation,
):
    assert crosswalk(scheme("here", here), scheme("there", there))[1].relation is expected


def test_a_name_shared_with_dap_does_not_override_what_the_file_says():
    other = scheme(
        "other", ("heart", Relation.CONTAINS, ("heart", "heart_tissue")), ("liver", Relation.NONE, ())
    )
    assert crosswalk(other, "dap")["heart"].relation is Relation.CONTAINS
    assert crosswalk(other, "dap")["liver"].relation is Relation.NONE
    assert crosswalk("dap", other)["heart"].relation is Relation.PART_OF
    assert crosswalk("dap", other)["liver"].relation is Relation.NONE


def test_a_crosswalk_is_made_once_and_stays_as_it_is():
    assert crosswalk("totalsegmentator_v2", "dap") is FORTH
    with pytest.raises(FrozenInstanceError):
        FORTH.links = ()  # type: ignore[misc]
    FORTH.lookup()[:] = 0  # a table is the caller's own
    assert FORTH.lookup().any()


def test_what_is_not_in_the_source_scheme_has_no_link():
    with pytest.raises(BadLabelsError, match="totalsegmentator has no structure 'costa_1_left'"):
        FORTH["costa_1_left"]
