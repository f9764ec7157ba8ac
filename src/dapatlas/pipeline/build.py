"""`dapatlas build`: CTs and experts in, a valid data set out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate import Recipe, aggregate, experts_for
from dapatlas.aggregate.check import check_settings
from dapatlas.aggregate.provenance import legend
from dapatlas.dataset import Case, Dataset
from dapatlas.dataset.reports import REPORTS, report_file
from dapatlas.dataset.subjects import SexTable, sex_of, sex_tables
from dapatlas.errors import RecipeError
from dapatlas.files import whole_file, write_json, write_text
from dapatlas.findings import Finding, Severity
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
from dapatlas.pipeline.engine import Jobs, schedule_of
from dapatlas.pipeline.find import find_cases
from dapatlas.pipeline.journal import Entry, Journal, open_journal
from dapatlas.pipeline.report import case_picture, case_report
from dapatlas.pipeline.stage import Outcome, Progress, Work, run_stage
from dapatlas.refine import refine
from dapatlas.volumes import Grid, Volume, read_label_map, read_volume, write_label_map

MAP, PICTURE = "map", "picture"  # the stages of a build, in order

# What of a recipe a map depends on, beside the experts that have a say in it.
MATTERS = {"scheme", "merge", "body", "tissues", "refine", "provenance"}
BYTES_A_VOXEL = 12.0  # of the CT, at the peak of aggregating: see benchmarks/README.md


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a build ended for one case.

    Attributes
    ----------
    case
        Case id.
    state
        ``built``, ``up to date``, ``failed``, or ``left out`` by the schedule while it is due.
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


def build(
    recipe: Recipe,
    out: Path,
    *,
    jobs: Jobs = None,
    force: bool | str = False,
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
        Worker processes, as many as processors when ``None``; or a schedule.
    force
        Build every case again; or one stage of each, ``"map"`` or ``"picture"``. A new map gets a new picture.
    progress
        Called with how many cases are done, and of how many, before the first and after each; again for pictures that
        are due while their maps stand.

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
        by_id = {case.id: case for case in cases}
        works = [_map_work(case, recipe, out, sexes) for case in cases]
        do = partial(_build_map, cases=by_id, recipe=recipe, out=out)
        again = force is True or force == MAP
        maps = run_stage(
            MAP, works, do, journal, jobs=jobs, force=again, progress=progress, bytes_a_voxel=BYTES_A_VOXEL
        )
        pictures = _pictures(maps, works, recipe, out, journal, jobs, force=force == PICTURE)
        results = [_result(*outcomes) for outcomes in zip(maps, pictures, strict=True)]
        strangers = sorted(journal.cases() - {case.id for case in cases})
        built = [outcome.case for outcome in maps if outcome.stands]
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


def _map_work(case: Case, recipe: Recipe, out: Path, sexes: Sequence[SexTable]) -> Work:
    """What the map of a case is made from, the CT first, and what is written with it, the map first."""
    assert case.image_path is not None  # find_cases starts from CTs
    experts = experts_for(case, recipe)
    inputs = [path for expert in experts for path in (expert.inputs(case) or (expert.path(case),))]
    settings = recipe.model_dump(mode="json", include=MATTERS)
    settings["experts"] = [expert.model_dump(mode="json") for expert in experts]
    settings["link"] = recipe.cts.link
    if recipe.refine is not None:  # a table that says the same of this case changes nothing
        del settings["refine"]["sex_table"]
        settings["sex"] = sex_of(case.id, case.subject, sexes)
    dataset = Dataset(out, recipe.atlas)
    maps = provenance_files(out, case.id) if recipe.provenance.maps else ()
    outputs = (dataset.mask_path(case.id), dataset.image_path(case.id), report_file(out, case.id), *maps)
    return Work(case.id, (case.image_path, *inputs), outputs, settings)


def _build_map(work: Work, cases: Mapping[str, Case], recipe: Recipe, out: Path) -> None:
    """In a worker: aggregate and refine one case, and write the map and everything that is said of it."""
    case = cases[work.case]
    target, image, report, *_ = work.outputs
    ct = read_volume(work.inputs[0])
    made = aggregate(case, ct, recipe)
    label_map, said = _refined(case, made.label_map, ct.grid, recipe)
    made = replace(made, provenance=made.provenance.refined(made.label_map, label_map))
    findings = [*made.findings, *said]
    place_image(work.inputs[0], image, link=recipe.cts.link)
    write_label_map(target, label_map, ct.grid, ct.header)
    write_refinement_picture(out, case, ct, made.label_map, label_map, findings, recipe)
    write_provenance(out, case, ct, made, recipe)
    _write_picture(picture_file(out, case.id), ct, label_map, recipe)  # while the CT is at hand
    write_text(report.with_suffix(".md"), case_page(out, case, findings))
    write_json(report, case_report(case, label_map, made, findings, ct.grid, recipe))


def _pictures(
    maps: Sequence[Outcome[None]],
    works: Sequence[Work],
    recipe: Recipe,
    out: Path,
    journal: Journal,
    jobs: Jobs,
    *,
    force: bool,
) -> list[Outcome[None]]:
    """Pictures of the maps that stand; those that came with a map of this run are only written down."""
    stands = {outcome.case: outcome for outcome in maps if outcome.stands}
    due = [_picture_work(case, recipe, out, journal) for case in stands]
    for work in due:
        if stands[work.case].state == "done":
            journal.record(work.case, PICTURE, Entry(work.prints().whole, "done", 0, 0, ""))
    schedule = replace(schedule_of(jobs), only=())  # every map that stands has its picture
    draw = partial(_redraw, recipe=recipe, maps={work.case: work for work in works})
    drawn = run_stage(PICTURE, due, draw, journal, jobs=schedule, force=force)
    found = {outcome.case: outcome for outcome in drawn}
    return [found.get(outcome.case, outcome) for outcome in maps]


def _picture_work(case: str, recipe: Recipe, out: Path, journal: Journal) -> Work:
    """A picture depends on its map, and so on all that the map was made from."""
    made = journal.entry(case, MAP)
    assert made is not None  # only maps that stand have pictures
    settings = [made.fingerprint, recipe.picture.model_dump(mode="json")]
    return Work(case, (), (picture_file(out, case),), settings)


def _redraw(work: Work, recipe: Recipe, maps: Mapping[str, Work]) -> None:
    """In a worker: the picture of a map that stands."""
    made = maps[work.case]
    _write_picture(
        work.outputs[0], read_volume(made.inputs[0]), read_label_map(made.outputs[0]).array, recipe
    )


def _write_picture(path: Path, ct: Volume, label_map: NDArray[Any], recipe: Recipe) -> None:
    with whole_file(path) as scratch:
        case_picture(ct, label_map, recipe).save(scratch, optimize=True)


def _result(made: Outcome[None], drawn: Outcome[None]) -> CaseResult:
    """How a build ended for one case, by what became of its map and its picture."""
    worse = made if not made.stands else drawn
    state = "built" if "done" in (made.state, drawn.state) and worse.stands else worse.state
    return CaseResult(made.case, state, made.seconds + drawn.seconds, worse.error)


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
