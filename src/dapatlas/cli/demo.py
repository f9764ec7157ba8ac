"""`dapatlas demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dapatlas.pipeline.demo import Agreement


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the demo.", show_default=False)],
    subjects: Annotated[int, typer.Option(help="How many phantom subjects.", min=1)] = 4,
    size: Annotated[int, typer.Option(help="Voxels along each axis of a phantom.", min=48, max=512)] = 128,
    seed: Annotated[int, typer.Option(help="Another seed makes other subjects.")] = 0,
    jobs: Annotated[
        int | None, typer.Option(help="Worker processes; one a processor by default.", min=1)
    ] = None,
) -> None:
    """Build a small data set end to end from synthetic subjects.

    Makes a phantom cohort (synthetic anatomy, no patient's), hides part of the truth behind two
    imperfect experts, builds the data set from what they say, lets the anatomical guidelines mend it, validates it
    and compares it with the truth. Killed half-way and started again, it goes on where it was.

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
    from dapatlas.pipeline.demo import agreement, make_inputs

    atlas = out / "atlas"
    with case_progress("making phantoms") as progress:
        recipe = make_inputs(out, subjects=subjects, size=size, seed=seed, jobs=jobs, progress=progress)
    with case_progress("building") as progress:
        result = build(load_recipe(recipe), atlas, jobs=jobs, progress=progress)
    print_table(result)
    dataset = Dataset(atlas)
    with case_progress("checking") as progress:
        findings = validate(dataset, jobs, progress)
    print_findings(dataset, findings)
    _print_agreement(agreement(out, dataset))
    if result.failed or has_errors(findings):
        raise typer.Exit(1)


def _print_agreement(found: list[Agreement]) -> None:
    from rich.table import Table

    from dapatlas.cli.console import output

    table = Table("case", "true label", "mean Dice", "structures", title="against the hidden truth", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for case in found:
        table.add_row(case.case, f"{case.voxels:.1%} of voxels", f"{case.dice:.3f}", str(case.structures))
    output().print(table)
