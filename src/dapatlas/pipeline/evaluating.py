"""`dapatlas evaluate`: label maps against references, in worker processes, kept case by case where asked to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from dapatlas.check.benchmark import Benchmark
from dapatlas.check.benchmark_table import benchmark_table, organs_in_common
from dapatlas.check.common_scheme import CommonScheme, cached_common_scheme
from dapatlas.check.comparison import compare
from dapatlas.check.evaluate import EvaluatedCase, EvaluationSettings, evaluate_pair
from dapatlas.check.evaluation import Comparison, Evaluation
from dapatlas.check.summary import summarise
from dapatlas.dataset import Case
from dapatlas.errors import BadLabelsError, DapatlasError
from dapatlas.experts.binary_masks import BinaryMasks
from dapatlas.files import write_json
from dapatlas.labels import LabelScheme
from dapatlas.parallel import available_cpus
from dapatlas.pipeline.engine import Jobs, Processes, Schedule, local_jobs, schedule_of
from dapatlas.pipeline.evaluation_pairs import Pair, pairs_of
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.report import story
from dapatlas.pipeline.stage import Outcome, Progress, Work, run_stage
from dapatlas.volumes import Volume, read_header, read_label_map

STAGE, OTHER_STAGE = "evaluate", "evaluate-other"
BYTES_A_VOXEL = 5.0  # of memory, at most: see benchmarks/README.md
EVALUATION_VERSION = 1  # raise it when the same maps give other numbers
CASES, OTHER_CASES = "cases", "cases_compared"
SUMMARY = "evaluation.json"

Schemes = tuple[LabelScheme, LabelScheme]


def evaluate(
    prediction: Path,
    reference: Path,
    schemes: Schemes,
    settings: EvaluationSettings | None = None,
    *,
    other: Path | None = None,
    metric: str = "dice",
    benchmark: Benchmark | None = None,
    out: Path | None = None,
    jobs: Jobs = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a label map, or a folder of them, against references.

    Parameters
    ----------
    prediction, reference
        Files, folders whose files have the same names, or data sets (folders with ``masks/``). Of a benchmark, the
        reference is the data set's folder.
    schemes
        Of predictions and of references.
    settings
        What to measure; a benchmark's own structures and rule for absent ones take their place there.
    other
        Maps of another predictor to compare with, in the first one's scheme.
    metric
        What predictors are compared on: ``dice``, ``iou`` or ``surface_dice``.
    benchmark
        Whose protocol to follow.
    out
        Folder to keep the scores of every case in; a second run scores only what has changed.
    jobs
        Worker processes, as many as processors when ``None``; or a schedule.
    force
        Score every case again.
    progress
        Called with how many cases are done, and of how many.

    Raises
    ------
    DapatlasError
        There is nothing to evaluate, the schemes have nothing in common, or another run is at work on ``out``.
    """
    common = cached_common_scheme(*schemes)
    wanted = _settings(settings or EvaluationSettings(), common, benchmark)
    if metric == "surface_dice" and not wanted.surface:
        raise DapatlasError(
            "surface Dice is to be compared, but surfaces are not measured; measure them, or compare Dice"
        )
    found = pairs_of(prediction, reference, benchmark)
    run = partial(
        _scored, schemes=schemes, settings=wanted, jobs=jobs, force=force, out=out, progress=progress
    )
    cases, failed = run(found.pairs, STAGE, CASES)
    comparison = None
    if other is not None:
        rivals = pairs_of(other, reference, benchmark)
        theirs, unscored = run(rivals.pairs, OTHER_STAGE, OTHER_CASES)
        both = len({case.case for case in cases} & {case.case for case in theirs})
        lines = compare(cases, theirs, common.scheme, metric)
        comparison = Comparison(str(other), metric, lines, both, unscored, rivals.without_prediction)
    summary = summarise(cases, common.scheme) if any(case.scores for case in cases) else None
    evaluation = Evaluation(
        prediction=str(prediction),
        reference=str(reference),
        schemes=(schemes[0].name, schemes[1].name),
        common=common,
        settings=wanted,
        cases=cases,
        failed=failed,
        without_prediction=found.without_prediction,
        without_reference=found.without_reference,
        summary=summary,
        comparison=comparison,
        benchmark=benchmark_table(benchmark, common, summary, len(cases)) if benchmark else None,
        single=prediction.is_file() and reference.is_file(),
    )
    if out is not None:
        write_json(out / SUMMARY, evaluation.as_dict())
    return evaluation


def _settings(
    wanted: EvaluationSettings, common: CommonScheme, benchmark: Benchmark | None
) -> EvaluationSettings:
    """With names as the common scheme has them, and the benchmark's rules."""
    if benchmark is not None:
        organs = tuple(organs_in_common(benchmark, common))
        wanted = replace(
            wanted,
            structures=organs,
            surface=wanted.surface and benchmark.surface,
            tolerance_mm=benchmark.tolerance_mm,
            only_in_reference=benchmark.only_in_reference,
        )
    for name in (*wanted.structures, *wanted.tolerances_mm):
        common.scheme[name]  # raises BadLabelsError for a name that is not there
    return wanted


def _scored(
    pairs: Sequence[Pair],
    stage: str,
    folder: str,
    *,
    schemes: Schemes,
    settings: EvaluationSettings,
    jobs: Jobs,
    force: bool,
    out: Path | None,
    progress: Progress | None,
) -> tuple[tuple[EvaluatedCase, ...], dict[str, str]]:
    """Score pairs; what was scored in name order, and why the others failed."""
    asked = [EVALUATION_VERSION, settings.as_dict(), *(scheme.name for scheme in schemes)]
    works = [_work(pair, None if out is None else out / folder, asked) for pair in pairs]
    schedule = schedule_of(jobs)
    threads = min(local_jobs(jobs) or available_cpus(), available_cpus()) if len(pairs) == 1 else 1
    do = partial(_run, schemes=schemes, settings=settings, threads=threads)
    if len(pairs) == 1:  # one case is scored here, by several threads
        schedule = replace(schedule, engine=Processes(1))
    outcomes: list[Outcome[EvaluatedCase]]
    if out is None:
        outcomes = _in_memory(works, do, schedule, progress)
    else:
        with open_journal(out) as journal:
            outcomes = run_stage(
                stage,
                works,
                do,
                journal,
                jobs=schedule,
                force=force,
                progress=progress,
                bytes_a_voxel=BYTES_A_VOXEL,
            )
    kept = {work.case: work.outputs for work in works}
    cases, failed = list[EvaluatedCase](), dict[str, str]()
    for outcome in outcomes:
        if outcome.state == "failed":
            failed[outcome.case] = outcome.error
        elif outcome.stands:
            cases.append(outcome.answer or _read(kept[outcome.case][0]))
    return tuple(cases), failed


def _work(pair: Pair, folder: Path | None, asked: object) -> Work:
    """Prediction, reference, then the CT or nothing; masks of a folder come last."""
    images = (pair.image,) if pair.image else ()
    masks = tuple(sorted(pair.reference.iterdir())) if pair.reference.is_dir() else ()
    outputs = (folder / f"{pair.case}.json",) if folder else ()
    return Work(pair.case, (pair.prediction, pair.reference, *images, *masks), outputs, asked)


def _in_memory(
    works: Sequence[Work], do: partial[EvaluatedCase], schedule: Schedule, progress: Progress | None
) -> list[Outcome[EvaluatedCase]]:
    outcomes = list[Outcome[EvaluatedCase]]()
    if progress:
        progress(0, len(works))
    for work, answer in schedule.engine.map(do, works):
        if isinstance(answer, Exception):
            outcomes.append(Outcome(work.case, "failed", error=story(answer), fault=answer))
        else:
            outcomes.append(Outcome(work.case, "done", answer))
        if progress:
            progress(len(outcomes), len(works))
    return sorted(outcomes, key=lambda outcome: outcome.case)


def _run(work: Work, schemes: Schemes, settings: EvaluationSettings, threads: int) -> EvaluatedCase:
    """In a worker: read one pair, score it, and keep the scores where they are to be kept."""
    prediction, reference = work.inputs[:2]
    ours = read_label_map(prediction)
    theirs = read_label_map(reference) if reference.is_file() else _masks(work, schemes[1])
    common = cached_common_scheme(*schemes)
    try:
        found = evaluate_pair(work.case, ours, theirs, schemes, common, settings, threads=threads)
    except BadLabelsError as error:
        raise BadLabelsError(f"{error} ({prediction} against {reference})") from None
    for path in work.outputs:
        write_json(path, found.as_dict())
    return found


def _masks(work: Work, scheme: LabelScheme) -> Volume:
    """A reference that is a folder of masks, laid over one another on the grid of the CT."""
    _, folder, image = work.inputs[:3]
    grid, header = read_header(image)
    expert = BinaryMasks(name="reference", scheme=scheme.name, files=str(folder))
    return Volume(expert.propose(Case(work.case, image, None, scheme)).label_map, grid, header)


def _read(path: Path) -> EvaluatedCase:
    return EvaluatedCase.from_dict(json.loads(path.read_text("utf-8")))
