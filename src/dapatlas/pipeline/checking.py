"""`dapatlas check`: medical validity, case by case in workers, then over the cohort."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dapatlas import __version__
from dapatlas.check.case import check_case
from dapatlas.check.checked_case import COHORT, CheckedCase, case_path, read_checked
from dapatlas.check.codes import Code
from dapatlas.check.judged import rank
from dapatlas.check.measured_case import MeasuredCase, Patient, in_dap, measured_case
from dapatlas.check.outliers import Spread, cohort_outliers, spreads
from dapatlas.dataset import Case, Dataset
from dapatlas.dataset.subjects import SexTable, sex_of, sex_tables
from dapatlas.errors import DapatlasError, GridMismatchError
from dapatlas.files import write_json
from dapatlas.findings import Finding, has_errors
from dapatlas.ingest.tables import STUDIES, read_table
from dapatlas.labels import dap
from dapatlas.pipeline.engine import Jobs
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Outcome, Progress, Work, run_stage

STAGE = "check"
BYTES_A_VOXEL = 7.0  # of memory, at most: see benchmarks/README.md


@dataclass(frozen=True, slots=True)
class Checked:
    """How a run of the checks ended.

    Attributes
    ----------
    outcomes
        One a case, in name order.
    checked
        What was found of each case that could be checked.
    findings
        Of all cases and of the cohort, ranked.
    spreads
        How volumes spread over the cohort, structure by structure.
    """

    outcomes: tuple[Outcome[None], ...]
    checked: tuple[CheckedCase, ...]
    findings: tuple[Finding, ...]
    spreads: tuple[Spread, ...]

    @property
    def has_errors(self) -> bool:
        """Whether a map cannot be right, or a case could not be checked."""
        return has_errors(self.findings)


def check_dataset(
    dataset: Dataset,
    out: Path | None = None,
    *,
    sex_table: Path | None = None,
    jobs: Jobs = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Checked:
    """Check every label map of a data set against what is known of bodies.

    Writes ``reports/check/<case>.json`` and ``reports/check.json``. Cases that are up to date are not checked again; a
    case that fails stops no other.

    Parameters
    ----------
    dataset
        Its maps, in DAP's scheme or one with a crosswalk to it; CTs where they are there.
    out
        Folder for the reports, the data set's own when ``None``.
    sex_table
        CSV of subjects and sexes, beside the data set's own ``subjects.csv``.
    jobs, force, progress
        As everywhere.

    Raises
    ------
    DapatlasError
        There is no label map, a table cannot be read, or another run is at work on ``out``.
    """
    out = dataset.path if out is None else out
    cases = {case.id: case for case in (*dataset.cases, *dataset.unpaired) if case.mask_path is not None}
    if not cases:
        raise DapatlasError(f"{dataset.path}: no label map to check; expected masks/<case>.nii.gz")
    patients = _patients(cases.values(), sex_tables(sex_table, dataset.path), _ages(dataset.path))
    with open_journal(out) as journal:
        works = [_work(case, patients[case.id], out) for case in cases.values()]
        do = partial(_check, cases=cases, patients=patients)
        outcomes = run_stage(
            STAGE, works, do, journal, jobs=jobs, force=force, progress=progress, bytes_a_voxel=BYTES_A_VOXEL
        )
        done = [read_checked(case_path(out, each.case)) for each in outcomes if each.stands]
        checked = _over_cohort(outcomes, done)
        write_json(out / COHORT, _document(checked))
    return checked


def _patients(
    cases: Iterable[Case], tables: Sequence[SexTable], ages: Mapping[str, float]
) -> dict[str, Patient]:
    return {case.id: Patient(sex_of(case.id, case.subject, tables)[0], ages.get(case.id)) for case in cases}


def _ages(folder: Path) -> dict[str, float]:
    """Age in years by case, as ``studies.csv`` has it; a cell that holds no number tells none."""
    rows = read_table(folder / STUDIES, "case")
    cells = {row["case"]: (row.get("age_years") or "").strip() for row in rows}
    return {case: float(cell) for case, cell in cells.items() if cell.replace(".", "", 1).isdigit()}


def _work(case: Case, patient: Patient, out: Path) -> Work:
    inputs = [path.resolve() for path in (case.mask_path, case.image_path) if path is not None]
    settings = [case.scheme.name, patient.sex and patient.sex.value, patient.age_years]
    return Work(case.id, tuple(inputs), (case_path(out, case.id),), settings)


def _check(work: Work, cases: Mapping[str, Case], patients: Mapping[str, Patient]) -> None:
    """In a worker: measure and check one case, and write down what was found."""
    case = cases[work.case]
    measured = _measured(case, patients[case.id])
    patient = measured.patient
    found = CheckedCase(
        case.id,
        case.subject,
        patient.sex,
        patient.age_years,
        {name: measured.ml(name) for name in measured.names},
        tuple(name for name in measured.names if measured.is_whole(name)),
        {name: density.median for name, density in measured.density.items()},
        tuple(check_case(measured)),
    )
    write_json(work.outputs[0], found.as_dict())


def _measured(case: Case, patient: Patient) -> MeasuredCase:
    label_map = case.label_map()
    ct = case.ct() if case.image_path is not None else None
    if ct is not None and not ct.grid.is_close(label_map.grid):
        differences = ", ".join(ct.grid.differences(label_map.grid))
        raise GridMismatchError(f"case {case.id}: CT and label map lie on different grids: {differences}")
    ids = in_dap(label_map.array, case.scheme)
    return measured_case(case.id, ids, None if ct is None else ct.array, label_map.grid, dap(), patient)


def _over_cohort(outcomes: Sequence[Outcome[None]], done: Sequence[CheckedCase]) -> Checked:
    """Put the cases together, and see which stand apart."""
    volumes = {each.case: each.volumes_ml for each in done}
    whole = {each.case: set(each.whole) for each in done}
    sexes = {each.case: each.sex for each in done}
    findings = [
        *(found for each in done for found in each.findings),
        *cohort_outliers(volumes, whole, sexes),
        *(_failure(outcome) for outcome in outcomes if outcome.state == "failed"),
    ]
    return Checked(tuple(outcomes), tuple(done), tuple(rank(findings)), tuple(spreads(volumes, whole, sexes)))


def _failure(outcome: Outcome[None]) -> Finding:
    code = Code.CASE_UNREADABLE
    return Finding(outcome.case, code.severity, code.value, outcome.error, remedy=code.remedy)


def _document(checked: Checked) -> dict[str, Any]:
    return {
        "dapatlas": __version__,
        "cases": {outcome.case: outcome.state for outcome in checked.outcomes},
        "findings": [each.as_dict() for each in checked.findings],
        "spreads": [
            {
                "structure": each.structure,
                "sex": None if each.sex is None else each.sex.value,
                "cases": each.n,
                "median_ml": round(each.median_ml, 4),
                "log_mad": round(each.log_mad, 6),
            }
            for each in checked.spreads
        ],
    }
