"""`dapatlas export`: the cases of a data set in a format that other programs read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from dapatlas.dataset import Case, Dataset
from dapatlas.errors import DapatlasError
from dapatlas.pipeline.engine import Jobs
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Outcome, Progress, Work, run_stage
from dapatlas.publish.exports import Export, Written


def export_cases(
    dataset: Dataset,
    out: Path,
    export: Export,
    *,
    jobs: Jobs = None,
    force: bool = False,
    progress: Progress | None = None,
) -> list[Outcome[Written]]:
    """Write the cases of a data set that have what the format needs.

    What is up to date stays, and one bad case stops no other.

    Parameters
    ----------
    dataset
        Where the cases are.
    out
        Folder of the export; made if it is not there. It remembers what is done in ``.dapatlas``.
    export
        The format and its settings.
    jobs
        Worker processes, as many as processors when ``None``; or a schedule.
    force
        Write all of them again.
    progress
        Called with how many cases are done, and of how many.

    Raises
    ------
    DapatlasError
        There is no case to write, or none of a name that the schedule asks for; another run is at work on ``out``.
    """
    if out.resolve() == dataset.path.resolve():
        raise DapatlasError(f"{out}: give another folder for the export; this one is the data set's own")
    cases = _cases(dataset, export)
    works = [
        Work(case.id, export.inputs(case), export.outputs(case, out), export.settings())
        for case in cases.values()
    ]
    with open_journal(out) as journal:
        do = partial(_write, cases=cases, export=export, out=out)
        outcomes = run_stage(
            f"export {export.kind}", works, do, journal, jobs=jobs, force=force, progress=progress
        )
        written = [cases[outcome.case] for outcome in outcomes if outcome.stands]
        failed = [cases[outcome.case] for outcome in outcomes if outcome.state == "failed"]
        export.finish(out, written, failed)
    return outcomes


def _cases(dataset: Dataset, export: Export) -> Mapping[str, Case]:
    """The cases that can be written, by id in rising order."""
    known = (*dataset.cases, *dataset.unpaired)
    usable = [case for case in known if case.mask_path and (case.image_path or not export.needs_ct)]
    if not usable:
        need = "a CT and a label map" if export.needs_ct else "a label map"
        raise DapatlasError(f"{dataset.path}: no case to write: none of its {len(known)} has {need}")
    return {case.id: case for case in sorted(usable, key=lambda case: case.id)}


def _write(work: Work, *, cases: Mapping[str, Case], export: Export, out: Path) -> Written:
    return export.write(cases[work.case], out)
