"""`dapatlas report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dapatlas.cli.options import (
    ForceOption,
    JobsOption,
    JsonOption,
    QuietOption,
    SchemeOption,
    SexTableOption,
    print_json,
)

if TYPE_CHECKING:
    from dapatlas.pipeline.reporting import DatasetReport


def report(
    dataset: Annotated[
        Path,
        typer.Argument(help="Folder with `masks/` and, for HU and pictures, `images/`.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The HTML file; `DATASET/report.html` by default.", show_default=False
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            help="Another data set of the same cases to compare with; only read.", show_default=False
        ),
    ] = None,
    sex_table: SexTableOption = None,
    pictures: Annotated[int, typer.Option(help="At most so many places of findings are drawn.", min=0)] = 120,
    work: Annotated[
        Path | None,
        typer.Option(
            help="Folder to keep checks and pictures in, for a data set that cannot be written to.",
            show_default=False,
        ),
    ] = None,
    scheme: SchemeOption = "dap",
    jobs: JobsOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check a data set and write one HTML file about it that needs no network.

    A summary, the findings of `dapatlas check` with pictures of their places, volumes over the cohort, a page for each
    case, how experts agree and what guidelines changed (as far as builds left it in `reports/`), and the differences
    from another data set. What is up to date is not made again. Exit code 1 when there are errors.

    **Examples**

        dapatlas report DAP_Atlas

        dapatlas report DAP_Atlas --compare DAP_Atlas_before --out difference.html

        dapatlas report /mnt/read_only/DAP_Atlas --work scratch --out report.html --pictures 300 --jobs 8
    """
    from functools import partial

    from dapatlas.cli.progress import case_progress
    from dapatlas.dataset import Dataset
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.reporting import report_dataset

    known = find_scheme(scheme)
    result = report_dataset(
        Dataset(dataset, known),
        out,
        other=None if compare is None else Dataset(compare, known),
        work=work,
        sex_table=sex_table,
        pictures=pictures,
        jobs=jobs,
        force=force,
        stages=partial(case_progress, quiet=quiet or as_json),
    )
    if as_json:
        print_json(_numbers(result))
    elif not quiet:
        _print_summary(result)
    if result.checked.has_errors or result.failed:
        raise typer.Exit(1)


def _numbers(result: DatasetReport) -> dict[str, Any]:
    from dapatlas.findings import Severity

    findings = result.checked.findings
    counts = {one: sum(found.severity is one for found in findings) for one in Severity}
    comparison = result.content.comparison
    return {
        "report": str(result.path),
        "bytes": result.path.stat().st_size,
        "cases": len(result.content.cases),
        "errors": counts[Severity.ERROR],
        "warnings": counts[Severity.WARNING],
        "remarks": counts[Severity.INFO],
        "pictures": len(set(result.content.holders.values())),
        "compared": None if comparison is None else len(comparison.cases),
        "failed": {outcome.case: outcome.error for outcome in result.failed},
    }


def _print_summary(result: DatasetReport) -> None:
    from rich.markup import escape

    from dapatlas.cli.console import output
    from dapatlas.files import size_in_words

    console, numbers = output(), _numbers(result)
    console.print(
        f"{numbers['cases']} case{'s' * (numbers['cases'] != 1)}: {numbers['errors']} errors, "
        f"{numbers['warnings']} warnings, {numbers['remarks']} remarks; {numbers['pictures']} places drawn",
        soft_wrap=True,
    )
    for outcome in result.failed:
        console.print(f"[red]{escape(outcome.case)}[/]: {escape(outcome.error)}", soft_wrap=True)
    console.print(f"report: {escape(str(result.path))} ({size_in_words(numbers['bytes'])})", soft_wrap=True)
