"""Is a data set sound? Every case is checked, by its headers or whole, in parallel; one bad file stops nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from dapatlas.dataset.case import Case
from dapatlas.dataset.checks.cohort import CaseReport, check_duplicates, check_subject_sex
from dapatlas.dataset.checks.labels_json import check_labels_json
from dapatlas.dataset.checks.names import check_name, check_pairs, check_spellings, check_stray
from dapatlas.dataset.codes import Code, finding
from dapatlas.dataset.dataset import Dataset
from dapatlas.dataset.inspection import inspect_case, inspect_headers
from dapatlas.dataset.manifest import MANIFEST, Entry, read_manifest
from dapatlas.dataset.manifest_comparing import compare_file, new_files
from dapatlas.errors import BadFileError
from dapatlas.findings import Finding, Severity
from dapatlas.parallel import WorkerDiedError, map_cases

Progress = Callable[[int, int], None]

_RANK = {severity: rank for rank, severity in enumerate((Severity.ERROR, Severity.WARNING, Severity.INFO))}


def validate(
    dataset: Dataset, jobs: int | None = None, progress: Progress | None = None, deep: bool = False
) -> list[Finding]:
    """Check a data set against its contract.

    By default names, headers and sizes tell; voxels are read of a file that does not seem whole, and of cases whose
    files seem to be copies of each other. What only voxels tell (ids, sexes, HU, damage in the middle of a file) is
    found with ``deep``. A manifest is compared by size and header, with ``deep`` by SHA-256.

    Parameters
    ----------
    dataset
        What to check; its scheme tells which ids are allowed.
    jobs
        Worker processes; 1 works in this process. By default as many as there are processors for it where volumes
        are read, each holding one at a time, and 1 for headers, which are read before a worker has started.
    progress
        Called as ``progress(done, total)`` in this process, once before the first case and after each; again from
        the start for the cases that are read whole because of what their headers tell.
    deep
        Read every voxel.

    Returns
    -------
    list of Finding
        Gravest first, then by case and code; empty for a sound data set. The same whatever ``jobs`` is.
        :class:`~dapatlas.dataset.codes.Code` lists the codes.
    """
    cases = (*dataset.cases, *dataset.unpaired)
    listed, findings = _listed(dataset)
    look = partial(_look, folder=dataset.path, listed=listed)
    by_id = _looked_at(partial(look, deep=deep), cases, jobs if deep else jobs or 1, progress)
    if not deep and (alike := _alike(by_id)):
        doubtful = [case for case in cases if case.id in alike]
        by_id |= _looked_at(partial(look, deep=True), doubtful, jobs, progress)
    reports = by_id.values()
    findings += _check_folder(dataset, cases)
    findings += _check_manifest(dataset.path, listed, cases, deep)
    findings += [found for report in reports for found in report.findings]
    findings += check_duplicates(reports)
    findings += check_subject_sex(reports)
    return sorted(findings, key=_order)


def _looked_at(
    look: Callable[[Case], CaseReport], cases: Sequence[Case], jobs: int | None, progress: Progress | None
) -> dict[str, CaseReport]:
    """Report on each case, by its id, in the order of completion."""
    if progress:
        progress(0, len(cases))
    reports = {}
    for done, (case, answer) in enumerate(map_cases(look, cases, jobs), start=1):
        reports[case.id] = _failed(case, answer) if isinstance(answer, Exception) else answer
        if progress:
            progress(done, len(cases))
    return reports


def _look(case: Case, folder: Path, listed: Mapping[str, Entry], deep: bool) -> CaseReport:
    """What a worker does; files are hashed right after they were read, while the system has them in memory."""
    report = inspect_case(case) if deep else inspect_headers(case)
    entries = [listed[name] for name in _names(case, folder) if name in listed]
    changes = [change for entry in entries if (change := compare_file(entry, folder, quick=not deep))]
    return replace(report, findings=(*report.findings, *(change.as_finding(folder) for change in changes)))


def _alike(reports: Mapping[str, CaseReport]) -> frozenset[str]:
    """Ids of cases whose files may be copies of another's, by the ends of their gzip streams."""
    digests = Counter(report.ct_digest for report in reports.values())
    digests += Counter(report.mask_digest for report in reports.values())
    digests[None] = 0
    return frozenset(
        case_id
        for case_id, report in reports.items()
        if digests[report.ct_digest] > 1 or digests[report.mask_digest] > 1
    )


def _names(case: Case, folder: Path) -> list[str]:
    paths = (case.image_path, case.mask_path)
    return [path.relative_to(folder).as_posix() for path in paths if path]


def _listed(dataset: Dataset) -> tuple[dict[str, Entry], list[Finding]]:
    """The data set's manifest; empty where it has none, or a finding where it cannot be read."""
    path = dataset.path / MANIFEST
    if not path.is_file():
        return {}, []
    try:
        return read_manifest(path), []
    except BadFileError as error:
        why = str(error).removeprefix(f"{path}:").strip()
        return {}, [
            finding(
                "",
                Code.MANIFEST_UNREADABLE,
                f"{MANIFEST} cannot be read, so no file is compared with it: {why}",
                file=str(path),
                expected="an object with file, size and sha256 a line",
                found=why,
                remedy="copy it from its source, or write it anew with `dapatlas manifest write`",
            )
        ]


def _check_manifest(
    folder: Path, listed: Mapping[str, Entry], cases: Iterable[Case], deep: bool
) -> list[Finding]:
    """Compare what belongs to no case with the manifest, and look for what it does not list."""
    if not listed:
        return []
    looked_at = {name for case in cases for name in _names(case, folder)}
    rest = [entry for name, entry in listed.items() if name not in looked_at]
    changes = [change for entry in rest if (change := compare_file(entry, folder, quick=not deep))]
    return [change.as_finding(folder) for change in (*changes, *new_files(folder, listed))]


def _check_folder(dataset: Dataset, cases: Iterable[Case]) -> list[Finding]:
    """What the names of files and ``labels.json`` tell, without a look into any volume."""
    images, masks = (
        list(folder.iterdir()) if folder.is_dir() else []
        for folder in (dataset.images_dir, dataset.masks_dir)
    )
    findings = [found for case in cases for found in check_name(case)]
    findings += check_pairs(dataset.cases, dataset.unpaired)
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
