"""`dapatlas review export`, `report`, `plan` and `status`: what is to be read, and what was said."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dapatlas.cli.options import JobsOption, JsonOption, QuietOption, SchemeOption, print_json
from dapatlas.cli.review_words import DatabaseOption, DatasetArgument, count

if TYPE_CHECKING:
    from dapatlas.pipeline.reviewing import Standing

MOST_SHOWN = 20  # cases on the terminal


class ExportFormat(StrEnum):
    """What `export` writes; the names of `dapatlas.review.export.Format`."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class PlanOrder(StrEnum):
    """The names of `dapatlas.review.plan.Order`."""

    WORST = "worst"
    RANDOM = "random"


def export(
    dataset: DatasetArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write: .csv, .json or .parquet.", show_default=False)
    ],
    form: Annotated[
        ExportFormat | None,
        typer.Option("--format", "-f", help="Kind of file; by its name by default.", show_default=False),
    ] = None,
    database: DatabaseOption = None,
    scheme: SchemeOption = "dap",
    quiet: QuietOption = False,
) -> None:
    """Write all verdicts and marks to a file: CSV or Parquet (a row a verdict and a row a mark), or JSON.

    The columns are described in the documentation. The file appears whole or not at all.

    **Examples**

        dapatlas review export DAP_Atlas --out verdicts.parquet

        dapatlas review export DAP_Atlas -o verdicts.csv --database postgresql://review@db.example.org/atlas
    """
    found = _standing(dataset, database, scheme)
    from dapatlas.review.export import Format, format_of, write_export

    wanted = format_of(out) if form is None else Format(form.value)
    write_export(out, wanted, found.verdicts, found.facts, found.plan)
    if not quiet:
        marks = sum(len(each.content.marks) for each in found.verdicts)
        typer.echo(f"{count(len(found.verdicts), 'verdict')}, {count(marks, 'mark')}: {out}")


def report(
    dataset: DatasetArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The HTML file; `DATASET/review.html` by default.", show_default=False
        ),
    ] = None,
    database: DatabaseOption = None,
    work: Annotated[
        Path | None,
        typer.Option(
            help="Folder to keep checks and pictures in, for a data set that cannot be written to.",
            show_default=False,
        ),
    ] = None,
    scheme: SchemeOption = "dap",
    jobs: JobsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write the report of `dapatlas report` with what readers said: one HTML file that needs no network.

    It tells how far readers are and how they agree (Cohen's kappa), how often each structure was approved, and every
    case's verdicts, those on maps that have since changed named as such. Exit code 1 when a case could not be drawn.

    **Examples**

        dapatlas review report DAP_Atlas

        dapatlas review report DAP_Atlas --out review_march.html
    """
    from functools import partial

    from dapatlas.cli.progress import case_progress
    from dapatlas.dataset import Dataset
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.checking import check_dataset
    from dapatlas.pipeline.reporting import report_dataset
    from dapatlas.pipeline.reviewing import review_content, review_store, standing

    opened, stages = Dataset(dataset, find_scheme(scheme)), partial(case_progress, quiet=quiet)
    with review_store(opened.path, database, new=False) as store:
        with stages("checking") as progress:  # first, for the checks tell what is in view
            check_dataset(opened, work, jobs=jobs, progress=progress)
        content = review_content(standing(opened, store))
    path = out or dataset / "review.html"
    result = report_dataset(opened, path, work=work, jobs=jobs, review=content, stages=stages)
    for outcome in result.failed:
        typer.secho(f"{outcome.case}: {outcome.error}", fg=typer.colors.RED, err=True)
    if not quiet:
        typer.echo(f"{count(len(content.cases), 'case')} with verdicts; report: {result.path}")
    if result.failed:
        raise typer.Exit(1)


def plan(
    dataset: DatasetArgument,
    order: Annotated[
        PlanOrder | None,
        typer.Option(help="`worst`: gravest findings first; `random`: in a drawn order.", show_default=False),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            help="Only so many cases, drawn at random; 0 for all of them.", min=0, show_default=False
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="For whatever is drawn at random.", min=0, show_default=False)
    ] = None,
    readings: Annotated[
        int | None,
        typer.Option(
            help="How many different readers each case needs: 1 or 2.", min=1, max=2, show_default=False
        ),
    ] = None,
    database: DatabaseOption = None,
    scheme: SchemeOption = "dap",
    as_json: JsonOption = False,
) -> None:
    """Say which cases are to be read, in what order, by how many; or show it, where nothing is given.

    What is not given stays as it is. A draw depends on the seed and the case ids alone, so that it comes out the same
    everywhere, and a larger sample holds the smaller one.

    **Examples**

        dapatlas review plan DAP_Atlas

        dapatlas review plan DAP_Atlas --order worst --sample 50 --seed 1 --readings 2
    """
    from dapatlas.dataset import Dataset
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.reviewing import review_store, standing

    opened = Dataset(dataset, find_scheme(scheme))
    with review_store(opened.path, database) as store:
        from dapatlas.review.plan import Order, Plan

        before = store.plan()
        wanted = Plan(
            before.order if order is None else Order(order.value),
            before.sample if sample is None else sample or None,
            before.seed if seed is None else seed,
            before.readings if readings is None else readings,
        )
        if wanted != before:
            store.set_plan(wanted)
        found = standing(opened, store)
    _show_plan(found, as_json)


def status(
    dataset: DatasetArgument,
    database: DatabaseOption = None,
    scheme: SchemeOption = "dap",
    as_json: JsonOption = False,
) -> None:
    """How far a review is: cases by state, readers, how they agree.

    **Examples**

        dapatlas review status DAP_Atlas

        dapatlas review status DAP_Atlas --json | jq .states
    """
    found = _standing(dataset, database, scheme)
    if as_json:
        print_json({"plan": found.plan.as_dict(), **found.progress.as_dict()})
    else:
        _show_status(found)


def _standing(dataset: Path, database: str | None, scheme: str) -> Standing:
    from dapatlas.dataset import Dataset
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.reviewing import review_store, standing

    opened = Dataset(dataset, find_scheme(scheme))
    with review_store(opened.path, database, new=False) as store:
        return standing(opened, store)


def _show_plan(found: Standing, as_json: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output
    from dapatlas.review.queue import planned

    places = planned(found.facts, found.plan)
    if as_json:
        cases: list[Any] = [{"case": each.case, "why": each.why} for each in places]
        print_json({**found.plan.as_dict(), "cases": cases})
        return
    wanted = found.plan
    words = "worst first" if wanted.order.value == "worst" else "in random order"
    typer.echo(
        f"{len(places)} of {count(len(found.facts), 'case')}, {words} (seed {wanted.seed}), "
        f"{count(wanted.readings, 'reading')} each"
    )
    shown = Table("case", "why here", box=None, pad_edge=False)
    for each in places[:MOST_SHOWN]:
        shown.add_row(Text(each.case), Text(each.why))
    output().print(shown)
    if len(places) > MOST_SHOWN:
        typer.echo(f"… and {len(places) - MOST_SHOWN} more (--json has all)")


def _show_status(found: Standing) -> None:
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output

    progress, console = found.progress, output()
    total = sum(progress.states.values())
    counts = ", ".join(f"{number} {state.value}" for state, number in progress.states.items() if number)
    typer.echo(f"{count(total, 'case')} to be read: {counts or 'none'}")
    readers = Table(
        "reader", "role", "read", "approve", "remarks", "reject", "last saved", box=None, pad_edge=False
    )
    for each in progress.readers:
        row = each.as_dict()
        numbers = [str(row[name]) for name in ("read", "approve", "remarks", "reject")]
        last = "" if each.last_at is None else f"{each.last_at:%Y-%m-%d %H:%M}"
        readers.add_row(*map(Text, (each.reader, row["role"] or "", *numbers, last)))
    if progress.readers:
        console.print(readers)
    pairs = Table("readers", "cases", "same decision", "kappa", box=None, pad_edge=False)
    for pair in progress.pairs:
        kappa = "–" if pair.kappa is None else f"{pair.kappa:.2f}"
        pairs.add_row(Text(" and ".join(pair.readers)), str(pair.cases), f"{pair.agreement:.0%}", kappa)
    if progress.pairs:
        console.print(pairs)
    for case in progress.disagreements:
        typer.echo(f"readers differ on {case}")
