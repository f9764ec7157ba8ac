"""What `dapatlas check --explain` prints."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from dapatlas.check.explain import explained
from dapatlas.cli import app
from dapatlas.labels import dap


def test_every_row_names_structures_limits_and_a_source_to_find():
    rows = explained()
    assert {row["table"] for row in rows} == {"volumes", "ratios", "composition", "hounsfield"}
    for row in rows:
        assert all(name in dap() for name in (*row["structures"], *row["of"]))
        assert row["usual"]
        assert row["sources"]
        assert all(len(source.split(". ")) >= 2 for source in row["sources"])


def test_a_range_is_what_follows_from_the_published_one_by_the_stated_rule():
    (liver,) = [
        row
        for row in explained()
        if row["structures"] == ["liver"] and row["sex"] == "M" and row["table"] == "volumes"
    ]
    # Molina and DiMaio 2012: 838 to 2584 g in men, at 1.05 g/ml; a quarter more either way, and three times for the impossible
    assert liver["usual"] == f"{838 / 1.05 / 1.25:.0f} ml to {2584 / 1.05 * 1.25:.0f} ml"
    assert liver["possible"] == f"{838 / 1.05 / 3:.0f} ml to {2584 / 1.05 * 3:.0f} ml"
    assert "10.1097/PAF.0b013e31823d29ad" in liver["sources"][0]


def test_the_command_prints_a_table_or_json_without_a_data_set():
    run = CliRunner().invoke(app, ["check", "--explain", "--json"])
    assert run.exit_code == 0
    assert json.loads(run.stdout) == explained()
    assert "Molina" in CliRunner().invoke(app, ["check", "--explain"]).stdout
    assert CliRunner().invoke(app, ["check"]).exit_code == 2
