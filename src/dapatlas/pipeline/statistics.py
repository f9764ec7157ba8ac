"""`dapatlas stats`: measure every case of a data set, keep what was measured, and write the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dapatlas.dataset import Case, Dataset, parse_case_name
from dapatlas.dataset.subjects import sex_of, sex_tables
from dapatlas.errors import BadLabelsError, DapatlasError, GridMismatchError
from dapatlas.files import whole_file, write_json, write_text
from dapatlas.labels import LabelScheme
from dapatlas.locations import hidden_folder
from dapatlas.pipeline.engine import Jobs
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Outcome, Work, run_stage
from dapatlas.publish.case_statistics import CaseStatistics, case_statistics
from dapatlas.publish.cohort_statistics import CohortStatistics, cohort_statistics
from dapatlas.publish.coronal import coronal_picture
from dapatlas.publish.stats_report import Picture, stats_report
from dapatlas.volumes import read_label_map, read_volume

STAGE = "stats"
BYTES_A_VOXEL = 5.0  # of memory, at most: see benchmarks/README.md
STATS_VERSION = 1  # raise it when the same case gives other numbers or another picture
REPORT = "stats.html"
PICTURES = 24

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class DatasetStatistics:
    """What came out of one run.

    Attributes
    ----------
    report
        The HTML file.
    statistics
        The numbers in it.
    outcomes
        How it went for each case.
    """

    report: Path
    statistics: CohortStatistics
    outcomes: tuple[Outcome[None], ...]

    @property
    def failed(self) -> tuple[Outcome[None], ...]:
        """Cases that could not be measured."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "failed")


def dataset_statistics(
    dataset: Dataset,
    out: Path | None = None,
    *,
    work: Path | None = None,
    sex_table: Path | None = None,
    pictures: int = PICTURES,
    jobs: Jobs = None,
    force: bool = False,
    progress: Progress | None = None,
) -> DatasetStatistics:
    """Measure a data set and write one HTML file about it.

    What was measured of a case is kept in ``.dapatlas/stats/``; a case whose files have not changed since is not read
    again.

    Parameters
    ----------
    dataset
        Cases with a label map count, with a CT or without.
    out
        The HTML file; ``stats.html`` in the data set by default.
    work
        Folder in which measurements are kept; the data set's own by default. For data sets that cannot be written to.
    sex_table
        CSV of subjects and sexes, beside the data set's own ``subjects.csv``.
    pictures
        At most this many cases are shown, spread evenly over the data set.
    jobs
        Worker processes, as many as processors when ``None``; or a schedule.
    force
        Measure every case again.
    progress
        Called with how many cases are done, and of how many.

    Raises
    ------
    DapatlasError
        No case has a label map, or none could be measured; a table cannot be read; or another run is at work.
    """
    cases = [case for case in (*dataset.cases, *dataset.unpaired) if case.mask_path is not None]
    if not cases:
        raise DapatlasError(
            f"{dataset.masks_dir}: no label map in it; expected masks/<case>.nii.gz, for statistics are taken from them"
        )
    tables = sex_tables(sex_table, dataset.path)
    folder = work or dataset.path
    with open_journal(folder) as journal:
        works = [_work(case, folder) for case in cases]
        measure = partial(_measure, scheme=dataset.scheme)
        outcomes = run_stage(
            STAGE,
            works,
            measure,
            journal,
            jobs=jobs,
            force=force,
            progress=progress,
            bytes_a_voxel=BYTES_A_VOXEL,
        )
    failed = {outcome.case: outcome.error for outcome in outcomes if outcome.state == "failed"}
    stands = {outcome.case for outcome in outcomes if outcome.stands}
    measured = [work for work in sorted(works, key=lambda work: work.case) if work.case in stands]
    if not measured:
        raise DapatlasError(f"{dataset.path}: no case could be measured; the first: {outcomes[0].error}")
    sexes = {case.id: sex_of(case.id, case.subject, tables)[0] for case in cases}
    found = [CaseStatistics.from_dict(json.loads(work.outputs[0].read_text("utf-8"))) for work in measured]
    statistics = cohort_statistics(dataset.path.resolve().name, found, sexes, dataset.scheme)
    shown = [Picture(work.case, work.outputs[1].read_bytes()) for work in _spread(measured, pictures)]
    report = out or dataset.path / REPORT
    write_text(report, stats_report(statistics, dataset.scheme, shown, failed))
    return DatasetStatistics(report, statistics, tuple(outcomes))


def _work(case: Case, folder: Path) -> Work:
    """The label map comes first, then the CT where there is one; numbers first, then the picture."""
    inputs = tuple(path for path in (case.mask_path, case.image_path) if path is not None)
    kept = hidden_folder(folder) / STAGE
    outputs = (kept / f"{case.id}.json", kept / f"{case.id}.png")
    return Work(case.id, inputs, outputs, [STATS_VERSION, case.scheme.name])


def _measure(work: Work, scheme: LabelScheme) -> None:
    """In a worker: read one case, and keep its numbers and its picture."""
    mask_path, *image_paths = work.inputs
    mask = read_label_map(mask_path)
    ct = read_volume(image_paths[0]).array if image_paths else None
    subject = parse_case_name(work.case).subject
    try:
        found = case_statistics(work.case, subject, mask.array, ct, mask.grid, scheme)
    except (BadLabelsError, GridMismatchError) as error:
        raise type(error)(f"{mask_path}: {error}") from None
    picture = coronal_picture(mask.array, ct, mask.grid, scheme.palette())
    with whole_file(work.outputs[1]) as scratch:
        picture.save(scratch, optimize=True)
    write_json(work.outputs[0], found.as_dict())


def _spread(works: Sequence[Work], number: int) -> list[Work]:
    """At most so many, evenly over all."""
    if len(works) <= number:
        return list(works)
    return [works[place * len(works) // number] for place in range(number)]
