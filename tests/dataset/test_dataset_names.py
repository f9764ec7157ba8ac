from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapatlas.dataset import CaseName, parse_case_name
from dapatlas.dataset.names import case_id_of

HEX = st.text("0123456789abcdef", min_size=10, max_size=10)


@given(HEX, st.integers(0, 99999))
def test_published_form_gives_subject_and_study_with_leading_zeros(subject: str, study: int) -> None:
    name = parse_case_name(f"AutoPET_{subject}_{study:05d}")
    assert (name.subject, name.study, name.is_standard) == (subject, f"{study:05d}", True)


@given(st.text() | st.from_regex(r"AutoPET_\w*_\d*", fullmatch=True))
def test_any_name_comes_back_as_it_was(text: str) -> None:
    assert str(parse_case_name(text)) == text


@pytest.mark.parametrize(
    "other",
    [
        "patient7",
        "AutoPET_0011f3deaf",  # no study
        "AutoPET_0011f3deaf_1044",  # four digits
        "AutoPET_0011f3deaf_104455",  # six digits
        "AutoPET_0011f3deaf_1044a",
        "AutoPET_0011f3deaf_١٢٣٤٥",  # digits, but not those of a UID
        "AutoPET__10445",  # no subject
        "AutoPET_00_11_10445",  # two subjects?
        "autopet_0011f3deaf_10445",
        "AutoPET_0011f3deaf_10445\n",
        "",
    ],
)
def test_other_names_are_subjects_of_their_own(other: str) -> None:
    assert parse_case_name(other) == CaseName(other, None)


@pytest.mark.parametrize(
    ("file_name", "case_id"),
    [
        ("AutoPET_0011f3deaf_10445.nii.gz", "AutoPET_0011f3deaf_10445"),
        ("a.b.nii", "a.b"),
        (".a.nii.gz", None),  # hidden, or being written
        ("a.nii.gz.part", None),
        ("a.nrrd", None),
        (".nii.gz", None),
        ("nii.gz", None),
    ],
)
def test_only_visible_nifti_files_are_cases(file_name: str, case_id: str | None) -> None:
    assert case_id_of(file_name) == case_id
