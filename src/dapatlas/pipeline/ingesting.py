"""`dapatlas ingest`: what all its sources share. Cases come in one by one, in workers; tables and a report follow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas import __version__
from dapatlas.dataset import Dataset
from dapatlas.dataset.reports import REPORTS
from dapatlas.errors import BadFileError
from dapatlas.files import write_json
from dapatlas.findings import Finding, Severity, has_errors
from dapatlas.ingest.codes import Code, finding
from dapatlas.ingest.tables import StudyFacts, write_tables
from dapatlas.pipeline.stage import Outcome
from dapatlas.volumes import Grid, read_grid

SUV, LESIONS = "suv", "lesions"  # folders beside images/: PET in SUV, and lesions on the PET's grid
Findings = tuple[Finding, ...]
_RANK = {severity: rank for rank, severity in enumerate((Severity.ERROR, Severity.WARNING, Severity.INFO))}


@dataclass(frozen=True, slots=True)
class Ingested:
    """How a run of ingest ended.

    Attributes
    ----------
    kind
        Which source: ``tcia``, ``autopet``, ``ct`` or ``masks``.
    cases
        One outcome a case, in name order.
    findings
        All that is to say, gravest first, of cases that were up to date too.
    report
        The same on disk.
    """

    kind: str
    cases: tuple[Outcome[Findings], ...]
    findings: Findings
    report: Path

    @property
    def has_errors(self) -> bool:
        """Whether anything did not come in as it should."""
        return has_errors(self.findings)

    def count(self, state: str) -> int:
        """How many cases ended so."""
        return sum(case.state == state for case in self.cases)


def report_path(folder: Path, kind: str) -> Path:
    """Where the report of a run goes."""
    return folder / REPORTS / f"ingest-{kind}.json"


def finish(
    dataset: Dataset,
    kind: str,
    source: Sequence[Path],
    stages: Sequence[Sequence[Outcome[Findings]]],
    found: Iterable[Finding],
    facts: Sequence[StudyFacts] = (),
) -> Ingested:
    """Put together what workers said and what was seen beforehand; bring the tables up to date; write the report.

    Parameters
    ----------
    dataset
        Where the cases went.
    kind
        Of the source.
    source
        What was ingested.
    stages
        Outcomes of each stage; those of the first are the cases'.
    found
        Findings beside them.
    facts
        Of the studies, for ``subjects.csv`` and ``studies.csv``.
    """
    report = report_path(dataset.path, kind)
    earlier = _earlier(report)
    own = [_said(outcome, earlier) for outcomes in stages for outcome in outcomes]
    said = [*found, *(each for findings in own for each in findings)]
    said += _tables(dataset, facts)
    findings = tuple(sorted(dict.fromkeys(said), key=_order))
    write_json(
        report,
        {
            "kind": kind,
            "source": [str(path) for path in source],
            "dapatlas": __version__,
            "cases": {outcome.case: outcome.state for outcome in stages[0]},
            "findings": [each.as_dict() for each in findings],
            "of_workers": _of_workers(stages, own),
        },
    )
    return Ingested(kind, tuple(stages[0]), findings, report)


def _said(outcome: Outcome[Findings], earlier: Mapping[str, Findings]) -> Findings:
    """What a worker found: in this run, or in the one that the case is up to date from."""
    if outcome.state == "failed":
        return (failure(outcome),)
    return earlier.get(outcome.case, ()) if outcome.answer is None else outcome.answer


def failure(outcome: Outcome[Any]) -> Finding:
    """The finding that a failed case comes to."""
    code = getattr(outcome.fault, "code", None)
    known = code if isinstance(code, Code) else Code.INGEST_FAILED
    return finding(outcome.case, known, outcome.error)


def _of_workers(
    stages: Sequence[Sequence[Outcome[Findings]]], own: Sequence[Findings]
) -> dict[str, list[dict[str, Any]]]:
    """Findings of each case that came in, which a later run that leaves it as it is tells again."""
    outcomes = [outcome for stage in stages for outcome in stage]
    kept: dict[str, list[dict[str, Any]]] = {}
    for outcome, findings in zip(outcomes, own, strict=True):
        if outcome.stands and findings:
            kept.setdefault(outcome.case, []).extend(each.as_dict() for each in findings)
    return kept


def _earlier(report: Path) -> dict[str, Findings]:
    """What an earlier report kept of its workers' findings; nothing where there is none that can be read."""
    try:
        kept = json.loads(report.read_text(encoding="utf-8"))["of_workers"]
        return {case: tuple(map(Finding.from_dict, rows)) for case, rows in kept.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _tables(dataset: Dataset, facts: Sequence[StudyFacts]) -> list[Finding]:
    """Write what is known of the cases that stand."""
    if not facts:
        return []
    grids = {fact.case: grid for fact in facts if (grid := _grid(dataset.image_path(fact.case))) is not None}
    unsure = write_tables(dataset.path, facts, grids)
    return [
        finding("", Code.SEX_DIFFERS, f"studies of {subject} contradict each other on the patient's sex")
        for subject in unsure
    ]


def _grid(path: Path) -> Grid | None:
    try:
        return read_grid(path)
    except BadFileError:
        return None


def _order(found: Finding) -> tuple[int, str, str, str, str]:
    return _RANK[found.severity], found.case, found.code, found.file, found.message
