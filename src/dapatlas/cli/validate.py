"""`dapatlas validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dapatlas.cli.options import JsonOption, QuietOption, SchemeOption, print_json
from dapatlas.locations import location

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dapatlas.dataset import Dataset
    from dapatlas.findings import Finding

SOUND = "the data set is sound"
SOUND_BY_HEADER = "sound by names, headers and sizes (--deep reads the voxels as well)"


def validate(
    dataset: Annotated[
        Path,
        typer.Argument(
            parser=location,
            help="Folder with images/, masks/ and labels.json; or its URL.",
            show_default=False,
        ),
    ],
    scheme: SchemeOption = "dap",
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", help="Worker processes; by default 1, with --deep one a processor.", min=1
        ),
    ] = None,
    as_json: JsonOption = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every voxel: ids, sexes, HU, checksums, copies.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Check that a data set is sound: files, pairs, grids, types, labels.json; with --deep ids and HU too.

    Names, headers and sizes tell by default, in a second or two for hundreds of cases. `--deep` reads every volume
    once. A `manifest.jsonl` in the data set is compared with the files, by size and header or, with `--deep`, by
    SHA-256.

    One bad file stops nothing: it is a finding like any other, with case, severity, what was expected, what was
    found, and what to do. Exit code 1 when there are errors, 0 when there are none (warnings may be).

    **Examples**

        dapatlas validate DAP_Atlas

        dapatlas validate DAP_Atlas --deep --json > findings.json

        dapatlas validate s3://bucket/DAP_Atlas --jobs 8

        dapatlas validate segmentations --scheme totalsegmentator --jobs 4
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.dataset import Dataset
    from dapatlas.dataset import validate as run
    from dapatlas.findings import has_errors
    from dapatlas.labels import find_scheme

    opened = Dataset(dataset, find_scheme(scheme))
    with case_progress("checking", quiet=quiet) as progress:
        findings = run(opened, jobs, progress, deep)
    if as_json:
        _print_json(opened, findings, deep)
    elif not quiet:
        print_findings(opened, findings, SOUND if deep else SOUND_BY_HEADER)
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


def _print_json(dataset: Dataset, findings: Sequence[Finding], deep: bool) -> None:

    document = {
        **_summary(dataset, findings),
        "deep": deep,
        "findings": [finding.as_dict() for finding in findings],
    }
    print_json(document)


def print_findings(dataset: Dataset, findings: Sequence[Finding], sound: str = SOUND) -> None:
    """A row a finding, gravest first, then the counts; ``sound`` is said where there is no finding."""
    from rich.text import Text

    from dapatlas.cli.console import output
    from dapatlas.cli.findings import findings_table

    console = output()
    if findings:
        console.print(findings_table(findings))
    counts = _summary(dataset, findings)
    verdict = (
        f"{_count(counts['cases'], 'case')} in {counts['dataset']}: "
        f"{_count(counts['errors'], 'error')}, {_count(counts['warnings'], 'warning')}"
    )
    console.print(Text(verdict if findings else f"{verdict}; {sound}"), soft_wrap=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
