"""`dapatlas report`: check a data set, gather what is known of it, draw places of findings, write one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dapatlas.check.checked_case import CheckedCase
from dapatlas.dataset import Case, Dataset
from dapatlas.files import write_text
from dapatlas.findings import Finding, Severity
from dapatlas.labels import dap
from dapatlas.pipeline.checking import Checked, check_dataset
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.reporting_comparison import checks_of_other, compare
from dapatlas.pipeline.reporting_notes import CaseNotes, agreement_of, pictured, read_notes
from dapatlas.pipeline.reporting_pictures import Drawn, Wanted, draw, place_of, wanted_places
from dapatlas.pipeline.stage import Outcome, Progress
from dapatlas.publish.report import CaseContent, Comparison, ReportContent, ReviewContent, Shown, report_page

REPORT = "report.html"
PICTURES = 120  # places of findings, some 15 kB each
Stages = Callable[[str], AbstractContextManager[Progress | None]]


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What came out of one run.

    Attributes
    ----------
    path
        The HTML file.
    content
        What is in it.
    checked
        What the checks said.
    outcomes
        How it went for each case that was drawn or compared.
    """

    path: Path
    content: ReportContent
    checked: Checked
    outcomes: tuple[Outcome[None], ...]

    @property
    def failed(self) -> tuple[Outcome[None], ...]:
        """Cases that could not be drawn or compared; those that could not be checked are findings."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "failed")


@contextmanager
def silent(_label: str) -> Iterator[Progress | None]:
    """Show no progress."""
    yield None


def report_dataset(
    dataset: Dataset,
    out: Path | None = None,
    *,
    other: Dataset | None = None,
    work: Path | None = None,
    sex_table: Path | None = None,
    pictures: int = PICTURES,
    jobs: int | None = None,
    force: bool = False,
    review: ReviewContent | None = None,
    stages: Stages = silent,
) -> DatasetReport:
    """Check a data set as `dapatlas check` does, and write one HTML file about it.

    What is up to date, of checks, pictures and comparisons, is not made again; a case that fails stops no other.

    Parameters
    ----------
    dataset
        Cases with a label map count, with a CT or without.
    out
        The HTML file; ``report.html`` in the data set by default.
    other
        Another data set of the same cases, to compare with. It is only read.
    work
        Folder for checks, pictures and comparisons; the data set itself by default. For data sets that cannot be
        written to.
    sex_table
        CSV of subjects and sexes, beside the data set's own ``subjects.csv``.
    pictures
        At most so many places of findings are drawn.
    jobs
        Worker processes; as many as processors when ``None``.
    force
        Check, draw and compare again.
    review
        What readers said, where that is to be told.
    stages
        Given what is at work, a context that gives a function to be called with how many cases are done, of how many.

    Raises
    ------
    DapatlasError
        No case has a label map; a table cannot be read; or another run is at work.
    """
    folder = work or dataset.path
    with stages("checking") as progress:
        checked = check_dataset(
            dataset, folder, sex_table=sex_table, jobs=jobs, force=force, progress=progress
        )
    theirs = None
    if other is not None:
        with stages(f"checking {other.path.resolve().name}") as progress:
            kept = checks_of_other(other, folder)
            theirs = check_dataset(
                other, kept, sex_table=sex_table, jobs=jobs, force=force, progress=progress
            )
    cases = _cases(dataset)
    notes = read_notes(dataset.path, [outcome.case for outcome in checked.outcomes])
    wanted = _wanted(checked, notes, pictures)
    comparison, outcomes = None, list[Outcome[None]]()
    with open_journal(folder) as journal:
        with stages("drawing") as progress:
            drawn, outcomes = draw(cases, wanted, folder, journal, jobs=jobs, force=force, progress=progress)
        if other is not None and theirs is not None:
            with stages("comparing") as progress:
                comparison, compared = compare(
                    dataset,
                    other,
                    (checked, theirs),
                    folder,
                    journal,
                    jobs=jobs,
                    force=force,
                    progress=progress,
                )
            outcomes = [*outcomes, *compared]
    content = gathered(dataset, checked, notes, drawn, comparison, review)
    path = out or dataset.path / REPORT
    write_text(path, report_page(content))
    return DatasetReport(path, content, checked, tuple(outcomes))


def gathered(
    dataset: Dataset,
    checked: Checked,
    notes: Mapping[str, CaseNotes],
    drawn: Mapping[str, Drawn],
    comparison: Comparison | None = None,
    review: ReviewContent | None = None,
) -> ReportContent:
    """Put together what a report shows.

    Parameters
    ----------
    dataset
        Whose report it is.
    checked
        What checks said.
    notes
        Case id to what builds and guidelines left.
    drawn
        Case id to pictures.
    comparison
        With another data set.
    review
        What readers said.
    """
    found = {each.case: each for each in checked.checked}
    cases = []
    for outcome in checked.outcomes:
        empty = CaseContent(outcome.case, dataset[outcome.case].subject, failed=outcome.error)
        measured = _measured(found[outcome.case]) if outcome.case in found else empty
        pictures = drawn.get(outcome.case, Drawn()).files
        cases.append(_noted(measured, notes[outcome.case], pictures) if outcome.case in notes else measured)
    return ReportContent(
        dataset.path.resolve().name,
        dap(),
        tuple(cases),
        tuple(Shown(finding, _picture(finding, drawn)) for finding in checked.findings),
        checked.spreads,
        any(each.was_refined for each in notes.values()),
        agreement_of(notes),
        comparison,
        review,
    )


def _measured(found: CheckedCase) -> CaseContent:
    return CaseContent(
        found.case,
        found.subject,
        found.sex,
        found.age_years,
        found.volumes_ml,
        frozenset(found.whole),
        found.hu,
    )


def _noted(case: CaseContent, notes: CaseNotes, pictures: Mapping[str, str]) -> CaseContent:
    """A case with what else is known of it, pictures by file name."""
    refined = pictures.get(notes.refined.name, "") if notes.refined else ""
    others = ((caption, pictures[path.name]) for caption, path in notes.pictures if path.name in pictures)
    return replace(case, notes=notes.findings, refined=refined, pictures=tuple(others))


def _picture(finding: Finding, drawn: Mapping[str, Drawn]) -> str:
    place = place_of(finding)
    if place is None or finding.severity is Severity.INFO or finding.case not in drawn:
        return ""
    return drawn[finding.case].places.get(place, "")


def _cases(dataset: Dataset) -> dict[str, Case]:
    return {case.id: case for case in (*dataset.cases, *dataset.unpaired) if case.mask_path is not None}


def _wanted(checked: Checked, notes: Mapping[str, CaseNotes], number: int) -> dict[str, Wanted]:
    """What is to be drawn: places of the gravest findings, and pictures that builds left of some cases."""
    places = wanted_places(checked.findings, number)
    readable = {each.case for each in checked.checked}
    told = dict.fromkeys(one.case for one in checked.findings if one.severity is not Severity.INFO)
    shown = pictured(notes, list(told))
    files = {case: notes[case].files for case in shown if notes[case].files}
    return {
        case: Wanted(places.get(case, ()) if case in readable else (), files.get(case, ()))
        for case in sorted(places.keys() | files.keys())
    }
