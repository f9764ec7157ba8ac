"""Series and studies: kinds, faults, names, and which series is chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dicom_tree import (
    LOCALIZER,
    LUNG,
    REFORMATTED,
    UNCORRECTED,
    CtSpec,
    PetSpec,
    StudySpec,
    make_tree,
    planted_studies,
)

from dapatlas.findings import Severity, has_errors
from dapatlas.ingest.dicom.headers import scan
from dapatlas.ingest.dicom.image import Image
from dapatlas.ingest.dicom.series import Kind, check_series, kind_of, series_of
from dapatlas.ingest.dicom.studies import Study, check_studies, choose_ct, choose_pet, choose_seg, studies_of
from dapatlas.ingest.naming import case_id, study5_of, subject_of

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
PET = PetSpec(slices=6, size=16, step_mm=10)


def studies_in(root: Path) -> dict[str, Study]:
    return {study.case_id: study for study in studies_of(series_of(scan(root, 1).images))}


def one_study(root: Path, *cts: CtSpec, **rest) -> Study:
    small = tuple(replace(ct, size=16) for ct in cts)
    tree = make_tree(root, [StudySpec(cts=small, **rest)])
    (study,) = studies_in(tree.root).values()
    return study


def codes(findings) -> list[str]:
    return [found.code for found in findings]


@pytest.mark.parametrize("layout", ["nested", "flat"])
def test_each_fault_is_found_by_its_own_code_and_nothing_else(tmp_path: Path, layout: str):
    specs, expected = planted_studies(24)
    small = [replace(s, cts=tuple(replace(ct, size=16) for ct in s.cts), seg=False) for s in specs]
    tree = make_tree(tmp_path, small, layout)
    scanned = scan(tree.root, 1)
    studies = {study.case_id: study for study in studies_of(series_of(scanned.images))}
    found = {case: set(codes(choose_ct(study).findings)) for case, study in studies.items()}
    for told in scanned.findings:
        case = told.case or next(
            s.spec.case for s in tree if any(told.file.startswith(str(ct.folder)) for ct in s.cts)
        )
        found.setdefault(case, set()).add(told.code)
    # what is left of strangers: they have no case of their own in the plan
    strangers = {case for case in found if case.startswith("AutoPET_ffffffffff")}
    assert found.pop("AutoPET_ffffffffff_99999") == {"several-patients", "too-short"}
    assert strangers == {"AutoPET_ffffffffff_99999"}
    assert {case: told for case, told in found.items() if told} == expected
    assert set(found) == {spec.case for spec in specs}
    assert check_studies(list(studies.values())) == []
    usable = {case for case, study in studies.items() if choose_ct(study).series}
    sound = {case for case in found if not expected.get(case, set()) - {"not-dicom", "several-ct"}}
    assert usable == sound


def test_messages_say_what_and_where(tmp_path: Path):
    study = one_study(tmp_path, CtSpec(fault="missing_slice"))
    (found,) = choose_ct(study).findings
    assert found.severity is Severity.ERROR
    assert found.case == "AutoPET_0011f3deaf_00445"
    # the middle one of 20, 3 mm apart from -766.5 down
    assert found.message.startswith(
        'series 2 "CT Body 3.0": 1 slice is missing: 1 between -799.5 and -793.5 mm'
    )
    assert found.file == str(study.series[0].folder)
    assert found.remedy


def test_several_patients_are_counted(tmp_path: Path):
    (found,) = choose_ct(one_study(tmp_path / "a", CtSpec(fault="two_names"))).findings
    assert "2 patients: PETCT_0011f3deaf (10 files), PETCT_ffffffffff (10 files)" in found.message
    tree = make_tree(tmp_path / "b", [StudySpec(cts=(CtSpec(size=16),), faults=("two_patients",))])
    (found,) = choose_ct(studies_in(tree.root)["AutoPET_0011f3deaf_00445"]).findings
    assert str(tree.studies[0].ct.folder) in found.message
    assert "its 20 files of PETCT_0011f3deaf" in found.message
    assert "PETCT_ffffffffff (3 files)" in found.message


# ---------------------------------------------------------------------------------------------- kinds


@pytest.mark.parametrize(
    ("modality", "sop_class", "image_type", "kind"),
    [
        ("CT", CT_CLASS, ("ORIGINAL", "PRIMARY", "AXIAL"), Kind.CT),
        ("CT", "", ("ORIGINAL", "PRIMARY", "AXIAL"), Kind.CT),
        ("CT", f"{CT_CLASS}.1", (), Kind.CT),
        ("CT", CT_CLASS, ("DERIVED", "PRIMARY", "AXIAL"), Kind.CT),
        ("CT", CT_CLASS, ("ORIGINAL", "PRIMARY", "LOCALIZER"), Kind.LOCALIZER),
        ("CT", CT_CLASS, ("DERIVED", "SECONDARY", "AXIAL"), Kind.DERIVED),
        ("CT", CT_CLASS, ("DERIVED", "PRIMARY", "MPR"), Kind.DERIVED),
        ("CT", "1.2.840.10008.5.1.4.1.1.7", ("ORIGINAL", "PRIMARY"), Kind.CAPTURE),
        ("CT", "1.2.840.10008.5.1.4.1.1.88.67", (), Kind.REPORT),
        ("SR", "", (), Kind.REPORT),
        ("PT", "1.2.840.10008.5.1.4.1.1.128", ("ORIGINAL", "PRIMARY"), Kind.PET),
        ("SEG", "1.2.840.10008.5.1.4.1.1.66.4", ("DERIVED", "PRIMARY"), Kind.SEG),
        ("PT", CT_CLASS, (), Kind.OTHER),
        ("MR", "1.2.840.10008.5.1.4.1.1.4", (), Kind.OTHER),
        ("RTSTRUCT", "1.2.840.10008.5.1.4.1.1.481.3", (), Kind.OTHER),
    ],
)
def test_kinds(modality: str, sop_class: str, image_type: tuple[str, ...], kind: Kind):
    image = Image("folder", "1.dcm", 1, modality=modality, sop_class=sop_class, image_type=image_type)
    assert kind_of(image) is kind


def test_images_without_uids_are_a_series_by_folder():
    images = [Image(folder, f"{k}.dcm", 1, modality="CT") for folder in ("a", "b") for k in range(3)]
    assert [len(series.images) for series in series_of(images)] == [3, 3]


def test_an_unknown_compression(tmp_path: Path):
    series = one_study(tmp_path, CtSpec()).series[0]
    odd = tuple(replace(image, syntax="1.2.840.10008.1.2.4.100") for image in series.images)  # MPEG2
    assert codes(check_series(replace(series, images=odd))) == ["unsupported-transfer-syntax"]


def test_frames_of_one_file_are_checked_like_files(tmp_path: Path):
    series = one_study(tmp_path, CtSpec(enhanced=True)).series[0]
    assert check_series(series) == []
    image = series.images[0]
    gone = replace(image, frames=19, positions=image.positions[:5] + image.positions[6:])
    assert codes(check_series(replace(series, images=(gone,)))) == ["missing-slices"]
    silent = replace(image, positions=())
    assert codes(check_series(replace(series, images=(silent,)))) == ["missing-field"]


# ---------------------------------------------------------------------------------------------- choices


def test_the_only_ct_is_taken_without_a_word(tmp_path: Path):
    choice = choose_ct(one_study(tmp_path, LOCALIZER, CtSpec(), REFORMATTED))
    assert choice.series is not None
    assert choice.series.number == 2
    assert choice.findings == ()


WHOLE = CtSpec(number=9)
CHOICES = [
    ("frame of reference", WHOLE, CtSpec(number=3, slices=30, frame="own"), "another frame of reference"),
    (
        "covers the PET",
        WHOLE,
        CtSpec(number=3, slices=40, top_mm=-500.0, step_mm=5.0),
        "covers less of the PET",
    ),
    ("soft kernel", WHOLE, CtSpec(number=3, slices=60, step_mm=1.0, kernel=("Br60f",)), "sharper kernel"),
    ("most slices", CtSpec(number=9, slices=60, step_mm=1.0), CtSpec(number=3), "fewer slices"),
    ("number", CtSpec(number=2), WHOLE, "higher series number"),
    ("faults", WHOLE, CtSpec(number=3, slices=25, fault="missing_slice"), "missing-slices"),
]


@pytest.mark.parametrize(("taken", "left", "why"), [c[1:] for c in CHOICES], ids=[c[0] for c in CHOICES])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_rule_of_choice(tmp_path: Path, taken: CtSpec, left: CtSpec, why: str, swapped: bool):
    cts = (left, taken) if swapped else (taken, left)
    choice = choose_ct(one_study(tmp_path, *cts, LOCALIZER, pets=(PET,)))
    assert choice.series is not None
    assert choice.series.number == taken.number
    (found,) = choice.findings
    assert (found.code, found.severity) == ("several-ct", Severity.WARNING)
    assert found.message.startswith(f'took series {taken.number} "CT Body 3.0" ({taken.slices} slices')
    assert f'left series {left.number} "CT Body 3.0" ({why}' in found.message


def test_without_pet_the_longer_ct(tmp_path: Path):
    choice = choose_ct(one_study(tmp_path, replace(LUNG, slices=30), CtSpec(slices=12)))
    assert choice.series is not None
    assert choice.series.number == LUNG.number


def test_no_ct_names_what_is_there(tmp_path: Path):
    choice = choose_ct(one_study(tmp_path, LOCALIZER, pets=(PET,)))
    assert choice.series is None
    assert codes(choice.findings) == ["no-ct"]
    assert "(localizer)" in choice.findings[0].message


def test_the_corrected_pet_and_its_lesions(tmp_path: Path):
    study = one_study(tmp_path, CtSpec(), pets=(PET, UNCORRECTED), seg=True)
    pet, seg = choose_pet(study), choose_seg(study)
    assert pet.series is not None
    assert pet.series.number == PET.number
    assert codes(pet.findings) == ["several-pet"]
    assert "no attenuation correction" in pet.findings[0].message
    assert seg.series is not None
    assert seg.series.first.refers_to == (pet.series.uid,)
    assert seg.findings == ()


def test_no_pet_is_no_error(tmp_path: Path):
    study = one_study(tmp_path, CtSpec())
    assert codes(choose_pet(study).findings) == ["no-pet"]
    assert codes(choose_seg(study).findings) == ["no-seg"]
    assert not has_errors([*choose_pet(study).findings, *choose_seg(study).findings])


# ---------------------------------------------------------------------------------------------- names


def test_subjects_and_digits():
    assert subject_of("PETCT_01140d52d8") == "01140d52d8"
    assert subject_of("Smith^John") == subject_of("..") == subject_of("a/b") == subject_of("") == ""
    assert study5_of("1.2.840.12.00445") == "00445"
    assert study5_of("1.2.840.113.45") == "11345"
    assert study5_of("1.2.3") == ""
    assert case_id("7", "1.2.840.12.00445") == "AutoPET_7_00445"
    assert case_id("../7", "1.2.840.12.00445") == ""


def test_two_studies_with_one_name(tmp_path: Path):
    ct = CtSpec(size=16, slices=4)
    specs = [
        StudySpec(cts=(ct,)),
        StudySpec(cts=(ct,), salt="other", date="20040101"),
        StudySpec("PETCT_1", cts=(ct,)),
    ]
    studies = list(studies_of(series_of(scan(make_tree(tmp_path, specs).root, 1).images)))
    assert len(studies) == 3
    found = check_studies(studies)
    assert [(f.code, f.case) for f in found] == [("name-taken", "AutoPET_0011f3deaf_00445")] * 2
    assert "01-01-2004" in found[0].message


@pytest.mark.parametrize("patient", ["Muster^Erika", "PETCT_a/b", ""])
def test_patients_that_make_no_name(tmp_path: Path, patient: str):
    tree = make_tree(tmp_path, [StudySpec(patient, cts=(CtSpec(size=16, slices=4),))], "flat")
    (study,) = studies_of(series_of(scan(tree.root, 1).images))
    assert study.case_id == ""
    assert codes(check_studies([study])) == ["wrong-subject"]
