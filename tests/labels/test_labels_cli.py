"""`dapatlas labels` in a terminal, in a pipe, and with a scheme of one's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dapatlas.cli.labels import app
from dapatlas.labels import dap

ESCAPE = "\x1b["


def run(*words: str, **environment: str) -> str:
    result = CliRunner().invoke(app, list(words), env=environment, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def own_scheme(tmp_path: Path) -> str:
    path = tmp_path / "labels.json"
    path.write_text('{"0": "background", "1": "rib_left_12", "2": "[red]wing[/]"}', encoding="utf-8")
    return str(path)


def test_colours_are_shown_unless_no_color_is_set():
    red, green, blue = dap()["liver"].colour
    terminal = {"FORCE_COLOR": "1", "COLORTERM": "truecolor", "TERM": "xterm-256color", "NO_COLOR": ""}
    coloured = run("list", "--search", "liver", **terminal)
    assert f"{ESCAPE}38;2;{red};{green};{blue}m██" in coloured
    assert "38;2" not in run("list", "--search", "liver", **terminal | {"NO_COLOR": "1"})
    assert ESCAPE not in run("list", "--search", "liver", NO_COLOR="1", FORCE_COLOR="", TERM="dumb")


def test_a_labels_json_is_a_scheme_too(own_scheme: str):
    assert json.loads(run("map", "--from", own_scheme, "--json")) == {
        "rib_left_12": ["costa_1_left"],
        "[red]wing[/]": [],
    }
    assert "[red]wing[/]" in run("list", "--scheme", own_scheme)  # a name is text, never mark-up
    assert "[red]wing[/]" in run("show", "2", "--scheme", own_scheme)


def test_nothing_found_is_said_beside_the_data():
    result = CliRunner().invoke(app, ["list", "--search", "wing"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no structure of dap matches" in result.stderr
    assert json.loads(run("list", "--search", "wing", "--json")) == []


def test_show_says_where_a_source_structure_belongs():
    assert "part of kidney_left" in run("show", "kidney_cyst_left", "--scheme", "totalsegmentator")
    assert "367643001 Cyst, 64033007 Kidney, 7771000 Left" in run("show", "23", "-s", "totalsegmentator_v2")
    assert "in dap" not in run("show", "liver")


def test_json_of_a_structure_names_its_codes():
    costa = json.loads(run("show", "costa_1_left", "--json"))
    assert costa["snomed"] == {"value": "43993008", "meaning": "Twelfth rib", "designator": "SCT"}
    assert costa["snomed_modifier"]["meaning"] == "Left"
    assert (costa["opposite"], costa["side"], costa["colour"]) == (
        "costa_1_right",
        "left",
        list(dap()["costa_1_left"].colour),
    )


def test_what_is_exported_into_a_pipe_is_the_published_file_to_the_byte(reference: Path):
    command = [sys.executable, "-c", "from dapatlas.cli.labels import app; app()", "export"]
    piped = subprocess.run(command, check=True, capture_output=True).stdout
    assert piped == (reference / "labels.json").read_bytes()
