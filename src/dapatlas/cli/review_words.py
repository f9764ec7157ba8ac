"""Arguments and options that the commands of a review share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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


def count(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
