"""`dapatlas evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dapatlas.cli.options import (
    ForceOption,
    JsonOption,
    QuietOption,
    SchemeOption,
    StructuresOption,
    listed,
    print_json,
)
from dapatlas.cli.schedule import with_schedule

if TYPE_CHECKING:
    from dapatlas.check.benchmark import Benchmark
    from dapatlas.check.evaluate import EvaluationSettings
    from dapatlas.check.evaluation import Evaluation
    from dapatlas.labels import LabelScheme
    from dapatlas.pipeline.engine import Schedule


@with_schedule
def evaluate(
    prediction: Annotated[
        Path, typer.Argument(help="Label map, folder of label maps, or data set.", show_default=False)
    ],
    reference: Annotated[
        Path,
        typer.Argument(help="The same of what is right; of a benchmark, its folder.", show_default=False),
    ],
    scheme: SchemeOption = "dap",
    ref_scheme: Annotated[
        str | None,
        typer.Option(
            help="Label scheme of the reference; the prediction's by default, or the benchmark's.",
            metavar="SCHEME",
            show_default=False,
        ),
    ] = None,
    structures: StructuresOption = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            help="Of surface Dice in mm, 3 by default; `aorta=2` for one structure. May be given several times.",
            metavar="[STRUCTURE=]MM",
            show_default=False,
        ),
    ] = None,
    no_surface: Annotated[
        bool, typer.Option("--no-surface", help="Overlap only: several times faster.")
    ] = False,
    only_in_reference: Annotated[
        bool,
        typer.Option("--only-in-reference", help="Score a structure only in cases whose reference has it."),
    ] = False,
    resample: Annotated[
        bool, typer.Option("--resample", help="Bring predictions on other grids to the reference's.")
    ] = False,
    compare: Annotated[
        Path | None,
        typer.Option(
            help="Another predictor's maps: paired tests, structure by structure.", show_default=False
        ),
    ] = None,
    compare_on: Annotated[
        str, typer.Option(help="What predictors are compared on: `dice`, `iou` or `surface_dice`.")
    ] = "dice",
    benchmark: Annotated[
        str | None,
        typer.Option(
            help="Follow the protocol of `btcv`, `amos`, `segthor`, `totalsegmentator` or `verse`.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder to keep scores in, so that a second run goes on.", show_default=False
        ),
    ] = None,
    csv_file: Annotated[
        Path | None,
        typer.Option("--csv", help="Write a line a case and structure.", metavar="FILE", show_default=False),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write a page with charts and tables.", metavar="FILE", show_default=False),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write the chart as SVG.", metavar="FILE", show_default=False)
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Score label maps against references: Dice, IoU, surface Dice, HD95 …, per structure, case and group.

    Two files are compared whatever their names, the files of two folders by name; of data sets, `masks/`. Maps of
    different schemes are compared through the crosswalk: parts are merged where one scheme labels only their whole.
    A structure absent in both maps of a case is not scored there; absent in one, its Dice is 0. Means have
    bootstrapped 95 % intervals. Exit code 1 when a case failed or a reference has no prediction.

    **Examples**

        dapatlas evaluate prediction.nii.gz truth.nii.gz

        dapatlas evaluate predictions DAP_Atlas --json > scores.json

        dapatlas evaluate totalsegmentator_out atlas --scheme totalsegmentator --ref-scheme dap --no-surface

        dapatlas evaluate new_model atlas --compare old_model --html scores.html

        dapatlas evaluate predictions Abdomen --benchmark btcv --plot btcv.svg
    """
    from dapatlas.check.benchmark import load_benchmark
    from dapatlas.cli.progress import case_progress
    from dapatlas.pipeline.evaluating import evaluate as run

    protocol = load_benchmark(benchmark) if benchmark else None
    if compare_on not in ("dice", "iou", "surface_dice"):
        raise typer.BadParameter("expected dice, iou or surface_dice", param_hint="--compare-on")
    settings = _settings(structures, tolerance or [], surface=not no_surface, resample=resample)
    if only_in_reference:
        from dataclasses import replace

        settings = replace(settings, only_in_reference=True)
    with case_progress("evaluating", quiet=quiet or as_json) as progress:
        found = run(
            prediction,
            reference,
            _schemes(scheme, ref_scheme, protocol),
            settings,
            other=compare,
            metric=compare_on,
            benchmark=protocol,
            out=out,
            jobs=schedule,
            force=force,
            progress=progress,
        )
    _write(found, csv_file, html, plot)
    if as_json:
        print_json(found.as_dict())
    elif not quiet:
        from dapatlas.cli.scores import print_evaluation

        print_evaluation(found)
    if not found.complete:
        raise typer.Exit(1)


def _settings(
    structures: str | None, tolerances: list[str], *, surface: bool, resample: bool
) -> EvaluationSettings:
    from dapatlas.check.evaluate import EvaluationSettings
    from dapatlas.check.scores import DEFAULT_TOLERANCE_MM

    common, own = DEFAULT_TOLERANCE_MM, dict[str, float]()
    for words in tolerances:
        name, found, number = words.rpartition("=")
        try:
            mm = float(number)
        except ValueError:
            mm = -1.0
        if not 0 <= mm < float("inf"):
            raise typer.BadParameter(
                f"expected millimetres, as 2 or aorta=2; found {words!r}", param_hint="--tolerance"
            )
        if found:
            own[name.strip()] = mm
        else:
            common = mm
    names = listed(structures)
    return EvaluationSettings(names, surface, common, own, resample)


def _schemes(
    prediction: str, reference: str | None, benchmark: Benchmark | None
) -> tuple[LabelScheme, LabelScheme]:
    from dapatlas.labels import find_scheme

    ours = find_scheme(prediction)
    if reference is not None:
        return ours, find_scheme(reference)
    return ours, benchmark.label_scheme if benchmark else ours


def _write(found: Evaluation, csv_file: Path | None, html: Path | None, plot: Path | None) -> None:
    from dapatlas.pipeline.evaluation_files import write_page, write_plot, write_scores

    for path, write in ((csv_file, write_scores), (html, write_page), (plot, write_plot)):
        if path is not None:
            write(found, path)
