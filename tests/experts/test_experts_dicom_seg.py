"""DICOM Segmentation objects that highdicom wrote, of synthetic series and of a real one."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from expert_cases import (
    AFFINES,
    GALLBLADDER,
    KIDNEY_LEFT,
    LIVER,
    SHAPE,
    SPLEEN,
    affine_of,
    case_on,
    ct_series,
    ellipsoid,
    organs,
    real_series,
)

from dapatlas.errors import BadFileError, BadLabelsError, DapatlasError, GridMismatchError
from dapatlas.experts import DicomSeg
from dapatlas.labels import load_scheme

hd = pytest.importorskip("highdicom")
pydicom = pytest.importorskip("pydicom")

from pydicom.sr.codedict import codes  # noqa: E402
from pydicom.sr.coding import Code  # noqa: E402

IDS = (LIVER, SPLEEN, KIDNEY_LEFT, GALLBLADDER)
TISSUE = Code("85756007", "SCT", "Tissue")
LEFT, RIGHT = Code("7771000", "SCT", "Left"), Code("24028007", "SCT", "Right")


def segment(number: int, label: str, kind: Code = TISSUE, side: Code | None = None):
    described = hd.seg.SegmentDescription(
        number, label, codes.SCT.AnatomicalStructure, kind, hd.seg.SegmentAlgorithmTypeValues.MANUAL
    )
    if side is not None:
        modifier = hd.sr.CodedConcept(side.value, side.scheme_designator, side.meaning)
        described.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [modifier]
    return described


def by_name(ids: tuple[int, ...] = IDS) -> list:
    return [segment(n + 1, load_scheme("totalsegmentator")[id_].name) for n, id_ in enumerate(ids)]


def write(path: Path, series: list, pixels: np.ndarray, segments: list, kind: str = "BINARY", **more) -> Path:
    """``pixels`` of shape (i, j, k) or (i, j, k, segment)."""
    frames = np.ascontiguousarray(np.moveaxis(pixels, (0, 1, 2), (2, 1, 0)))
    file = hd.seg.Segmentation(
        series,
        frames,
        kind,
        segments,
        hd.UID(),
        2,
        hd.UID(),
        1,
        "dapatlas",
        "test",
        "1",
        "0",
        **more,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path)
    return path


def expert(folder: Path, scheme: str = "totalsegmentator") -> DicomSeg:
    return DicomSeg(name="pacs", scheme=scheme, files=str(folder / "{case}.dcm"))


def stacked(ids: tuple[int, ...] = IDS) -> np.ndarray:
    return np.stack([organs() == id_ for id_ in ids], axis=3).astype(np.uint8)


@pytest.mark.parametrize("omit", [True, False])
@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize("name", AFFINES)
def test_every_kind_comes_back_voxel_for_voxel(tmp_path: Path, name: str, kind: str, omit: bool):
    write(
        tmp_path / "patient7.dcm",
        ct_series(AFFINES[name]),
        stacked(),
        by_name(),
        kind,
        omit_empty_frames=omit,
    )
    proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES[name]))
    assert (proposal.label_map == organs()).all()
    assert {finding.code for finding in proposal.findings} <= {"resampled"}
    if proposal.seen is not None:  # highdicom may stack slices the other way round
        assert proposal.seen.shape == (*SHAPE[:2], 7 if omit else SHAPE[2])  # the organs lie in slices 1…7
    else:
        assert not omit


def test_a_ct_in_another_orientation_gets_the_same_voxels(tmp_path: Path):
    write(tmp_path / "patient7.dcm", ct_series(AFFINES["LPS"]), stacked(), by_name())
    image = nib.Nifti1Image(organs(), AFFINES["LPS"])
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.orientations.axcodes2ornt("SRA")
    )
    turned = image.as_reoriented(turn)
    proposal = expert(tmp_path).propose(case_on(tmp_path, turned.affine, turned.shape))
    assert (proposal.label_map == np.asanyarray(turned.dataobj)).all()


def test_of_segments_that_overlap_the_smaller_keeps_the_voxel(tmp_path: Path):
    pixels = stacked()
    pixels[..., 0] |= pixels[..., 3]
    write(tmp_path / "patient7.dcm", ct_series(AFFINES["RAS"]), pixels, by_name())
    proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))
    assert (proposal.label_map == organs()).all()
    assert [(f.structure, f.voxels) for f in proposal.findings if f.code == "masks-overlap"] == [
        ("gallbladder", 18)
    ]


def test_of_fractions_more_than_half_counts(tmp_path: Path):
    fractions = stacked((LIVER,)).astype(np.float32) * 0.4
    fractions[:6] *= 1.5
    write(tmp_path / "patient7.dcm", ct_series(AFFINES["RAS"]), fractions, by_name((LIVER,)), "FRACTIONAL")
    found = expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"])).label_map
    assert (found[:6] == np.where(organs()[:6] == LIVER, LIVER, 0)).all()
    assert not found[6:].any()


def test_segments_are_found_by_code_and_side_where_labels_say_nothing(tmp_path: Path):
    kidney = Code("64033007", "SCT", "Kidney")
    described = [
        segment(1, "Segment A", Code("10200004", "SCT", "Liver")),
        segment(2, "Segment B", kidney, LEFT),
        segment(3, "Segment C", Code("T-C3000", "SRT", "Spleen")),  # SNOMED's name of before 2018
        segment(4, "Segment D", kidney),  # of which side?
    ]
    write(
        tmp_path / "patient7.dcm",
        ct_series(AFFINES["RAS"]),
        stacked((LIVER, KIDNEY_LEFT, SPLEEN, GALLBLADDER)),
        described,
    )
    proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))
    assert (proposal.label_map == np.where(organs() == GALLBLADDER, 0, organs())).all()
    assert [f.found for f in proposal.findings if f.code == "unknown-structure"] == ["Segment D"]


def test_tissue_is_nobodys_code(tmp_path: Path):
    described = [segment(1, "Segment_1"), segment(2, "liver")]
    write(tmp_path / "patient7.dcm", ct_series(AFFINES["RAS"]), stacked((SPLEEN, LIVER)), described)
    proposal = expert(tmp_path, "dap").propose(case_on(tmp_path, AFFINES["RAS"]))
    assert set(np.unique(proposal.label_map)) == {0, load_scheme("dap")["liver"].id}
    assert [f.found for f in proposal.findings if f.code == "unknown-structure"] == ["Segment_1"]


@pytest.mark.parametrize("scheme", ["dap", "totalsegmentator"])
def test_every_code_of_a_scheme_finds_its_own_structure_or_none(scheme: str):
    from pydicom.dataset import Dataset

    from dapatlas.formats.segment_codes import structure_of

    found = 0
    for structure in load_scheme(scheme):
        if structure.snomed is None:
            continue
        coded = structure.snomed_modifier
        modifier = None if coded is None else Code(coded.value, coded.designator, coded.meaning)
        code = Code(structure.snomed.value, structure.snomed.designator, structure.snomed.meaning)
        item = Dataset.from_json(segment(1, "?", code, modifier).to_json())
        if structure.snomed_region is not None:
            region = Dataset()
            region.CodeValue, region.CodingSchemeDesignator = structure.snomed_region.value, "SCT"
            item.AnatomicRegionSequence = [region]
        answer = structure_of(item, load_scheme(scheme))
        assert answer in (structure, None)
        found += answer is not None
    assert found > 90


def test_a_folder_that_holds_one_file_will_do(tmp_path: Path):
    path = write(tmp_path / "seg" / "patient7" / "1.2.3", ct_series(AFFINES["RAS"]), stacked(), by_name())
    case = case_on(tmp_path, AFFINES["RAS"])
    folder = DicomSeg(name="pacs", scheme="totalsegmentator", files=str(tmp_path / "seg" / "{case}"))
    assert folder.inputs(case) == (path,)
    assert (folder.propose(case).label_map == organs()).all()
    path.with_name("4.5.6").write_bytes(b"")
    with pytest.raises(BadFileError, match="holds 2 files; expected one DICOM segmentation"):
        folder.propose(case)


def test_unknown_segments_alone_are_refused(tmp_path: Path):
    write(tmp_path / "patient7.dcm", ct_series(AFFINES["RAS"]), stacked((LIVER,)), [segment(1, "Tumour")])
    with pytest.raises(BadLabelsError, match="none of the 1 segments.*found 'Tumour'"):
        expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))


def test_a_ct_elsewhere_is_refused(tmp_path: Path):
    write(tmp_path / "patient7.dcm", ct_series(AFFINES["RAS"]), stacked(), by_name())
    far = AFFINES["RAS"].copy()
    far[:3, 3] += 4000
    with pytest.raises(GridMismatchError, match="wholly outside the CT"):
        expert(tmp_path).propose(case_on(tmp_path, far))


def test_truncated_and_foreign_files_are_refused(tmp_path: Path):
    case = case_on(tmp_path, AFFINES["RAS"])
    path = write(tmp_path / "patient7.dcm", ct_series(AFFINES["RAS"]), stacked(), by_name())
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    with pytest.raises(BadFileError, match="patient7.dcm"):
        expert(tmp_path).propose(case)
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(BadFileError, match="patient7.dcm"):
        expert(tmp_path).propose(case)
    ct_series(AFFINES["RAS"])[0].save_as(path, enforce_file_format=True)
    with pytest.raises(BadFileError, match="patient7.dcm"):
        expert(tmp_path).propose(case)
    path.write_text("no DICOM")
    with pytest.raises(BadFileError, match="patient7.dcm"):
        expert(tmp_path).propose(case)


def test_frames_that_form_no_stack_are_refused(tmp_path: Path):
    path = write(tmp_path / "patient7.dcm", ct_series(AFFINES["RAS"]), stacked(), by_name())
    file = pydicom.dcmread(path)
    position = file.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0]
    position.ImagePositionPatient = [
        *position.ImagePositionPatient[:2],
        position.ImagePositionPatient[2] + 1.1,
    ]
    file.save_as(path)
    with pytest.raises(BadFileError, match="no stack of parallel slices|lies off the stack"):
        expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))


def test_without_highdicom_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path / "patient7.dcm", ct_series(AFFINES["RAS"]), stacked(), by_name())
    monkeypatch.setitem(__import__("sys").modules, "highdicom", None)
    with pytest.raises(DapatlasError, match=rf"highdicom.*{path.name}.*pip install 'dapatlas\[dicom\]'"):
        expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore")  # the real series has empty identifiers
def test_a_segmentation_of_a_real_series(tmp_path: Path, real_data: Path):
    series = real_series(real_data / "dicom")
    shape = (512, 512, len(series))
    write(tmp_path / "patient7.dcm", series, ellipsoid(shape).astype(np.uint8), by_name((LIVER,)))
    proposal = expert(tmp_path).propose(case_on(tmp_path, affine_of(series), shape))
    assert (proposal.label_map == LIVER * ellipsoid(shape)).all()
