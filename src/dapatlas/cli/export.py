"""`dapatlas export`: a data set in formats that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dapatlas.cli.options import (
    ForceOption,
    JsonOption,
    LinkOption,
    QuietOption,
    SchemeOption,
    StructuresOption,
    listed,
    print_json,
)
from dapatlas.cli.schedule import with_schedule

if TYPE_CHECKING:
    from dapatlas.dataset import Dataset
    from dapatlas.pipeline.engine import Schedule
    from dapatlas.pipeline.stage import Outcome
    from dapatlas.publish.exports import Export, Labels, Written

app = typer.Typer(
    help="Write a data set in formats that other programs read.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

DatasetArgument = Annotated[
    Path,
    typer.Argument(help="Folder with `masks/` and, where CTs are needed, `images/`.", show_default=False),
]
OutArgument = Annotated[Path, typer.Argument(help="Folder for the export.", show_default=False)]
ToOption = Annotated[
    str | None,
    typer.Option(
        "--to",
        help="Label scheme to write, by crosswalk: names and ids; that of the maps by default.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class _Run:
    """What the options say that all formats share."""

    dataset: Path
    out: Path
    structures: str | None
    scheme: str
    to: str | None
    schedule: Schedule
    force: bool
    as_json: bool
    quiet: bool


@app.command("nnunet")
@with_schedule
def nnunet(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Argument(help="nnU-Net's folder of raw data sets.", show_default=False)],
    number: Annotated[int, typer.Option("--id", help="Number of the data set.", min=1, max=999)] = 700,
    name: Annotated[str, typer.Option(help="Its name: letters, digits, underscores.")] = "DAPAtlas",
    link: LinkOption = "hard",
    structures: StructuresOption = None,
    scheme: SchemeOption = "dap",
    to: ToOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Write a raw data set of nnU-Net v2: `OUT/DatasetNNN_NAME`.

    CTs are linked, labels count from 0 without gaps. The way back to the scheme's ids stands in `dataset.json` under
    `scheme_ids`. `DATASET/splits/splits_final.json` comes along; nnU-Net looks for it in its folder of preprocessed
    data.

    **Examples**

        dapatlas export nnunet DAP_Atlas nnUNet_raw

        dapatlas export nnunet DAP_Atlas nnUNet_raw --id 701 --name Kidneys --structures kidney_left,kidney_right
    """
    from dapatlas.publish.export_nnunet import NnunetExport

    if not name.replace("_", "").isalnum():
        raise typer.BadParameter(
            f"expected letters, digits and underscores, found {name!r}", param_hint="--name"
        )
    target, splits = out / f"Dataset{number:03d}_{name}", dataset / "splits" / "splits_final.json"
    run = _Run(dataset, target, structures, scheme, to, schedule, force, as_json, quiet)
    _export(run, lambda labels: NnunetExport(labels, link=link, splits=splits))


@app.command("binary-masks")
@with_schedule
def binary_masks(
    dataset: DatasetArgument,
    out: OutArgument,
    empty: Annotated[
        bool, typer.Option("--empty", help="Write empty masks for structures not in view.")
    ] = False,
    structures: StructuresOption = None,
    scheme: SchemeOption = "dap",
    to: ToOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Write a file a structure, as TotalSegmentator does: `OUT/CASE/STRUCTURE.nii.gz`.

    **Examples**

        dapatlas export binary-masks DAP_Atlas masks --structures liver,spleen

        dapatlas export binary-masks DAP_Atlas masks --to totalsegmentator --empty
    """
    from dapatlas.publish.export_masks import BinaryMasksExport

    run = _Run(dataset, out, structures, scheme, to, schedule, force, as_json, quiet)
    _export(run, lambda labels: BinaryMasksExport(labels, empty=empty))


@app.command("slicer")
@with_schedule
def slicer(
    dataset: DatasetArgument,
    out: OutArgument,
    structures: StructuresOption = None,
    scheme: SchemeOption = "dap",
    to: ToOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Write segmentations of 3D Slicer, with names, colours and SNOMED CT terms: `OUT/CASE.seg.nrrd`.

    **Examples**

        dapatlas export slicer DAP_Atlas segmentations
    """
    from dapatlas.publish.export_slicer import SlicerExport

    run = _Run(dataset, out, structures, scheme, to, schedule, force, as_json, quiet)
    _export(run, SlicerExport)


@app.command("dicom-seg")
@with_schedule
def dicom_seg(
    dataset: DatasetArgument,
    out: OutArgument,
    dicom: Annotated[
        str,
        typer.Option(
            help="Folder of a case's CT series; {case}, {subject} and {study} are filled in.",
            show_default=False,
        ),
    ],
    binary: Annotated[
        bool, typer.Option("--binary", help="Binary segments in place of a label map, for older viewers.")
    ] = False,
    structures: StructuresOption = None,
    scheme: SchemeOption = "dap",
    to: ToOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Write DICOM Segmentations of the series that the CTs came from: `OUT/CASE.dcm`.

    The map must be on the grid of the series, in whatever order of axes: nothing is interpolated.

    **Examples**

        dapatlas export dicom-seg DAP_Atlas seg --dicom 'dicom/{case}'

        dapatlas export dicom-seg DAP_Atlas seg --dicom 'dicom/{subject}/{study}' --binary
    """
    from dapatlas.publish.export_dicom_seg import DicomSegExport

    run = _Run(dataset, out, structures, scheme, to, schedule, force, as_json, quiet)
    _export(run, lambda labels: DicomSegExport(labels, dicom=dicom, binary=binary))


@app.command("meshes")
@with_schedule
def meshes(
    dataset: DatasetArgument,
    out: OutArgument,
    file_format: Annotated[
        str, typer.Option("--format", "-f", help="Kind of file.", metavar="stl|obj|glb")
    ] = "stl",
    smooth: Annotated[int, typer.Option(help="Rounds of Taubin smoothing.", min=0)] = 0,
    structures: StructuresOption = None,
    scheme: SchemeOption = "dap",
    to: ToOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Write surfaces, mm in the patient's world (RAS): `OUT/CASE/STRUCTURE.stl` or `.obj`, or `OUT/CASE.glb`.

    OBJ and GLB files have the structures' colours. Surfaces are closed where the field of view ends.

    **Examples**

        dapatlas export meshes DAP_Atlas meshes --structures liver,spleen --smooth 10

        dapatlas export meshes DAP_Atlas meshes --format glb
    """
    from dapatlas.formats.meshes import FORMATS
    from dapatlas.publish.export_meshes import MeshesExport

    if file_format not in FORMATS:
        raise typer.BadParameter(
            f"expected {', '.join(FORMATS)}, found {file_format!r}", param_hint="--format"
        )
    run = _Run(dataset, out, structures, scheme, to, schedule, force, as_json, quiet)
    _export(run, lambda labels: MeshesExport(labels, format=file_format, smooth=smooth))


@app.command("stats")
@with_schedule
def stats(
    dataset: DatasetArgument,
    out: OutArgument,
    structures: StructuresOption = None,
    scheme: SchemeOption = "dap",
    to: ToOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Write a table of all structures of all cases: `OUT/structures.parquet` and `OUT/structures.csv`.

    Volume in ml; mean, deviation, least, median and largest HU; box in voxels; centre in mm of the patient's world
    (RAS).

    **Examples**

        dapatlas export stats DAP_Atlas tables
    """
    from dapatlas.publish.export_statistics import StatisticsExport

    run = _Run(dataset, out, structures, scheme, to, schedule, force, as_json, quiet)
    _export(run, StatisticsExport)


def _export(run: _Run, make: Callable[[Labels], Export]) -> None:
    """Open the data set, export it, and say how it went."""
    from dapatlas.cli.progress import case_progress
    from dapatlas.dataset import Dataset
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.exporting import export_cases
    from dapatlas.publish.exports import choose_labels

    opened = Dataset(run.dataset, find_scheme(run.scheme))
    labels = choose_labels(opened.scheme, find_scheme(run.to) if run.to else None, listed(run.structures))
    with case_progress("exporting", quiet=run.quiet or run.as_json) as progress:
        outcomes = export_cases(
            opened, run.out, make(labels), jobs=run.schedule, force=run.force, progress=progress
        )
    if run.as_json:
        _print_json(outcomes)
    elif not run.quiet:
        _print_outcomes(opened, outcomes, run.out)
    if any(outcome.state == "failed" for outcome in outcomes):
        raise typer.Exit(1)


def _print_json(outcomes: Sequence[Outcome[Written]]) -> None:
    from dataclasses import asdict

    def row(outcome: Outcome[Written]) -> dict[str, Any]:
        done = asdict(outcome.answer) if outcome.answer else {}
        return {"case": outcome.case, "state": outcome.state, "error": outcome.error, **done}

    print_json([row(outcome) for outcome in outcomes])


def _print_outcomes(dataset: Dataset, outcomes: Sequence[Outcome[Written]], out: Path) -> None:
    """A line a case, what had no counterpart, and what failed."""
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import STATES, output

    console = output()
    table = Table("case", "state", "structures", "seconds", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    lost: set[str] = set()
    for outcome in outcomes:
        numbers = ("", "")
        if outcome.answer is not None:
            numbers = (str(outcome.answer.structures), f"{outcome.seconds:.1f}")
            lost |= outcome.answer.lost.keys()
        table.add_row(Text(outcome.case), Text(outcome.state, style=STATES[outcome.state]), *numbers)
    console.print(table)
    for outcome in outcomes:
        if outcome.error:
            console.print(f"[red]{escape(outcome.case)}[/]: {escape(outcome.error)}", soft_wrap=True)
    if lost:
        names = ", ".join(structure.name for structure in dataset.scheme if structure.name in lost)
        console.print(f"no counterpart, so left out: {names}", soft_wrap=True, highlight=False)
    console.print(f"exported to {escape(str(out))}", soft_wrap=True)
