"""`dapatlas labels` as a user or a script calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dapatlas.cli.labels import app
from dapatlas.errors import BadLabelsError
from dapatlas.labels import dap


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_map_json_is_source_name_to_target_names():
    names = json.loads(run("map", "--from", "totalsegmentator", "--to", "dap", "--json"))
    assert names["rib_left_12"] == ["costa_1_left"]
    assert names["thyroid_gland"] == ["thyroid_left", "thyroid_right"]
    assert names["superior_vena_cava"] == []


def test_map_for_people_marks_what_is_no_mere_renaming():
    lines = run("map").splitlines()
    assert any("thyroid_gland" in line and "one-to-many" in line for line in lines)
    assert any("vertebrae_S1" in line and "many-to-one" in line for line in lines)
    assert any("superior_vena_cava" in line and "no counterpart" in line for line in lines)


def test_list_filters():
    assert len(json.loads(run("list", "--json"))) == 144
    ribs = json.loads(run("list", "--search", "rib_left", "--json"))
    assert [rib["name"] for rib in ribs] == [f"costa_{n}_left" for n in range(1, 13)]
    bones = json.loads(run("list", "--region", "limbs", "--tissue", "bone", "--side", "left", "--json"))
    assert [bone["name"] for bone in bones] == ["humerus_left", "femur_left"]


@pytest.mark.parametrize("key", ["liver", "13", "Liver"])
def test_show_takes_names_and_ids(key: str):
    assert json.loads(run("show", key, "--json"))["name"] == "liver"
    assert "10200004" in run("show", key)


def test_show_of_nothing_is_our_own_error():
    with pytest.raises(BadLabelsError, match="did you mean liver"):
        run("show", "livr")


def test_a_wrong_filter_lists_the_right_ones():
    result = CliRunner().invoke(app, ["list", "--region", "toe"])
    assert result.exit_code == 2
    assert "thorax" in result.stderr


@pytest.mark.parametrize("form", ["json", "slicer", "itksnap", "nnunet"])
def test_export_writes_the_same_to_a_file_as_to_the_terminal(form: str, tmp_path: Path):
    run("export", "--format", form, "--out", str(tmp_path / "x"))
    assert (tmp_path / "x").read_text().rstrip("\n") == run("export", "--format", form).rstrip("\n")


def test_exported_labels_json_is_the_schemes(tmp_path: Path):
    run("export", "--out", str(tmp_path / "labels.json"))
    assert (tmp_path / "labels.json").read_text() == dap().labels_json()


def test_schemes_are_listed():
    assert {scheme["name"] for scheme in json.loads(run("schemes", "--json"))} >= {"dap", "totalsegmentator"}
    assert "TotalSegmentator v2" in run("schemes")


def test_one_scheme_says_where_it_comes_from():
    header = json.loads(run("schemes", "amos22", "--json"))
    assert (header["name"], header["ids"], header["absent"]) == ("amos", 16, "truly_absent")
    assert header["layout"]["kind"] == "label-maps"
    assert len(header["sources"]) >= 2
    page = run("schemes", "amos")
    assert "truly_absent: means it is not there" in page
    assert header["sources"][0] in page
