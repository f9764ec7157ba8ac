"""The command line's reference, written when the site is built: a page a command, from the program itself.

The text is what ``typer MODULE utils docs`` says of the app. Here it is cut into pages, its cut-off summaries are
made whole, and examples become code to copy. MkDocs calls ``on_config`` and ``on_files``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

FOLDER = "reference/cli"
SECTION = "Command line"
PROGRAM = "dapatlas"

DOCS = Path(__file__).parents[1]
HOW_TO = {  # where a command's how-to has another name than the command
    "chunks": "loaders.md",
    "demo": "getting_started.md",
    "doctor": "cli.md",
    "fetch": "ingest.md",
    "loop": "train.md",
    "manifest": "validate.md",
    "predict": "models.md",
    "recipe": "build.md",
    "split": "splits.md",
    "status": "scale.md",
}

_HEADING = re.compile(rf"^#+ `{PROGRAM}(?P<words>[^`]*)`$", re.MULTILINE)
_ENTRY = re.compile(r"^\* `(?P<word>[\w-]+)`: .*$", re.MULTILINE)
_HELP = re.compile(r"^\* `(?:-h, )?--help`: .*\n", re.MULTILINE)
_EXAMPLES = re.compile(r"(?:^ {4}.+\n|^\n(?= {4}))+", re.MULTILINE)


@cache
def app_text() -> str:
    """What Typer writes of the whole app, as one Markdown text.

    A process of its own, since Typer's command line is its only public way to it.
    """
    command = [sys.executable, "-m", "typer", f"{PROGRAM}.cli", "utils", "docs", "--name", PROGRAM]
    environment = os.environ | {"NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment)
    if done.returncode:
        raise RuntimeError(f"the program could not be described:\n{done.stderr[-2000:]}")
    return done.stdout


def sections(text: str) -> dict[tuple[str, ...], str]:
    """The words of every command, and what stands below its heading; the program itself has none."""
    headings = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    return {
        tuple(heading["words"].split()): text[heading.end() : end].strip()
        for heading, end in zip(headings, ends, strict=True)
    }


def pages(text: str) -> dict[str, str]:
    """File name to Markdown: ``index.md``, and a page for each command or group of the program."""
    found = sections(text)
    written = {"index.md": _index(found)}
    for words in found:
        if len(words) == 1:
            inner = [body_of(other, found) for other in found if other[:1] == words]
            written[f"{words[0]}.md"] = "\n\n".join(inner) + "\n"
    return written


def body_of(words: tuple[str, ...], found: dict[tuple[str, ...], str]) -> str:
    """One command as Markdown: heading, help, examples, usage, options."""
    heading = f"{'#' * len(words)} {PROGRAM} {' '.join(words)}"
    body = _HELP.sub("", found[words] + "\n")
    body = body.removesuffix("**Options**:\n\n").rstrip() + "\n"  # there was nothing but --help
    body = re.sub(r"\*\*Options\*\*:\n+(?=\*\*)", "", body)
    body = body.replace("```console\n$ ", "```text\n")
    body = re.sub(r"^(\*\*\w+\*\*):$", r"\1", body, flags=re.MULTILINE)
    body = _EXAMPLES.sub(lambda block: _fenced(block[0]), body)
    body = _ENTRY.sub(lambda entry: _linked(entry, words, found), body)
    return "\n\n".join(part for part in (heading, body.strip(), _how_to(words)) if part)


def _fenced(block: str) -> str:
    lines = [line[4:] for line in block.splitlines() if line.strip()]
    return "\n```sh\n" + "\n".join(lines) + "\n```\n\n"


def _summary(body: str) -> str:
    """The first paragraph of a command's help, on one line."""
    return " ".join(body.split("\n\n")[0].split())


def _linked(entry: re.Match[str], group: tuple[str, ...], found: dict[tuple[str, ...], str]) -> str:
    """An entry in a list of commands: the whole summary, and a link to where the command stands."""
    words = (*group, entry["word"])
    if words not in found:
        return entry[0]
    target = f"{words[0]}.md" if len(words) == 1 else f"#{PROGRAM}-{'-'.join(words)}"
    return f"* [`{words[-1]}`]({target}): {_summary(found[words])}"


def _how_to(words: tuple[str, ...]) -> str:
    page = HOW_TO.get(words[0], f"{words[0]}.md") if len(words) == 1 else ""
    if not (DOCS / page).is_file():
        return ""
    return f"How-to: [{page.removesuffix('.md').replace('_', ' ')}](../../{page})"


def _index(found: dict[tuple[str, ...], str]) -> str:
    text = "\n\n".join(body_of((), found).split("\n\n")[1:])
    see = (
        "A page for each command: what it does, examples, arguments, options and their defaults; the same as "
        f"`{PROGRAM} COMMAND --help`. Exit codes, environment variables and options that mean the same "
        "everywhere: [The command line](../../cli.md)."
    )
    return f"# Commands\n\n{see}\n\n{text}"


def on_config(config: Any) -> Any:
    """Fill the navigation's section of commands: a page each, in the order of ``--help``."""
    commands = [PurePosixPath(name).stem for name in pages(app_text()) if name != "index.md"]
    _fill(config["nav"], [f"{FOLDER}/index.md", *({word: f"{FOLDER}/{word}.md"} for word in commands)])
    return config


def _fill(nav: Any, entries: list[Any]) -> None:
    for item in nav:
        for title, inner in item.items() if isinstance(item, dict) else ():
            if title == SECTION:
                item[title] = entries
            elif isinstance(inner, list):
                _fill(inner, entries)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages to those of the site."""
    from mkdocs.structure.files import File

    for name, text in pages(app_text()).items():
        files.append(File.generated(config, f"{FOLDER}/{name}", content=text))
    return files
