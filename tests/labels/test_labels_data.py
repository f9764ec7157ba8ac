"""Data files: those that come with the package, and any data set's labels.json."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from dapatlas.errors import BadLabelsError
from dapatlas.labels import (
    Region,
    Relation,
    Sex,
    Side,
    TissueClass,
    crosswalk,
    dap,
    load,
    load_scheme,
    scheme_from_labels_json,
    scheme_names,
)

KINDS = ("label-maps", "binary-masks", "one-hot", "slicer-segmentation", "dicom-seg", "rtstruct", "")


@pytest.mark.parametrize("name", scheme_names())
def test_every_scheme_says_where_it_comes_from(name: str):
    scheme = load_scheme(name)
    assert scheme.name == name
    assert all([scheme.title, scheme.version, scheme.licence, scheme.citation])
    assert scheme.home_page.startswith("https://")
    assert scheme[0].name == "background"
    if name != "dap":
        assert len(scheme.sources) >= 2, "ids are checked against a second source"
        assert all(source.startswith("https://") for source in scheme.sources)
        assert scheme.layout.kind in KINDS
        assert scheme.layout.kind or scheme.layout.note


@pytest.mark.parametrize("name", scheme_names())
def test_every_row_refers_to_structures_that_exist_on_the_same_side(name: str):
    for structure in load_scheme(name):
        targets = [dap()[target] for target in structure.dap]
        assert tuple(target.name for target in targets) == structure.dap, "canonical names only"
        sides = {target.side for target in targets}
        if structure.relation is Relation.EQUAL:
            assert sides == {structure.side}, structure.name
        if (
            structure.relation is Relation.PART_OF
        ):  # the left masseter lies in the muscles, which have no side
            assert sides <= {structure.side, Side.NONE}, structure.name
        if structure.relation is Relation.CONTAINS:
            assert len(set(targets)) > 1, structure.name
            assert structure.side is Side.NONE or sides == {structure.side}, structure.name


@pytest.mark.parametrize("name", scheme_names())
def test_no_two_rows_are_equal_to_one_dap_structure(name: str):
    equals = Counter(s.dap[0] for s in load_scheme(name) if s.relation is Relation.EQUAL)
    assert {name for name, count in equals.items() if count > 1} == set()


@pytest.mark.parametrize("name", scheme_names())
def test_opposites_are_mutual_in_every_scheme(name: str):
    scheme = load_scheme(name)
    for structure in scheme:
        if structure.opposite is not None:
            assert scheme[structure.opposite].opposite == structure.name
            assert {structure.side, scheme[structure.opposite].side} == {Side.LEFT, Side.RIGHT}
    lonely = {s.name for s in scheme if s.side is not Side.NONE and not s.paired}
    assert lonely <= {"lung_middle_lobe_right", "atrial_appendage_left"}


@pytest.mark.parametrize("name", [name for name in scheme_names() if name != "dap"])
def test_dap_knows_the_names_under_which_its_structures_go_elsewhere(name: str):
    for link in crosswalk(name, "dap"):
        if link.relation is Relation.EQUAL:
            assert dap()[link.source.name] == link.targets[0]
        elif link.source.name in dap():  # an alias is the same thing, never a part or a whole of it
            pytest.fail(f"{link.source.name} is {link.relation}, not equal")


def test_what_a_row_leaves_out_is_what_all_its_counterparts_agree_on():
    source = load_scheme("totalsegmentator")
    assert source["thyroid_gland"].region is Region.NECK
    assert source["spinal_cord"].tubular
    assert source["costal_cartilages"].tissue is TissueClass.CARTILAGE
    assert source["rib_left_12"].display_name == "Twelfth rib, left"
    assert source["superior_vena_cava"].tissue is TissueClass.VESSEL
    assert source["prostate"].sex is Sex.MALE
    assert source["kidney_cyst_left"].display_name == "Kidney cyst, left"


def test_labels_import_without_numpy_and_read_no_file():
    code = "import sys, dapatlas.labels as l; assert 'numpy' not in sys.modules; assert l.load.load_scheme.cache_info().currsize == 0"
    subprocess.run([sys.executable, "-c", code], check=True)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_any_labels_json_makes_a_scheme(tmp_path: Path):
    path = write(
        tmp_path / "labels.json", '{"0": "background", "3": "arm_left", "7": "arm_right", "9": "liver"}'
    )
    scheme = scheme_from_labels_json(path, "mine")
    assert scheme.ids.tolist() == [0, 3, 7, 9]
    assert scheme["arm_left"].opposite == "arm_right"
    assert scheme["arm_left"].side is Side.LEFT
    assert json.loads(scheme.labels_json()) == json.loads(path.read_text())
    assert crosswalk(scheme, "dap")["liver"].targets == (dap()["liver"],)
    assert crosswalk(scheme, "dap")["arm_left"].relation is Relation.NONE


def test_a_labels_json_may_leave_out_background_and_order(tmp_path: Path):
    scheme = scheme_from_labels_json(write(tmp_path / "labels.json", '{"10": "colon", "2": "Left Kidney"}'))
    assert [(s.id, s.name) for s in scheme] == [(0, "background"), (2, "Left Kidney"), (10, "colon")]
    assert scheme.name == tmp_path.name
    assert scheme["left kidney"].side is Side.LEFT


def test_a_labels_json_may_use_names_from_elsewhere(tmp_path: Path):
    path = write(tmp_path / "labels.json", '{"1": "rib_left_12", "2": "Oesophagus", "3": "subcutaneous_fat"}')
    assert crosswalk(scheme_from_labels_json(path), "dap").as_dict() == {
        "rib_left_12": ["costa_1_left"],
        "Oesophagus": ["esophagus"],
        "subcutaneous_fat": [],
    }


def test_the_atlas_own_labels_json_is_the_atlas_scheme(tmp_path: Path):
    path = write(tmp_path / "labels.json", dap().labels_json())
    scheme = scheme_from_labels_json(path, "dap")
    assert scheme.labels_json() == dap().labels_json()
    assert all(link.targets == (dap()[link.source.id],) for link in crosswalk(scheme, "dap"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "expected an object"),
        ("{", "expected an object"),
        ('{"x": "liver"}', "expected an object"),
        ('{"1.5": "liver"}', "expected an object"),
        ('{"300": "liver"}', "at most 255"),
        ('{"-1": "liver"}', "rise from 0"),
        ('{"1": "liver", "01": "spleen"}', "each id once"),
        ('{"1": ["liver"]}', "a name for each"),
        ('{"1": " "}', "a name for each"),
        ('{"1": "liver", "2": "liver"}', "several ids share the name liver"),
    ],
)
def test_a_labels_json_that_is_none_is_refused_by_name(tmp_path: Path, text: str, says: str):
    path = write(tmp_path / "labels.json", text)
    with pytest.raises(BadLabelsError, match=f"labels.json: .*{says}"):
        scheme_from_labels_json(path)


def test_a_labels_json_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(BadLabelsError, match="labels.json: .*No such file"):
        scheme_from_labels_json(tmp_path / "labels.json")


@pytest.mark.parametrize("relation", ["equal", "part_of"])
def test_a_data_file_cannot_make_one_structure_equal_to_or_part_of_two(relation: str):
    row = {"id": 0, "name": "thyroid", "dap": ["thyroid_left", "thyroid_right"], "relation": relation}
    with pytest.raises(
        BadLabelsError, match=f"'mine': thyroid is {relation} of 2 DAP structures, expected one"
    ):
        load._parse({"name": "mine", "structures": [row]})
