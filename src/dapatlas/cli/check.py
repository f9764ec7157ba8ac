"""`dapatlas check`."""

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
    from dapatlas.pipeline.checking import Checked
    from dapatlas.pipeline.engine import Schedule

SEVERITIES = {"error": "error", "warning": "warning", "info": "remark"}
MOST_SHOWN = 60  # findings on the terminal; the report has all


@with_schedule
def check(
    dataset: Annotated[
        Path | None,
        typer.Argument(
            parser=location, help="Folder with masks/ and, for HU, images/; or its URL.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            parser=location,
            help="Folder for reports/; the data set itself by default.",
            show_default=False,
        ),
    ] = None,
    scheme: SchemeOption = "dap",
    sex_table: SexTableOption = None,
    force: ForceOption = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print the published ranges and their sources, and stop.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Check label maps against what is known of bodies: sizes, HU, order, neighbours, completeness.

    Volumes are held against published ranges, structures against their neighbours and their HU, cases against the
    cohort. What the field of view cuts off is excused. An *error* is what no body can have, a *warning* what somebody
    should look at. Each case's findings and numbers go to `reports/check/<case>.json`, those of all to
    `reports/check.json`. Exit code 1 when there are errors.

    **Examples**

        dapatlas check DAP_Atlas

        dapatlas check segmentations --scheme totalsegmentator --sex-table sexes.csv

        dapatlas check DAP_Atlas --json | jq '.findings[] | select(.severity == "error")'

        dapatlas check s3://bucket/DAP_Atlas --out reports_of_it

        dapatlas check --explain
    """
    from dapatlas.check.checked_case import COHORT
    from dapatlas.cli.progress import case_progress
    from dapatlas.dataset import Dataset
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.checking import check_dataset

    if explain:
        _explain(as_json)
        return
    if dataset is None:
        raise typer.BadParameter("give the data set to check", param_hint="DATASET")
    opened = Dataset(dataset, find_scheme(scheme))
    with case_progress("checking", quiet=quiet or as_json) as progress:
        result = check_dataset(
            opened, out, sex_table=sex_table, jobs=schedule, force=force, progress=progress
        )
    report = (out or dataset) / COHORT
    if as_json:
        typer.echo(report.read_text(encoding="utf-8").rstrip())
    elif not quiet:
        _print(result, report)
    if result.has_errors:
        raise typer.Exit(1)


def _explain(as_json: bool) -> None:

    from rich.table import Table
    from rich.text import Text

    from dapatlas.check.explain import explained
    from dapatlas.cli.console import output

    rows = explained()
    if as_json:
        print_json(rows)
        return
    shown = Table("what", "sex", "ages", "usual", "possible", "sources", box=None, pad_edge=False)
    for row in rows:
        structures = ", ".join(row["structures"]) + (f" / {', '.join(row['of'])}" if row["of"] else "")
        ages = "–".join(f"{age:g}" for age in row["ages"] or ())
        cells = (f"{row['quantity']}: {structures}", row["sex"] or "", ages, row["usual"], row["possible"])
        shown.add_row(*map(Text, (*cells, "\n".join(row["sources"]))))
    output().print(shown)


def _print(result: Checked, report: Path) -> None:
    from rich.text import Text

    from dapatlas.cli.console import output
    from dapatlas.cli.findings import findings_table
    from dapatlas.findings import Severity

    console = output()
    told = [finding for finding in result.findings if finding.severity != "info"]
    if told:
        console.print(findings_table(told[:MOST_SHOWN]))
    if len(told) > MOST_SHOWN:
        console.print(f"… and {len(told) - MOST_SHOWN} more in the report")
    cases = len(result.outcomes)

    def count(number: int, noun: str) -> str:
        return f"{number} {noun}{'' if number == 1 else 's'}"

    severities = [found.severity for found in result.findings]
    words = ", ".join(count(severities.count(Severity(one)), noun) for one, noun in SEVERITIES.items())
    console.print(Text(f"{count(cases, 'case')}: {words}"), soft_wrap=True)
    console.print(Text(f"report: {report}"), soft_wrap=True)
