"""Checks of what files are called, and whether each has its partner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from dapatlas.dataset.case import IMAGES, MASKS, Case
from dapatlas.dataset.codes import Code, finding
from dapatlas.dataset.names import SUFFIXES, case_id_of
from dapatlas.findings import Finding

ALIKE = 0.9  # share of letters that two names have in common before one may be a misspelling of the other


def check_name(case: Case) -> Iterator[Finding]:
    """Is the case named after its subject and study?"""
    if not case.name.is_standard:
        yield finding(
            case.id,
            Code.CASE_NAME,
            f"{case.id!r} does not tell subject and study, so it counts as a subject of its own",
            expected="AutoPET_<subject>_<last 5 digits of the study UID>",
            found=case.id,
            remedy="rename CT and label map, or keep this person's studies in one split yourself",
        )


def check_pairs(paired: Sequence[Case], unpaired: Sequence[Case]) -> Iterator[Finding]:
    """Which cases lack their CT or their label map, and which name is perhaps a misspelt partner?

    Of CTs that were only just ingested none has a label map, and that is told once.
    """
    if unpaired and not paired and all(case.mask_path is None for case in unpaired):
        yield finding(
            "",
            Code.NO_MASKS,
            f"none of the {len(unpaired)} CTs has a label map yet",
            expected=f"{MASKS}/<case>{SUFFIXES[0]}",
            found="no label map",
            remedy="`dapatlas ingest masks` brings in those that are published, `dapatlas build` makes them",
        )
        return
    images = [case.id for case in unpaired if case.mask_path is None]
    masks = [case.id for case in unpaired if case.image_path is None]
    for case in unpaired:
        if case.mask_path is None:
            code, have, lack, folder, candidates = Code.MISSING_MASK, "CT", "label map", MASKS, masks
        else:
            code, have, lack, folder, candidates = Code.MISSING_IMAGE, "label map", "CT", IMAGES, images
        close = get_close_matches(case.id, candidates, n=1, cutoff=ALIKE)
        hint = f"is it {folder}/{close[0]}? Then rename one of the two; else " if close else ""
        yield finding(
            case.id,
            code,
            f"the {have} has no {lack} of the same name",
            file=str(case.image_path or case.mask_path),
            expected=f"{folder}/{case.id}{SUFFIXES[0]}",
            found=f"no such file, but {folder}/{close[0]}" if close else "no such file",
            remedy=f"{hint}add the {lack}, or take the {have} away",
        )


def check_spellings(images: Iterable[Path], masks: Iterable[Path]) -> Iterator[Finding]:
    """Does a study stand in one folder twice: as ``.nii`` and ``.nii.gz``, or in capitals and small letters?

    Only the first counts as a case where the suffix differs, and some file systems keep only one where the
    case of the letters differs.
    """
    files: dict[str, dict[Path, list[Path]]] = {}
    for path in sorted([*images, *masks]):
        if case_id := case_id_of(path.name):
            files.setdefault(case_id.casefold(), {}).setdefault(path.parent, []).append(path)
    for folders in files.values():
        twins = [path for paths in folders.values() if len(paths) > 1 for path in paths]
        if twins:
            found = ", ".join(f"{path.parent.name}/{path.name}" for path in twins)
            yield finding(
                case_id_of(twins[0].name) or "",
                Code.DUPLICATE_STUDY,
                f"one study stands under several names: {found}",
                file=str(twins[-1]),
                expected="one CT and one label map a study",
                found=found,
                remedy=f"keep one of them, as {SUFFIXES[0]}",
            )


def check_stray(paths: Iterable[Path]) -> Iterator[Finding]:
    """Is anything in the folders that is no NIfTI file? Hidden files are let be."""
    for path in sorted(paths):
        if not path.name.startswith(".") and (path.is_dir() or case_id_of(path.name) is None):
            yield finding(
                "",
                Code.STRAY_FILE,
                f"{path.parent.name}/{path.name} is no NIfTI file, so it is passed over",
                file=str(path),
                expected="files that end in .nii.gz or .nii",
                found=path.name,
                remedy="convert it to .nii.gz, or move it out of the data set",
            )
