"""Exports, read back as the programs that they are for read them."""

from __future__ import annotations

import json
import re

from dapatlas.labels import dap
from dapatlas.labels.export import itksnap, nnunet, slicer


def test_slicer_reads_a_line_an_id():
    rows = [line.split(" ") for line in slicer(dap()).splitlines() if not line.startswith("#")]
    assert all(len(row) == 6 for row in rows)  # names with spaces would add columns
    table = {int(row[0]): (row[1], *map(int, row[2:5])) for row in rows}
    assert table == {s.id: (s.name, *s.colour) for s in dap()}
    assert rows[0][5] == "0"
    assert {row[5] for row in rows[1:]} == {"255"}


def test_itksnap_reads_eight_columns():
    line = re.compile(r'\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d.]+)\s+([01])\s+([01])\s+"([^"]*)"$')
    rows = [line.fullmatch(text) for text in itksnap(dap()).splitlines() if not text.startswith("#")]
    assert all(rows)
    found = {int(row[1]): (tuple(int(row[n]) for n in (2, 3, 4)), row[8]) for row in rows if row}
    assert found[0] == ((0, 0, 0), "Clear Label")
    assert found[13] == (dap()["liver"].colour, "Liver")
    assert found.keys() == {s.id for s in dap()}


def test_nnunets_labels_are_consecutive_and_lead_back():
    table = json.loads(nnunet(dap()))
    assert list(table["labels"].values()) == list(range(144))
    assert table["labels"]["background"] == 0
    for name, label in table["labels"].items():
        assert table["scheme_ids"][label] == dap()[name].id
