"""`dapatlas build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dapatlas.pipeline import BuildResult


def build(
    recipe: Annotated[Path, typer.Argument(help="Recipe (TOML).", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The data set's folder.", show_default=False)],
    cts: Annotated[
        str | None,
        typer.Option(help="CTs to use instead of the recipe's, e.g. `ct/{case}.nii.gz`.", show_default=False),
    ] = None,
    expert: Annotated[
        list[str] | None,
        typer.Option(
            help="`NAME=FILES`: files of an expert instead of the recipe's, e.g. `totalsegmentator=seg/{case}.nii.gz`.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Worker processes; one a processor by default.", min=1)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Build every case again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no table.")] = False,
) -> None:
    """Build a data set from CTs and experts' label maps.

    Writes `images/`, `masks/`, `labels.json`, and for each case `reports/CASE.json` (counts, volumes,
    findings) and `reports/CASE.png` (overlay). Run it again after an interruption, or after a change of
    recipe or inputs: only what is not up to date is built. Exit code 1 when a case failed.

    **Examples**

        dapatlas build examples/totalsegmentator.toml --out atlas

        dapatlas build my.toml --out atlas --cts 'ct/{case}.nii.gz' --expert 'totalsegmentator=seg/{case}'
    """
    from dapatlas.aggregate import load_recipe
    from dapatlas.cli.progress import case_progress
    from dapatlas.pipeline import build as run

    loaded = load_recipe(recipe, cts=cts, expert_files=_pairs(expert or []))
    with case_progress("building", quiet=quiet or as_json) as progress:
        result = run(loaded, out, jobs=jobs, force=force, progress=progress)
    if as_json:
        _print_json(result)
    elif not quiet:
        print_table(result)
    if result.failed:
        raise typer.Exit(1)


def _pairs(options: list[str]) -> dict[str, str]:
    pairs = {}
    for option in options:
        name, found, files = option.partition("=")
        if not found:
            raise typer.BadParameter(f"expected NAME=FILES, found {option!r}", param_hint="--expert")
        pairs[name] = files
    return pairs


def _print_json(result: BuildResult) -> None:
    import json
    from dataclasses import asdict

    document = {
        "dataset": str(result.dataset.path),
        "cases": [asdict(case) for case in result.cases],
        "findings": [finding.as_dict() for finding in result.findings],
    }
    typer.echo(json.dumps(document, indent=1, ensure_ascii=False))


def print_table(result: BuildResult) -> None:
    """A line a case, then where to look."""
    from rich.markup import escape
    from rich.table import Table

    from dapatlas.cli.console import output
    from dapatlas.pipeline.report import read_summary

    console = output()
    table = Table("case", "state", "structures", "labelled", "findings", "seconds", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    colours = {"built": "green", "up to date": "dim", "failed": "red"}
    for case in result.cases:
        row = ("", "", "")
        if case.state != "failed":
            summary = read_summary(result.dataset.path, case.case)
            row = (str(summary.structures), f"{summary.litres:.1f} l", str(summary.findings))
        state = f"[{colours[case.state]}]{case.state}[/]"
        table.add_row(escape(case.case), state, *row, f"{case.seconds:.1f}" if case.seconds else "")
    console.print(table)
    for case in result.failed:
        console.print(f"[red]{escape(case.case)}[/]: {escape(case.error)}", soft_wrap=True)
    for finding in result.findings:
        console.print(
            f"[yellow]{escape(finding.case)}[/]: {escape(finding.message)}; {escape(finding.remedy)}"
        )
    built = len(result.cases) - len(result.failed)
    console.print(
        f"{built} of {len(result.cases)} cases in {escape(str(result.dataset.path))}", soft_wrap=True
    )
    console.print(f"pictures and reports: {escape(str(result.dataset.path / 'reports'))}", soft_wrap=True)
