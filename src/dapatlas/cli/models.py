"""`dapatlas models`: take in trained nnU-Nets, and see what is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dapatlas.cli.options import JsonOption, QuietOption, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from dapatlas.experts.nnunet.catalogue import Description

app = typer.Typer(
    help="Take in trained nnU-Nets (version 1 or 2), list them, see what each is and whether it is whole.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--models",
        help="Folder of models; `$DAPATLAS_MODELS` or `~/.local/share/dapatlas/models` by default.",
        show_default=False,
    ),
]
ModelArgument = Annotated[
    str, typer.Argument(help="Name of a model, or the folder of any nnU-Net v2 model.", show_default=False)
]


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="ZIP or folder of a trained nnU-Net.", show_default=False)],
    models: FolderOption = None,
    name: Annotated[
        str | None, typer.Option(help="Its name here; the task's by default.", show_default=False)
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="JSON file that names its labels: dataset.json or labels.json.", show_default=False
        ),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option(
            "--scheme", "-s", help="Label scheme whose ids it predicts, e.g. `dap`.", show_default=False
        ),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="Which weights, e.g. `model_latest`; the final ones by default.", show_default=False
        ),
    ] = None,
    inside: Annotated[
        str | None,
        typer.Option(help="Which model, if there are several: part of its path.", show_default=False),
    ] = None,
    as_trainer: Annotated[
        str | None,
        typer.Option(
            help="Trainer of version 1 that its own is like in network and mirroring.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a model of that name.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Convert a trained nnU-Net into a folder that `predict` and recipes use.

    Models of nnU-Net version 1 are translated; no nnU-Net v1 is needed. Weights become safetensors, which hold numbers
    only. A pickle that asks to run code is refused, and nothing of it is run. The model appears whole or not at all.

    A model of version 1 does not know the names of its labels: they come from a dataset.json in the source, from
    `--labels`, or from one of our schemes.

    **Examples**

        dapatlas models import Task901_Atlas_Dataset.zip --scheme dap

        dapatlas models import Task902_Anatomy_Prediction --inside noMirroring --checkpoint model_latest --scheme dap

        dapatlas models import nnUNet_results/Dataset700_DAP/nnUNetTrainer__nnUNetPlans__3d_fullres
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.experts.nnunet.catalogue import describe, models_folder
    from dapatlas.experts.nnunet.convert import ImportSettings, import_model

    if labels and scheme:
        raise typer.BadParameter("give --labels or --scheme, not both")
    settings = ImportSettings(name, labels, scheme, checkpoint, as_trainer, inside, force)
    with case_progress("importing folds", quiet=quiet or as_json) as progress:
        path = import_model(source, models or models_folder(), settings, progress)
    _show(describe(path), as_json=as_json, quiet=quiet)


@app.command("list")
def list_(models: FolderOption = None, as_json: JsonOption = False) -> None:
    """List the models that were imported.

    Exit code 1 when one of them is damaged.

    **Examples**

        dapatlas models list

        dapatlas models list --models /data/models --json
    """
    from dapatlas.cli.console import output
    from dapatlas.errors import DapatlasError
    from dapatlas.experts.nnunet.catalogue import describe, find_models, models_folder

    folder = models or models_folder()
    rows: list[dict[str, Any]] = []
    for path in find_models(folder):
        try:
            rows.append(describe(path).as_dict())
        except DapatlasError as error:
            rows.append({"name": path.name, "path": str(path), "error": str(error)})
    if as_json:
        print_json(rows)
    elif rows:
        output().print(_table(rows))
    else:
        typer.echo(f"no models in {folder}: dapatlas models import ZIP_OR_FOLDER")
    raise typer.Exit(int(any("error" in row for row in rows)))


@app.command()
def info(model: ModelArgument, models: FolderOption = None, as_json: JsonOption = False) -> None:
    """Tell what a model is: network, spacing, patch, labels, where it came from.

    **Examples**

        dapatlas models info Task901_Atlas_Dataset
    """
    from dapatlas.experts.nnunet.catalogue import describe, find_model

    _show(describe(find_model(model, models)), as_json=as_json)


@app.command()
def verify(
    model: Annotated[
        list[str] | None,
        typer.Argument(help="Names or folders; every imported model by default.", show_default=False),
    ] = None,
    models: FolderOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check that models are whole: digests of all files, and every fold's weights loaded into its network.

    Exit code 1 when one is not.

    **Examples**

        dapatlas models verify

        dapatlas models verify Task901_Atlas_Dataset --json
    """
    from dapatlas.cli.console import output
    from dapatlas.cli.findings import findings_table
    from dapatlas.cli.progress import case_progress
    from dapatlas.experts.nnunet import catalogue
    from dapatlas.findings import has_errors

    folder = models or catalogue.models_folder()
    paths = [catalogue.find_model(name, folder) for name in model or ()] or catalogue.find_models(folder)
    findings = []
    for path in paths:
        with case_progress(f"checking {path.name}", quiet=quiet or as_json) as progress:
            findings += catalogue.verify(path, progress)
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    elif not quiet:
        if findings:
            output().print(findings_table(findings))
        typer.echo(
            f"{len(paths)} models checked in {folder}" if not model else f"{len(paths)} models checked"
        )
    raise typer.Exit(int(has_errors(findings)))


def _show(description: Description, *, as_json: bool, quiet: bool = False) -> None:
    if as_json:
        print_json(description.as_dict())
    elif not quiet:
        for field, value in description.as_dict().items():
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            typer.echo(f"{field:17} {shown or '–'}")


def _table(rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        "name", "nnU-Net", "classes", "folds", "spacing (mm)", "patch", "MB", box=None, pad_edge=False
    )
    for row in rows:
        if "error" in row:
            table.add_row(row["name"], Text(row["error"], style="red"))
            continue
        spacing = " × ".join(f"{step:g}" for step in row["spacing_mm"])
        patch = " × ".join(str(voxels) for voxels in row["patch"])
        size = f"{row['megabytes']:,.0f}"
        table.add_row(
            row["name"], row["nnunet"], str(row["classes"]), " ".join(row["folds"]), spacing, patch, size
        )
    return table
