"""`dapatlas build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dapatlas.cli.options import CtsOption, ExpertOption, JsonOption, QuietOption, expert_files, print_json
from dapatlas.cli.schedule import with_schedule

if TYPE_CHECKING:
    from dapatlas.pipeline import BuildResult
    from dapatlas.pipeline.agreement import CohortAgreement
    from dapatlas.pipeline.engine import Schedule


@with_schedule
def build(
    recipe: Annotated[Path, typer.Argument(help="Recipe (TOML).", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The data set's folder.", show_default=False)],
    cts: CtsOption = None,
    expert: ExpertOption = None,
    force: Annotated[bool, typer.Option("--force", help="Build every case again.")] = False,
    force_stage: Annotated[
        str | None,
        typer.Option(help="Do one stage of each case again: `map` or `picture`.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Build a data set from CTs and experts' label maps.

    Writes `images/`, `masks/`, `labels.json`, and for each case `reports/CASE.json` (counts, volumes,
    findings) and `reports/CASE.png` (overlay). Run it again after an interruption, or after a change of
    recipe or inputs: only what is not up to date is built. Exit code 1 when a case failed.

    **Examples**

        dapatlas build examples/totalsegmentator.toml --out atlas

        dapatlas build my.toml --out atlas --slurm gpu,workers=16,memory_gb=6

        dapatlas build my.toml --out atlas --cts 'ct/{case}.nii.gz' --expert 'totalsegmentator=seg/{case}'
    """
    from dapatlas.aggregate import load_recipe
    from dapatlas.cli.progress import case_progress
    from dapatlas.pipeline import build as run

    loaded = load_recipe(recipe, cts=cts, expert_files=expert_files(expert))
    with case_progress("building", quiet=quiet or as_json) as progress:
        result = run(loaded, out, jobs=schedule, force=force or _stage(force_stage), progress=progress)
    if as_json:
        _print_json(result)
    elif not quiet:
        print_table(result)
    if result.failed:
        raise typer.Exit(1)


def _stage(name: str | None) -> str | bool:
    from dapatlas.pipeline.build import MAP, PICTURE

    if name not in (None, MAP, PICTURE):
        raise typer.BadParameter(
            f"{name!r} is no stage of a build: {MAP}, {PICTURE}", param_hint="--force-stage"
        )
    return name or False


def _print_agreement(agreement: CohortAgreement, page: Path) -> None:
    """On what experts differ most, what to look at first, and who stands alone."""
    from rich.markup import escape

    from dapatlas.cli.console import output

    least = ", ".join(f"{s.structure} {s.dice:.2f}" for s in agreement.structures[:3])
    lines = [f"experts agree least on {least} (Dice)"]
    for expert in agreement.experts:
        if expert.alone:
            times = f"{expert.alone} times: {', '.join(expert.alone_on[:5])}"
            lines.append(f"[yellow]{escape(expert.expert)}[/] stands alone {times}")
    first = [case.case for case in agreement.cases if case.apart][:3]
    if first:
        lines.append(f"look first at {escape(', '.join(first))}")
    for line in [*lines, f"how the experts agree: {escape(str(page))}"]:
        output().print(line, soft_wrap=True)


def _print_json(result: BuildResult) -> None:
    from dataclasses import asdict

    document = {
        "dataset": str(result.dataset.path),
        "cases": [asdict(case) for case in result.cases],
        "findings": [finding.as_dict() for finding in result.findings],
        "recipe_findings": [finding.as_dict() for finding in result.recipe_findings],
        "agreement": None if result.agreement is None else asdict(result.agreement),
    }
    print_json(document)


def print_table(result: BuildResult) -> None:
    """A line a case, then where to look."""
    from rich.markup import escape
    from rich.table import Table

    from dapatlas.cli.console import STATES, output
    from dapatlas.pipeline.report import read_summary

    console = output()
    table = Table("case", "state", "structures", "labelled", "findings", "seconds", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for case in result.cases:
        row = ("", "", "")
        if case.state not in ("failed", "left out"):
            summary = read_summary(result.dataset.path, case.case)
            row = (str(summary.structures), f"{summary.litres:.1f} l", str(summary.findings))
        state = f"[{STATES[case.state]}]{case.state}[/]"
        table.add_row(escape(case.case), state, *row, f"{case.seconds:.1f}" if case.seconds else "")
    console.print(table)
    for case in result.failed:
        console.print(f"[red]{escape(case.case)}[/]: {escape(case.error)}", soft_wrap=True)
    for finding in (*result.recipe_findings, *result.findings):
        about = escape(finding.case or "recipe")
        console.print(
            f"[yellow]{about}[/]: {escape(finding.message)}; {escape(finding.remedy)}", soft_wrap=True
        )
    if result.agreement is not None:
        _print_agreement(result.agreement, result.dataset.path / "reports" / "agreement.md")
    built = sum(case.state in ("built", "up to date") for case in result.cases)
    console.print(
        f"{built} of {len(result.cases)} cases in {escape(str(result.dataset.path))}", soft_wrap=True
    )
    console.print(f"pictures and reports: {escape(str(result.dataset.path / 'reports'))}", soft_wrap=True)
