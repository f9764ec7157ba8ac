"""`dapatlas train`: a network from a data set, by nnU-Net v2."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dapatlas.cli.options import (
    DeviceOption,
    ForceOption,
    JobsOption,
    JsonOption,
    LinkOption,
    QuietOption,
    StructuresOption,
    listed,
    print_json,
)

if TYPE_CHECKING:
    from dapatlas.pipeline.preparing import Prepared
    from dapatlas.train import Epoch, Planned

app = typer.Typer(
    help="Train a network on a data set: prepare, plan, run (by nnU-Net v2, with the extra `models`).",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

WorkArgument = Annotated[Path, typer.Argument(help="Folder of the training.", show_default=False)]


@app.command()
def prepare(
    datasets: Annotated[
        list[Path],
        typer.Argument(help="Data sets to learn from, with images/ and masks/.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the training.", show_default=False)],
    number: Annotated[int, typer.Option("--id", help="nnU-Net's number of the data set.")] = 701,
    name: Annotated[str, typer.Option(help="nnU-Net's name of the data set.")] = "atlas",
    scheme: Annotated[
        list[str] | None,
        typer.Option(
            "--scheme",
            "-s",
            help="Label scheme of the maps, one a data set in their order; `dap` by default.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="Label scheme to learn; that of the first data set by default.", show_default=False
        ),
    ] = None,
    structures: StructuresOption = None,
    unlabelled: Annotated[
        str,
        typer.Option(
            help="What voxels without a label are in cases that are not fully annotated: `background`, or `ignore` to "
            "leave them out of the loss."
        ),
    ] = "background",
    annotated: Annotated[
        Path | None,
        typer.Option(
            help="CSV with columns case and structures: what was annotated in which case.", show_default=False
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(help="Folds of the cross-validation, if there is no split; 1 holds nothing out.", min=1),
    ] = 5,
    splits: Annotated[
        Path | None,
        typer.Option(
            help="A split to take; the data set's own (`dapatlas split`) by default.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the cross-validation.")] = 0,
    link: LinkOption = "hard",
    jobs: JobsOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write nnU-Net v2's raw folder: linked CTs, labels that count from 0 without gaps, splits by subject.

    The way back to the scheme's ids is in `dataset.json`. Nothing is asked of nnU-Net's environment variables: all of
    the training lives in one folder. Run it again when cases were added. Exit code 1 when a case failed.

    **Examples**

        dapatlas train prepare DAP_Atlas --out work

        dapatlas train prepare flare22 verse --scheme flare22 --scheme verse --to dap
        --structures liver,spleen,vertebra_l1 --unlabelled ignore --out work
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.preparing import PrepareSettings, prepare_training

    if unlabelled not in ("background", "ignore"):
        raise typer.BadParameter("expected background or ignore", param_hint="--unlabelled")
    settings = PrepareSettings(
        number,
        name,
        find_scheme(to) if to else None,
        listed(structures),
        "ignore" if unlabelled == "ignore" else "background",
        folds,
        seed,
        splits,
        link,
    )
    sources = _sources(datasets, scheme or [], settings, annotated)
    with case_progress("preparing", quiet=quiet or as_json) as progress:
        prepared = prepare_training(sources, out, settings, jobs=jobs, force=force, progress=progress)
    if as_json:
        _print_prepared_json(prepared)
    elif not quiet:
        _print_prepared(prepared)
    if prepared.failed:
        raise typer.Exit(1)


def _sources(datasets: list[Path], schemes: list[str], settings: Any, annotated: Path | None) -> list[Any]:
    from dapatlas.dataset import Dataset
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.preparing import Source
    from dapatlas.train.partial import read_annotated

    if schemes and len(schemes) != len(datasets):
        raise typer.BadParameter(
            f"{len(schemes)} schemes for {len(datasets)} data sets; give one each", param_hint="--scheme"
        )
    opened = [
        Dataset(path, find_scheme(scheme))
        for path, scheme in zip(datasets, schemes or ["dap"] * len(datasets), strict=True)
    ]
    table = read_annotated(annotated, settings.scheme or opened[0].scheme) if annotated else {}
    return [
        Source(dataset, {case.id: table[case.id] for case in dataset if case.id in table})
        for dataset in opened
    ]


def _print_prepared_json(prepared: Prepared) -> None:

    document = {
        "work": str(prepared.workspace.path),
        "dataset": prepared.workspace.dataset,
        "labels": prepared.labels,
        "folds": len(prepared.folds),
        "cases": [{"case": one.case, "state": one.state, "error": one.error} for one in prepared.outcomes],
        "findings": [finding.as_dict() for finding in prepared.findings],
    }
    print_json(document)


def _print_prepared(prepared: Prepared) -> None:
    from rich.markup import escape

    from dapatlas.cli.console import output

    console = output()
    for one in prepared.failed:
        console.print(f"[red]{escape(one.case)}[/]: {escape(one.error)}", soft_wrap=True)
    for finding in prepared.findings:
        console.print(
            f"[yellow]warning[/]: {escape(finding.message)}; {escape(finding.remedy)}", soft_wrap=True
        )
    good = len(prepared.outcomes) - len(prepared.failed)
    folds = f"{len(prepared.folds)} folds" if prepared.folds else "nothing held out: train --fold all"
    where = escape(str(prepared.workspace.raw))
    console.print(f"{good} cases, {prepared.labels} labels, {folds}: {where}", soft_wrap=True)
    console.print(f"next: dapatlas train plan {escape(str(prepared.workspace.path))}", soft_wrap=True)


@app.command()
def plan(
    work: WorkArgument,
    gpu_gb: Annotated[
        float, typer.Option("--gpu-gb", help="Memory of the GPU that will train; the patch is made to fit.")
    ] = 24.0,
    features: Annotated[
        int,
        typer.Option(help="Feature maps of the finest stage; fewer leave room for a larger patch.", min=1),
    ] = 32,
    spacing: Annotated[
        str | None,
        typer.Option(
            help="Of the network's input in mm, slices first, e.g. `1.5,1.5,1.5`; the median of the cases by default.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes that resample.", min=1)] = 2,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure the cases, plan a network that trains on the GPU at hand, and resample the cases for it.

    nnU-Net plans; here its target is lowered until the scores of all classes, at all resolutions, fit beside the
    feature maps. With 145 classes they take more than those.

    **Examples**

        dapatlas train plan work

        dapatlas train plan work --gpu-gb 11 --features 24 --spacing 1.5,1.5,1.5
    """
    from rich.console import Console

    from dapatlas.train import PlanSettings, open_workspace
    from dapatlas.train import plan as run

    settings = PlanSettings(gpu_gb, features, _spacing(spacing), jobs)
    with Console(stderr=True, quiet=quiet or as_json).status("planning") as status:
        planned = run(
            open_workspace(work),
            settings,
            force=force,
            heard=lambda said: status.update(str(said.get("step", "planning"))),
        )
    if as_json:
        _print_json(planned)
    elif not quiet:
        _print_plan(planned, gpu_gb, work)


def _spacing(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        first, second, third = (float(word) for word in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"expected three numbers, found {text!r}", param_hint="--spacing") from None
    if min(first, second, third) <= 0:
        raise typer.BadParameter("expected three numbers above 0", param_hint="--spacing")
    return first, second, third


def _print_json(value: Any) -> None:
    from dataclasses import asdict

    print_json(asdict(value))


def _print_plan(planned: Planned, gpu_gb: float, work: Path) -> None:
    from rich.markup import escape

    from dapatlas.cli.console import output

    patch = "×".join(map(str, planned.patch))
    spacing = "×".join(f"{mm:g}" for mm in planned.spacing_mm)
    lines = [
        f"{'planned' if planned.made else 'up to date'}: patch {patch} at {spacing} mm, batch of {planned.batch}, "
        f"features {', '.join(map(str, planned.features))}",
        f"training is expected to take {planned.total_gb:.1f} GB: feature maps {planned.features_gb:.1f}, scores of "
        f"{planned.classes} classes {planned.classes_gb:.1f} (of which outputs at coarser resolutions "
        f"{planned.deep_supervision_gb:.1f})",
        f"next: dapatlas train run {escape(str(work))} --fold 0",
    ]
    if planned.total_gb > gpu_gb:
        lines.insert(
            2,
            f"[yellow]warning[/]: more than {gpu_gb:g} GB even with the smallest patch; learn fewer structures",
        )
    for line in lines:
        output().print(line, soft_wrap=True)


@app.command()
def run(
    work: WorkArgument,
    fold: Annotated[str, typer.Option(help="Number of the fold, or `all` to hold nothing out.")] = "0",
    epochs: Annotated[int, typer.Option(help="Epochs.", min=1)] = 1000,
    steps: Annotated[int, typer.Option(help="Batches an epoch.", min=1)] = 250,
    validation_steps: Annotated[int, typer.Option(help="Batches an epoch that validate.", min=1)] = 50,
    learning_rate: Annotated[float, typer.Option(help="At the beginning.")] = 0.01,
    mirroring: Annotated[
        bool,
        typer.Option(
            "--mirroring/--no-mirroring", help="Mirror patches: left and right become hard to tell."
        ),
    ] = False,
    device: DeviceOption = "cuda",
    workers: Annotated[int, typer.Option(help="Processes that augment patches.", min=0)] = 4,
    seed: Annotated[int, typer.Option(help="Of weights and patches.")] = 0,
    go_on: Annotated[
        bool, typer.Option("--continue", "-c", help="Go on with a training that was cut off.")
    ] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train one fold with nnU-Net's trainer; a fold that is finished stays.

    Left and right structures are why patches are not mirrored by default. nnU-Net's own validation, which keeps the
    scores of whole volumes, is left out: `dapatlas predict --only …` and `dapatlas evaluate` do it in bounded memory.

    **Examples**

        dapatlas train run work --fold 0

        dapatlas train run work --fold all --epochs 250 --device cuda:1 --continue
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.train import TrainSettings, open_workspace, train

    settings = TrainSettings(epochs, steps, validation_steps, learning_rate, mirroring, device, workers, seed)
    with case_progress(f"fold {fold}", quiet=quiet or as_json) as progress:

        def told(epoch: Epoch, total: int) -> None:
            progress(epoch.number, total)
            if not (quiet or as_json):
                _print_epoch(epoch, total)

        trained = train(open_workspace(work), fold, settings, go_on=go_on, force=force, progress=told)
    if as_json:
        _print_json(trained)
    elif not quiet:
        from rich.markup import escape

        from dapatlas.cli.console import output

        word = "trained" if trained.made else "finished already"
        output().print(f"fold {fold} {word}; model: {escape(str(trained.model))}", soft_wrap=True)


def _print_epoch(epoch: Epoch, total: int) -> None:
    from dapatlas.cli.console import output

    output().print(
        f"epoch {epoch.number}/{total}: loss {epoch.train_loss:.3f}, held out {epoch.val_loss:.3f}, "
        f"pseudo Dice {epoch.dice:.3f}, {epoch.seconds:.0f} s",
        soft_wrap=True,
        highlight=False,
    )
