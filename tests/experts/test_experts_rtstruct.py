"""RT structure sets on CTs of any orientation: against the shapes that contours were drawn around."""

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
    LPS_RAS,
    SPLEEN,
    affine_of,
    case_on,
    ct_series,
    ellipsoid,
    real_series,
)

from dapatlas.errors import BadFileError, BadLabelsError, DapatlasError, GridMismatchError
from dapatlas.experts import RtStruct

pydicom = pytest.importorskip("pydicom")

from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid  # noqa: E402

SHAPE = (60, 50, 12)
FRAME = "1.2.3.4"


def circle(centre: tuple[float, float], radius: float, corners: int = 180) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)], axis=1)


def in_plane(outline: np.ndarray, k: float, affine: np.ndarray) -> np.ndarray:
    """An outline in voxels (i, j) of slice k, as DICOM writes it: mm, LPS, 16 characters a number."""
    index = np.column_stack([outline, np.full(len(outline), k), np.ones(len(outline))])
    return np.array([float(f"{x:.10g}"[:16]) for x in (index @ (LPS_RAS @ affine).T)[:, :3].ravel()]).reshape(
        -1, 3
    )


def roi(name: str, contours: list[np.ndarray], kind: str = "CLOSED_PLANAR", frame: str = FRAME) -> tuple:
    return name, contours, kind, frame


def write(path: Path, *rois: tuple) -> Path:
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = RTStructureSetStorage
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = generate_uid()
    file.Modality, file.PatientID, file.PatientName = "RTSTRUCT", "7", "Test^Case"
    file.StructureSetROISequence, file.ROIContourSequence = [], []
    for number, (name, contours, kind, frame) in enumerate(rois, 1):
        about, drawn = Dataset(), Dataset()
        about.ROINumber, about.ROIName, about.ReferencedFrameOfReferenceUID = number, name, frame
        about.ROIGenerationAlgorithm = "MANUAL"
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        for points in contours:
            contour = Dataset()
            contour.ContourGeometricType = kind
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [f"{x:.10g}"[:16] for x in points.ravel()]
            drawn.ContourSequence.append(contour)
        file.StructureSetROISequence.append(about)
        file.ROIContourSequence.append(drawn)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)
    return path


def expert(folder: Path) -> RtStruct:
    return RtStruct(name="plan", scheme="totalsegmentator", files=str(folder / "{case}.dcm"))


def ball(
    affine: np.ndarray, centre: tuple[float, float, float], radius_mm: float
) -> tuple[np.ndarray, list[np.ndarray]]:
    """A ball in mm around a voxel: its voxels, and its contours on every slice that it meets."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    away = [(np.arange(n) - c) * mm for n, c, mm in zip(SHAPE, centre, spacing, strict=True)]
    inside = away[0][:, None, None] ** 2 + away[1][None, :, None] ** 2 + away[2] ** 2 < radius_mm**2
    contours = []
    for k in range(SHAPE[2]):
        square = radius_mm**2 - away[2][k] ** 2
        if square > 0:
            outline = circle((0, 0), np.sqrt(square)) / spacing[:2] + centre[:2]
            contours.append(in_plane(outline, k, affine))
    return inside, contours


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


@pytest.mark.parametrize("orientation", [None, "SRA", "PIL"])
@pytest.mark.parametrize("name", AFFINES)
def test_balls_come_back_on_any_grid(tmp_path: Path, name: str, orientation: str | None):
    affine = AFFINES[name]
    liver, of_liver = ball(affine, (25, 22, 5.5), 14.2)
    spleen, of_spleen = ball(affine, (48, 30, 6), 9.3)
    write(tmp_path / "patient7.dcm", roi("Liver", of_liver), roi("spleen", of_spleen))
    image = nib.Nifti1Image(liver * np.uint8(LIVER) + spleen * np.uint8(SPLEEN), affine)
    if orientation:
        target = nib.orientations.axcodes2ornt(orientation)
        image = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(affine), target))
    proposal = expert(tmp_path).propose(case_on(tmp_path, image.affine, image.shape))
    expected = np.asanyarray(image.dataobj)
    assert (proposal.label_map == expected).mean() > 0.9999
    assert dice(proposal.label_map == LIVER, expected == LIVER) > 0.995
    assert dice(proposal.label_map == SPLEEN, expected == SPLEEN) > 0.99
    assert proposal.findings == ()
    assert proposal.seen is None


@pytest.mark.parametrize("kind", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"])
def test_inner_contours_are_holes(tmp_path: Path, kind: str):
    affine = AFFINES["oblique"]
    outlines = [circle((25, 22), 15.2), circle((25, 22), 7.3), circle((26, 23), 3.1)]
    contours = [in_plane(outline, k, affine) for k in range(3, 8) for outline in outlines]
    write(tmp_path / "patient7.dcm", roi("liver", contours, kind))
    found = expert(tmp_path).propose(case_on(tmp_path, affine, SHAPE)).label_map
    i, j = np.ogrid[: SHAPE[0], : SHAPE[1]]
    rings = [np.hypot(i - ci, j - cj) < r for ci, cj, r in ((25, 22, 15.2), (25, 22, 7.3), (26, 23, 3.1))]
    expected = (rings[0] & ~rings[1]) | rings[2]
    assert (found[:, :, 5] == LIVER * expected).mean() > 0.999
    assert np.flatnonzero(found.any(axis=(0, 1))).tolist() == [3, 4, 5, 6, 7]


def test_contours_further_apart_than_slices_stand_for_those_between(tmp_path: Path):
    affine = AFFINES["LPS"]
    contours = [
        in_plane(circle((25, 22), radius), k, affine) for k, radius in ((2, 5.2), (5, 9.2), (8, 12.2))
    ]
    write(tmp_path / "patient7.dcm", roi("liver", contours))
    proposal = expert(tmp_path).propose(case_on(tmp_path, affine, SHAPE))
    area = (proposal.label_map == LIVER).sum(axis=(0, 1))
    assert np.flatnonzero(area).tolist() == list(range(1, 10))
    assert area[1] == area[2] == area[3]
    assert area[4] == area[5] == area[6] > area[3]
    assert area[7] == area[8] == area[9] > area[6]
    assert [finding.code for finding in proposal.findings] == ["sparse-contours"]
    assert "9 mm apart, slices of the CT 3 mm" in proposal.findings[0].message


def test_contours_between_slices_go_to_the_nearest(tmp_path: Path):
    affine = AFFINES["RAS"]
    contours = [in_plane(circle((25, 22), radius), k, affine) for k, radius in ((3.4, 8.2), (4.4, 10.2))]
    write(tmp_path / "patient7.dcm", roi("liver", contours))
    found = expert(tmp_path).propose(case_on(tmp_path, affine, SHAPE)).label_map
    assert np.flatnonzero(found.any(axis=(0, 1))).tolist() == [3, 4]
    lone = [in_plane(circle((25, 22), 8.2), 3.4, affine)]
    write(tmp_path / "patient7.dcm", roi("liver", lone))
    found = expert(tmp_path).propose(case_on(tmp_path, affine, SHAPE)).label_map
    assert np.flatnonzero(found.any(axis=(0, 1))).tolist() == [3]


def test_a_square_through_voxel_centres_holds_the_voxels_on_it(tmp_path: Path):
    affine = AFFINES["oblique"]
    square = np.array([[10, 12], [20, 12], [20, 18], [10, 18]], float)
    write(tmp_path / "patient7.dcm", roi("liver", [in_plane(square, 4, affine)]))
    found = expert(tmp_path).propose(case_on(tmp_path, affine, SHAPE)).label_map
    expected = np.zeros(SHAPE, np.uint8)
    expected[10:21, 12:19, 4] = LIVER
    assert (found == expected).all()


def test_overlaps_strangers_other_frames_and_points_are_told(tmp_path: Path):
    affine = AFFINES["RAS"]
    liver, small = circle((25, 22), 15.2), circle((25, 22), 4.2)
    write(
        tmp_path / "patient7.dcm",
        roi("liver", [in_plane(liver, k, affine) for k in (4, 5)]),
        roi("gallbladder", [in_plane(small, k, affine) for k in (4, 5)]),
        roi("PTV 60", [in_plane(liver, 4, affine)]),
        roi("spleen", [in_plane(small + 20, 4, affine)], frame="9.9"),
        roi("kidney_left", [in_plane(small[:1], 4, affine)], kind="POINT"),
    )
    proposal = expert(tmp_path).propose(case_on(tmp_path, affine, SHAPE))
    assert set(np.unique(proposal.label_map)) == {0, LIVER, GALLBLADDER}
    assert KIDNEY_LEFT not in proposal.label_map
    assert [finding.code for finding in proposal.findings] == [
        "unknown-structure",
        "other-frame-of-reference",
        "open-contours",
        "masks-overlap",
    ]
    assert proposal.findings[-1].voxels == int((proposal.label_map == GALLBLADDER).sum())


def test_regions_without_contours_are_an_empty_map(tmp_path: Path):
    write(tmp_path / "patient7.dcm", roi("liver", []))
    proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"], SHAPE))
    assert not proposal.label_map.any()
    assert [finding.code for finding in proposal.findings] == ["empty"]


def test_what_cannot_be_used_is_refused(tmp_path: Path):
    affine = AFFINES["RAS"]
    case = case_on(tmp_path, affine, SHAPE)
    contours = [in_plane(circle((25, 22), 12.2), k, affine) for k in (4, 5)]
    path = write(tmp_path / "patient7.dcm", roi("PTV 60", contours))
    with pytest.raises(BadLabelsError, match="none of the 1 regions.*found 'PTV 60'"):
        expert(tmp_path).propose(case)
    write(path, roi("liver", [points + 4000 for points in contours]))
    with pytest.raises(GridMismatchError, match="wholly outside the CT"):
        expert(tmp_path).propose(case)
    write(path, roi("liver", contours))
    with pytest.raises(GridMismatchError, match="not parallel to the CT's slices"):
        expert(tmp_path).propose(case_on(tmp_path / "turned", AFFINES["oblique"], SHAPE))
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(BadFileError, match="patient7.dcm"):
        expert(tmp_path).propose(case)
    ct_series(affine)[0].save_as(path, enforce_file_format=True)
    with pytest.raises(BadFileError, match="modality CT; expected RTSTRUCT"):
        expert(tmp_path).propose(case)
    path.unlink()
    with pytest.raises(BadFileError, match="has no RT structure set"):
        expert(tmp_path).propose(case)


def test_without_pydicom_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "patient7.dcm", roi("liver", []))
    case = case_on(tmp_path, AFFINES["RAS"], SHAPE)
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(DapatlasError, match=r"pydicom.*pip install 'dapatlas\[dicom\]'"):
        expert(tmp_path).propose(case)


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore")  # of the libraries, about the empty identifiers of the real series
def test_what_rt_utils_wrote_comes_back(tmp_path: Path, real_data: Path):
    rt_utils = pytest.importorskip("rt_utils")
    series, folder = real_series(real_data / "dicom"), tmp_path / "dicom"
    folder.mkdir()
    for number, image in enumerate(series):
        image.save_as(folder / f"{number}.dcm")
    shape = (512, 512, len(series))
    built = rt_utils.RTStructBuilder.create_new(str(folder))
    built.add_roi(mask=np.ascontiguousarray(np.swapaxes(ellipsoid(shape), 0, 1)), name="liver")
    built.save(str(tmp_path / "patient7.dcm"))
    found = expert(tmp_path).propose(case_on(tmp_path, affine_of(series), shape)).label_map == LIVER
    read = rt_utils.RTStructBuilder.create_from(str(folder), str(tmp_path / "patient7.dcm"))
    theirs = np.swapaxes(read.get_roi_mask_by_name("liver"), 0, 1)
    assert dice(found, ellipsoid(shape)) > 0.999
    assert dice(found, theirs) > 0.999
