"""`dapatlas phantom`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dapatlas.cli.options import JobsOption, QuietOption


def phantom(
    out: Annotated[Path, typer.Option("--out", "-o", help="The data set's folder.", show_default=False)],
    subjects: Annotated[int, typer.Option(help="How many synthetic subjects.", min=1)] = 5,
    seed: Annotated[int, typer.Option(help="Another seed makes other subjects.")] = 0,
    shape: Annotated[tuple[int, int, int], typer.Option(help="Voxels along the three axes.")] = (
        128,
        128,
        128,
    ),
    orientation: Annotated[
        list[str] | None,
        typer.Option(help="Where the axes point, e.g. `LPS`; several are dealt out in turn."),
    ] = None,
    field_of_view: Annotated[
        list[str] | None,
        typer.Option(
            help="`full`, `no_head`, `no_legs`, `head_neck`, `thorax`, `abdomen` or `pelvis`; several are dealt out."
        ),
    ] = None,
    error: Annotated[
        list[str] | None,
        typer.Option(
            help="Plant an error: `swapped_sides`, `vertebra_fragment`, `stray_islands`, `ribs_miscounted`, "
            "`colon_in_head`, `prostate_in_woman` or `uterus_in_man`; may be given several times."
        ),
    ] = None,
    jobs: JobsOption = None,
    quiet: QuietOption = False,
) -> None:
    """Make a synthetic data set: drawn from geometry, no patient's anatomy.

    For demos, tests and benchmarks; never for training or judging a clinical model. Planted errors are
    recorded in `ground_truth/`. Run it again after an interruption: finished cases are left.

    **Examples**

        dapatlas phantom --out phantoms --subjects 3

        dapatlas phantom --out faulty --error swapped_sides --error stray_islands --field-of-view no_head

        dapatlas phantom --out big --subjects 1 --shape 512 512 390
    """
    from dapatlas.cli.console import output
    from dapatlas.cli.progress import case_progress
    from dapatlas.parallel import available_cpus
    from dapatlas.phantom import make_cohort

    with case_progress("making phantoms", quiet=quiet) as progress:
        dataset = make_cohort(
            out,
            subjects,
            seed,
            jobs=jobs or available_cpus(),
            progress=progress,
            shape=shape,
            orientations=tuple(orientation or ("LPS",)),
            fields_of_view=tuple(field_of_view or ("full",)),
            errors=tuple(error or ()),
        )
    if not quiet:
        output().print(
            f"{len(dataset)} synthetic cases of {len(dataset.subjects)} subjects in {out}", soft_wrap=True
        )
