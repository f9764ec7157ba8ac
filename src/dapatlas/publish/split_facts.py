"""What a data set's split files say: folds, parts, and how many volumes and subjects each has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dapatlas.dataset import parse_case_name
from dapatlas.dataset.split_files import FOLDER, NNUNET, OURS, Listed, read_listed
from dapatlas.errors import BadFileError


@dataclass(frozen=True, slots=True)
class SplitPart:
    """How many volumes and subjects a part of a fold has."""

    volumes: int
    subjects: int


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """One split file.

    Attributes
    ----------
    file
        Within the data set, with slashes.
    folds
        The parts of each fold, by name, in the file's order.
    shared_subjects
        Subjects that have volumes in two parts of one fold.
    unknown
        Case ids in it that the data set does not have.
    """

    file: str
    folds: tuple[dict[str, SplitPart], ...]
    shared_subjects: int
    unknown: tuple[str, ...]


def split_facts(folder: Path, cases: frozenset[str]) -> tuple[SplitFacts, ...]:
    """Read ``splits/*.json`` of a data set, ours and nnU-Net's before others; what says the same is read once.

    Parameters
    ----------
    folder
        The data set.
    cases
        Ids of its cases.

    Raises
    ------
    BadFileError
        ``splits.json`` or ``splits_final.json`` is no split; other JSON files that are none are passed over.
    """
    named = [path for name in (OURS, NNUNET) if (path := folder / FOLDER / name).is_file()]
    others = [path for path in sorted((folder / FOLDER).glob("*.json")) if path not in named]
    found: dict[str, tuple[Listed, ...]] = {}
    for path in (*named, *others):
        try:
            folds = read_listed(path).folds
        except BadFileError:
            if path in named:
                raise
            continue
        if folds not in found.values():
            found[path.relative_to(folder).as_posix()] = folds
    return tuple(_facts(file, folds, cases) for file, folds in found.items())


def _facts(file: str, folds: Sequence[Listed], cases: frozenset[str]) -> SplitFacts:
    shared: set[str] = set()
    counted = []
    for fold in folds:
        people = {name: {parse_case_name(case).subject for case in ids} for name, ids in fold.items()}
        counted.append({name: SplitPart(len(set(ids)), len(people[name])) for name, ids in fold.items()})
        seen: set[str] = set()
        for subjects in people.values():
            shared |= seen & subjects
            seen |= subjects
    unknown = {case for fold in folds for ids in fold.values() for case in ids} - cases
    return SplitFacts(file, tuple(counted), len(shared), tuple(sorted(unknown)))
