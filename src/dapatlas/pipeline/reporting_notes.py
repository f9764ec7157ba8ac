"""What builds and guidelines left about the cases of a data set, for its report; any of it may be absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas.dataset.reports import read_report
from dapatlas.findings import Finding
from dapatlas.pipeline.agreement import summarise
from dapatlas.pipeline.case_files import picture_file, provenance_picture_file, refinement_picture_file
from dapatlas.publish.report import Agreement, Expert, Overlap
from dapatlas.publish.report.changes import is_change

PICTURED_CASES = 24  # cases whose pictures of the build are shown: the gravest, and those that changed most
CAPTIONS = {
    "map": "the finished map over the CT",
    "provenance": "above who decided, below how many experts say otherwise",
}


@dataclass(frozen=True, slots=True)
class CaseNotes:
    """What lies in ``reports/`` of one case.

    Attributes
    ----------
    report
        The JSON as it is.
    findings
        In it.
    refined
        Picture of before and after the guidelines; ``None`` where there is none.
    pictures
        Caption and file of further ones.
    """

    report: Mapping[str, Any]
    findings: tuple[Finding, ...]
    refined: Path | None
    pictures: tuple[tuple[str, Path], ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """All pictures."""
        return (*((self.refined,) if self.refined else ()), *(path for _, path in self.pictures))

    @property
    def changed(self) -> int:
        """Voxels that guidelines changed."""
        return sum(one.voxels for one in self.findings if is_change(one))

    @property
    def was_refined(self) -> bool:
        """Whether guidelines had their say: told by `dapatlas refine`, or by what they changed."""
        return "guidelines" in self.report or any(map(is_change, self.findings))


def read_notes(dataset: Path, cases: Sequence[str]) -> dict[str, CaseNotes]:
    """Read the reports that there are; a file that is none counts as absent."""
    found = {case: _read(dataset, case) for case in cases}
    return {case: notes for case, notes in found.items() if notes is not None}


def _read(dataset: Path, case: str) -> CaseNotes | None:
    report = read_report(dataset, case)
    if report is None:
        return None
    try:
        findings = tuple(Finding.from_dict(row) for row in report.get("findings", ()))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    # `dapatlas refine` gives its picture of before and after the name under which a build shows the map
    by_refine = "guidelines" in report
    refined = picture_file(dataset, case) if by_refine else refinement_picture_file(dataset, case)
    others = (
        ()
        if by_refine
        else (
            (CAPTIONS["map"], picture_file(dataset, case)),
            (CAPTIONS["provenance"], provenance_picture_file(dataset, case)),
        )
    )
    return CaseNotes(
        report,
        findings,
        refined if refined.is_file() else None,
        tuple((caption, picture) for caption, picture in others if picture.is_file()),
    )


def pictured(notes: Mapping[str, CaseNotes], gravest: Sequence[str]) -> set[str]:
    """Cases whose pictures of the build are shown: half the gravest, half those that guidelines changed most."""
    half = PICTURED_CASES // 2
    changed = sorted(
        (case for case in notes if notes[case].refined), key=lambda case: (-notes[case].changed, case)
    )
    return {*[case for case in gravest if case in notes][:half], *changed[:half]}


def agreement_of(notes: Mapping[str, CaseNotes]) -> Agreement | None:
    """How experts agree over all cases; ``None`` where none were compared."""
    reports = [dict(each.report) for each in notes.values() if each.report.get("agreement")]
    found = summarise(reports)
    if not found.structures:
        return None
    experts = [
        Expert(one.expert, one.structures, one.dice, one.with_result, one.alone) for one in found.experts
    ]
    overlaps = {report["case"]: tuple(Overlap(**row) for row in report["agreement"]) for report in reports}
    return Agreement(tuple(experts), overlaps)
