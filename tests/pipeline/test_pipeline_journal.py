"""The journal: what it remembers, and that one run at a time writes it."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from dapatlas.errors import DapatlasError
from dapatlas.pipeline.journal import Entry, fingerprint, open_journal

DONE = Entry("abc", "done", 1.5, 200.0, "")


def test_what_was_written_is_there_on_the_next_run(tmp_path: Path):
    with open_journal(tmp_path) as journal:
        journal.record("case", "map", DONE)
    with open_journal(tmp_path) as journal:
        assert journal.entry("case", "map") == DONE
        assert journal.entry("case", "picture") is None
        assert journal.cases() == {"case"}


def test_done_means_finished_from_the_same_inputs(tmp_path: Path):
    with open_journal(tmp_path) as journal:
        journal.record("case", "map", DONE)
        assert journal.is_done("case", "map", "abc")
        assert not journal.is_done("case", "map", "other")
        journal.record("case", "map", Entry("abc", "failed", 0, 0, "why"))
        assert not journal.is_done("case", "map", "abc")


def _try_to_open(folder: Path, answers: multiprocessing.SimpleQueue) -> None:
    try:
        with open_journal(folder):
            answers.put("opened")
    except DapatlasError as error:
        answers.put(str(error))


def _ask_another_process(folder: Path) -> str:
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=_try_to_open, args=(folder, answers))
    process.start()
    process.join()
    return answers.get()


def test_a_second_run_on_the_same_folder_is_refused_until_the_first_ends(tmp_path: Path):
    with open_journal(tmp_path):
        assert "another run is at work" in _ask_another_process(tmp_path)
    assert _ask_another_process(tmp_path) == "opened"


def test_a_fingerprint_follows_files_and_settings(tmp_path: Path):
    file = tmp_path / "a"
    file.write_text("one")
    first = fingerprint([file], {"x": 1})
    assert fingerprint([file], {"x": 1}) == first
    assert fingerprint([file], {"x": 2}) != first
    stat = file.stat()
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert fingerprint([file], {"x": 1}) != first
    file.unlink()
    assert fingerprint([file], {"x": 1}) != first


def test_an_output_that_cannot_be_written_to_is_said_plainly(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DapatlasError, match="cannot be written to"), open_journal(tmp_path / "file"):
        pass
