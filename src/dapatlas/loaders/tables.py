"""What is known of cases and structures as pandas tables, a row a case."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dapatlas.check.checked_case import case_path, read_checked
from dapatlas.dataset import Case, Dataset
from dapatlas.dataset.subjects import sex_of, sex_tables
from dapatlas.extras import needed
from dapatlas.labels import dap

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("case", "subject", "study", "sex", "image", "label")


def case_table(dataset: Dataset, sex_table: Path | None = None) -> DataFrame:
    """Subject, study, sex and files of every case, unpaired ones too; the index is the case id.

    Parameters
    ----------
    dataset
        The cases.
    sex_table
        CSV of subjects and sexes, beside the data set's own ``subjects.csv``.

    Returns
    -------
    DataFrame
        Columns ``subject``, ``study``, ``sex`` (``F``, ``M``), ``image`` and ``label`` (paths). What is not known or
        not there is missing.

    Raises
    ------
    BadFileError
        A table of sexes cannot be read.
    DapatlasError
        pandas is not installed.
    """
    pandas = needed("pandas", "loaders", "to make tables")
    known = sex_tables(sex_table, dataset.path)
    rows = []
    for case in _all_cases(dataset):
        sex, _ = sex_of(case.id, case.subject, known)
        files = (None if path is None else str(path) for path in (case.image_path, case.mask_path))
        rows.append((case.id, case.subject, case.study, None if sex is None else sex.value, *files))
    table: DataFrame = pandas.DataFrame(rows, columns=list(COLUMNS)).set_index("case")
    return table


def volume_table(dataset: Dataset, reports: Path | None = None) -> DataFrame:
    """Volumes in ml as ``dapatlas check`` measured them: the index is the case id, a column a structure.

    Parameters
    ----------
    dataset
        The cases.
    reports
        The folder that ``dapatlas check`` was given as ``--out``; by default the data set.

    Returns
    -------
    DataFrame
        Missing where a structure is not in view. Cases that were not checked have no row, and structures that no
        case has no column; structures are in the order of DAP's scheme.

    Raises
    ------
    BadFileError
        A report cannot be read.
    DapatlasError
        pandas is not installed.

    Notes
    -----
    Reports are taken as they are: check again where maps have changed since.
    """
    pandas = needed("pandas", "loaders", "to make tables")
    out = dataset.path if reports is None else reports
    paths = {case.id: case_path(out, case.id) for case in _all_cases(dataset)}
    volumes = {case: read_checked(path).volumes_ml for case, path in paths.items() if path.is_file()}
    table: DataFrame = pandas.DataFrame.from_dict(volumes, orient="index", dtype="float64")
    return table.reindex(columns=_in_order(table.columns)).rename_axis(index="case", columns="structure")


def _in_order(names: Iterable[str]) -> list[str]:
    """Structures in the order of the scheme that reports are in."""
    scheme = dap()
    return sorted(names, key=lambda name: scheme[name].id)


def _all_cases(dataset: Dataset) -> list[Case]:
    return sorted((*dataset.cases, *dataset.unpaired), key=lambda case: case.id)
