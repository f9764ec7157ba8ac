"""Reading headers, one and many: what they say, and files that are none or not whole."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from dicom_tree import (
    SECRET_BIRTH,
    SECRET_HOSPITAL,
    SECRET_NAME,
    SYNTAXES,
    CtSpec,
    PetSpec,
    StudySpec,
    make_tree,
    planted_studies,
)

from dapatlas.errors import BadFileError
from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.headers import scan
from dapatlas.ingest.dicom.reading import read_image
from dapatlas.ingest.fault import IngestError

SMALL = CtSpec(slices=4, size=16)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A study whose CT has four slices of 16×16."""
    return make_tree(tmp_path_factory.mktemp("small"), [StudySpec(cts=(SMALL,))]).studies[0].ct.files[1]


def test_what_a_header_says(small: Path):
    image = read_image(small)
    assert image.path == small
    assert image.bytes == small.stat().st_size
    assert (image.patient, image.study) == ("PETCT_0011f3deaf", StudySpec().uid)
    assert image.case == "AutoPET_0011f3deaf_00445"
    assert (image.modality, image.sop_class) == ("CT", "1.2.840.10008.5.1.4.1.1.2")
    assert (image.rows, image.columns, image.frames) == (16, 16, 1)
    assert image.positions == ((-250 + 15.625, -438 + 15.625, -769.5),)
    assert image.orientations == ((1, 0, 0, 0, 1, 0),)
    assert image.pixel_spacing == (31.25, 31.25)
    assert (image.kernel, image.kvp, image.thickness_mm) == ("Br38f/3", 120, 3)
    assert (image.sex, image.age_years, image.weight_kg) == ("F", 63, None)
    assert (image.manufacturer, image.model) == ("SIEMENS", "Biograph mCT")
    assert image.image_type[:3] == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert image.cut == ""
    assert pickle.loads(pickle.dumps(image)) == image


def test_nothing_of_the_identity_but_the_pseudonym(small: Path):
    said = repr(read_image(small))
    for secret in (*SECRET_NAME.split("^"), SECRET_BIRTH, SECRET_HOSPITAL):
        assert secret not in said


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_transfer_syntax(tmp_path: Path, syntax: str):
    study = make_tree(tmp_path, [StudySpec(cts=(replace(SMALL, size=32, syntax=syntax),))]).studies[0]
    for path in study.ct.files:
        image = read_image(path)
        assert (image.syntax, image.cut, image.rows) == (SYNTAXES[syntax], "", 32)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_file_cut_anywhere_is_truncated(tmp_path: Path, syntax: str):
    study = make_tree(tmp_path, [StudySpec(cts=(replace(SMALL, size=32, syntax=syntax),))]).studies[0]
    whole = study.ct.files[0].read_bytes()
    path = tmp_path / "cut.dcm"
    told = set()
    for end in [*range(0, len(whole), 7), len(whole) - 1]:
        path.write_bytes(whole[:end])
        try:
            told.add("pixels" if read_image(path).cut else f"whole at {end}")
        except IngestError as error:
            told.add(error.code)
    # a deflated file is one stream, so it is never cut within its pixels alone
    assert told == ({Code.TRUNCATED_FILE} if syntax == "deflated" else {Code.TRUNCATED_FILE, "pixels"})


def test_pixels_fewer_than_rows_and_columns_need(tmp_path: Path, small: Path):
    image = pydicom.dcmread(small)
    image.PixelData = image.PixelData[:-32]
    image.save_as(tmp_path / "short.dcm")
    assert read_image(tmp_path / "short.dcm").cut == "its pixels have 480 of 512 bytes"


@pytest.mark.parametrize(
    ("age", "years"), [("063Y", 63), ("006M", 0.5), ("", None), ("old", None), ("073", None)]
)
def test_ages(tmp_path: Path, small: Path, age: str, years: float | None):
    image = pydicom.dcmread(small)
    image["PatientAge"]._value = age
    image.save_as(tmp_path / "age.dcm")
    assert read_image(tmp_path / "age.dcm").age_years == years


def test_frames_of_an_enhanced_ct(tmp_path: Path):
    spec = replace(SMALL, enhanced=True)
    study = make_tree(tmp_path, [StudySpec(cts=(spec,))]).studies[0]
    image = read_image(study.ct.files[0])
    assert image.frames == 4
    assert [z for _, _, z in image.positions] == [-766.5, -769.5, -772.5, -775.5]
    assert (image.orientations, image.pixel_spacing) == (((1, 0, 0, 0, 1, 0),), (31.25, 31.25))
    assert (image.kernel, image.kvp, image.thickness_mm) == ("Br38f/3", 120, 3)


def test_values_against_the_rules_are_no_values(tmp_path: Path, small: Path):
    content = small.read_bytes()
    broken = (
        content.replace(b"SIEMENS ", b"\xff\xfeEMENS ")
        .replace(b"120.0", b"12x.0")
        .replace(b"31.25", b"31,25")
    )
    (tmp_path / "odd.dcm").write_bytes(broken)
    image = read_image(tmp_path / "odd.dcm")
    assert (image.kvp, image.pixel_spacing, image.rows) == (None, None, 16)


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"%PDF-1.4 " + b"x" * 500, "report.pdf", Code.NOT_DICOM),
        (b"%PDF-1.4 " + b"x" * 500, "1-01.dcm", Code.NOT_DICOM),
        (b"", "1-01.dcm", Code.TRUNCATED_FILE),
        (b"", "empty", Code.NOT_DICOM),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: bytes, name: str, code: Code):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(IngestError, match=name) as caught:
        read_image(tmp_path / name)
    assert caught.value.code is code
    found = scan(tmp_path)
    assert [(f.code, f.file) for f in found.findings] == [(code, str(tmp_path / name))]
    assert found.images == ()


def test_a_sound_tree(tmp_path: Path):
    tree = make_tree(tmp_path, [StudySpec(pets=(PetSpec(),), seg=True)])
    made = tree.studies[0]
    (tree.root / ".DS_Store").write_bytes(b"x")
    (tree.root / "DICOMDIR").write_bytes(b"x")
    (tree.root / "loop").symlink_to(tree.root)
    steps = []
    found = scan(tree.root, progress=lambda done, of: steps.append((done, of)))
    assert found.findings == ()
    assert {image.path for image in found.images} == {*made.ct.files, *made.pet.files, *made.seg.files}
    assert found.files == len(found.images) == 33
    assert steps == [(33, 33)]
    assert scan(made.ct.files[0]).images == (found.images[0],)


def test_a_tree_with_faults_by_one_process_and_by_two(tmp_path: Path, monkeypatch):
    tree = make_tree(tmp_path, [s for s in planted_studies()[0] if "seg" not in str(s.cts)][:24])
    one = scan(tree.root, 1)
    monkeypatch.setattr("dapatlas.ingest.dicom.headers.FILES_WORTH_A_PROCESS", 100)
    monkeypatch.setattr("dapatlas.ingest.dicom.headers.CHUNK", 50)
    assert scan(tree.root, 2) == one
    assert {(f.code, f.case) for f in one.findings} == {
        ("truncated-file", "AutoPET_8063558039_00140"),
        ("not-dicom", ""),
    }


def test_no_such_folder(tmp_path: Path):
    with pytest.raises(BadFileError, match="no such file"):
        scan(tmp_path / "nowhere")


@pytest.mark.real_data
def test_the_real_series_has_no_identifiers_and_is_read_all_the_same(real_data: Path):
    found = scan(real_data / "dicom")
    assert found.findings == ()
    assert len(found.images) == 20
    assert {(i.modality, i.series, i.patient, i.case, i.rows) for i in found.images} == {
        ("CT", "", "", "", 512)
    }
    assert {i.weight_kg for i in found.images} == {79}


def test_a_header_cut_off_leaves_a_hole(tmp_path: Path):
    study = make_tree(tmp_path, [StudySpec(cts=(replace(SMALL, fault="truncated_header"),))]).studies[0]
    found = scan(tmp_path)
    assert [(f.code, f.case, f.file) for f in found.findings] == [
        ("truncated-file", "", str(study.ct.files[2]))
    ]
    assert "after 300 bytes" in found.findings[0].message
    assert len(found.images) == 3


def test_a_table_of_contents_is_no_image_whatever_its_name(tmp_path: Path):
    contents = pydicom.Dataset()
    contents.FileSetID = "DISC"
    contents.file_meta = pydicom.dataset.FileMetaDataset()
    contents.file_meta.TransferSyntaxUID = SYNTAXES["explicit"]
    contents.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    contents.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    contents.save_as(tmp_path / "contents", enforce_file_format=True)
    found = scan(tmp_path)
    assert (found.images, found.findings, found.files) == ((), (), 1)
