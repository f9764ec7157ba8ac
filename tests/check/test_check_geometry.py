from __future__ import annotations

import tomllib
from copy import deepcopy
from importlib.resources import files

import pytest

from dapatlas.check.geometry import geometry, parse
from dapatlas.check.ranges import BadRangesError
from dapatlas.labels import dap

TEXT = (files("dapatlas.check") / "data" / "geometry.toml").read_text(encoding="utf-8")
DATA = tomllib.loads(TEXT)


def test_every_row_cites_a_source_and_every_source_is_cited():
    cited = {key for row in geometry().rows for key in row.cited()} | set(geometry().vertebrae.cited())
    assert cited == set(DATA["sources"])
    assert all(list(row.cited()) for row in geometry().rows)


def test_sources_can_be_found_again():
    for source in geometry().sources.values():
        assert len(source.title) > 10
        assert source.doi or source.url or source.year or source.authors


def test_names_are_spelt_out():
    heart = next(row for row in geometry().levels if "heart_myocardium" in row.structures)
    assert set(heart.structures) == {n for n in dap().names if n.startswith("heart_")} - {"heart_tissue"}


def test_a_stretch_of_the_spine_holds_every_vertebra_of_it():
    liver = next(row for row in geometry().levels if row.structures == ("liver",))
    assert liver.needs == ("vertebrae_T10", "vertebrae_T11", "vertebrae_T12")


BAD = {
    "an unknown structure": (("order", "table", 0, "first"), "skul", "DAP has no structure skul"),
    "an unknown source": (("order", "table", 0, "source"), "hearsay", "hearsay"),
    "an unknown unit": (("vessels", "table", 0, "unit"), "cm", "unit"),
    "a distance that is none": (("touching", "table", 0, "within_mm"), -1, "within_mm"),
    "both ways of a limit": (("limits", "table", 0, "not_below"), "vertebrae_L5", "not_above or not_below"),
    "a stretch upside down": (("levels", "table", 0, "to"), "vertebrae_T2", "does not lie above"),
    "a spread of none": (("vessels", "table", 0, "sd"), 0, "sd"),
    "quartiles that do not rise": (("vessels", "table", 16, "q1"), 22.0, "quartiles"),
    "an unknown column": (("never", "table", 0, "why"), "x", "why"),
    "an unknown face": (("touching", "table", 1, "ends"), {"kidney_left": ["front side"]}, "other faces"),
}


@pytest.mark.parametrize("what", list(BAD))
def test_bad_data_is_refused(what):
    path, value, words = BAD[what]
    data = deepcopy(DATA)
    at = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(BadRangesError, match=words):
        parse(data)


def test_a_source_that_nobody_cites_is_refused():
    data = deepcopy(DATA)
    data["sources"]["idle"] = data["sources"]["gray"]
    with pytest.raises(BadRangesError, match="never cited.*idle"):
        parse(data)
