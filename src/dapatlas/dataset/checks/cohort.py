"""Checks across cases: the same voxels twice, a subject whose studies disagree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dapatlas.dataset.codes import Code, finding
from dapatlas.findings import Finding
from dapatlas.labels import Sex


@dataclass(frozen=True, slots=True)
class CaseReport:
    """What remains of a case once it was looked at.

    Attributes
    ----------
    case, subject
        Id of the case, and who was scanned.
    findings
        What was wrong with the case by itself.
    ct_digest, mask_digest
        Digest of shape and voxels; None where the file is missing, cannot be read, or is empty.
    sexes
        Sexes whose own organs are in the label map.
    """

    case: str
    subject: str
    findings: tuple[Finding, ...] = ()
    ct_digest: bytes | None = None
    mask_digest: bytes | None = None
    sexes: frozenset[Sex] = frozenset()


def check_duplicates(reports: Iterable[CaseReport]) -> Iterator[Finding]:
    """Do two cases hold the same CT, or different CTs the same label map?"""
    first_ct: dict[bytes, CaseReport] = {}
    first_mask: dict[bytes, CaseReport] = {}
    for report in sorted(reports, key=lambda report: report.case):
        twin = first_ct.setdefault(report.ct_digest, report) if report.ct_digest else report
        if twin is not report:
            yield _same_ct(report, twin)
        if report.mask_digest:
            double = first_mask.setdefault(report.mask_digest, report)
            if double is not report and twin is report:
                yield _same_mask(report, double)


def check_subject_sex(reports: Iterable[CaseReport]) -> Iterator[Finding]:
    """Do all studies of one subject show organs of one sex? A map with both was told of already."""
    first: dict[str, CaseReport] = {}
    for report in sorted(reports, key=lambda report: report.case):
        if len(report.sexes) != 1:
            continue
        other = first.setdefault(report.subject, report)
        if other.sexes != report.sexes:
            (found,), (expected,) = report.sexes, other.sexes
            yield finding(
                report.case,
                Code.SUBJECT_SEX,
                f"the label map has organs of sex {found}, but {other.case} of the same subject {expected}",
                expected=f"sex {expected}, as in {other.case}",
                found=f"sex {found}",
                remedy="look up the patient's sex; one label map is wrong, or one file bears the wrong name",
            )


def _same_ct(report: CaseReport, twin: CaseReport) -> Finding:
    if report.subject == twin.subject:
        why = "one study was taken in twice"
    else:
        why = "one person counts as two, and may stand in training and test set alike"
    return finding(
        report.case,
        Code.DUPLICATE_IMAGE,
        f"the CT has exactly the voxels of {twin.case}: {why}",
        expected="a CT of its own",
        found=f"the CT of {twin.case}",
        remedy="keep the case whose name agrees with the DICOM series, and take the other away",
    )


def _same_mask(report: CaseReport, twin: CaseReport) -> Finding:
    return finding(
        report.case,
        Code.DUPLICATE_MASK,
        f"the label map has exactly the voxels of {twin.case}, but the CT is another",
        expected="a label map of its own",
        found=f"the label map of {twin.case}",
        remedy="look at both over their CTs: one was copied to the wrong name",
    )
