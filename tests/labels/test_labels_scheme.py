"""The DAP scheme and the schemes of others, against published tables."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapatlas.errors import BadLabelsError
from dapatlas.labels import LabelScheme, Region, Sex, Side, TissueClass, dap, load_scheme


def test_dap_has_144_ids_without_11():
    assert dap().ids.tolist() == [*range(11), *range(12, 145)]
    assert len(dap()) == 144
    assert repr(dap()) == "LabelScheme('dap': 144 ids in 0…144)"
    assert dap().names[:2] == ("background", "unknown_tissue")


def test_labels_json_is_the_published_one_to_the_byte(reference: Path):
    assert dap().labels_json().encode() == (reference / "labels.json").read_bytes()


@pytest.mark.parametrize(
    ("task", "scheme"),
    [
        ("total_v1", "totalsegmentator_v1"),
        ("total", "totalsegmentator"),
        ("tissue_types", "totalsegmentator_tissue_types"),
        ("tissue_4_types", "totalsegmentator_tissue_4_types"),
    ],
)
def test_totalsegmentator_ids_are_the_published_ones(reference: Path, task: str, scheme: str):
    published = json.loads((reference / "totalsegmentator_labels.json").read_text())[task]
    assert {str(s.id): s.name for s in load_scheme(scheme) if s.id} == published


def test_sides_follow_names_and_opposites_are_mutual():
    for structure in dap():
        side = next(
            (side for side in (Side.LEFT, Side.RIGHT) if structure.name.endswith(f"_{side}")), Side.NONE
        )
        assert structure.side is side
        if structure.opposite is not None:
            assert dap()[structure.opposite].opposite == structure.name
            assert {structure.side, dap()[structure.opposite].side} == {Side.LEFT, Side.RIGHT}
    # the right lung alone has a middle lobe
    assert [s.name for s in dap() if s.side is not Side.NONE and not s.paired] == ["lung_middle_lobe_right"]


def test_only_prostate_and_uterus_depend_on_sex():
    sexes = {s.name: s.sex for s in dap() if s.sex}
    assert sexes == {"prostate": Sex.MALE, "uterus": Sex.FEMALE, "uterocervix": Sex.FEMALE}


def test_the_skeleton_is_counted_right():
    bones = Counter(s.name.split("_")[0] for s in dap() if s.tissue is TissueClass.BONE)
    assert bones["vertebrae"] == 24
    assert bones["costa"] == 24
    single = {"sacrum": 1, "skull": 1, "sternum": 2}
    pairs = dict.fromkeys(("clavicula", "scapula", "humerus", "hip", "femur"), 2)
    assert dict(bones) == {"vertebrae": 24, "costa": 24, **single, **pairs}


def test_every_region_and_tissue_class_is_used():
    assert {s.region for s in dap()} == set(Region)
    assert {s.tissue for s in dap()} == set(TissueClass)


@pytest.mark.parametrize(
    "key", [13, np.uint8(13), "liver", "Liver", " LIVER "], ids=["int", "numpy", "name", "display", "case"]
)
def test_a_structure_is_found_by_id_and_by_any_of_its_names(key: int | str):
    assert dap()[key].name == "liver"
    assert key in dap()


def test_aliases_lead_to_structures_and_hide_none():
    assert dap()["rib_left_12"].name == "costa_1_left"
    assert dap()["urinary bladder"].name == "bladder"
    assert dap()["Kidney, left"].name == "kidney_left"
    for name in dap().names:
        assert dap()[name].name == name


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("livr", "has no structure 'livr'; did you mean liver"),
        (11, "has no id 11; its ids are 0…144 without 11"),
        (145, "has no id 145"),
        (-1, "has no id -1"),
    ],
)
def test_what_is_not_there_is_an_error_that_helps(key: int | str, says: str):
    assert key not in dap()
    with pytest.raises(BadLabelsError, match=says):
        dap()[key]


def test_an_unknown_scheme_is_an_error_that_lists_the_known_unless_one_is_spelt_alike():
    with pytest.raises(BadLabelsError, match=r"'totalsegmenter'; did you mean totalsegmentator\?$"):
        load_scheme("totalsegmenter")
    with pytest.raises(BadLabelsError, match="'mine', known are dap, .*word"):
        load_scheme("mine")


def test_schemes_are_loaded_once_and_survive_pickling():
    assert load_scheme("dap") is dap()
    assert load_scheme("totalsegmentator_v2") is load_scheme("totalsegmentator")
    assert pickle.loads(pickle.dumps(dap())) == dap()
    assert not pickle.loads(pickle.dumps(dap())).ids.flags.writeable


def test_nothing_of_a_scheme_can_be_changed():
    with pytest.raises(FrozenInstanceError):
        dap().name = "mine"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        dap()["liver"].id = 14  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        dap().ids[0] = 1
    dap().palette()[:] = 0  # a palette is the caller's own
    assert dap().palette()[13].any()


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ((0, 2, 1), "rise from 0"),
        ((1, 2), "rise from 0"),
        ((0, 256), "at most 255"),
        ((0, 3, 3), "rise from 0"),
        ((), "rise from 0"),
    ],
)
def test_a_scheme_with_wrong_ids_is_refused(ids: tuple[int, ...], says: str):
    liver = dap()["liver"]
    with pytest.raises(BadLabelsError, match=says):
        LabelScheme("mine", tuple(replace(liver, id=id_, name=f"liver {n}") for n, id_ in enumerate(ids)))


def test_a_scheme_in_which_a_name_means_two_things_is_refused():
    twins = tuple(replace(dap()["liver"], id=id_) for id_ in (0, 1))
    with pytest.raises(BadLabelsError, match="'mine': several ids share the name liver"):
        LabelScheme("mine", twins)


def test_find_without_conditions_gives_everything_in_order():
    assert dap().find() == tuple(dap())
    assert dap().find("  ") == tuple(dap())


@given(
    region=st.none() | st.sampled_from(Region),
    side=st.none() | st.sampled_from(Side),
    tissue=st.none() | st.sampled_from(TissueClass),
)
def test_find_gives_what_matches_every_condition(
    region: Region | None, side: Side | None, tissue: TissueClass | None
):
    conditions = {"region": region, "side": side, "tissue": tissue}
    expected = [
        structure
        for structure in dap()
        if all(value is None or getattr(structure, key) is value for key, value in conditions.items())
    ]
    assert list(dap().find(**conditions)) == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("left kidney", ["kidney_left"]),
        ("KIDNEY", ["kidney_left", "kidney_right"]),
        ("celiac artery", ["celiac_trunk"]),
        ("twelfth rib", ["costa_1_left", "costa_1_right"]),
        ("rib_left_12", ["costa_1_left"]),
        ("wing", []),
    ],
)
def test_find_takes_words_in_any_order_from_any_name(text: str, names: list[str]):
    assert [structure.name for structure in dap().find(text)] == names


@pytest.mark.parametrize("key", [1.5, None, b"liver", ("liver",)])
def test_what_is_neither_id_nor_name_is_not_in_a_scheme(key: object):
    assert key not in dap()


def test_what_may_lie_in_pieces_is_what_the_published_post_processing_leaves_alone():
    # `keep_fragment_labels` of post_process_volumes.py in the authors' repository, by id
    tissues, gut, others = {1, 2, 3, 4, 5, 42}, {8, 9, 10}, {18, 22, 23, 91, 105, 107, 125, 132}
    vessels = {*range(112, 120), 127, 133, 134, *range(136, 145)}
    mandible = {99}  # ours: a second bone of the skull
    assert {s.id for s in dap() if s.pieces} == tissues | gut | others | vessels | mandible
    assert {s.id for s in dap() if s.tissue is TissueClass.VESSEL} == vessels
    assert {s.id for s in dap() if s.tubular} == vessels | gut | {6, 24, 125, 126}
