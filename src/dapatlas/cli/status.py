"""`dapatlas status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dapatlas.cli.options import JsonOption, print_json
from dapatlas.locations import is_remote, location

if TYPE_CHECKING:
    from dapatlas.pipeline.status import Status

MOST_SHOWN = 20  # failures on the terminal; `--json` has all


def status(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=location,
            help="Where a stage wrote: a data set, an export, predictions; or its URL.",
            show_default=False,
        ),
    ],
    only: Annotated[
        list[str] | None, typer.Option(help="Count this case alone; may be repeated.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """How far the stages of an output folder are: what is done, how long it takes, what failed and why.

    It reads the journal that every stage keeps, also while a run is at work. Of a URL it is on the machine that did
    the work. Exit code 1 when a case failed.

    **Examples**

        dapatlas status atlas

        dapatlas status atlas --json | jq -r '.failures[].case'
    """
    from dapatlas.pipeline.status import status as read

    found = read(folder, only or ())
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found)
    if found.failures:
        raise typer.Exit(1)


def _print(found: Status) -> None:
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output

    shown = Table(box=None, pad_edge=False)
    for name, justify in (("stage", "left"), *((name, "right") for name in COLUMNS)):
        shown.add_column(name, justify=justify)  # type: ignore[arg-type]
    for stage in found.stages:
        cells = (
            str(stage.done),
            str(stage.failed),
            f"{stage.seconds:.1f} s",
            f"{stage.slowest_seconds:.1f} s",
            f"{stage.peak_mb:.0f} MB",
            f"{stage.last:%Y-%m-%d %H:%M}",
        )
        shown.add_row(stage.stage, *cells)
    console = output()
    console.print(shown)
    for failure in found.failures[:MOST_SHOWN]:
        where = " (in quarantine)" if failure.quarantined else ""
        first = failure.error.splitlines()[0] if failure.error else ""
        console.print(Text(f"{failure.stage} {failure.case}{where}: {first}", style="red"), soft_wrap=True)
    if len(found.failures) > MOST_SHOWN:
        console.print(f"… and {len(found.failures) - MOST_SHOWN} more")
    if is_remote(found.folder):
        console.print(Text(f"the journal is on this machine: {found.journal}"), soft_wrap=True)
    if found.failures:
        console.print("run the stage again with --retry-failed to do these alone")


COLUMNS = ("done", "failed", "a case", "slowest", "most memory", "last (UTC)")
