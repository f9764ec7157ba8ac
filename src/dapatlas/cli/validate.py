"""`dapatlas validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dapatlas.dataset import Dataset
    from dapatlas.findings import Finding


def validate(
    dataset: Annotated[
        Path, typer.Argument(help="Folder with images/, masks/ and labels.json.", show_default=False)
    ],
    scheme: Annotated[str, typer.Option(help="Label scheme; see `dapatlas labels schemes`.")] = "dap",
    jobs: Annotated[
        int | None, typer.Option(help="Worker processes; one a processor by default.", min=1)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no table.")] = False,
) -> None:
    """Check that a data set is sound: files, pairs, grids, ids, HU, labels.json.

    Reads every volume once. One bad file stops nothing: it is a finding like any other, with case,
    severity, what was expected, what was found, and what to do. Exit code 1 when there are errors,
    0 when there are none (warnings may be).

    **Examples**

        dapatlas validate DAP_Atlas

        dapatlas validate DAP_Atlas --json > findings.json

        dapatlas validate segmentations --scheme totalsegmentator --jobs 4
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.dataset import Dataset
    from dapatlas.dataset import validate as run
    from dapatlas.findings import has_errors
    from dapatlas.labels import load_scheme

    opened = Dataset(dataset, load_scheme(scheme))
    with case_progress("checking", quiet=quiet) as progress:
        findings = run(opened, jobs, progress)
    if as_json:
        _print_json(opened, findings)
    elif not quiet:
        print_findings(opened, findings)
    if has_errors(findings):
        raise typer.Exit(1)


def _summary(dataset: Dataset, findings: Sequence[Finding]) -> dict[str, Any]:
    from dapatlas.findings import Severity

    severities = [finding.severity for finding in findings]
    return {
        "dataset": str(dataset.path),
        "cases": len(dataset.cases) + len(dataset.unpaired),
        "errors": severities.count(Severity.ERROR),
        "warnings": severities.count(Severity.WARNING),
    }


def _print_json(dataset: Dataset, findings: Sequence[Finding]) -> None:
    import json

    document = {**_summary(dataset, findings), "findings": [finding.as_dict() for finding in findings]}
    typer.echo(json.dumps(document, indent=1, ensure_ascii=False))


def print_findings(dataset: Dataset, findings: Sequence[Finding]) -> None:
    """A row a finding, gravest first, then the counts."""
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output

    colours = {"error": "red", "warning": "yellow", "info": "dim"}
    console = output()
    if findings:
        table = Table("severity", "case", "code", "what is wrong, and what to do", box=None, pad_edge=False)
        for finding in findings:
            story = Text(finding.message)
            if finding.remedy:
                story.append(f"\n→ {finding.remedy}", style="dim")
            severity = Text(finding.severity.value, style=colours[finding.severity.value])
            table.add_row(severity, Text(finding.case or "(data set)"), Text(finding.code), story)
        console.print(table)
    counts = _summary(dataset, findings)
    verdict = (
        f"{_count(counts['cases'], 'case')} in {counts['dataset']}: "
        f"{_count(counts['errors'], 'error')}, {_count(counts['warnings'], 'warning')}"
    )
    console.print(Text(verdict if findings else f"{verdict}; the data set is sound"), soft_wrap=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
