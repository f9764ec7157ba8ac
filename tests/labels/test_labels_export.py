"""Exports, read back as the programs that they are for read them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapatlas.labels import LabelScheme, dap, load_scheme, scheme_from_labels_json, scheme_names
from dapatlas.labels.export import FORMATS, itksnap, nnunet, slicer


class Row(NamedTuple):
    name: str
    colour: tuple[int, int, int]
    opacity: float


def read_as_slicer(text: str) -> dict[int, Row]:
    """Read a colour table as Slicer's documentation describes it: six columns, a space between, ``#`` comments.

    The first line is what Slicer knows such a file by.
    """
    lines = text.split("\n")
    assert lines[0].startswith("# Color table file")
    assert lines.pop() == ""
    rows = {}
    for line in lines:
        if not line.startswith("#"):
            id_, name, red, green, blue, opacity = line.split(" ")
            rows[int(id_)] = Row(name, (int(red), int(green), int(blue)), int(opacity) / 255)
    return rows


def read_as_itksnap(text: str) -> dict[int, Row]:
    """Read label descriptions as ``ColorLabelTable::LoadFromFile`` does: seven numbers, then text in quotes."""
    rows = {}
    for line in text.split("\n"):
        if not line or line.startswith("#"):
            continue
        numbers, quote, rest = line.partition('"')
        id_, red, green, blue, alpha, visible, mesh = numbers.split()
        label, closing, after = rest.partition('"')
        assert (quote, closing, after) == ('"', '"', "")
        assert {visible, mesh} <= {"0", "1"}
        rows[int(id_)] = Row(label, (int(red), int(green), int(blue)), float(alpha))
    return rows


def check_as_nnunet(labels: dict[str, int]) -> None:
    """The demands of nnU-Net v2's ``LabelManager`` and ``verify_dataset_integrity``."""
    assert labels["background"] == 0
    values = sorted(labels.values())
    assert all(after - before == 1 for before, after in pairwise(values))


@pytest.mark.parametrize("name", scheme_names())
def test_slicer_reads_the_scheme(name: str):
    scheme = load_scheme(name)
    assert read_as_slicer(slicer(scheme)) == {s.id: Row(s.name, s.colour, float(s.id > 0)) for s in scheme}


@pytest.mark.parametrize("name", scheme_names())
def test_itksnap_reads_the_scheme(name: str):
    scheme = load_scheme(name)
    rows = read_as_itksnap(itksnap(scheme))
    assert rows.pop(0) == Row("Clear Label", (0, 0, 0), 0)
    assert rows == {s.id: Row(s.display_name, s.colour, 1) for s in scheme if s.id}
    assert (
        itksnap(scheme).splitlines()[1] == "# ITK-SnAP Label Description File"
    )  # MRIcroGL goes by this line


@pytest.mark.parametrize("name", scheme_names())
def test_nnunets_labels_are_consecutive_and_lead_back(name: str):
    scheme = load_scheme(name)
    table = json.loads(nnunet(scheme))
    check_as_nnunet(table["labels"])
    assert {label: table["scheme_ids"][n] for label, n in table["labels"].items()} == {
        s.name: s.id for s in scheme
    }


def test_dap_closes_its_gap_for_nnunet():
    table = json.loads(nnunet(dap()))
    assert (table["labels"]["colon"], table["labels"]["gallbladder"]) == (10, 11)
    assert table["scheme_ids"][10:12] == [10, 12]


@pytest.fixture
def odd(tmp_path: Path) -> LabelScheme:
    """A scheme with names that no format foresaw."""
    names = {"0": "nothing", "3": 'the "big"  one', "4": "Gefäß"}
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(names), encoding="utf-8")
    return scheme_from_labels_json(path)


def test_odd_names_break_no_format(odd: LabelScheme):
    assert [row.name for row in read_as_slicer(slicer(odd)).values()] == ["nothing", 'the_"big"_one', "Gefäß"]
    assert [row.name for row in read_as_itksnap(itksnap(odd)).values()][1] == "The 'big'  one"
    assert json.loads(nnunet(odd))["labels"] == {"background": 0, 'the "big"  one': 1, "Gefäß": 2}


@given(st.sampled_from(sorted(FORMATS)), st.sampled_from(scheme_names()))
def test_exports_are_the_same_every_time(form: str, name: str):
    assert FORMATS[form](load_scheme(name)) == FORMATS[form](load_scheme(name))


def test_json_is_the_schemes_labels_json():
    assert FORMATS["json"](dap()) == dap().labels_json()
