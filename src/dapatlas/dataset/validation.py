"""Is a data set sound? Every case is read and checked, in parallel; one bad file stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dapatlas.dataset.case import Case
from dapatlas.dataset.checks.cohort import CaseReport, check_duplicates, check_subject_sex
from dapatlas.dataset.checks.labels_json import check_labels_json
from dapatlas.dataset.checks.names import check_name, check_pairs, check_spellings, check_stray
from dapatlas.dataset.codes import Code, finding
from dapatlas.dataset.dataset import Dataset
from dapatlas.dataset.inspection import inspect_case
from dapatlas.findings import Finding, Severity
from dapatlas.parallel import WorkerDiedError, map_cases

Progress = Callable[[int, int], None]

_RANK = {severity: rank for rank, severity in enumerate((Severity.ERROR, Severity.WARNING, Severity.INFO))}


def validate(dataset: Dataset, jobs: int | None = None, progress: Progress | None = None) -> list[Finding]:
    """Check a data set against its contract.

    Parameters
    ----------
    dataset
        What to check; its scheme tells which ids are allowed.
    jobs
        Worker processes; 1 works in this process, by default as many as there are processors for it.
        Each holds one volume at a time.
    progress
        Called as ``progress(done, total)`` in this process, once before the first case and after each.

    Returns
    -------
    list of Finding
        Gravest first, then by case and code; empty for a sound data set. The same whatever ``jobs`` is.
        :class:`~dapatlas.dataset.codes.Code` lists the codes.
    """
    cases = (*dataset.cases, *dataset.unpaired)
    if progress:
        progress(0, len(cases))
    reports = []
    for done, (case, answer) in enumerate(map_cases(inspect_case, cases, jobs), start=1):
        reports.append(_failed(case, answer) if isinstance(answer, Exception) else answer)
        if progress:
            progress(done, len(cases))
    findings = _check_folder(dataset, cases)
    findings += [found for report in reports for found in report.findings]
    findings += check_duplicates(reports)
    findings += check_subject_sex(reports)
    return sorted(findings, key=_order)


def _check_folder(dataset: Dataset, cases: Iterable[Case]) -> list[Finding]:
    """What the names of files and ``labels.json`` tell, without a look into any volume."""
    images, masks = (
        list(folder.iterdir()) if folder.is_dir() else []
        for folder in (dataset.images_dir, dataset.masks_dir)
    )
    findings = [found for case in cases for found in check_name(case)]
    findings += check_pairs(dataset.unpaired)
    findings += check_spellings(images, masks)
    findings += check_stray([*images, *masks])
    findings += check_labels_json(dataset.labels_path, dataset.scheme)
    if not cases:
        findings.append(
            finding(
                "",
                Code.NO_CASES,
                "the data set holds no case",
                file=str(dataset.path),
                expected="images/<case>.nii.gz and masks/<case>.nii.gz",
                found="no NIfTI file in either folder",
                remedy="see whether this is the right folder",
            )
        )
    return findings


def _failed(case: Case, error: Exception) -> CaseReport:
    """The report on a case whose check gave no answer."""
    if isinstance(error, (WorkerDiedError, MemoryError)):
        code, remedy = (
            Code.WORKER_DIED,
            "free memory, or use a machine with more; look at the size of the volume",
        )
        message = f"the case could not be checked: {str(error) or 'the memory ran out'}"
    else:
        code, remedy = (
            Code.CHECK_FAILED,
            "please report this, with the type of the error and the header of the file",
        )
        message = f"the check itself failed: {type(error).__name__}: {error}"
    file = str(case.image_path or case.mask_path)
    return CaseReport(case.id, case.subject, (finding(case.id, code, message, file=file, remedy=remedy),))


def _order(found: Finding) -> tuple[int, str, str, str, str]:
    return _RANK[found.severity], found.case, found.code, found.file, found.message
