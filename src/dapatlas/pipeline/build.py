"""`dapatlas build`: CTs and experts in, a valid data set out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate import Recipe, aggregate, experts_for
from dapatlas.aggregate.check import check_settings
from dapatlas.aggregate.provenance import legend
from dapatlas.dataset import Case, Dataset
from dapatlas.dataset.reports import REPORTS, report_file
from dapatlas.errors import RecipeError
from dapatlas.files import whole_file, write_json, write_text
from dapatlas.findings import Finding, Severity
from dapatlas.parallel import map_cases
from dapatlas.pipeline.agreement import CohortAgreement, write_agreement
from dapatlas.pipeline.case_files import (
    PROVENANCE,
    case_page,
    picture_file,
    place_image,
    provenance_files,
    write_provenance,
    write_refinement_picture,
)
from dapatlas.pipeline.find import find_cases
from dapatlas.pipeline.journal import Entry, Journal, fingerprint, open_journal
from dapatlas.pipeline.memory import peak_mb
from dapatlas.pipeline.report import (
    case_picture,
    case_report,
    story,
)
from dapatlas.refine import SexTable, refine, sex_of, sex_tables
from dapatlas.volumes import Grid, read_label_map, read_volume, write_label_map

MAP, PICTURE = "map", "picture"  # the stages of a build, in order

# What of a recipe a map depends on, beside the experts that have a say in it.
MATTERS = {"scheme", "merge", "body", "tissues", "refine", "provenance"}

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a build ended for one case.

    Attributes
    ----------
    case
        Case id.
    state
        ``built``, ``up to date`` or ``failed``.
    seconds
        Wall-clock time spent on it in this run.
    error
        Why it failed; empty otherwise.
    """

    case: str
    state: str
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """How a build ended.

    Attributes
    ----------
    dataset
        What was built.
    cases
        One result a case, in name order.
    findings
        About the data set as a whole.
    agreement
        How the experts agree over all cases; ``None`` where no two know one structure.
    recipe_findings
        What is odd about the recipe, such as structures that no expert supplies.
    """

    dataset: Dataset
    cases: tuple[CaseResult, ...]
    findings: tuple[Finding, ...] = ()
    agreement: CohortAgreement | None = None
    recipe_findings: tuple[Finding, ...] = ()

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """The cases that could not be built."""
        return tuple(result for result in self.cases if result.state == "failed")


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done for one case: the stages that are due, and their fingerprints."""

    case: Case
    stages: tuple[str, ...]
    fingerprints: dict[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Done:
    """What a worker brings back: seconds for each stage that it ran, and its peak memory."""

    seconds: dict[str, float]
    peak_mb: float


def build(
    recipe: Recipe,
    out: Path,
    *,
    jobs: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> BuildResult:
    """Build, or finish building, a data set.

    A case whose inputs and settings have not changed since it was built is left as it is. One that fails
    is reported, and the rest go on.

    Parameters
    ----------
    recipe
        How the atlas is made.
    out
        The data set's folder; made if absent.
    jobs
        Worker processes; as many as processors when ``None``.
    force
        Build every case again.
    progress
        Called with how many cases are done, and of how many, before the first and after each.

    Raises
    ------
    DapatlasError
        No CT is found, the recipe cannot be followed, the output cannot be written to, or another run is at work on it.
    """
    cases = find_cases(recipe)
    noticed = _checked(recipe)
    with open_journal(out) as journal:
        dataset = Dataset.create(out, recipe.atlas)
        write_text(out / REPORTS / "recipe.json", recipe.model_dump_json(indent=1, by_alias=True) + "\n")
        sexes = _sex_tables(recipe)
        tasks = [_task(case, recipe, out, journal, sexes, force=force) for case in cases]
        results = [CaseResult(task.case.id, "up to date") for task in tasks if not task.stages]
        if progress:
            progress(len(results), len(tasks))
        due = [task for task in tasks if task.stages]
        for task, answer in map_cases(partial(_run, recipe=recipe, out=out), due, jobs):
            results.append(_settle(task, answer, journal))
            if progress:
                progress(len(results), len(tasks))
        strangers = sorted(journal.cases() - {case.id for case in cases})
        results.sort(key=lambda result: result.case)
        built = [result.case for result in results if result.state != "failed"]
        agreement = write_agreement(out / REPORTS, built)
        if recipe.provenance.maps:
            experts = [expert.name for expert in recipe.experts]
            write_json(out / PROVENANCE / "legend.json", {"0": "background"} | _keyed(legend(experts)))
    return BuildResult(dataset, tuple(results), _left_over(strangers), agreement, noticed)


def _checked(recipe: Recipe) -> tuple[Finding, ...]:
    """What is odd about a recipe as a whole; what no case can be built with ends the build before it begins."""
    findings = tuple(check_settings(recipe))
    errors = [finding.message for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise RecipeError("\n".join(errors))
    return tuple(finding for finding in findings if finding.severity is Severity.WARNING)


def _keyed(names: dict[int, str]) -> dict[str, str]:
    return {str(number): name for number, name in names.items()}


def _task(
    case: Case, recipe: Recipe, out: Path, journal: Journal, sexes: Sequence[SexTable], *, force: bool
) -> Task:
    """Which stages are due: those never finished, changed, or whose output is gone."""
    assert case.image_path is not None  # find_cases starts from CTs
    experts = experts_for(case, recipe)
    inputs = [
        case.image_path,
        *(path for expert in experts for path in (expert.inputs(case) or (expert.path(case),))),
    ]
    settings = recipe.model_dump(mode="json", include=MATTERS)
    settings["experts"] = [expert.model_dump(mode="json") for expert in experts]
    settings["link"] = recipe.cts.link
    if recipe.refine is not None:  # a table that says the same of this case changes nothing
        del settings["refine"]["sex_table"]
        settings["sex"] = sex_of(case.id, case.subject, sexes)
    map_print = fingerprint(inputs, settings)
    prints = {MAP: map_print, PICTURE: fingerprint([], [map_print, recipe.picture.model_dump(mode="json")])}
    dataset = Dataset(out, recipe.atlas)
    maps = provenance_files(out, case.id) if recipe.provenance.maps else ()
    outputs = {
        MAP: (dataset.image_path(case.id), dataset.mask_path(case.id), report_file(out, case.id), *maps),
        PICTURE: (picture_file(out, case.id),),
    }
    due = tuple(
        stage
        for stage in (MAP, PICTURE)
        if force
        or not journal.is_done(case.id, stage, prints[stage])
        or not all(path.exists() for path in outputs[stage])
    )
    # a new map needs a new picture
    return Task(case, (MAP, PICTURE) if MAP in due else due, prints)


def _settle(task: Task, answer: Done | Exception, journal: Journal) -> CaseResult:
    """Write down how a case ended."""
    if isinstance(answer, Exception):
        error = story(answer)
        journal.record(
            task.case.id, task.stages[0], Entry(task.fingerprints[task.stages[0]], "failed", 0, 0, error)
        )
        return CaseResult(task.case.id, "failed", error=error)
    for stage in task.stages:
        entry = Entry(task.fingerprints[stage], "done", answer.seconds[stage], answer.peak_mb, "")
        journal.record(task.case.id, stage, entry)
    return CaseResult(task.case.id, "built", sum(answer.seconds.values()))


def _run(task: Task, recipe: Recipe, out: Path) -> Done:
    """In a worker: run the stages that are due for one case."""
    case, seconds = task.case, {}
    assert case.image_path is not None
    dataset = Dataset(out, recipe.atlas)
    begin = time.perf_counter()
    ct = read_volume(case.image_path)
    if MAP in task.stages:
        made = aggregate(case, ct, recipe)
        label_map, said = _refined(case, made.label_map, ct.grid, recipe)
        made = replace(made, provenance=made.provenance.refined(made.label_map, label_map))
        findings = [*made.findings, *said]
        place_image(case.image_path, dataset.image_path(case.id), link=recipe.cts.link)
        write_label_map(dataset.mask_path(case.id), label_map, ct.grid, ct.header)
        write_refinement_picture(out, case, ct, made.label_map, label_map, findings, recipe)
        write_provenance(out, case, ct, made, recipe)
        write_text(report_file(out, case.id).with_suffix(".md"), case_page(out, case, findings))
        report = case_report(case, label_map, made, findings, ct.grid, recipe)
        write_json(report_file(out, case.id), report)
        seconds[MAP] = time.perf_counter() - begin
    else:
        label_map = read_label_map(dataset.mask_path(case.id)).array
    if PICTURE in task.stages:
        begin = time.perf_counter()
        with whole_file(picture_file(out, case.id)) as scratch:
            case_picture(ct, label_map, recipe).save(scratch, optimize=True)
        seconds[PICTURE] = time.perf_counter() - begin
    return Done(seconds, peak_mb())


def _sex_tables(recipe: Recipe) -> list[SexTable]:
    return [] if recipe.refine is None else sex_tables(recipe.refine.sex_table)


def _refined(
    case: Case, label_map: NDArray[np.uint8], grid: Grid, recipe: Recipe
) -> tuple[NDArray[np.uint8], list[Finding]]:
    """The map after the recipe's guidelines; as it is where it names none."""
    if recipe.refine is None:
        return label_map, []
    sex, doubt = sex_of(case.id, case.subject, _sex_tables(recipe))
    return refine(
        label_map,
        grid,
        scheme=recipe.atlas,
        settings=recipe.refine,
        sex=sex,
        sex_doubt=doubt,
        dense=True,
        case=case.id,
    )


def _left_over(strangers: Sequence[str]) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            case=case,
            severity=Severity.WARNING,
            code="not-in-recipe",
            message="built by an earlier recipe, not named by this one; left as it is",
            remedy="delete its image, mask and report if it should go",
        )
        for case in strangers
    )
