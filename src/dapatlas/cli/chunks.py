"""`dapatlas chunks`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dapatlas.cli.options import ForceOption, JsonOption, QuietOption, print_json
from dapatlas.cli.schedule import with_schedule
from dapatlas.locations import location

if TYPE_CHECKING:
    from dapatlas.pipeline.chunking import Chunks
    from dapatlas.pipeline.engine import Schedule


@with_schedule
def chunks(
    dataset: Annotated[
        Path,
        typer.Argument(
            parser=location, help="Folder with images/ and masks/; or its URL.", show_default=False
        ),
    ],
    cache: Annotated[
        Path | None,
        typer.Option(
            parser=location,
            help="Folder for the chunks, as `PatchDataset(cache=...)` takes it; by default in the data set.",
            show_default=False,
        ),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Build the chunks that training reads patches from, ahead and once, on a laptop or a cluster.

    `PatchDataset` builds what is missing when it is made, on the machine that trains. After this command it builds
    nothing. Cases without CT or without map are left out. Run it again after an interruption or a change: only what
    is not up to date is built. Exit code 1 when a case failed.

    **Examples**

        dapatlas chunks DAP_Atlas

        dapatlas chunks DAP_Atlas --cache /scratch/chunks --slurm cpu,workers=16,memory_gb=4

        dapatlas chunks s3://bucket/DAP_Atlas --cache chunks --jobs 4

        dapatlas chunks DAP_Atlas --retry-failed --json
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.dataset import Dataset
    from dapatlas.pipeline.chunking import chunk_dataset

    with case_progress("cutting into chunks", quiet=quiet or as_json) as progress:
        result = chunk_dataset(Dataset(dataset), cache, jobs=schedule, force=force, progress=progress)
    if as_json:
        print_json(_document(result))
    else:
        _print_result(result, quiet=quiet)
    if result.failed:
        raise typer.Exit(1)


def _document(result: Chunks) -> dict[str, Any]:
    return {
        "folder": str(result.folder),
        "written_bytes": result.written_bytes,
        "cases": [
            {"case": case.case, "state": case.state, "seconds": round(case.seconds, 3), "error": case.error}
            for case in result.cases
        ],
    }


def _print_result(result: Chunks, *, quiet: bool) -> None:
    from rich.markup import escape

    from dapatlas.cli.console import output
    from dapatlas.files import size_in_words

    console = output()
    for case in result.failed:
        console.print(f"[red]{escape(case.case)}[/]: {escape(case.error)}", soft_wrap=True)
    if quiet:
        return
    states = [case.state for case in result.cases]
    counts = ", ".join(
        f"{states.count(s)} {s}" for s in ("done", "up to date", "left out", "failed") if s in states
    )
    console.print(f"{len(states)} case{'' if len(states) == 1 else 's'}: {counts}", soft_wrap=True)
    console.print(
        f"{escape(str(result.folder))}  {size_in_words(result.written_bytes)} written", soft_wrap=True
    )
