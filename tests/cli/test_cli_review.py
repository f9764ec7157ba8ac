"""The commands of a review, as a user types them."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dapatlas.cli import app
from dapatlas.dataset import Dataset
from dapatlas.dataset.digests import sha256_of
from dapatlas.errors import DapatlasError
from dapatlas.phantom import make_cohort
from dapatlas.pipeline.checking import check_dataset
from dapatlas.pipeline.reviewing import open_store

pytest.importorskip("sqlalchemy")
PROGRAM = str(Path(sys.executable).with_name("dapatlas"))
PASSWORD = "correct horse battery"


def run(*words: object, stdin: str = "", **env: str) -> Result:
    arguments = ["review", *(str(word) for word in words)]
    return CliRunner().invoke(app, arguments, input=stdin, env={"COLUMNS": "200", **env})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli-review") / "atlas"
    check_dataset(make_cohort(folder, 3, seed=3, shape=(48, 44, 72)), jobs=1)
    return folder


@pytest.fixture
def atlas(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "atlas"))


def say(
    atlas: Path, place: int, reader: str, decision: str, *marks: str, remarks: str = "", stale: bool = False
) -> str:
    from dapatlas.review.verdict import Content, Decision, Kind, Mark, MarkKind

    store, case = open_store(atlas), Dataset(atlas).cases[place]
    if store.reader(reader) is None:
        store.add_reader(reader)
    assert case.mask_path is not None
    content = Content(Decision(decision), remarks, tuple(Mark(name, MarkKind.LEAKS) for name in marks))
    store.save(case.id, reader, Kind.READING, content, "0" * 64 if stale else sha256_of(case.mask_path), 0)
    store.engine.dispose()
    return case.id


def test_serving_is_what_review_does_and_it_says_where(atlas: Path):
    process = subprocess.Popen(
        [PROGRAM, "review", str(atlas), "--port", "0", "--no-browser"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found, line
        with urllib.request.urlopen(f"{found[0]}api/session", timeout=30) as answer:
            assert json.load(answer)["mode"] == "local"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        process.stdout.close()  # type: ignore[union-attr]


def test_a_network_address_needs_accounts(atlas: Path):
    for options in (("--host", "0.0.0.0"), ("--behind-proxy",), ("--host", "::")):
        result = run(atlas, *options, "--no-browser")
        assert isinstance(result.exception, DapatlasError)
        assert "no reader has a password" in str(result.exception)
    run("readers", "add", atlas, "r-01", "--no-password")
    assert isinstance(run(atlas, "--host", "0.0.0.0").exception, DapatlasError)
    done = subprocess.run([PROGRAM, "review", str(atlas), "--host", "0.0.0.0"], capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: refusing to serve")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--compare", "before="), "NAME=FOLDER"),
        (("--compare", "one/maps", "--compare", "two/maps"), "two folders called maps"),
        (("--certificate", "cert.pem"), "give both"),
        (("--certificate", "cert.pem", "--key", "key.pem"), "no file"),
    ],
)
def test_options_that_cannot_be(atlas: Path, options: tuple[str, ...], word: str):
    result = run(atlas, *options)
    assert result.exit_code == 2
    assert word in result.output


def test_maps_to_compare_with_are_named_or_called_as_their_folder():
    from dapatlas.cli.review import _pairs

    assert _pairs(["old/v1/", "before=old/v1"]) == {"v1": Path("old/v1/"), "before": Path("old/v1")}


def test_what_nobody_has_reviewed_has_no_status(atlas: Path, tmp_path: Path):
    for words in (
        ["status", atlas],
        ["export", atlas, "-o", tmp_path / "x.csv"],
        ["report", atlas],
        ["readers", "list", atlas],
    ):
        result = run(*words)
        assert isinstance(result.exception, DapatlasError), words
        assert "nobody has reviewed" in str(result.exception)
    assert not (atlas / ".dapatlas/review.sqlite").exists()
    assert not (tmp_path / "x.csv").exists()
    assert isinstance(run("status", tmp_path / "nowhere").exception, DapatlasError)


def test_a_missing_extra_is_named(atlas: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    for words in ([atlas], ["status", atlas], ["plan", atlas]):
        result = run(*words)
        assert isinstance(result.exception, DapatlasError)
        assert "pip install 'dapatlas[web]'" in str(result.exception)


def test_readers_come_change_and_stay_listed(atlas: Path):
    assert run("readers", "add", atlas, "chief", "--role", "admin", "--password-stdin", stdin=f"{PASSWORD}\n").output == "chief: admin\n"  # fmt: skip
    assert run("readers", "add", atlas, "r-01", "--no-password").output == "r-01: reader, no password\n"
    store = open_store(atlas)
    assert store.login("chief", PASSWORD)[1].reader.name == "chief"
    changed = run("readers", "change", atlas, "r-01", "--role", "adjudicator", "--deactivate", "--password-stdin", stdin="another long one")  # fmt: skip
    assert changed.output == "r-01: adjudicator, may not log in\n"
    listed = json.loads(run("readers", "list", atlas, "--json").output)
    assert [(row["name"], row["role"], row["active"], row["has_password"]) for row in listed] == [
        ("chief", "admin", True, True),
        ("r-01", "adjudicator", False, True),
    ]
    assert "adjudicator" in run("readers", "list", atlas).output
    assert run("readers", "change", atlas, "r-01", "--activate").exit_code == 0
    assert store.login("r-01", "another long one")[1].reader.active
    store.engine.dispose()


def test_readers_that_cannot_be(atlas: Path):
    assert isinstance(run("readers", "add", atlas, "a b", "--no-password").exception, DapatlasError)
    assert isinstance(
        run("readers", "add", atlas, "x", "--password-stdin", stdin="short\n").exception, DapatlasError
    )
    no_terminal = run("readers", "add", atlas, "x")
    assert no_terminal.exit_code == 2
    assert "--password-stdin" in no_terminal.output
    both = run("readers", "add", atlas, "x", "--no-password", "--password-stdin")
    assert both.exit_code == 2
    run("readers", "add", atlas, "x", "--no-password")
    nothing = run("readers", "change", atlas, "x")
    assert (nothing.exit_code, "nothing to change" in nothing.output) == (2, True)
    assert isinstance(run("readers", "add", atlas, "X", "--no-password").exception, DapatlasError)


def test_a_password_is_asked_for_on_the_terminal_and_not_shown(atlas: Path):
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, "review", "readers", "add", str(atlas), "r-01"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(follower)
    # the blank comes last, once nothing typed is shown any more
    shown, prompts = b"", [b"Password: ", b"Repeat for confirmation: "]
    while select.select([leader], [], [], 60)[0]:
        try:
            shown += os.read(leader, 4096)
        except OSError:  # how Linux says that the other end is closed
            break
        if prompts and prompts[0] in shown:
            prompts.pop(0)
            os.write(leader, f"{PASSWORD}\n".encode())
    os.close(leader)
    assert process.wait(60) == 0, shown
    assert PASSWORD.encode() not in shown
    store = open_store(atlas)
    assert store.login("r-01", PASSWORD)[1].reader.name == "r-01"
    store.engine.dispose()


def test_the_plan_changes_where_something_is_given(atlas: Path):
    shown = json.loads(run("plan", atlas, "--json").output)
    assert {key: shown[key] for key in ("order", "sample", "seed", "readings")} == {"order": "worst", "sample": None, "seed": 0, "readings": 1}  # fmt: skip
    every = {case.id for case in Dataset(atlas)}
    assert {row["case"] for row in shown["cases"]} == every
    changed = json.loads(run("plan", atlas, "--order", "random", "--sample", 2, "--seed", 5, "--readings", 2, "--json").output)  # fmt: skip
    assert (changed["order"], changed["sample"], changed["seed"], changed["readings"]) == ("random", 2, 5, 2)
    assert len(changed["cases"]) == 2
    kept = json.loads(run("plan", atlas, "--seed", 6, "--json").output)
    assert (kept["order"], kept["sample"], kept["seed"], kept["readings"]) == ("random", 2, 6, 2)
    assert json.loads(run("plan", atlas, "--sample", 0, "--json").output)["sample"] is None
    assert run("plan", atlas, "--order", "worst").output.startswith(f"{len(every)} of {len(every)} cases, worst first (seed 6), 2 readings each")  # fmt: skip
    assert run("plan", atlas, "--readings", 3).exit_code == 2


def test_status_and_export_tell_what_was_said(atlas: Path, tmp_path: Path):
    first = say(atlas, 0, "r-01", "approve", remarks="fine")
    say(atlas, 0, "r-02", "reject", "liver", "spleen")
    gone = say(atlas, 1, "r-01", "approve", stale=True)
    status = json.loads(run("status", atlas, "--json").output)
    assert (status["states"]["disagreement"], status["states"]["stale"]) == (1, 1)
    assert status["disagreements"] == [first]
    assert status["plan"]["readings"] == 1
    words = run("status", atlas).output
    assert f"readers differ on {first}" in words
    assert "r-01 and r-02" in words
    out = tmp_path / "said.csv"
    assert run("export", atlas, "--out", out).output == f"3 verdicts, 2 marks: {out}\n"
    rows = list(csv.DictReader(io.StringIO(out.read_bytes().decode(), newline="")))
    assert [row["row"] for row in rows].count("mark") == 2
    assert [row["stale"] for row in rows if row["case"] == gone] == ["true"]
    unnamed = tmp_path / "said.txt"
    assert isinstance(run("export", atlas, "--out", unnamed).exception, DapatlasError)
    assert run("export", atlas, "--out", unnamed, "--format", "json", "--quiet").output == ""
    assert len(json.loads(unnamed.read_text())["verdicts"]) == 3


def test_the_database_may_lie_elsewhere(atlas: Path, tmp_path: Path):
    url = f"sqlite:///{tmp_path}/else/where.sqlite"
    assert run("plan", atlas, "--database", url, "--readings", 2).exit_code == 0
    assert (
        json.loads(run("status", atlas, "--json", DAPATLAS_REVIEW_DATABASE=url).output)["plan"]["readings"]
        == 2
    )
    assert not (atlas / ".dapatlas/review.sqlite").exists()


def test_preparing_makes_what_is_missing_and_tells_what_it_cannot(atlas: Path):
    cases = [case.id for case in Dataset(atlas)]
    first = json.loads(run("prepare", atlas, "--jobs", 1, "--json").output)
    assert first == {"cases": len(cases), "done": len(cases), "failed": {}}
    assert json.loads(run("prepare", atlas, "--jobs", 1, "--json").output)["done"] == 0
    (atlas / f"masks/{cases[0]}.nii.gz").write_bytes(b"no map")
    result = run("prepare", atlas, "--jobs", 1)
    assert result.exit_code == 1
    assert f"{len(cases) - 1} cases ready" in result.output
    assert f"{cases[0]}: map:" in result.output


def test_the_report_has_a_section_on_the_review(atlas: Path):
    case = say(atlas, 0, "r-01", "remarks", "liver", remarks="Is this <b>right</b>?")
    gone = say(atlas, 1, "r-01", "approve", stale=True)
    result = run("report", atlas, "--jobs", 1)
    assert result.exit_code == 0, result.output
    page = (atlas / "review.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="review"') :]
    section = section[: section.index("</section>")]
    assert "Is this &lt;b&gt;right&lt;/b&gt;?" in section
    row = section[section.index(f'data-case="{case}"') :]
    assert "approved with remarks" in row[: row.index("</tr>")]  # the case's state
    assert "leaks" in row[: row.index("</tr>")]
    row = section[section.index(f'data-case="{gone}"') :]
    assert row[: row.index("</tr>")].count("stale: the map has changed") == 2  # the case, and the verdict
    assert not (atlas / "report.html").exists()
