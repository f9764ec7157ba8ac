"""`dapatlas loop`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dapatlas.cli.options import (
    CtsOption,
    DeviceOption,
    ExpertOption,
    JobsOption,
    JsonOption,
    QuietOption,
    StructuresOption,
    expert_files,
    listed,
    print_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dapatlas.pipeline.rounds import LoopResult, LoopSettings, Say


def loop(
    recipe: Annotated[Path, typer.Argument(help="Recipe (TOML).", show_default=False)],
    work: Annotated[Path, typer.Option("--work", "-w", help="Folder of the loop.", show_default=False)],
    rounds: Annotated[int, typer.Option(help="How many rounds at most.", min=1)] = 3,
    structures: StructuresOption = None,
    folds: Annotated[
        int,
        typer.Option(
            help="Folds, so that each case is predicted by a network that never saw it; 1 trains one.", min=1
        ),
    ] = 5,
    trust: Annotated[
        str, typer.Option(help="Where the network stands among the experts: `last` or `first`.")
    ] = "last",
    min_dice: Annotated[
        float,
        typer.Option(
            "--min-dice",
            help="The network has a say in structures that it finds with this Dice in cases it never saw.",
        ),
    ] = 0.7,
    change: Annotated[
        float, typer.Option(help="Stop when the maps' mean Dice between rounds changes by less.", min=0)
    ] = 0.002,
    epochs: Annotated[int, typer.Option(help="Epochs of each training.", min=1)] = 1000,
    steps: Annotated[int, typer.Option(help="Batches an epoch.", min=1)] = 250,
    validation_steps: Annotated[int, typer.Option(help="Batches an epoch that validate.", min=1)] = 50,
    device: DeviceOption = "cuda",
    gpu_gb: Annotated[
        float, typer.Option("--gpu-gb", help="Memory of the GPU; the patch is made to fit.")
    ] = 24.0,
    features: Annotated[int, typer.Option(help="Feature maps of the finest stage.", min=1)] = 32,
    workers: Annotated[int, typer.Option(help="Processes that augment patches.", min=0)] = 4,
    cts: CtsOption = None,
    expert: ExpertOption = None,
    jobs: JobsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Let a network learn the atlas that experts make, and join them in the next round, until the maps settle.

    Each round builds (experts, aggregation, guidelines), trains a generalist on the maps, and has every case predicted
    by a network that did not see it. Run it again after an interruption: it goes on in the middle of any step.
    Exit code 1 when a case failed in the last round.

    **Examples**

        dapatlas loop examples/totalsegmentator.toml --work loop --rounds 3

        dapatlas loop my.toml --work loop --rounds 2 --folds 2 --epochs 250 --device cuda:1
    """
    from dapatlas.aggregate import load_recipe
    from dapatlas.pipeline.looping import loop as run
    from dapatlas.pipeline.rounds import LoopSettings
    from dapatlas.train import PlanSettings, TrainSettings

    settings = LoopSettings(
        rounds,
        listed(structures),
        folds,
        _trust(trust),
        min_dice,
        change,
        PlanSettings(gpu_gb, features),
        TrainSettings(epochs, steps, validation_steps, device=device, workers=workers),
    )
    loaded = load_recipe(recipe, cts=cts, expert_files=expert_files(expert))
    result = _shown(lambda say: run(loaded, work, settings, jobs=jobs, say=say), quiet=quiet or as_json)
    if as_json:
        _print_json(result)
    elif not quiet:
        _print_table(result, settings, work)
    if result.rounds[-1].failed:
        raise typer.Exit(1)


def _trust(text: str) -> Literal["last", "first"]:
    if text == "last":
        return "last"
    if text == "first":
        return "first"
    raise typer.BadParameter("expected last or first", param_hint="--trust")


def _shown(run: Callable[[Say], LoopResult], *, quiet: bool) -> LoopResult:
    """Run with a bar for the step at hand; a line is left of each step that is finished."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bars:
        shown: dict[tuple[int, str], TaskID] = {}

        def say(number: int, step: str, done: int, total: int) -> None:
            key = (number, step)
            if key not in shown:
                shown[key] = bars.add_task(f"round {number}: {step}", total=total)
            bars.update(shown[key], completed=done, total=total)

        return run(say)


def _print_json(result: LoopResult) -> None:
    from dataclasses import asdict

    print_json(asdict(result))


def _print_table(result: LoopResult, settings: LoopSettings, work: Path) -> None:
    from rich.markup import escape
    from rich.table import Table

    from dapatlas.cli.console import output

    table = Table(
        "round", "cases", "Dice with round before", "Dice held out", "model", box=None, pad_edge=False
    )
    for made in result.rounds:
        agreement, held_out = (
            "" if found is None else f"{found.dice:.3f}" for found in (made.agreement, made.held_out)
        )
        table.add_row(str(made.number), str(made.cases), agreement, held_out, escape(str(made.model or "")))
    console = output()
    console.print(table)
    if settings.folds == 1:
        console.print("nothing was held out: a single network learnt all cases and predicted them")
    why = {
        "settled": "the maps have settled",
        "unfit": f"the network reaches a Dice of {settings.min_dice:g} on no structure, so that it would not help: "
        "train longer (--epochs), or ask for less (--min-dice)",
        "rounds": f"{len(result.rounds)} rounds were asked for",
    }[result.end]
    atlas = escape(str(result.rounds[-1].atlas))
    console.print(
        f"{why}; the atlas: {atlas}; all numbers: {escape(str(work / 'loop.json'))}", soft_wrap=True
    )
