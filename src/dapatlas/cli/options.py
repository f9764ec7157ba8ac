"""Options that several commands share, so that each means the same everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from dapatlas.files import Way

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress bar and no table; errors are told all the same.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Do again what is up to date.")]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", "-j", help="Worker processes; one a processor by default.", min=1)
]
SchemeOption = Annotated[
    str,
    typer.Option(
        "--scheme",
        "-s",
        help="Label scheme: a name out of `dapatlas labels schemes`, or a data set's `labels.json`.",
    ),
]
StructuresOption = Annotated[
    str | None,
    typer.Option(
        "--structures",
        help="Comma-separated structures; all by default.",
        metavar="A,B,…",
        show_default=False,
    ),
]
SexTableOption = Annotated[
    Path | None,
    typer.Option(
        "--sex-table",
        help="CSV with columns subject (or case) and sex (F, M), beside the data set's own `subjects.csv`.",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        help="`auto` (a CUDA GPU where there is one, else the CPU), `cpu`, `cuda`, `cuda:1` … or `mps`.",
    ),
]
LinkOption = Annotated[
    Way, typer.Option("--link", help="How CTs come there; `hard` is symbolic where the disk differs.")
]
CtsOption = Annotated[
    str | None,
    typer.Option(
        "--cts", help="CTs to use instead of the recipe's, e.g. `ct/{case}.nii.gz`.", show_default=False
    ),
]
ExpertOption = Annotated[
    list[str] | None,
    typer.Option(
        "--expert",
        help="`NAME=FILES`: files of an expert instead of the recipe's, e.g. `totalsegmentator=seg/{case}.nii.gz`.",
        show_default=False,
    ),
]


def expert_files(options: list[str] | None) -> dict[str, str]:
    """Expert name to files, from the values of ``--expert``.

    Raises
    ------
    typer.BadParameter
        One of them has no ``=``.
    """
    pairs = {}
    for option in options or []:
        name, found, files = option.partition("=")
        if not found:
            raise typer.BadParameter(f"expected NAME=FILES, found {option!r}", param_hint="--expert")
        pairs[name] = files
    return pairs


def listed(text: str | None) -> tuple[str, ...]:
    """What a comma-separated value names, in its order."""
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def print_json(value: Any) -> None:
    """Print a value as JSON; what JSON does not know as its text."""
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))
