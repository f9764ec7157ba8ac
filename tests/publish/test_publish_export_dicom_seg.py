"""DICOM Segmentations, read with highdicom, with pydicom and with our own reader, voxel for voxel."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from export_cases import (
    AFFINES,
    CASE,
    NAMES,
    SHAPE,
    anatomy,
    contents,
    ct_series,
    real_series,
    save_series,
    small_dataset,
)

from dapatlas.dataset import Dataset
from dapatlas.errors import BadFileError
from dapatlas.experts import DicomSeg
from dapatlas.formats.dicom_series import read_series
from dapatlas.labels import dap
from dapatlas.pipeline.exporting import export_cases
from dapatlas.publish.export_dicom_seg import DicomSegExport
from dapatlas.publish.exports import choose_labels
from dapatlas.volumes import Grid, write_label_map, write_volume

hd = pytest.importorskip("highdicom")
pydicom = pytest.importorskip("pydicom")

KINDS = pytest.mark.parametrize("binary", [False, True], ids=["labelmap", "binary"])


def export(dataset: Dataset, folder: Path, *, binary: bool = False, out: str = "out"):
    made = DicomSegExport(choose_labels(dap()), dicom=str(folder / "dicom" / "{case}"), binary=binary)
    (outcome,) = export_cases(dataset, folder / out, made, jobs=1)
    return folder / out / f"{CASE}.dcm", outcome


def back(path: Path, dataset: Dataset) -> np.ndarray:
    return DicomSeg(name="back", scheme="dap", files=str(path)).propose(dataset[CASE]).label_map


@KINDS
@pytest.mark.parametrize("name", AFFINES)
def test_three_readers_see_the_same_voxels(tmp_path: Path, name: str, binary: bool):
    dataset = small_dataset(tmp_path / "atlas", AFFINES[name])
    series = ct_series(AFFINES[name])
    save_series(tmp_path / "dicom" / CASE, series)
    path, outcome = export(dataset, tmp_path, binary=binary)
    assert outcome.error == ""
    assert outcome.answer.structures == len(NAMES)
    assert (back(path, dataset) == anatomy()).all()
    file = hd.seg.segread(path)
    uids = [image.SOPInstanceUID for image in series]
    pixels = file.get_pixels_by_source_instance(
        uids, combine_segments=True, assert_missing_frames_are_empty=True
    )
    if binary:  # numbered from 1 on, in the order of ids
        pixels = np.array([0, *(id_ for id_ in np.unique(anatomy()) if id_)])[pixels]
    assert (anatomy() == pixels.T).all()
    plain = pydicom.dcmread(path)
    assert plain.SegmentationType == ("BINARY" if binary else "LABELMAP")
    assert plain.StudyInstanceUID == series[0].StudyInstanceUID
    assert plain.FrameOfReferenceUID == series[0].FrameOfReferenceUID
    assert plain.PatientID == "7"
    if not binary:
        assert (np.unique(plain.pixel_array) == np.unique(anatomy())).all()
        assert plain.NumberOfFrames == SHAPE[2]


@KINDS
@pytest.mark.parametrize("codes", ["RAS", "SRA", "PIL"])
def test_a_map_in_another_order_of_axes_is_turned_exactly(tmp_path: Path, codes: str, binary: bool):
    save_series(tmp_path / "dicom" / CASE, ct_series(AFFINES["oblique"]))
    image = nib.Nifti1Image(anatomy(), AFFINES["oblique"])
    turned = image.as_reoriented(
        nib.orientations.ornt_transform(
            nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(codes)
        )
    )
    dataset = Dataset.create(tmp_path / "atlas")
    grid = Grid(turned.shape, turned.affine)
    write_label_map(dataset.mask_path(CASE), np.asfortranarray(turned.dataobj), grid)
    write_volume(dataset.image_path(CASE), np.zeros(turned.shape, np.int16), grid)
    dataset = Dataset(tmp_path / "atlas")
    path, outcome = export(dataset, tmp_path, binary=binary)
    assert outcome.error == ""
    assert (back(path, dataset) == np.asarray(turned.dataobj)).all()


def test_segments_have_codes_and_colours(tmp_path: Path):
    dataset = small_dataset(tmp_path / "atlas", AFFINES["LPS"])
    save_series(tmp_path / "dicom" / CASE, ct_series(AFFINES["LPS"]))
    path, _ = export(dataset, tmp_path)
    segments = {s.SegmentLabel: s for s in pydicom.dcmread(path).SegmentSequence if s.SegmentNumber}
    assert segments.keys() == set(NAMES)
    for name, segment in segments.items():
        assert segment.SegmentNumber == dap()[name].id
        colour = hd.color.CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue)
        assert np.abs(np.subtract(colour.to_rgb(clip=True), dap()[name].colour)).max() <= 1

    def code(item) -> tuple[str, str, str]:
        return item.CodingSchemeDesignator, item.CodeValue, item.CodeMeaning

    kind = segments["kidney_left"].SegmentedPropertyTypeCodeSequence[0]
    assert code(kind) == ("SCT", "64033007", "Kidney")
    assert code(kind.SegmentedPropertyTypeModifierCodeSequence[0]) == ("SCT", "7771000", "Left")
    tissue = segments["mediastinal_tissue"]
    assert code(tissue.SegmentedPropertyCategoryCodeSequence[0]) == ("SCT", "85756007", "Tissue")
    assert code(tissue.AnatomicRegionSequence[0]) == ("SCT", "72410000", "Mediastinum")


@KINDS
def test_codes_alone_lead_back_to_the_structures(tmp_path: Path, binary: bool):
    dataset = small_dataset(tmp_path / "atlas", AFFINES["RAS"])
    save_series(tmp_path / "dicom" / CASE, ct_series(AFFINES["RAS"]))
    path, _ = export(dataset, tmp_path, binary=binary)
    file = pydicom.dcmread(path)
    for segment in file.SegmentSequence:
        if segment.SegmentLabel != "Background":
            segment.SegmentLabel = "?"
    file.save_as(path)
    expected = anatomy()
    # SNOMED CT has no concept for both sexes' gonads; and "tissue" is what programs write that know no better
    expected[np.isin(expected, [dap()[name].id for name in ("gonads", "mediastinal_tissue")])] = 0
    assert (back(path, dataset) == expected).all()


@KINDS
def test_two_runs_give_the_same_bytes(tmp_path: Path, binary: bool):
    dataset = small_dataset(tmp_path / "atlas", AFFINES["LPS"])
    save_series(tmp_path / "dicom" / CASE, ct_series(AFFINES["LPS"]))
    export(dataset, tmp_path, binary=binary, out="one")
    export(dataset, tmp_path, binary=binary, out="two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def spoiled(how: str) -> list:
    series = ct_series(AFFINES["LPS"])
    if how == "missing slice":
        del series[4]
    elif how == "slice there twice":
        series.append(series[3].copy())
    elif how == "other series":
        series[2].SeriesInstanceUID = hd.UID()
    elif how == "no identifiers":
        for image in series:
            image.FrameOfReferenceUID = ""
    elif how == "shifted":
        for image in series:
            image.ImagePositionPatient[0] += 0.4
    elif how == "none":
        series = []
    return series


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing slice", "no even stack.*is one missing"),
        ("slice there twice", "no even stack"),
        ("other series", "slices of 2 series"),
        ("no identifiers", "lack FrameOfReferenceUID"),
        ("shifted", "not on the grid of the DICOM series: affine: corners up to 0.4 mm apart"),
        ("none", "no DICOM slices"),
    ],
)
def test_a_series_that_does_not_fit_is_refused(tmp_path: Path, how: str, said: str):
    dataset = small_dataset(tmp_path / "atlas", AFFINES["LPS"])
    save_series(tmp_path / "dicom" / CASE, spoiled(how))
    path, outcome = export(dataset, tmp_path)
    assert outcome.state == "failed"
    assert not path.exists()
    assert re.search(said, outcome.error)
    assert str(tmp_path / "dicom" / CASE) in outcome.error


def test_a_map_without_structures_is_refused(tmp_path: Path):
    dataset = small_dataset(tmp_path / "atlas", AFFINES["LPS"])
    save_series(tmp_path / "dicom" / CASE, ct_series(AFFINES["LPS"]))
    write_label_map(dataset.mask_path(CASE), np.zeros(SHAPE, np.uint8), Grid(SHAPE, AFFINES["LPS"]))
    _, outcome = export(dataset, tmp_path)
    assert "nothing is labelled" in outcome.error


def test_a_folder_with_other_files_and_none_at_all(tmp_path: Path):
    folder = save_series(tmp_path / "series", ct_series(AFFINES["RAS"]))
    (folder / "README.txt").write_text("not DICOM")
    assert read_series(folder).grid.is_close(Grid(SHAPE, AFFINES["RAS"]))
    with pytest.raises(BadFileError, match="no such folder"):
        read_series(tmp_path / "nowhere")


def test_a_broken_file_in_a_series_is_named(tmp_path: Path):
    folder = save_series(tmp_path / "series", ct_series(AFFINES["RAS"]))
    meta = b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99"  # says that what follows is deflated, which it is not
    (folder / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + meta + b"\xff" * 100)
    with pytest.raises(BadFileError, match=r"broken\.dcm: broken"):
        read_series(folder)


@KINDS
@pytest.mark.real_data
def test_a_real_series(tmp_path: Path, real_data: Path, binary: bool):
    save_series(tmp_path / "dicom" / CASE, real_series(real_data / "dicom"))
    grid = read_series(tmp_path / "dicom" / CASE).grid
    assert grid.shape == (512, 512, 20)
    assert grid.spacing == pytest.approx((0.9765625, 0.9765625, 2.0))
    # the lowest slice says (-249.5, -437.5, -804.5) in DICOM's world
    assert grid.affine[:3, 3] == pytest.approx((249.51171875, 437.51171875, -804.5))
    dataset = Dataset.create(tmp_path / "atlas")
    made = anatomy(grid.shape)
    write_label_map(dataset.mask_path(CASE), made, grid)
    write_volume(dataset.image_path(CASE), np.zeros(grid.shape, np.int16, order="F"), grid)
    dataset = Dataset(tmp_path / "atlas")
    path, outcome = export(dataset, tmp_path, binary=binary)
    assert outcome.error == ""
    assert (back(path, dataset) == made).all()
