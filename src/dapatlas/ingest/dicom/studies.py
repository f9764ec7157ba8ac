"""Studies: which series of a visit become a case, and under which name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dapatlas.findings import Finding, has_errors
from dapatlas.ingest.codes import Code, finding
from dapatlas.ingest.dicom.choosing import Criterion, ct_criteria, pet_criteria, seg_criteria, sift
from dapatlas.ingest.dicom.series import Kind, Series, check_series
from dapatlas.ingest.naming import case_id, study5_of, subject_of


@dataclass(frozen=True, eq=False)
class Study:
    """All series of one visit of one patient.

    Attributes
    ----------
    patient
        PatientID.
    uid
        StudyInstanceUID; empty where the headers have none.
    series
        In the order of their first files.
    """

    patient: str
    uid: str
    series: tuple[Series, ...]

    @property
    def subject(self) -> str:
        """PatientID without the prefix of the collection; empty where that makes no file name."""
        return subject_of(self.patient)

    @property
    def study5(self) -> str:
        """Last five digits of the UID."""
        return study5_of(self.uid)

    @property
    def case_id(self) -> str:
        """``AutoPET_<subject>_<study5>``; empty where one of them cannot be told."""
        return case_id(self.patient, self.uid)

    @property
    def folder(self) -> Path:
        """The folder that all series lie in, or the nearest above."""
        return Path(os.path.commonpath([series.folder for series in self.series]))

    def of(self, kind: Kind) -> tuple[Series, ...]:
        """Its series of a kind."""
        return tuple(series for series in self.series if series.kind is kind)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The series taken, ``None`` where none can be; and what is to be said of it."""

    series: Series | None
    findings: tuple[Finding, ...]


def studies_of(series: Iterable[Series]) -> tuple[Study, ...]:
    """Gather series into studies, by patient and StudyInstanceUID, in the order of their first files."""
    groups: dict[tuple[str, str], list[Series]] = defaultdict(list)
    for one in series:
        groups[one.patient, one.study].append(one)
    return tuple(Study(patient, uid, tuple(group)) for (patient, uid), group in groups.items())


def check_studies(studies: Sequence[Study]) -> list[Finding]:
    """What is wrong with names of studies; with an error a study cannot become a case.

    ``wrong-subject`` where the PatientID makes no file name, ``missing-field`` where there is no StudyInstanceUID,
    ``name-taken`` where two studies would get one name (capitals count for nothing: not all disks tell them apart).
    """
    findings = [found for study in studies for found in _check_name(study)]
    named: dict[str, list[Study]] = defaultdict(list)
    for study in studies:
        if study.case_id and any(study.of(Kind.CT)):
            named[study.case_id.lower()].append(study)
    for rivals in named.values():
        findings += [_taken(study, rivals) for study in rivals if len(rivals) > 1]
    return findings


def _check_name(study: Study) -> list[Finding]:
    found = []
    at = {"file": str(study.folder)}
    if not study.subject:
        who = f"PatientID {study.patient!r}" if study.patient else "no PatientID"
        message = (
            f"{study.folder}: {who}; expected letters, digits and hyphens, after PETCT_ where there is that"
        )
        found.append(finding("", Code.WRONG_SUBJECT, message, **at))
    if not study.study5:
        message = f"{study.folder}: its StudyInstanceUID, {study.uid or 'which is empty'}, has no five digits"
        found.append(finding("", Code.MISSING_FIELD, message, **at))
    return found


def _taken(study: Study, rivals: Sequence[Study]) -> Finding:
    others = ", ".join(str(rival.folder) for rival in rivals if rival is not study)
    message = f"{study.folder}: another study would be {study.case_id} too: {others}"
    return finding(study.case_id, Code.NAME_TAKEN, message, file=str(study.folder))


def choose_ct(study: Study) -> Choice:
    """Choose the CT that becomes the case.

    Localizers, derived series, secondary captures, and whatever
    :func:`~dapatlas.ingest.dicom.series.check_series` finds an error with are out. Of several that are left, each rule
    in turn keeps the best:

    1. one frame of reference with the PET;
    2. most of the PET's extent covered, or, without PET, most of the body; a difference of a cm does not count;
    3. a kernel for soft tissue, where it is named, before an unknown one before a sharp one;
    4. most slices;
    5. the lowest series number.

    Returns
    -------
    Choice
        With a warning ``several-ct`` that tells what was left, and why. Where no CT can be used, the faults of those
        that there are, or ``no-ct``.
    """
    return _choose(study, Kind.CT, ct_criteria(choose_pet(study).series), Code.NO_CT, Code.SEVERAL_CT)


def choose_pet(study: Study) -> Choice:
    """Choose the PET: corrected for attenuation, then in Bq/ml, then the longest, then the lowest series number."""
    return _choose(study, Kind.PET, pet_criteria(), Code.NO_PET, Code.SEVERAL_PET)


def choose_seg(study: Study) -> Choice:
    """Choose the segmentation: of the PET chosen, then in its frame of reference, then the lowest series number."""
    return _choose(study, Kind.SEG, seg_criteria(choose_pet(study).series), Code.NO_SEG, Code.SEVERAL_SEG)


def _choose(study: Study, kind: Kind, criteria: Sequence[Criterion], none: Code, several: Code) -> Choice:
    candidates = study.of(kind)
    if not candidates:
        return Choice(None, (_none(study, kind, none),))
    checks = {series: check_series(series) for series in candidates}
    usable = [series for series in candidates if not has_errors(checks[series])]
    if not usable:
        return Choice(None, tuple(found for findings in checks.values() for found in findings))
    best, left = sift(usable, criteria)
    left |= {series: _codes(checks[series]) for series in candidates if series not in usable}
    findings = list(checks[best])
    if left:
        words = "; ".join(f"{series} ({why})" for series, why in left.items())
        message = f"took {best} ({_extent(best)}) and left {words}"
        findings.append(finding(study.case_id, several, message, file=str(best.folder)))
    return Choice(best, tuple(findings))


def _none(study: Study, kind: Kind, code: Code) -> Finding:
    there = ", ".join(f"{series} ({series.kind})" for series in study.series)
    message = f"{study.folder}: no {kind} series in this study; there are: {there}"
    return finding(study.case_id, code, message, file=str(study.folder))


def _codes(findings: Iterable[Finding]) -> str:
    return ", ".join(dict.fromkeys(found.code for found in findings))


def _extent(series: Series) -> str:
    low, high = series.extent_mm
    return f"{series.slices} slices over {high - low:.4g} mm"
