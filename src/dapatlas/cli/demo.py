"""`dapatlas demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dapatlas.cli.options import JobsOption

if TYPE_CHECKING:
    from dapatlas.dataset import Dataset
    from dapatlas.pipeline.demo import Agreement


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the demo.", show_default=False)],
    subjects: Annotated[int, typer.Option(help="How many phantom subjects.", min=1)] = 4,
    size: Annotated[int, typer.Option(help="Voxels along each axis of a phantom.", min=48, max=512)] = 128,
    seed: Annotated[int, typer.Option(help="Another seed makes other subjects.")] = 0,
    jobs: JobsOption = None,
) -> None:
    """Build a small data set end to end from synthetic subjects.

    Makes a phantom cohort (synthetic anatomy, no patient's), hides part of the truth behind two
    imperfect experts, builds the data set from what they say, lets the anatomical guidelines mend it, validates it,
    compares it with the truth, and checks its anatomy. Killed half-way and started again, it goes on where it was.

    **Examples**

        dapatlas demo --out demo

        dapatlas demo --out demo --subjects 2 --size 96
    """
    from dapatlas.aggregate import load_recipe
    from dapatlas.cli.build import print_table
    from dapatlas.cli.progress import case_progress
    from dapatlas.cli.validate import print_findings
    from dapatlas.dataset import Dataset, validate
    from dapatlas.findings import has_errors
    from dapatlas.pipeline import build
    from dapatlas.pipeline.demo import ATLAS, agreement, make_inputs

    atlas = out / ATLAS
    with case_progress("making phantoms") as progress:
        recipe = make_inputs(out, subjects=subjects, size=size, seed=seed, jobs=jobs, progress=progress)
    with case_progress("building") as progress:
        result = build(load_recipe(recipe), atlas, jobs=jobs, progress=progress)
    print_table(result)
    dataset = Dataset(atlas)
    with case_progress("checking") as progress:
        findings = validate(dataset, jobs, progress, deep=True)
    print_findings(dataset, findings)
    _print_agreement(agreement(out, dataset))
    _check(dataset, jobs)
    _publish(dataset, jobs)
    if result.failed or has_errors(findings):
        raise typer.Exit(1)


def _check(dataset: Dataset, jobs: int | None) -> None:
    """Whether the maps can be bodies, and a page with the pictures of what was found."""
    from rich.markup import escape

    from dapatlas.cli.console import output
    from dapatlas.cli.progress import case_progress
    from dapatlas.pipeline.reporting import report_dataset

    report = report_dataset(dataset, jobs=jobs, stages=case_progress)
    found = [finding.severity.value for finding in report.checked.findings]
    words = f"{found.count('error')} errors, {found.count('warning')} warnings of anatomy"
    output().print(f"checked: {words}: {escape(str(report.path))}", soft_wrap=True)


def _publish(dataset: Dataset, jobs: int | None) -> None:
    """What people load and look at: statistics, and with the extra ``hub`` the preview table and the card."""
    from rich.markup import escape

    from dapatlas.cli.console import output
    from dapatlas.cli.progress import case_progress
    from dapatlas.errors import DapatlasError
    from dapatlas.pipeline.carding import make_card
    from dapatlas.pipeline.previewing import preview_dataset
    from dapatlas.pipeline.statistics import dataset_statistics

    with case_progress("measuring") as progress:
        report = dataset_statistics(dataset, jobs=jobs, progress=progress).report
    written = [report]
    try:
        with case_progress("previewing") as progress:
            written += preview_dataset(dataset, jobs=jobs, progress=progress).shards
        with case_progress("describing") as progress:
            make_card(dataset, jobs=jobs, progress=progress)
        written.append(dataset.path / "README.md")
    except DapatlasError as error:
        output().print(f"no preview table and card: {escape(str(error))}", soft_wrap=True)
    for path in written:
        output().print(f"published: {escape(str(path))}", soft_wrap=True)


def _print_agreement(found: list[Agreement]) -> None:
    from rich.table import Table

    from dapatlas.cli.console import output

    table = Table("case", "true label", "mean Dice", "structures", title="against the hidden truth", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for case in found:
        table.add_row(case.case, f"{case.voxels:.1%} of voxels", f"{case.dice:.3f}", str(case.structures))
    output().print(table)
