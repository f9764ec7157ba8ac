"""Tables of sexes, as people have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dapatlas.dataset.subjects import read_sex_table, sex_of
from dapatlas.errors import BadFileError
from dapatlas.labels import Sex


def table(folder: Path, text: str) -> Path:
    path = folder / "subjects.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_spellings_and_columns(tmp_path: Path) -> None:
    path = table(tmp_path, "\ufeffSubject_ID,age,Sex\na,50,F\nb,51,male\nc,,\nd,60,O\n")
    assert read_sex_table(path) == {"a": Sex.FEMALE, "b": Sex.MALE, "c": None, "d": None}


def test_the_published_table_is_read(reference: Path) -> None:
    """396 women and 500 men, as a count of its lines says."""
    sexes = list(read_sex_table(reference / "autopet_sex.csv").values())
    assert (sexes.count(Sex.FEMALE), sexes.count(Sex.MALE)) == (396, 500)


def test_a_table_that_says_both_says_nothing(tmp_path: Path) -> None:
    assert read_sex_table(table(tmp_path, "subject,sex\na,F\na,M\n")) == {"a": None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject;sex\na;F\n", "found subject;sex"),
        ("subject,age\na,5\n", "expected a CSV with a column"),
        ("", "no columns"),
        ("subject,sex\na,F\nb,X\n", r"subjects\.csv:3: b: expected F, M or nothing as the sex, found 'x'"),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadFileError, match=message):
        read_sex_table(table(tmp_path, text))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="none.csv"):
        read_sex_table(tmp_path / "none.csv")


def test_sources_are_asked_by_case_and_by_subject() -> None:
    case, subject = "AutoPET_a_00001", "a"
    assert sex_of(case, subject, [{"a": Sex.MALE}]) == (Sex.MALE, "")
    assert sex_of(case, subject, [{case: Sex.FEMALE}, {"a": None}]) == (Sex.FEMALE, "")
    assert sex_of(case, subject, []) == (None, "")
    sex, doubt = sex_of(case, subject, [{"a": Sex.MALE}, {"a": Sex.FEMALE}])
    assert sex is None
    assert "contradict" in doubt
    assert sex_of(case, subject, [{"b": Sex.MALE}])[1] == "no table has the sex of a"
    assert "unknown" in sex_of(case, subject, [{"a": None}])[1]
