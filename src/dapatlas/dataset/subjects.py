"""What a data set knows of its subjects: who is a woman and who a man, by tables."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from dapatlas.errors import BadFileError
from dapatlas.labels import Sex

# Words for a column that names a subject or a case, and for one that holds the sex.
NAME_COLUMNS = ("case", "case_id", "subject", "subject_id", "patient", "patient_id", "id")
SEX_COLUMNS = ("sex", "gender", "patient_sex")
SPELLINGS = {"f": Sex.FEMALE, "female": Sex.FEMALE, "m": Sex.MALE, "male": Sex.MALE}
UNKNOWN = ("", "o", "other", "u", "unknown", "n/a", "na", "none", "nan")  # O is DICOM's word for other

SexTable = Mapping[str, Sex | None]
SUBJECTS = "subjects.csv"  # what a data set knows of its subjects, sex among it


def read_sex_table(path: Path) -> dict[str, Sex | None]:
    """Read a CSV with a column of subjects or cases and one of sexes.

    Returns
    -------
    dict
        Subject or case id to sex; ``None`` where the table says that it is not known, or says both.

    Raises
    ------
    BadFileError
        The file cannot be read, lacks a column, or holds a sex of no known spelling; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFileError(f"{path}: cannot be read as a table of sexes ({error})") from None
    rows = csv.DictReader(text.splitlines())
    columns = {name.strip().lower(): name for name in rows.fieldnames or ()}
    name_column = next((columns[name] for name in NAME_COLUMNS if name in columns), None)
    sex_column = next((columns[name] for name in SEX_COLUMNS if name in columns), None)
    if name_column is None or sex_column is None:
        raise BadFileError(
            f"{path}: expected a CSV with a column for the subject ({', '.join(NAME_COLUMNS)}) and one for the sex "
            f"({', '.join(SEX_COLUMNS)}); found {', '.join(columns) or 'no columns'}"
        )
    table: dict[str, Sex | None] = {}
    for line, row in enumerate(rows, 2):
        name, word = (row[name_column] or "").strip(), (row[sex_column] or "").strip().lower()
        if word not in SPELLINGS and word not in UNKNOWN:
            raise BadFileError(f"{path}:{line}: {name}: expected F, M or nothing as the sex, found {word!r}")
        sex = SPELLINGS.get(word)
        table[name] = sex if table.get(name, sex) is sex else None
    return table


def sex_tables(given: Path | None, folder: Path | None = None) -> list[SexTable]:
    """The tables to ask: the one that is given, and a folder's own ``subjects.csv`` where it has one.

    Raises
    ------
    BadFileError
        As :func:`read_sex_table`.
    """
    paths = [] if given is None else [given]
    if folder is not None and (folder / SUBJECTS).is_file():
        paths.append(folder / SUBJECTS)
    return [read_sex_table(path) for path in paths]


def sex_of(case_id: str, subject: str, tables: Sequence[SexTable]) -> tuple[Sex | None, str]:
    """What tables say of a case, looked up by case id and by subject.

    Returns
    -------
    sex
        ``None`` where no table knows it, or two contradict each other.
    doubt
        Why it is not known; empty where it is.
    """
    found = [table[key] for table in tables for key in (case_id, subject) if key in table]
    said = {sex for sex in found if sex is not None}
    if len(said) == 1:
        return said.pop(), ""
    if said:
        return None, f"the sources contradict each other on the sex of {subject}"
    if found:
        return None, f"the sex of {subject} is given as unknown"
    return None, f"no table has the sex of {subject}" if tables else ""
