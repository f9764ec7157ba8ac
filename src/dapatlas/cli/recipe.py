"""`dapatlas recipe`: what a recipe will do, and what is wrong with it, before any volume is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dapatlas.cli.options import CtsOption, ExpertOption, JsonOption, QuietOption, expert_files, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from dapatlas.aggregate.explain import ExpertRow, Explanation, Row
    from dapatlas.findings import Finding

app = typer.Typer(
    help="Recipes: what they will do, and what is wrong with them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

RecipeArgument = Annotated[Path, typer.Argument(help="Recipe (TOML).", show_default=False)]

MAX_ALIKE = 5  # findings of one kind that the table shows
COLOURS = {"error": "red", "warning": "yellow", "info": "dim"}
SILENCE = {True: "silence is a no", False: "silence says nothing"}


@app.command()
def explain(
    recipe: RecipeArgument, cts: CtsOption = None, expert: ExpertOption = None, as_json: JsonOption = False
) -> None:
    """Print who supplies each structure of the atlas, most trusted first, and how.

    How a structure comes from an expert's: *equal*; *part of it*; *by choice* of the recipe; *whole, split by
    mid-plane* into left and right; *whole, yields to parts*, which adds to what another expert finds. What nobody
    claims is filled by place and HU. Below the table: what each expert is good for and which of its files are
    missing, what nobody supplies, and what goes nowhere. No volume is read.

    **Examples**

        dapatlas recipe explain examples/totalsegmentator.toml

        dapatlas recipe explain my.toml --cts 'ct/{case}.nii.gz' --expert 'amos=amos/{case}.nii.gz'

        dapatlas recipe explain my.toml --json > explanation.json
    """
    from dapatlas.aggregate import load_recipe
    from dapatlas.aggregate.explain import explain_recipe
    from dapatlas.errors import DapatlasError
    from dapatlas.pipeline import find_cases

    loaded = load_recipe(recipe, cts=cts, expert_files=expert_files(expert))
    try:
        cases, trouble = find_cases(loaded), ""
    except DapatlasError as error:  # the rest can be told all the same
        cases, trouble = [], str(error)
    explanation = explain_recipe(loaded, cases)
    if as_json:
        print_json(explanation.as_dict() | {"trouble": trouble})
        return
    _print_rows(explanation.rows)
    _print_experts(explanation)
    _print_lists(explanation)
    if trouble:
        typer.secho(f"warning: {trouble}", fg=typer.colors.YELLOW, err=True)


@app.command()
def check(
    recipe: RecipeArgument,
    cts: CtsOption = None,
    expert: ExpertOption = None,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", help="Worker processes that read headers; worth it for many cases.", min=1
        ),
    ] = 1,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check a recipe and the files that it names before it is built; only headers are read.

    Missing and unreadable files, experts' files that lie outside the CT, structures that no expert supplies,
    settings without effect. Exit code 1 when there are errors, 0 when there are none (warnings may be).

    **Examples**

        dapatlas recipe check my.toml

        dapatlas recipe check my.toml --cts 'ct/{case}.nii.gz' --expert 'amos=amos/{case}.nii.gz'

        dapatlas recipe check my.toml --json > findings.json
    """
    from dapatlas.aggregate import load_recipe
    from dapatlas.aggregate.check import check_recipe
    from dapatlas.cli.progress import case_progress
    from dapatlas.findings import has_errors

    loaded = load_recipe(recipe, cts=cts, expert_files=expert_files(expert))
    cases, findings = _cases(loaded)
    with case_progress("checking", quiet=quiet or as_json) as progress:
        findings += check_recipe(loaded, cases, jobs=jobs, progress=progress)
    if as_json:
        summary = {"recipe": loaded.name, "cases": [case.id for case in cases], **_counts(findings)}
        print_json({**summary, "findings": [finding.as_dict() for finding in findings]})
    elif not quiet:
        _print_findings(loaded.name, len(cases), findings)
    if has_errors(findings):
        raise typer.Exit(1)


def _cases(loaded: Any) -> tuple[list[Any], list[Finding]]:
    """The cases of a recipe; where there are none, a finding that says why."""
    from dapatlas.errors import DapatlasError
    from dapatlas.findings import Finding, Severity
    from dapatlas.pipeline import find_cases

    try:
        return find_cases(loaded), []
    except DapatlasError as error:
        return [], [Finding("", Severity.ERROR, "no-cts", str(error))]


def _print_rows(rows: Sequence[Row]) -> None:
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output

    table = Table("id", "structure", "from, most trusted first", box=None, pad_edge=False)
    table.columns[0].justify = "right"
    for row in rows:
        style = "" if row.found else "yellow"
        table.add_row(str(row.id), Text(row.structure, style=style), _origins(row))
    output().print(table)


def _origins(row: Row) -> Text:
    from rich.text import Text

    words = [f"{one.expert}: {_way(row.structure, one.how)}" for one in row.suppliers]
    if row.by_consensus:
        words.append("settled by STAPLE")
    if not row.found:
        words.append("nobody finds it" if row.suppliers else "nobody")
    text = Text("; ".join(words), style="" if row.found else "yellow")
    if row.filled:
        text.append(f"{'; ' if words else ''}{row.filled}", style="dim")
    return text


def _way(structure: str, how: Any) -> str:
    """The way, and the expert's words for the structure where they are others than the atlas's."""
    others = [source for source in how.sources if source != structure]
    return f"{how.way.value} ({', '.join(how.sources)})" if others else str(how.way.value)


def _print_experts(explanation: Explanation) -> None:
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output

    table = Table(
        "expert", "kind", "scheme", "supplies", "where it says nothing", "cases", "files",
        box=None, pad_edge=False,
    )  # fmt: skip
    total = len(explanation.cases)
    for row in explanation.experts:
        there = f"{total - len(row.missing)} of {total}{'' if row.required else ', optional'}"
        silence = f"{row.absent.replace('_', ' ')}: {SILENCE[row.silence]}"
        cells = (row.name, row.kind, row.scheme, str(row.supplies), silence, there, row.files)
        table.add_row(*map(Text, cells))
    console = output()
    console.print()
    console.print(table)


def _print_lists(explanation: Explanation) -> None:
    from rich.text import Text

    from dapatlas.cli.console import output

    console = output()
    console.print()
    for label, words in _lists(explanation):
        console.print(Text(f"{label}: ", style="bold").append(words, style="not bold"), soft_wrap=True)


def _lists(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """Each a label and what there is of it."""
    unsupplied = explanation.unsupplied
    yield (
        f"supplied by nobody ({len(unsupplied)} of {len(explanation.rows)})",
        ", ".join(unsupplied) or "none",
    )
    for row in explanation.experts:
        yield from _of_expert(row)
    yield "where experts disagree", explanation.disagreement
    yield "cases", str(len(explanation.cases))


def _of_expert(row: ExpertRow) -> Iterator[tuple[str, str]]:
    if row.spaces:
        yield f"{row.name}: spaces, filled by tissue", ", ".join(row.spaces)
    reasons: dict[str, list[str]] = {}
    for source, reason in row.nowhere.items():
        reasons.setdefault(reason, []).append(source)
    for reason, sources in reasons.items():
        yield f"{row.name}: goes nowhere", f"{', '.join(sources)} ({reason})"
    if row.missing:
        yield f"{row.name}: no file for", ", ".join(row.missing)


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    from dapatlas.findings import Severity

    severities = [finding.severity for finding in findings]
    return {"errors": severities.count(Severity.ERROR), "warnings": severities.count(Severity.WARNING)}


def _print_findings(name: str, cases: int, findings: Sequence[Finding]) -> None:
    """A row a finding, gravest first, of one kind not too many; then the counts."""
    from collections import Counter

    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output

    table = Table("severity", "case", "code", "what is wrong, and what to do", box=None, pad_edge=False)
    kinds = Counter((finding.severity, finding.code) for finding in findings)
    shown: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        kind = (finding.severity, finding.code)
        shown[kind] += 1
        severity = Text(finding.severity.value, style=COLOURS[finding.severity.value])
        if shown[kind] <= MAX_ALIKE:
            table.add_row(severity, Text(finding.case or "(recipe)"), finding.code, _story(finding))
        elif shown[kind] == kinds[kind]:
            more = f"… and {kinds[kind] - MAX_ALIKE} more of this kind: see --json"
            table.add_row(severity, "", finding.code, more)
    console = output()
    if findings:
        console.print(table)
    counts = _counts(findings)
    verdict = ", ".join(
        f"{number} {noun}{'' if number == 1 else 's'}"
        for number, noun in ((cases, "case"), (counts["errors"], "error"), (counts["warnings"], "warning"))
    )
    console.print(Text(f"{name}: {verdict}"), soft_wrap=True)


def _story(finding: Finding) -> Text:
    from rich.text import Text

    story = Text(finding.message)
    if finding.remedy:
        story.append(f"\n→ {finding.remedy}", style="dim")
    return story
