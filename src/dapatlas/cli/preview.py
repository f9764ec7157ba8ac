"""`dapatlas preview`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dapatlas.cli.options import ForceOption, JsonOption, QuietOption, SchemeOption, print_json
from dapatlas.cli.schedule import with_schedule
from dapatlas.locations import location

if TYPE_CHECKING:
    from dapatlas.pipeline.engine import Schedule
    from dapatlas.pipeline.previewing import Preview


@with_schedule
def preview(
    dataset: Annotated[
        Path,
        typer.Argument(
            parser=location, help="Folder with images/ and masks/; or its URL.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            parser=location,
            help="Folder for data/; the data set itself by default.",
            show_default=False,
        ),
    ] = None,
    shard_mb: Annotated[
        float, typer.Option(help="Most that a Parquet file may have, in MB.", min=0.001)
    ] = 500,
    scheme: SchemeOption = "dap",
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Write the preview table: names, slice count, and pictures of the middle slice of every case.

    The Parquet files `data/train-*.parquet` are what the Hugging Face viewer shows and
    `datasets.load_dataset` reads: the CT in a soft tissue window, the label map as a palette picture whose pixel
    values are the label ids, and both over each other. Volumes are read up to the middle slice alone. Run it again
    after an interruption or a change: only what is not up to date is done. Exit code 1 when a case failed.

    **Examples**

        dapatlas preview DAP_Atlas

        dapatlas preview DAP_Atlas --out hub --shard-mb 100 --jobs 4

        dapatlas preview s3://bucket/DAP_Atlas

        dapatlas preview DAP_Atlas --json > preview.json
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.dataset import Dataset
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.previewing import preview_dataset

    opened = Dataset(dataset, find_scheme(scheme))
    with case_progress("previewing", quiet=quiet or as_json) as progress:
        result = preview_dataset(
            opened, out, shard_mb=shard_mb, jobs=schedule, force=force, progress=progress
        )
    if as_json:
        _print_json(result)
    elif not quiet:
        _print_result(result)
    if result.failed:
        raise typer.Exit(1)


def _print_json(result: Preview) -> None:

    document = {
        "rows": result.rows,
        "written": result.written,
        "shards": [{"file": str(path), "bytes": path.stat().st_size} for path in result.shards],
        "cases": [
            {"case": case.case, "state": case.state, "seconds": round(case.seconds, 3), "error": case.error}
            for case in result.cases
        ],
    }
    print_json(document)


def _print_result(result: Preview) -> None:
    from rich.markup import escape

    from dapatlas.cli.console import output
    from dapatlas.files import size_in_words

    console = output()
    for case in result.failed:
        console.print(f"[red]{escape(case.case)}[/]: {escape(case.error)}", soft_wrap=True)
    states = [case.state for case in result.cases]
    counts = ", ".join(
        f"{states.count(s)} {s}" for s in ("done", "up to date", "left out", "failed") if s in states
    )
    console.print(f"{len(states)} case{'' if len(states) == 1 else 's'}: {counts}", soft_wrap=True)
    news = "" if result.written else "  (unchanged)"
    for path in result.shards:
        console.print(f"{escape(str(path))}  {size_in_words(path.stat().st_size)}{news}", soft_wrap=True)
    if not result.shards:
        console.print("no table was written: no case has a row")
