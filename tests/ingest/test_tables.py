"""subjects.csv and studies.csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dapatlas.dataset.subjects import sex_tables
from dapatlas.errors import BadFileError
from dapatlas.ingest.dicom.image import Image
from dapatlas.ingest.tables import StudyFacts, read_table, write_tables
from dapatlas.labels import Sex
from dapatlas.volumes import Grid

GRID = Grid((512, 512, 390), np.diag([-0.9765625, 0.9765625, 2.5, 1.0]))


def facts(case: str, sex: str = "F", **rest: float) -> StudyFacts:
    return StudyFacts.of_case(case, Image("folder", "1.dcm", 1, sex=sex, **rest))


def by(folder: Path, name: str, key: str) -> dict[str, dict[str, str]]:
    return {row[key]: row for row in read_table(folder / name, key)}


def test_a_row_a_study_and_one_a_subject(tmp_path: Path):
    one, two = facts("AutoPET_aa_00001", age_years=63.0), facts("AutoPET_aa_00002")
    assert write_tables(tmp_path, [one, two], {one.case: GRID, two.case: GRID}) == []
    row = by(tmp_path, "studies.csv", "case")["AutoPET_aa_00001"]
    assert (row["subject"], row["study"], row["age_years"]) == ("aa", "00001", "63")
    assert [row[f"n_{axis}"] for axis in "ijk"] == ["512", "512", "390"]
    assert (row["spacing_i_mm"], row["orientation"]) == ("0.976562", "LAS")
    assert by(tmp_path, "subjects.csv", "subject") == {"aa": {"subject": "aa", "sex": "F", "studies": "2"}}
    assert sex_tables(None, tmp_path) == [{"aa": Sex.FEMALE}]  # as refine and check read it


def test_what_others_wrote_stays(tmp_path: Path):
    (tmp_path / "subjects.csv").write_text("subject,sex,site\nbb,M,Ulm\n")
    one = facts("AutoPET_aa_00001", age_years=63.0)
    write_tables(tmp_path, [one], {one.case: GRID})
    later = facts("AutoPET_aa_00001", sex="")  # no header tells anything now
    write_tables(tmp_path, [later], {later.case: GRID})
    subjects = by(tmp_path, "subjects.csv", "subject")
    assert subjects["bb"] == {"subject": "bb", "sex": "M", "studies": "0", "site": "Ulm"}
    assert subjects["aa"]["sex"] == "F"
    assert by(tmp_path, "studies.csv", "case")["AutoPET_aa_00001"]["age_years"] == "63"


def test_a_cell_of_several_lines_stays_as_it_is(tmp_path: Path):
    text = 'subject,sex,site\r\nbb,M,"Ulm\nward 3"\r\n'
    (tmp_path / "subjects.csv").write_text(text, newline="")
    one = facts("AutoPET_aa_00001")
    write_tables(tmp_path, [one], {one.case: GRID})
    assert by(tmp_path, "subjects.csv", "subject")["bb"]["site"] == "Ulm\nward 3"


def test_contradicting_sexes_are_told_and_left_open(tmp_path: Path):
    one, two = facts("AutoPET_aa_00001", "F"), facts("AutoPET_aa_00002", "M")
    assert write_tables(tmp_path, [one, two], {one.case: GRID, two.case: GRID}) == ["aa"]
    assert by(tmp_path, "subjects.csv", "subject")["aa"]["sex"] == ""


def test_a_study_that_has_no_ct_has_no_row(tmp_path: Path):
    write_tables(tmp_path, [facts("AutoPET_aa_00001")], {})
    assert read_table(tmp_path / "studies.csv", "case") == []


def test_a_table_without_its_column_is_an_error(tmp_path: Path):
    (tmp_path / "studies.csv").write_text("name\nx\n")
    with pytest.raises(BadFileError, match=r"expected a column 'case', found name"):
        write_tables(tmp_path, [facts("AutoPET_aa_00001")], {"AutoPET_aa_00001": GRID})
