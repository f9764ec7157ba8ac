"""Is a split sound? Above all: is nobody in training and test set alike?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from dapatlas.dataset.names import parse_case_name
from dapatlas.dataset.split_files import Listed, ListedSplits
from dapatlas.dataset.splits import TRAIN, VAL
from dapatlas.findings import Finding, Severity


class SplitCode(StrEnum):
    """What can be wrong with a split; scripts may match on the values."""

    SUBJECT_IN_TWO_PARTS = "subject-in-two-parts"
    CASE_IN_TWO_PARTS = "case-in-two-parts"
    DUPLICATE_CASE = "duplicate-case"
    UNKNOWN_CASE = "unknown-case"
    CASE_IN_NO_PART = "case-in-no-part"
    EMPTY_PART = "empty-part"
    NOT_VALIDATED_ONCE = "not-validated-once"


def check_splits(listed: ListedSplits, subject_of: Mapping[str, str], file: str = "") -> list[Finding]:
    """Look for leaks and gaps.

    Parameters
    ----------
    listed
        Names resolved to case ids where the data set has them.
    subject_of
        Case id to subject, for every case of the data set.
    file
        Where the split is from.

    Returns
    -------
    list of Finding
        Errors first, then by code and case; empty for a sound split.
    """
    findings = [
        found
        for number, fold in enumerate(listed.folds)
        for found in _check_fold(number, fold, subject_of, file)
    ]
    findings += _check_coverage(listed, subject_of, file)
    findings += _check_validation(listed, file)
    severities = list(Severity)
    unique = dict.fromkeys(findings)  # what is wrong in every fold is told once a fold, never twice in one
    return sorted(unique, key=lambda f: (severities.index(f.severity), f.code, f.case, f.message))


def _check_fold(number: int, fold: Listed, subject_of: Mapping[str, str], file: str) -> Iterator[Finding]:
    where = f"fold {number}"
    parts_of_case: dict[str, list[str]] = {}
    cases_of_subject: dict[str, set[str]] = {}
    for part, cases in fold.items():
        if not cases:
            yield _error(
                "",
                SplitCode.EMPTY_PART,
                f"{where}: part {part} has no case",
                file,
                "add cases, or drop the part",
            )
        for case, times in Counter(cases).items():
            parts_of_case.setdefault(case, []).append(part)
            cases_of_subject.setdefault(subject_of.get(case, parse_case_name(case).subject), set()).add(case)
            if times > 1:
                story = f"{where}: {case} is listed {times} times in {part}"
                yield _error(case, SplitCode.DUPLICATE_CASE, story, file, "list it once")
            if case not in subject_of:
                story = f"{where}: {case} of {part} is no case of the data set"
                remedy = "correct the name, or take it out; `dapatlas validate` lists the cases"
                yield _error(case, SplitCode.UNKNOWN_CASE, story, file, remedy)
    for case, parts in parts_of_case.items():
        if len(parts) > 1:
            story = f"{where}: {case} is in {' and '.join(parts)}"
            yield _error(case, SplitCode.CASE_IN_TWO_PARTS, story, file, "leave it in one of them")
    yield from _check_subjects(where, parts_of_case, cases_of_subject, file)


def _check_subjects(
    where: str, parts_of_case: Mapping[str, Sequence[str]], cases_of: Mapping[str, set[str]], file: str
) -> Iterator[Finding]:
    """The leak that counts: studies of one person on both sides."""
    for subject, cases in cases_of.items():
        parts = {part for case in cases for part in parts_of_case[case]}
        if len(parts) < 2 or len(cases) < 2:  # one case in two parts is told of as such
            continue
        told = "; ".join(f"{case} in {' and '.join(parts_of_case[case])}" for case in sorted(cases))
        yield _error(
            sorted(cases)[0],
            SplitCode.SUBJECT_IN_TWO_PARTS,
            f"{where}: subject {subject} is in {' and '.join(sorted(parts))}: {told}",
            file,
            "keep all studies of one subject in one part; `dapatlas split` does",
        )


def _check_coverage(listed: ListedSplits, subject_of: Mapping[str, str], file: str) -> Iterator[Finding]:
    """Of nnU-Net's list, cases may be held out as a test set that it has no word for."""
    severity = Severity.WARNING if listed.kind == "nnunet" else Severity.ERROR
    covered = [{case for cases in fold.values() for case in cases} for fold in listed.folds]
    for case in sorted(subject_of):
        without = [str(number) for number, cases in enumerate(covered) if case not in cases]
        if without:
            where = "any fold" if len(without) == len(covered) else f"fold {', '.join(without)}"
            yield Finding(
                case,
                severity,
                SplitCode.CASE_IN_NO_PART,
                f"{case} is in no part of {where}",
                file=file,
                remedy="fine if it is held out on purpose; else add it, or make the split again",
            )


def _check_validation(listed: ListedSplits, file: str) -> Iterator[Finding]:
    """In a cross-validation every case is validated once."""
    if len(listed.folds) < 2 or not all({TRAIN, VAL} <= fold.keys() for fold in listed.folds):
        return
    times = Counter(case for fold in listed.folds for case in set(fold[VAL]))
    for case in sorted({case for fold in listed.folds for case in (*fold[TRAIN], *fold[VAL])}):
        if times[case] != 1:
            yield Finding(
                case,
                Severity.WARNING,
                SplitCode.NOT_VALIDATED_ONCE,
                f"{case} is in {VAL} of {times[case]} folds",
                file=file,
                expected="1 fold",
                found=f"{times[case]} folds",
                remedy="in a cross-validation every case is validated once, else scores count it too often or never",
            )


def _error(case: str, code: SplitCode, message: str, file: str, remedy: str) -> Finding:
    return Finding(case, Severity.ERROR, code, message, file=file, remedy=remedy)
