"""The pages of commands say all that the program has, and nothing that it has not."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

from dapatlas.cli import app

ROOT = Path(__file__).parents[2]
WRITTEN = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/concepts/*.md")])
GLOBAL = {"--help", "--version", "--verbose"}
TYPERS_OWN = {"--install-completion", "--show-completion"}


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cli_reference", ROOT / "docs/hooks/cli_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(hook: ModuleType) -> dict[str, str]:
    return hook.pages(hook.app_text())


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        yield (*words, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))


PROGRAM = typer.main.get_command(app)
ALL = dict(commands(PROGRAM))
NO_COMMANDS = {"nnunet", "splits"}  # mistyped on purpose in docs/cli.md; the name of a format


def test_a_page_for_each_command_and_none_for_one_that_is_gone(pages: dict[str, str]) -> None:
    assert set(pages) == {"index.md"} | {f"{words[0]}.md" for words in ALL}


def test_a_heading_for_each_command(pages: dict[str, str]) -> None:
    headings = [
        line for page in pages.values() for line in re.findall(r"^#+ dapatlas (.+)$", page, re.MULTILINE)
    ]
    assert sorted(headings) == sorted(" ".join(words) for words in ALL)


def section(pages: dict[str, str], words: tuple[str, ...]) -> str:
    page = pages[f"{words[0]}.md"]
    heading = f"{'#' * len(words)} dapatlas {' '.join(words)}\n"
    return re.split(
        r"^#+ dapatlas ", page[page.index(heading) + len(heading) :], maxsplit=1, flags=re.MULTILINE
    )[0]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_option_is_told_with_its_help(pages: dict[str, str], words: tuple[str, ...]) -> None:
    text = section(pages, words)
    for parameter in ALL[words].params:
        if parameter.param_type_name == "option" and not parameter.hidden and parameter.name != "help":
            assert any(name in text for name in parameter.opts), parameter.opts
            assert parameter.help.split("`")[0].strip() in text, parameter.opts


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_examples_are_code_to_copy(pages: dict[str, str], words: tuple[str, ...]) -> None:
    examples = [
        line.strip() for line in (ALL[words].help or "").splitlines() if line.startswith("    dapatlas ")
    ]
    blocks = re.findall(r"```sh\n(.*?)```", section(pages, words), re.DOTALL)
    copied = [line.strip() for block in blocks for line in block.splitlines()]
    for example in examples:
        assert example in copied


def test_summaries_are_whole_and_lead_to_the_command(pages: dict[str, str]) -> None:
    line = "* [`build`](build.md): Build a data set from CTs and experts' label maps."
    assert line in pages["index.md"].splitlines()
    listed = re.findall(r"^\* \[`(.+?)`\]\(#dapatlas-export-(.+?)\): ", pages["export.md"], re.MULTILINE)
    assert {word for word, _ in listed} == {
        words[1] for words in ALL if words[0] == "export" and len(words) == 2
    }
    assert not re.search(r"^\* \[.*\.\.\.$", "\n".join(pages.values()), re.MULTILINE)


def test_each_page_leads_to_a_how_to_that_there_is(pages: dict[str, str]) -> None:
    for name, page in pages.items():
        for target in re.findall(r"^How-to: \[.*\]\(\.\./\.\./(.+)\)$", page, re.MULTILINE):
            assert (ROOT / "docs" / target).is_file(), name
    assert "How-to: [build](../../build.md)" in pages["build.md"]
    assert "How-to: [models](../../models.md)" in pages["predict.md"]


def test_the_help_option_is_not_repeated(pages: dict[str, str]) -> None:
    assert not any(re.search(r"--help`: Show", page) for page in pages.values())


def test_the_navigation_is_filled_in_the_order_of_the_program(hook: ModuleType) -> None:
    nav = [{"Home": "index.md"}, {"Reference": ["reference/index.md", {hook.SECTION: []}]}]
    hook.on_config({"nav": nav})
    filled = nav[1]["Reference"][1][hook.SECTION]
    words = [words[0] for words in ALL if len(words) == 1]
    assert filled == ["reference/cli/index.md", *({word: f"reference/cli/{word}.md"} for word in words)]


def command_lines(text: str) -> Iterator[str]:
    """What a page tells to type: lines of code blocks, continued ones joined, and code within prose."""
    text = text.replace("\\\n", " ")
    for block in re.findall(r"^```(?:sh|text|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from re.findall(r"^(?:\$ )?dapatlas (.*)$", block, re.MULTILINE)
    yield from re.findall(r"(?<!`)`dapatlas ([a-z-][^`\n]*)`", text)


def unknown(line: str) -> list[str]:
    """Words and options of a command line that the program does not have."""
    line = re.split(r"\s#|\s[|&]", line)[0]
    command, words = PROGRAM, line.removeprefix("-v ").split()
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in command.commands:
            is_word = re.fullmatch(r"[a-z-]+", name) and "|" not in name
            return [name] if is_word and command.name != "review" else []
        command = command.commands[name]
    taken = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    if command.name == "review":  # DATASET stands for `review serve DATASET`
        taken |= {name for parameter in command.commands["serve"].params for name in parameter.opts}
    options = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    return [option for option in options if option.rstrip(",;.)") not in taken | GLOBAL | TYPERS_OWN | {"-h"}]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("build my.toml --out atlas --jobs 4", []),
        ("build my.toml --output atlas", ["--output"]),
        ("export nnunet atlas raw --id 701  # a comment --here", []),
        ("exprot nnunet atlas raw", ["exprot"]),
    ],
)
def test_a_command_line_that_cannot_be_typed_would_be_seen(line: str, found: list[str]) -> None:
    assert unknown(line) == found


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_tell_only_commands_and_options_that_there_are(page: Path) -> None:
    lines = set(command_lines(page.read_text(encoding="utf-8"))) - NO_COMMANDS
    assert {line: wrong for line in lines if (wrong := unknown(line))} == {}
