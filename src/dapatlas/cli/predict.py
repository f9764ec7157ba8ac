"""`dapatlas predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dapatlas.cli.options import DeviceOption, ForceOption, JsonOption, QuietOption, print_json
from dapatlas.cli.schedule import with_schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dapatlas.pipeline.engine import Schedule
    from dapatlas.pipeline.stage import Outcome


@with_schedule
def predict(
    source: Annotated[
        Path, typer.Option("--in", "-i", help="CT, folder of CTs (NIfTI), or data set.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the label maps, or a file.", show_default=False)
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", help="Folder of the model, or the name of an imported one.", show_default=False
        ),
    ],
    folds: Annotated[
        str | None, typer.Option(help="Folds to average, e.g. `0,1`; all by default.", show_default=False)
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="File name of the weights, e.g. `checkpoint_best.pth`; the final ones by default.",
            show_default=False,
        ),
    ] = None,
    tta: Annotated[
        bool, typer.Option("--tta/--no-tta", help="Mirror tiles too, where the model was trained so: slower.")
    ] = False,
    step: Annotated[float, typer.Option(help="Distance of tiles as a share of the patch.")] = 0.5,
    device: DeviceOption = "auto",
    memory_gb: Annotated[
        float | None,
        typer.Option("--memory-gb", help="Host memory that it may take; 10 by default.", show_default=False),
    ] = None,
    crop_to_body: Annotated[
        bool, typer.Option("--crop-to-body", help="Leave the air around the body out: faster.")
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(
            help="Label scheme to write, or `model` for the model's own numbers; by default the scheme that the "
            "model says it is of, else its own numbers.",
            show_default=False,
        ),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Predict label maps with a trained nnU-Net, in bounded memory.

    Writes `CASE.nii.gz` on each CT's own grid, and `labels.json`. Cases come one after the other; run it again after an
    interruption: only what is not up to date is predicted. Needs the extra `models`. Exit code 1 when a case failed.

    **Examples**

        dapatlas predict --model Task901_Atlas_Dataset --in ct.nii.gz --out ct_atlas.nii.gz

        dapatlas predict --model work/nnUNet_results/Dataset701_atlas/nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres
        --in atlas --out predictions --device cuda
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.experts.nnunet.catalogue import find_model
    from dapatlas.experts.nnunet.predictor import PredictionSettings
    from dapatlas.pipeline.predicting import Target, predict_cases

    if not 0 < step <= 1:
        raise typer.BadParameter(f"expected more than 0 and at most 1, found {step:g}", param_hint="--step")
    settings = PredictionSettings(
        find_model(model), _names(folds), checkpoint, tta, step, device, memory_gb, crop_to_body
    )
    single = source.is_file()
    with case_progress("predicting", quiet=quiet or as_json) as progress:
        outcomes = predict_cases(
            settings,
            source,
            out,
            Target(to),
            jobs=schedule,
            force=force,
            progress=None if single else progress,
            tiles=(lambda _, done, total: progress(done, total)) if single else None,
        )
    if as_json:
        _print_json(outcomes)
    elif not quiet:
        _print_table(outcomes, out)
    if any(outcome.state == "failed" for outcome in outcomes):
        raise typer.Exit(1)


def _names(text: str | None) -> tuple[str, ...] | None:
    return tuple(word.strip() for word in text.split(",") if word.strip()) if text else None


def _print_json(outcomes: Sequence[Outcome[None]]) -> None:

    rows = [
        {"case": one.case, "state": one.state, "seconds": one.seconds, "error": one.error} for one in outcomes
    ]
    print_json(rows)


def _print_table(outcomes: Sequence[Outcome[None]], out: Path) -> None:
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import STATES, output

    console = output()
    table = Table("case", "state", "seconds", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for one in outcomes:
        word = "predicted" if one.state == "done" else one.state
        table.add_row(
            Text(one.case), Text(word, style=STATES[word]), f"{one.seconds:.1f}" if one.seconds else ""
        )
    console.print(table)
    for one in outcomes:
        if one.state == "failed":
            console.print(f"[red]{escape(one.case)}[/]: {escape(one.error)}", soft_wrap=True)
    console.print(f"label maps: {escape(str(out))}", soft_wrap=True)
