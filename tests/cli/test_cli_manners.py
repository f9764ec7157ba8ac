"""What one may expect of every command: help with examples, options that mean the same, colours only where wanted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from dapatlas.cli import app

PROGRAM = str(Path(sys.executable).with_name("dapatlas"))
HERE = Path(__file__).parents[2]
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")
CLEAN = {
    name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")
}


def tree(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from tree(inner, (*words, name))


EVERY = dict(tree(get_command(app)))
LEAVES = {words: command for words, command in EVERY.items() if not hasattr(command, "commands")}
OPTIONS = [
    (" ".join(words), option)
    for words, command in LEAVES.items()
    for option in command.params
    if option.param_type_name == "option"
]


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words], capture_output=True, text=True, check=False, env=CLEAN | env, timeout=120
    )


def on_terminal(*words: str, **env: str) -> str:
    """What the program writes where stdout and stderr are a terminal."""
    pty = pytest.importorskip("pty")
    ours, its = pty.openpty()
    variables = CLEAN | {"TERM": "xterm-256color"} | env
    with subprocess.Popen([PROGRAM, *words], stdin=its, stdout=its, stderr=its, env=variables):
        os.close(its)
        written = b""
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # Linux' way to say that the other end is closed
                break
            if not part:
                break
            written += part
    os.close(ours)
    return written.decode()


def flat(text: str) -> str:
    """The words of a framed message."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]):
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0
    assert "Usage:" in done.output
    command = EVERY[words]
    assert command.help
    if words in LEAVES and command.params:
        assert "**Example" in command.help, "no example"
        assert f"dapatlas {words[0]}" in command.help


def test_every_option_is_explained_and_well_spelt():
    for name, option in OPTIONS:
        assert option.help, f"{name} {option.opts}"
        for spelling in (*option.opts, *option.secondary_opts):
            assert re.fullmatch(r"--[a-z]+(-[a-z]+)*|-[a-z]", spelling), f"{name} {spelling}"


@pytest.mark.parametrize(
    ("long", "short", "flag"),
    [("--json", None, True), ("--quiet", "-q", True), ("--out", "-o", False), ("--force", None, True),
     ("--jobs", None, False), ("--only", None, False), ("--scheme", None, False), ("--retry-failed", None, True),
     ("--dry-run", None, True), ("--sex-table", None, False), ("--database", None, False)],
)  # fmt: skip
def test_an_option_is_spelt_the_same_everywhere(long: str, short: str | None, flag: bool):
    found = [(name, option) for name, option in OPTIONS if long in option.opts]
    assert found
    for name, option in found:
        assert bool(option.is_flag) == flag, name
        assert short is None or short in option.opts, f"{name} has no {short}"


def test_a_letter_stands_for_one_option():
    meant = defaultdict(set)
    for _, option in OPTIONS:
        for letter in (each for each in option.opts if len(each) == 2):
            meant[letter].add(next(each for each in option.opts if len(each) > 2))
    assert {letter: names for letter, names in meant.items() if len(names) > 1} == {}
    assert not {"-h", "-v"} & set(meant)  # help; the program's own --verbose


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["buld"], "'build'"),
        (["doktor"], "'doctor'"),
        (["labels", "lst"], "'list'"),
        (["review", "serv"], "'serve'"),
        (["review", "readers", "lists"], "'list'"),
        (["nnunet"], "'export nnunet'"),
        (["servee"], "'review serve'"),
        (["explain"], "'recipe explain'"),
        (["build", "--forse"], "--force"),
    ],
)
def test_mistyped_commands_and_options_are_told_what_may_be_meant(words: list[str], meant: str):
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert done.stdout == ""
    said = flat(done.stderr)
    assert meant in said
    assert "Did you mean" in said or "ossible" in said or "did you mean" in said.lower()


def test_a_word_like_nothing_gets_no_guess():
    done = CliRunner().invoke(app, ["xylophone"])
    assert done.exit_code == 2
    assert "Did you mean" not in done.stderr


def test_a_data_set_named_like_a_command_is_still_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("plans").mkdir()
    done = CliRunner().invoke(app, ["review", "plans"])
    assert "No such command" not in done.output


@pytest.mark.parametrize(
    "words",
    [["labels", "show", "livr"], ["buld"], ["--help"], ["labels", "show", "liver"], ["labels", "lst"]],
)
def test_no_color_is_heeded_on_a_terminal(words: list[str]):
    assert not COLOUR.search(on_terminal(*words, NO_COLOR="1"))


def test_a_terminal_has_colours_otherwise():  # or the test above says nothing
    for words in (["labels", "show", "livr"], ["buld"], ["--help"]):
        assert COLOUR.search(on_terminal(*words)), words


def test_errors_go_to_stderr_and_have_exit_code_2():
    for words in (["buld"], ["build"], ["labels", "show", "livr"], ["build", "none.toml", "--out"]):
        done = run(*words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert done.stderr.strip()
        assert "Traceback" not in done.stderr


def test_ctrl_c_ends_with_130(tmp_path: Path):
    words = ["phantom", "--out", str(tmp_path / "p"), "--subjects", "50", "--jobs", "1"]
    with subprocess.Popen(
        [PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.rglob("*.nii.gz")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors


@pytest.mark.parametrize(("typed", "offered"), [("lab", "labels"), ("doc", "doctor"), ("labels sh", "show")])
def test_the_shell_completes_commands(typed: str, offered: str):
    count = str(len(typed.split()))
    done = run(_DAPATLAS_COMPLETE="complete_bash", COMP_WORDS=f"dapatlas {typed}", COMP_CWORD=count)
    assert offered in done.stdout.split()


def test_completion_can_be_shown():
    # else Typer looks for a shell among the parents of the process, and there may be none
    done = run("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "_DAPATLAS_COMPLETE" in done.stdout


def test_every_environment_variable_is_documented():
    pages = (HERE / "docs" / "cli.md").read_text(encoding="utf-8")
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (*(HERE / "src").rglob("*.py"), HERE / "hatch_build.py")
        if "vendor" not in path.parts
    )
    asked = set(re.findall(r"""environ(?:\.get\(|\[)["']([A-Z_]+)["']""", code))
    asked |= set(re.findall(r"""["'](DAPATLAS_[A-Z_]+)["']""", code))
    assert {"DAPATLAS_MODELS", "DAPATLAS_REVIEW_DATABASE", "NO_COLOR"} <= asked
    assert [name for name in sorted(asked) if f"`{name}`" not in pages] == []
