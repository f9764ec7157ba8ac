"""What the documentation shows is what happens."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import dapatlas.labels
from dapatlas.cli.labels import app

PAGE = Path(__file__).parents[2] / "docs" / "labels.md"


def test_python_examples_give_what_they_show():
    assert doctest.testfile(str(PAGE), module_relative=False).failed == 0
    assert doctest.testmod(dapatlas.labels).failed == 0


def commands() -> list[tuple[str, list[str]]]:
    """Every whole command on the page (pipes apart) with the lines shown under it."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    shown = [part.split("\n") for block in blocks for part in block.split("$ dapatlas labels ") if part]
    return [
        (lines[0], [line for line in lines[1:] if line not in ("", "…")])
        for lines in shown
        if "|" not in lines[0]
    ]


@pytest.mark.parametrize(("command", "shown"), commands(), ids=[command for command, _ in commands()])
def test_commands_print_what_they_show(command: str, shown: list[str]):
    result = CliRunner().invoke(app, command.split(), env={"NO_COLOR": "1"})
    printed = [line.rstrip() for line in result.stdout.splitlines()] or [f"error: {result.exception}"]
    assert [line for line in shown if line not in printed] == []
