"""Arguments and options that the commands of a review share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

DATABASE_VARIABLE = "DAPATLAS_REVIEW_DATABASE"

DatasetArgument = Annotated[Path, typer.Argument(help="Folder with masks/ and images/.", show_default=False)]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar=DATABASE_VARIABLE,
        help="Where verdicts are kept: `sqlite:///FILE` or `postgresql://USER@HOST/NAME`; "
        "`DATASET/.dapatlas/review.sqlite` by default.",
        show_default=False,
    ),
]
SchemeOption = Annotated[
    str, typer.Option("--scheme", help="Label scheme of the masks; see `dapatlas labels schemes`.")
]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", help="Worker processes; one a processor by default.", min=1)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")]


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    import json

    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


def count(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
