"""The DAP scheme and the schemes of others, against published tables."""

from __future__ import annotations

import csv
import json
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dapatlas.errors import BadLabelsError
from dapatlas.labels import (
    Region,
    Sex,
    Side,
    TissueClass,
    crosswalk,
    dap,
    load_scheme,
    scheme_from_labels_json,
    scheme_names,
)

LEFT, RIGHT = ("7771000", "Left"), ("24028007", "Right")


def test_dap_has_144_ids_without_11():
    assert dap().ids.tolist() == [*range(11), *range(12, 145)]
    assert len(dap()) == 144
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


def test_colours_are_unique_and_background_is_black():
    colours = [structure.colour for structure in dap()]
    assert len(set(colours)) == len(colours)
    assert dap().palette()[0].tolist() == [0, 0, 0]
    assert dap().palette()[13].tolist() == list(dap()["liver"].colour)


def test_snomed_codes_are_those_that_totalsegmentator_publishes(reference: Path):
    key = "SegmentedPropertyType"
    with (reference / "totalsegmentator_snomed_mapping.csv").open() as file:
        rows = {row["Structure"]: row for row in csv.DictReader(file)}
    compared = 0
    for link in crosswalk("dap", "totalsegmentator"):
        if link.source.id and link.relation == "equal":
            row = rows[link.targets[0].name]
            assert link.source.snomed is not None, link.source.name
            assert link.source.snomed.value == row[f"{key}CodeSequence.CodeValue"], link.source.name
            modifier = row[f"{key}ModifierCodeSequence.CodeValue"]
            assert (link.source.snomed_modifier or ("", ""))[0] == modifier or "heart" in link.source.name
            compared += 1
    assert compared > 90


def test_sided_structures_carry_their_side_once():
    assert dap()["kidney_left"].snomed_modifier == LEFT
    assert dap()["kidney_right"].snomed_modifier == RIGHT
    assert dap()["heart_atrium_left"].snomed_modifier is None  # "Left atrium" says it already
    assert dap()["lung_middle_lobe_right"].snomed_modifier is None  # "Middle lobe of right lung"
    assert dap()["liver"].snomed_modifier is None


def test_structures_without_a_code_are_the_known_ones():
    assert [s.name for s in dap() if s.snomed is None] == [
        "background",
        "gonads",
        "uterocervix",
        "heart_tissue",
    ]


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


def test_an_unknown_scheme_is_an_error_that_lists_the_known():
    with pytest.raises(BadLabelsError, match="did you mean 'totalsegmentator'.*known are dap, "):
        load_scheme("totalsegmenter")


def test_schemes_are_loaded_once_and_survive_pickling():
    assert load_scheme("dap") is dap()
    assert load_scheme("totalsegmentator_v2") is load_scheme("totalsegmentator")
    assert pickle.loads(pickle.dumps(dap())) == dap()


@pytest.mark.parametrize("name", scheme_names())
def test_every_data_file_refers_to_structures_that_exist_on_the_same_side(name: str):
    for structure in load_scheme(name):
        targets = [dap()[target] for target in structure.dap]
        assert tuple(target.name for target in targets) == structure.dap, "canonical names only"
        if structure.relation in ("equal", "part_of"):
            assert [target.side for target in targets] == [structure.side], structure.name
        if structure.relation == "contains":
            assert len(targets) > 1


def test_any_labels_json_makes_a_scheme(tmp_path: Path):
    path = tmp_path / "labels.json"
    path.write_text('{"0": "background", "3": "arm_left", "7": "arm_right", "9": "liver"}')
    scheme = scheme_from_labels_json(path, "mine")
    assert scheme.ids.tolist() == [0, 3, 7, 9]
    assert scheme["arm_left"].opposite == "arm_right"
    assert json.loads(scheme.labels_json()) == json.loads(path.read_text())
    assert crosswalk(scheme, "dap")["liver"].targets == (dap()["liver"],)


@pytest.mark.parametrize("text", ["[]", "{", '{"x": "liver"}', '{"300": "liver"}'])
def test_a_labels_json_that_is_none_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "labels.json"
    path.write_text(text)
    with pytest.raises(BadLabelsError, match="labels.json: expected"):
        scheme_from_labels_json(path)
