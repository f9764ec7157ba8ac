"""`dapatlas ingest`: from what people download to a data set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dapatlas.cli.options import ForceOption, JsonOption, LinkOption, QuietOption, SchemeOption
from dapatlas.cli.schedule import with_schedule

if TYPE_CHECKING:
    from dapatlas.pipeline.engine import Schedule
    from dapatlas.pipeline.ingesting import Ingested
    from dapatlas.pipeline.stage import Progress

MOST_SHOWN = 60  # findings on the terminal; the report has all

app = typer.Typer(
    help="Bring CTs and label maps into a data set: DICOM from TCIA, AutoPET's NIfTI files, the released masks, "
    "any CT of your own.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

DestinationArgument = Annotated[
    Path, typer.Argument(help="The data set; made where it is not there.", show_default=False)
]


@app.command("tcia")
@with_schedule
def tcia(
    source: Annotated[
        Path,
        typer.Argument(help="Folder that NBIA's retriever, or `dapatlas fetch`, left.", show_default=False),
    ],
    destination: DestinationArgument,
    with_pet: Annotated[
        bool, typer.Option("--with-pet", help="Also write the PET in SUV (suv/) and the lesions (lesions/).")
    ] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """DICOM of FDG-PET-CT-Lesions, or any tree of DICOM files with pseudonymous patient ids.

    Series are told by their headers, whatever folders are called. Every study with a usable CT becomes
    `images/AutoPET_<subject>_<study>.nii.gz`; every other is named with the reason. Sex, age and scanner go to
    `subjects.csv` and `studies.csv`. Exit code 1 when anything did not come in.

    **Examples**

        dapatlas ingest tcia manifest-1647440690095 DAP_Atlas

        dapatlas ingest tcia FDG-PET-CT-Lesions DAP_Atlas --with-pet --json > ingest.json
    """
    from dapatlas.pipeline.ingesting_tcia import ingest_tcia

    @contextmanager
    def bar(name: str) -> Iterator[Progress]:
        from dapatlas.cli.progress import case_progress

        with case_progress(name, quiet=quiet or as_json) as progress:
            yield progress

    result = ingest_tcia(source, destination, with_pet=with_pet, jobs=schedule, force=force, bar=bar)
    _tell(result, as_json=as_json, quiet=quiet)


@app.command("autopet")
@with_schedule
def autopet(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder of `PETCT_<subject>/<…>-<study>/CT.nii.gz`, or one with `imagesTr/`.",
            show_default=False,
        ),
    ],
    destination: DestinationArgument,
    with_pet: Annotated[
        bool, typer.Option("--with-pet", help="Also link the PET in SUV (suv/) and the lesions (lesions/).")
    ] = False,
    link: LinkOption = "symbolic",
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """AutoPET's NIfTI files: the tree of its own converter, or the nnU-Net layout of the later challenges.

    CTs are linked. Those of the later challenges lie on the grid of the PET, so the released masks do not fit them.

    **Examples**

        dapatlas ingest autopet FDG-PET-CT-Lesions_nifti DAP_Atlas

        dapatlas ingest autopet autoPET-III PSMA --with-pet --link copy
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.pipeline.ingesting_nifti import ingest_autopet

    with case_progress("ingesting", quiet=quiet or as_json) as progress:
        result = ingest_autopet(
            source, destination, with_pet=with_pet, link=link, jobs=schedule, force=force, progress=progress
        )
    _tell(result, as_json=as_json, quiet=quiet)


@app.command("masks")
@with_schedule
def masks(
    source: Annotated[
        Path,
        typer.Argument(
            help="`Atlas_final_dataset_V1_533.zip`, or a folder of label maps.", show_default=False
        ),
    ],
    dataset: Annotated[Path, typer.Argument(help="The data set with the CTs.", show_default=False)],
    scheme: SchemeOption = "dap",
    keep_unpaired: Annotated[
        bool, typer.Option("--keep-unpaired", help="Take masks whose CT is not there, too.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a mask that stands and differs.")
    ] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """The released label maps, straight from their zip, each onto the grid of its CT.

    Masks that are flips or axis swaps of their CT's grid are turned, exactly; any other grid is refused. What has no
    partner is listed.

    **Examples**

        dapatlas ingest masks Atlas_final_dataset_V1_533.zip DAP_Atlas

        dapatlas ingest masks segmentations/ mine --scheme totalsegmentator
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.ingesting_masks import ingest_masks

    with case_progress("placing", quiet=quiet or as_json) as progress:
        result = ingest_masks(
            source,
            dataset,
            scheme=find_scheme(scheme),
            keep_unpaired=keep_unpaired,
            overwrite=overwrite,
            jobs=schedule,
            force=force,
            progress=progress,
        )
    _tell(result, as_json=as_json, quiet=quiet)


@app.command("ct")
@with_schedule
def ct(
    sources: Annotated[
        list[Path],
        typer.Argument(help="DICOM folder or zip, `.nii`, `.nii.gz`, `.nrrd`, `.mha`.", show_default=False),
    ],
    destination: DestinationArgument,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the case; the source's own by default.", show_default=False),
    ] = None,
    link: LinkOption = "copy",
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Any CT of your own, under a name of your choosing; several at once get their own names.

    **Examples**

        dapatlas ingest ct scans/series4 mine --name trauma_007

        dapatlas ingest ct export.zip mine --name trauma_008

        dapatlas ingest ct *.nrrd mine
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.pipeline.ingesting_nifti import ingest_cts

    with case_progress("ingesting", quiet=quiet or as_json) as progress:
        result = ingest_cts(
            sources, destination, name=name, link=link, jobs=schedule, force=force, progress=progress
        )
    _tell(result, as_json=as_json, quiet=quiet)


def _tell(result: Ingested, *, as_json: bool, quiet: bool) -> None:
    """Print how it ended; exit with 1 where something did not come in."""
    if as_json:
        typer.echo(result.report.read_text(encoding="utf-8").rstrip())
    elif not quiet:
        _print(result)
    if result.has_errors:
        raise typer.Exit(1)


def _print(result: Ingested) -> None:
    from rich.text import Text

    from dapatlas.cli.console import output
    from dapatlas.cli.findings import findings_table

    console = output()
    if result.findings:
        console.print(findings_table(result.findings[:MOST_SHOWN]))
    if len(result.findings) > MOST_SHOWN:
        console.print(f"… and {len(result.findings) - MOST_SHOWN} more in the report")
    states = ("done", "up to date", "left out", "failed")
    counts = ", ".join(f"{result.count(state)} {state}" for state in states if result.count(state))
    total = len(result.cases)
    console.print(Text(f"{total} case{'' if total == 1 else 's'}: {counts or 'none'}"), soft_wrap=True)
    console.print(Text(f"report: {result.report}"), soft_wrap=True)
