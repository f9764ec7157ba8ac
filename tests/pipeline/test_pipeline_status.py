"""The journal, as people and scripts read it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dapatlas.cli import app
from dapatlas.errors import DapatlasError
from dapatlas.pipeline.journal import FOLDER, JOURNAL, Entry, open_journal, read_journal
from dapatlas.pipeline.status import status

FIRST_SCHEMA = """CREATE TABLE stages (case_id TEXT NOT NULL, stage TEXT NOT NULL, fingerprint TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('done', 'failed')), seconds REAL NOT NULL, peak_mb REAL NOT NULL,
  error TEXT NOT NULL, version TEXT NOT NULL, finished TEXT NOT NULL, PRIMARY KEY (case_id, stage)) STRICT"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two stages: one through, one with a failure and a case in quarantine."""
    with open_journal(tmp_path) as journal:
        for case, seconds, peak in (("a", 1.0, 300.0), ("b", 2.0, 500.0), ("c", 9.0, 400.0)):
            journal.record(case, "map", Entry("f", "done", seconds, peak, "", "i", "s"))
        journal.record("a", "check", Entry("f", "done", 0.5, 100.0, ""))
        journal.record("b", "check", Entry("f", "failed", 0, 0, "b.nii.gz: truncated\nwith more to say"))
        journal.record("c", "check", Entry("f", "failed", 0, 0, "the worker died", crashed=True))
    return tmp_path


def test_stages_are_counted(folder: Path) -> None:
    check, made = status(folder).stages
    assert (made.stage, made.done, made.failed, made.seconds, made.slowest_seconds, made.peak_mb) == (
        "map",
        3,
        0,
        2.0,
        9.0,
        500.0,
    )
    assert (check.stage, check.done, check.failed, check.quarantined) == ("check", 1, 2, 1)
    assert [(one.case, one.quarantined) for one in status(folder).failures] == [("b", False), ("c", True)]
    assert [stage.done for stage in status(folder, ["a"]).stages] == [1, 1]


def test_it_may_be_read_while_a_run_is_at_work(folder: Path) -> None:
    with open_journal(folder) as journal:
        journal.record("d", "map", Entry("f", "done", 1, 1, ""))
        assert {row.case for row in read_journal(folder)} == {"a", "b", "c", "d"}


def test_a_journal_of_the_first_version_goes_on(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    with sqlite3.connect(tmp_path / FOLDER / JOURNAL) as old:
        old.execute(FIRST_SCHEMA)
        old.execute(
            "INSERT INTO stages VALUES ('a', 'map', 'f', 'done', 1, 2, '', '0.1', '2026-01-02T03:04:05+00:00')"
        )
    old.close()
    assert read_journal(tmp_path)[0].entry == Entry("f", "done", 1, 2, "")
    with open_journal(tmp_path) as journal:
        assert journal.is_done("a", "map", "f")
        journal.record("b", "map", Entry("g", "done", 1, 2, "", "i", "s"))
        assert journal.entry("b", "map") == Entry("g", "done", 1, 2, "", "i", "s")
    assert next(row.version for row in read_journal(tmp_path)) == "0.1"


def test_on_the_command_line(folder: Path) -> None:
    shown = CliRunner().invoke(app, ["status", str(folder)])
    assert shown.exit_code == 1  # something failed
    assert "check b: b.nii.gz: truncated" in shown.output
    assert "check c (in quarantine): the worker died" in shown.output
    assert "--retry-failed" in shown.output
    found = json.loads(CliRunner().invoke(app, ["status", str(folder), "--json"]).output)
    assert [stage["done"] for stage in found["stages"]] == [1, 3]
    assert found["failures"][0]["error"].startswith("b.nii.gz")
    assert CliRunner().invoke(app, ["status", str(folder), "--only", "a"]).exit_code == 0


def test_without_a_journal(tmp_path: Path) -> None:
    with pytest.raises(DapatlasError, match="no journal; expected .*journal.sqlite"):
        status(tmp_path)
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / JOURNAL).write_text("no database, but long enough to be taken for one" * 100)
    with pytest.raises(DapatlasError, match="not readable as a journal"):
        status(tmp_path)
