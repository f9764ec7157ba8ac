"""Log lines: one a record, as key=value, in this process and in workers, and nothing where nobody asked."""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapatlas.errors import BadFileError
from dapatlas.logs import Listener, key_values, listen, listening, said
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Work, run_stage

HERE = logging.getLogger("dapatlas.test")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    logger = logging.getLogger("dapatlas")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


def copy(work: Work) -> None:
    text = work.inputs[0].read_text()
    if text == "bad":
        raise BadFileError('it says "bad",\nand means it')
    work.outputs[0].write_text(text)


def divide(number: int, by: int) -> float:
    try:
        return number / by
    except ZeroDivisionError:
        HERE.exception("it broke")
        raise


def parsed(line: str) -> dict[str, str]:
    """What a reader of logs gets who knows nothing of ours: words as a shell splits them."""
    when, level, *pairs = shlex.split(line)
    assert when.endswith("Z")
    return {"level": level} | dict(pair.split("=", 1) for pair in pairs)


def test_warnings_are_sentences_by_default_and_the_rest_is_silent() -> None:
    lines: list[str] = []
    listen(logging.WARNING, lines.append)
    HERE.info("not said", extra=said(case="a"))
    HERE.warning("memory is short")
    assert lines == ["warning: memory is short"]


def test_a_line_a_case_has_all_that_there_is_to_know(tmp_path: Path) -> None:
    for name, text in (("a", "good"), ("b", "bad")):
        (tmp_path / f"{name}.in").write_text(text)
    works = [Work(name, (tmp_path / f"{name}.in",), (tmp_path / f"{name}.out",)) for name in "ab"]
    lines: list[str] = []
    listen(logging.INFO, lines.append)
    with open_journal(tmp_path) as journal:
        run_stage("copy", works, copy, journal, jobs=1)
    good, bad = map(parsed, lines)
    assert {key: good[key] for key in ("level", "stage", "case", "state")} == {
        "level": "info", "stage": "copy", "case": "a", "state": "done",
    }  # fmt: skip
    assert float(good["seconds"]) >= 0
    assert int(good["mb"]) > 10
    assert (bad["case"], bad["state"]) == ("b", "failed")
    assert lines[1].endswith(
        f"error={json.dumps(chr(34).join(['it says ', 'bad', ',']) + chr(10) + 'and means it')}"
    )


def test_workers_speak_at_the_level_of_the_process_that_asked(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import logging, sys\nfrom pathlib import Path\n"
        "from dapatlas.logs import listen\nfrom dapatlas.pipeline.journal import open_journal\n"
        "from dapatlas.pipeline.stage import Work, run_stage\n"
        "def touch(work):\n    work.outputs[0].touch()\n"
        "if __name__ == '__main__':\n"
        "    if sys.argv[1] != 'none': listen(getattr(logging, sys.argv[1]))\n"
        "    works = [Work(n, (), (Path(f'{n}.{sys.argv[1]}'),)) for n in 'abc']\n"
        "    with open_journal(Path(sys.argv[1])) as journal:\n"
        "        run_stage('touch', works, touch, journal, jobs=2)\n"
    )

    def lines(level: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, script.name, level],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stderr.splitlines()

    told = [parsed(line) for line in lines("DEBUG")]
    begins = {(fact["case"], fact["state"]) for fact in told if fact["level"] == "debug"}
    assert begins == {(case, "begins") for case in "abc"}
    assert {fact["case"] for fact in told if fact["level"] == "info"} == set("abc")
    assert len(lines("INFO")) == 3
    assert lines("WARNING") == lines("none") == []


def test_a_library_that_nobody_told_to_speak_changes_no_logging(tmp_path: Path) -> None:
    logger = logging.getLogger("dapatlas")
    logger.handlers[:] = [handler for handler in logger.handlers if not isinstance(handler, Listener)]
    before = (logger.level, list(logger.handlers))
    (tmp_path / "a.in").write_text("good")
    with open_journal(tmp_path) as journal:
        run_stage("copy", [Work("a", (tmp_path / "a.in",), (tmp_path / "a.out",))], copy, journal, jobs=1)
    assert (logger.level, logger.handlers) == before
    assert listening() is None


def test_a_traceback_stays_on_its_line() -> None:
    lines: list[str] = []
    listen(logging.DEBUG, lines.append)
    with suppress(ZeroDivisionError):
        divide(1, 0)
    (line,) = lines
    assert "\n" not in line
    assert "ZeroDivisionError: division by zero" in line


@given(st.dictionaries(st.from_regex(r"[a-z_]+", fullmatch=True), st.text() | st.integers(), min_size=1))
def test_values_come_back_whatever_they_are(facts: dict[str, object]) -> None:
    text, found = key_values(facts), {}
    assert "\n" not in text
    while text:
        key, _, rest = text.partition("=")
        if rest.startswith('"'):
            value, end = json.JSONDecoder().raw_decode(rest)
        else:
            value, end = rest.partition(" ")[0], len(rest.partition(" ")[0])
        found[key], text = value, rest[end:].removeprefix(" ")
    assert found == {key: str(value) for key, value in facts.items()}
