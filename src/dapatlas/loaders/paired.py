"""Which cases go to libraries that read the files themselves."""

from __future__ import annotations

from collections.abc import Iterable

from dapatlas.dataset import Case, Dataset
from dapatlas.errors import DapatlasError
from dapatlas.locations import is_remote


def paired_cases(dataset: Dataset, cases: Iterable[str] | None = None) -> list[Case]:
    """Cases that have both files on this machine.

    Parameters
    ----------
    dataset
        Where the cases are from.
    cases
        Their ids; by default all that have both a CT and a map, by id.

    Raises
    ------
    DapatlasError
        A case is unknown or lacks a file, or the data set is behind a URL.
    """
    if is_remote(dataset.path):
        raise DapatlasError(
            f"{dataset.path}: MONAI and TorchIO read files of this machine alone; copy the data set here, or take "
            "PatchDataset with cache=..."
        )
    wanted = list(dataset.cases) if cases is None else [dataset[case] for case in cases]
    if lone := [case.id for case in wanted if not case.is_paired]:
        raise DapatlasError(
            f"{dataset.path}: {len(lone)} cases lack their CT or their label map, {lone[0]} among them; leave them out"
        )
    return wanted
