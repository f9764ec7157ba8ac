"""`dapatlas refine`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dapatlas.pipeline import Refined
    from dapatlas.pipeline.engine import Schedule
    from dapatlas.refine import RefineSettings


@with_schedule
def refine(
    source: Annotated[
        Path | None, typer.Argument(help="Label map, folder of label maps, or data set.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Argument(help="File or folder for the refined maps.", show_default=False)
    ] = None,
    guidelines: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated names of the guidelines to apply, in that order; all by default.",
            show_default=False,
        ),
    ] = None,
    skip: Annotated[
        str | None, typer.Option(help="Comma-separated names of guidelines to leave out.", show_default=False)
    ] = None,
    thresholds: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A threshold, e.g. `laterality.margin_mm=8`; see `--explain`.",
            metavar="NAME=VALUE",
            show_default=False,
        ),
    ] = None,
    sex_table: SexTableOption = None,
    scheme: SchemeOption = "dap",
    force: ForceOption = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print the guidelines and their thresholds, and stop.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Make label maps anatomically consistent: sides, spine, ribs, regions, sex, islands, containment.

    Works in any orientation and field of view, and explains every change. A file gets its findings beside it
    (`OUT.findings.json`); a folder gets `reports/CASE.json` and `reports/CASE.md`, and a data set also a picture
    of before and after. The originals are kept. Run it again after an interruption: only what is not up to date
    is done. Exit code 1 when a case failed.

    **Examples**

        dapatlas refine prediction.nii.gz refined.nii.gz

        dapatlas refine raw_atlas atlas --sex-table subjects.csv --jobs 4

        dapatlas refine segmentations out --scheme totalsegmentator --skip ribs

        dapatlas refine --explain
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline import refine_file, refine_folder

    settings = _settings(guidelines, skip, thresholds or [])
    if explain:
        _print_guidelines(settings)
        return
    if source is None or out is None:
        raise typer.BadParameter("give what to refine and where to put it", param_hint="SOURCE OUT")
    if source.is_dir():
        with case_progress("refining", quiet=quiet or as_json) as progress:
            results = refine_folder(
                source,
                out,
                settings,
                scheme=find_scheme(scheme),
                sex_table=sex_table,
                jobs=schedule,
                force=force,
                progress=progress,
            )
    else:
        results = [refine_file(source, out, settings, scheme=find_scheme(scheme), sex_table=sex_table)]
    if as_json:
        _print_json(results)
    elif not quiet:
        _print_results(results, out)
    if any(result.state == "failed" for result in results):
        raise typer.Exit(1)


def _settings(guidelines: str | None, skip: str | None, thresholds: Sequence[str]) -> RefineSettings:
    from pydantic import ValidationError

    from dapatlas.refine import GUIDELINES, RefineSettings
    from dapatlas.table_faults import faults_in_words

    names = _names(guidelines) if guidelines else tuple(GUIDELINES)
    without = _names(skip) if skip else ()
    strange = [name for name in without if name not in GUIDELINES]
    if strange:
        raise typer.BadParameter(
            f"no guideline is called {', '.join(strange)}; there are {', '.join(GUIDELINES)}",
            param_hint="--skip",
        )
    values: dict[str, Any] = {"guidelines": tuple(name for name in names if name not in without)}
    for text in thresholds:
        key, found, value = text.partition("=")
        guideline, dot, threshold = key.strip().partition(".")
        if not (found and dot):
            raise typer.BadParameter(
                f"expected GUIDELINE.THRESHOLD=VALUE, found {text!r}", param_hint="--set"
            )
        values.setdefault(guideline, {})[threshold] = value.strip()
    try:
        return RefineSettings.model_validate(values)
    except ValidationError as error:
        story = faults_in_words(error, RefineSettings)
        raise typer.BadParameter(f"{story} (see `dapatlas refine --explain`)") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _print_guidelines(settings: RefineSettings) -> None:
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output
    from dapatlas.refine import GUIDELINES

    table = Table("guideline", "threshold", "value", "what it is", box=None, pad_edge=False)
    for name in settings.guidelines:
        table.add_row(Text(name, style="bold"), "", "", Text(GUIDELINES[name].says, style="bold"))
        values = settings.thresholds(name)
        for threshold, about in type(values).model_fields.items():
            value = getattr(values, threshold)
            words = "…".join(f"{v:g}" for v in value) if isinstance(value, tuple) else f"{value:g}"
            table.add_row("", Text(f"{name}.{threshold}"), words, Text(about.description or ""))
    output().print(table)


def _print_json(results: Sequence[Refined]) -> None:
    from dataclasses import asdict

    print_json([asdict(result) for result in results])


def _print_results(results: Sequence[Refined], out: Path) -> None:
    """The findings of a single case; of several, a line a case."""
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import STATES, output

    console = output()
    if len(results) == 1 and results[0].state == "refined":
        _print_findings(results[0])
    else:
        table = Table("case", "state", "voxels changed", "to look at", "seconds", box=None, pad_edge=False)
        for column in table.columns[2:]:
            column.justify = "right"
        for result in results:
            row = ("", "", "")
            if result.state == "refined":
                serious = [f for f in result.findings if f.severity != "info"]
                row = (str(result.changed), str(len(serious)), f"{result.seconds:.1f}")
            table.add_row(Text(result.case), Text(result.state, style=STATES[result.state]), *row)
        console.print(table)
    for result in results:
        if result.state == "failed":
            console.print(f"[red]{escape(result.case)}[/]: {escape(result.error)}", soft_wrap=True)
    console.print(f"refined maps and findings: {escape(str(out))}", soft_wrap=True)
    if len(results) == 1 and results[0].report:
        console.print(f"findings in full: {escape(results[0].report)}", soft_wrap=True)


def _print_findings(result: Refined) -> None:
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output

    colours = {"error": "red", "warning": "yellow", "info": "dim"}
    table = Table("severity", "code", "what was changed or noticed", box=None, pad_edge=False)
    for finding in sorted(result.findings, key=lambda f: list(colours).index(f.severity)):
        words = Text(finding.message)
        if finding.remedy:
            words.append(f"\n→ {finding.remedy}", style="dim")
        table.add_row(Text(finding.severity.value, style=colours[finding.severity]), finding.code, words)
    if result.findings:
        output().print(table)
    output().print(
        f"{result.case}: {result.changed} voxels changed in {result.seconds:.1f} s", soft_wrap=True
    )
