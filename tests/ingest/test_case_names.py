"""Names of cases, and the way back from the challenges' names."""

from __future__ import annotations

import pytest

from dapatlas.dataset.names import parse_case_name
from dapatlas.ingest.case_names import case_name, challenge_name, study5_of_folder
from dapatlas.ingest.codes import Code
from dapatlas.ingest.fault import IngestError


@pytest.mark.parametrize("name", ["trauma-007.b", "_x", "AutoPET_0011f3deaf_00445", "7", "a" * 200])
def test_names_that_can_be(name: str) -> None:
    assert case_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "letters"),
        (".hidden", "begin"),
        ("-rf", "begin"),
        ("a/b", "letters"),
        ("..", "begin"),
        ("a\\b", "letters"),
        ("Müller", "letters"),
        ("two words", "letters"),
        ("line\n", "letters"),
        ("ct.nii.gz", "suffix"),
        ("ct.nii", "suffix"),
        ("ct.", "dot"),
        ("a" * 201, "201 characters"),
    ],
)
def test_names_that_cannot_be(name: str, why: str) -> None:
    with pytest.raises(IngestError, match=why) as caught:
        case_name(name)
    assert caught.value.code == Code.WRONG_SUBJECT


def test_study_digits_of_folders() -> None:
    assert study5_of_folder("08-13-2005-NA-PET-CT Ganzkoerper  primaer mit KM-56839") == "56839"
    assert study5_of_folder("12-29-2002-NA-Unspecified CT ABDOMEN-03772") == "03772"  # a zero in front stays
    assert study5_of_folder("10445") == "10445"
    for name in ("03-23-2003", "03232003", "x-123456", "x-1234", "x-1.234", ""):
        assert study5_of_folder(name) == ""


def test_fdg_studies_get_the_names_of_the_atlas() -> None:
    named = challenge_name("fdg_01140d52d8_08-13-2005-NA-PET-CT Ganzkoerper  primaer mit KM-56839")
    assert named is not None
    assert (named.case, named.subject, named.study5) == ("AutoPET_01140d52d8_56839", "01140d52d8", "56839")


@pytest.mark.parametrize("name", ["psma_95b833d46f153cd2_2018-04-16", "fdg_0011f3deaf_03232003"])
def test_other_studies_keep_their_subject_and_hide_their_date(name: str) -> None:
    named = challenge_name(name)
    assert named is not None
    told = parse_case_name(named.case)
    assert told.is_standard
    assert told.subject == named.subject == "-".join(name.split("_")[:2])
    assert "2018" not in named.case
    assert named == challenge_name(name)  # the same every time: whoever has the list finds the case


def test_studies_of_one_subject_differ() -> None:
    one, other = (challenge_name(f"psma_95b833d46f153cd2_{date}") for date in ("2018-04-16", "2017-11-18"))
    assert one is not None
    assert other is not None
    assert one.subject == other.subject
    assert one.case != other.case


@pytest.mark.parametrize(
    "name", ["case_001", "psma_", "fdg_0011f3deaf", "AutoPET_0011f3deaf_00445", "xfdg_a_b"]
)
def test_other_names_are_none_of_the_challenges(name: str) -> None:
    assert challenge_name(name) is None
