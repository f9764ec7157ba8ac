"""`dapatlas stats`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dapatlas.cli.options import (
    ForceOption,
    JsonOption,
    QuietOption,
    SchemeOption,
    SexTableOption,
    print_json,
)
from dapatlas.cli.schedule import with_schedule
from dapatlas.locations import location

if TYPE_CHECKING:
    from dapatlas.pipeline.engine import Schedule
    from dapatlas.pipeline.statistics import DatasetStatistics

OUTLIERS_SHOWN = 10


@with_schedule
def stats(
    dataset: Annotated[
        Path, typer.Argument(parser=location, help="Folder with `masks/` and, for HU, `images/`; or its URL.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            parser=location,
            help="The HTML file; `DATASET/stats.html` by default.",
            show_default=False,
        ),
    ] = None,
    sex_table: SexTableOption = None,
    pictures: Annotated[int, typer.Option(help="At most this many cases are shown as pictures.", min=0)] = 24,
    work: Annotated[
        Path | None,
        typer.Option(
            help="Folder to keep measurements in, for a data set that cannot be written to.",
            show_default=False,
        ),
    ] = None,
    scheme: SchemeOption = "dap",
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Statistics and pictures of a whole data set as one HTML file that needs no network.

    Which structures are there, how large and how dense they are (by sex, where it is known), fields of view, a montage
    of cases, sizes out of line, and a table to sort. Measurements are kept in `.dapatlas/stats/`: run it again after
    an interruption, and only what is not up to date is read. Exit code 1 when a case failed.

    **Examples**

        dapatlas stats DAP_Atlas

        dapatlas stats DAP_Atlas --out report.html --sex-table subjects.csv --jobs 4

        dapatlas stats /mnt/read_only/DAP_Atlas --work scratch --out report.html --json > numbers.json
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.dataset import Dataset
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.statistics import dataset_statistics

    opened = Dataset(dataset, find_scheme(scheme))
    with case_progress("measuring", quiet=quiet or as_json) as progress:
        result = dataset_statistics(
            opened,
            out,
            work=work,
            sex_table=sex_table,
            pictures=pictures,
            jobs=schedule,
            force=force,
            progress=progress,
        )
    if as_json:
        _print_json(result)
    elif not quiet:
        _print_summary(result)
    if result.failed:
        raise typer.Exit(1)


def _print_json(result: DatasetStatistics) -> None:

    failed = {outcome.case: outcome.error for outcome in result.failed}
    document = {**result.statistics.as_dict(), "failed": failed, "report": str(result.report)}
    print_json(document)


def _print_summary(result: DatasetStatistics) -> None:
    from rich.markup import escape

    from dapatlas.cli.console import output

    console, found = output(), result.statistics
    numbers = found.as_dict()
    cases, subjects, without = numbers["cases"], numbers["subjects"], found.without_ct
    console.print(
        f"{cases} case{'s' * (cases != 1)} of {subjects} subject{'s' * (subjects != 1)}, "
        f"{numbers['structures']} structures, "
        f"{numbers['labelled_litres']:.1f} litres labelled",
        soft_wrap=True,
    )
    if without:
        console.print(f"{without} case{'s' * (without != 1)} without a CT, hence without HU", soft_wrap=True)
    for one in found.outliers[:OUTLIERS_SHOWN]:
        console.print(
            f"[yellow]out of line[/] {escape(one.case)}: {one.structure} {one.volume_ml:.3g} ml, "
            f"{one.ratio:.2g} × the median",
            soft_wrap=True,
        )
    if len(found.outliers) > OUTLIERS_SHOWN:
        console.print(f"… and {len(found.outliers) - OUTLIERS_SHOWN} more, in the report", soft_wrap=True)
    for outcome in result.failed:
        console.print(f"[red]{escape(outcome.case)}[/]: {escape(outcome.error)}", soft_wrap=True)
    console.print(f"report: {escape(str(result.report))}", soft_wrap=True)
