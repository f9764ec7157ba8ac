"""Lists of files as MONAI's dictionary datasets and transforms take them. Plain dicts: MONAI itself is not needed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dapatlas.dataset import Dataset
from dapatlas.dataset.split_check import SplitCode, check_splits
from dapatlas.dataset.split_files import FOLDER, OURS, read_listed, resolved
from dapatlas.errors import DapatlasError
from dapatlas.findings import Severity

Item = dict[str, str]


def data_list(dataset: Dataset, cases: Iterable[str] | None = None) -> list[Item]:
    """``image``, ``label``, ``case`` and ``subject`` of each case that has both files.

    Parameters
    ----------
    dataset
        Where the cases are from.
    cases
        Their ids; by default all that have both a CT and a map, by id.

    Raises
    ------
    DapatlasError
        A case is unknown, or lacks a file.
    """
    wanted = list(dataset.cases) if cases is None else [dataset[case] for case in cases]
    if lone := [case.id for case in wanted if not case.is_paired]:
        raise DapatlasError(
            f"{dataset.path}: {len(lone)} cases lack their CT or their label map, {lone[0]} among them; leave them out"
        )
    return [
        {
            "image": str(case.image_path),
            "label": str(case.mask_path),
            "case": case.id,
            "subject": case.subject,
        }
        for case in wanted
    ]


def split_lists(dataset: Dataset, split: str | Path | None = None, fold: int = 0) -> dict[str, list[Item]]:
    """The lists of a split, by part: ``train``, ``val`` and whatever others it has.

    Parameters
    ----------
    dataset
        Where the cases are from.
    split
        A file or folder that ``dapatlas split --check`` reads; by default the data set's ``splits/splits.json``.
    fold
        Which one of a cross-validation, from 0.

    Raises
    ------
    BadFileError
        The split cannot be read.
    DapatlasError
        The split has an error, such as a subject in two parts or an unknown case; there is no such fold; or a case
        lacks a file.
    """
    path = dataset.path / FOLDER / OURS if split is None else Path(split)
    subject_of = {case.id: case.subject for case in (*dataset.cases, *dataset.unpaired)}
    listed = resolved(read_listed(path), subject_of)
    if not 0 <= fold < len(listed.folds):
        raise DapatlasError(f"{path}: there is no fold {fold}; it has {len(listed.folds)}, counted from 0")
    # a case that is in no part is not trained on: that is for the maker of the split to know, and harms nobody here
    errors = [
        each
        for each in check_splits(listed, subject_of, str(path))
        if each.severity is Severity.ERROR and each.code != SplitCode.CASE_IN_NO_PART
    ]
    if errors:
        more = f" ({len(errors) - 1} more errors)" if len(errors) > 1 else ""
        raise DapatlasError(
            f"{path}: {errors[0].message}{more}; `dapatlas split {dataset.path} --check {path}` lists all"
        )
    return {part: data_list(dataset, names) for part, names in listed.folds[fold].items()}
