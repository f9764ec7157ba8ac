"""Options that several commands share: where a recipe's CTs and experts' files are."""

from __future__ import annotations

from typing import Annotated

import typer

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
