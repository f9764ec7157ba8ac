"""An option means the same wherever it stands: one spelling, one kind of value, the same short form."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import typer

from dapatlas.cli import app

# Written down by hand: what a user may rely on. Long form: short form, and what it takes; None where that differs.
PROMISED: dict[str, tuple[str | None, Any]] = {
    "--json": (None, bool),
    "--quiet": ("-q", bool),
    "--force": (None, bool),
    "--jobs": ("-j", int),
    "--out": ("-o", Path),
    "--scheme": ("-s", str),
    "--to": (None, str),
    "--format": ("-f", None),
    "--link": (None, Literal["hard", "symbolic", "copy"]),
    "--device": (None, str),
    "--models": (None, Path),
    "--structures": (None, str),
    "--sex-table": (None, Path),
    "--only": (None, str),
    "--retry-failed": (None, bool),
    "--cluster": (None, str),
    "--seed": (None, int),
}


def commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        words = f"{path} {name}".strip()
        if hasattr(command, "commands"):
            yield from commands(command, words)
        else:
            yield words, command


ALL = dict(commands(typer.main.get_command(app)))
OPTIONS: dict[str, list[tuple[str, Any]]] = defaultdict(list)
for words, command in ALL.items():
    for parameter in command.params:
        if parameter.param_type_name == "option":
            for long in (word for word in parameter.opts if word.startswith("--")):
                OPTIONS[long].append((words, parameter))


@pytest.mark.parametrize("option", sorted(PROMISED))
def test_an_option_has_one_form_everywhere(option: str) -> None:
    short, kind = PROMISED[option]
    assert OPTIONS[option]
    for words, parameter in OPTIONS[option]:
        shorts = [word for word in parameter.opts if not word.startswith("--")]
        assert shorts == ([short] if short else []), words
        found = parameter.type_descriptor.annotation
        assert kind is None or found in (kind, list[kind]), words


def test_what_shows_progress_can_be_silenced() -> None:
    loud = {
        words
        for words, command in ALL.items()
        if "case_progress(" in inspect.getsource(inspect.unwrap(command.callback))
    }
    assert loud > {"build", "phantom"}
    assert loud - {words for words, _ in OPTIONS["--quiet"]} == {"demo"}  # which is there to be looked at


def test_no_short_form_means_two_things() -> None:
    meant = defaultdict(set)
    for long, uses in OPTIONS.items():
        for _, parameter in uses:
            for short in (word for word in parameter.opts if not word.startswith("--")):
                meant[short].add(long)
    assert {short: longs for short, longs in meant.items() if len(longs) > 1} == {}


@pytest.mark.parametrize("option", ["--json", "--jobs", "--cluster", "--retry-failed", "--device", "--link"])
def test_what_an_option_is_for_is_told_in_the_same_words(option: str) -> None:
    allowed = {"validate", "train plan", "recipe check"} if option == "--jobs" else set()
    assert len({parameter.help for words, parameter in OPTIONS[option] if words not in allowed}) == 1


def test_every_command_that_goes_over_cases_can_print_json_and_be_quiet() -> None:
    over_cases = {words for words, _ in OPTIONS["--cluster"]}
    assert over_cases
    assert over_cases <= {words for words, _ in OPTIONS["--json"]} & {
        words for words, _ in OPTIONS["--quiet"]
    }


def test_every_option_and_argument_has_a_help_text() -> None:
    bare = [
        f"{words}: {parameter.name}"
        for words, command in ALL.items()
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]
    assert bare == []


def test_every_command_has_an_example() -> None:
    assert [
        words for words, command in ALL.items() if f"dapatlas {words.split()[0]}" not in command.help
    ] == []
