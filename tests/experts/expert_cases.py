"""Small cases that the tests of experts share: grids, a label map, a CT, and a DICOM series on any grid."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from dapatlas.dataset import Case
from dapatlas.labels import dap
from dapatlas.volumes import Grid

SHAPE = (24, 20, 9)
LIVER, SPLEEN, KIDNEY_LEFT, GALLBLADDER = 5, 1, 3, 4  # in TotalSegmentator
LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

TURN = np.deg2rad(17)
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = (
    np.array([[np.cos(TURN), -np.sin(TURN), 0], [np.sin(TURN), np.cos(TURN), 0], [0, 0, 1]])
    @ np.array([[1, 0, 0], [0, np.cos(TURN), -np.sin(TURN)], [0, np.sin(TURN), np.cos(TURN)]])
) * (1.5, 2.0, 3.0)
OBLIQUE[:3, 3] = (-31.5, 12.25, 801.75)

AFFINES = {
    "RAS": Grid.from_spacing(SHAPE, (1.5, 2.0, 3.0), "RAS", (-31.5, 12.25, -801.75)).affine,
    "LPS": Grid.from_spacing(SHAPE, (1.5, 2.0, 3.0), "LPS", (31.5, 12.25, -801.75)).affine,
    "oblique": OBLIQUE,
}


def organs() -> np.ndarray:
    """A label map of TotalSegmentator's, no two axes alike."""
    label_map = np.zeros(SHAPE, np.uint8, order="F")
    label_map[2:12, 3:15, 1:7] = LIVER
    label_map[14:20, 4:9, 2:8] = SPLEEN
    label_map[15:18, 11:17, 3:6] = KIDNEY_LEFT
    label_map[5:8, 6:9, 3:5] = GALLBLADDER
    return label_map


def save(path: Path, array: np.ndarray, affine: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def case_on(folder: Path, affine: np.ndarray, shape: tuple[int, int, int] = SHAPE) -> Case:
    """A case whose CT is empty and lies on this grid."""
    ct = save(folder / "images" / "patient7.nii.gz", np.zeros(shape, np.int16), affine)
    return Case("patient7", ct, None, dap())


def ct_series(affine: np.ndarray, shape: tuple[int, int, int] = SHAPE) -> list:
    """A DICOM CT series with the voxels of a grid: columns along i, rows along j, a file for each k."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    lps = LPS_RAS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    shared = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    frame = generate_uid()
    series = []
    for k in range(shape[2]):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, generate_uid()
        for key, value in shared.items():
            setattr(image, key, value)
        image.FrameOfReferenceUID = frame
        image.PatientID, image.PatientName, image.PatientBirthDate, image.PatientSex = (
            "7",
            "Test^Case",
            "",
            "O",
        )
        image.StudyDate, image.StudyTime, image.StudyID, image.AccessionNumber = "20200101", "000000", "1", ""
        image.ReferringPhysicianName = ""
        image.Modality, image.SeriesNumber, image.InstanceNumber = "CT", 1, k + 1
        image.Columns, image.Rows = shape[:2]
        image.PixelSpacing = [f"{spacing[1]:.10g}", f"{spacing[0]:.10g}"]
        image.SliceThickness = f"{spacing[2]:.10g}"
        directions = (lps[:3, :3] / spacing).T
        image.ImageOrientationPatient = [f"{x:.12g}"[:16] for x in (*directions[0], *directions[1])]
        image.ImagePositionPatient = [f"{x:.12g}"[:16] for x in (lps @ (0, 0, k, 1))[:3]]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
        image.PixelData = np.zeros(shape[:2], np.int16).tobytes()
        series.append(image)
    return series


def real_series(folder: Path) -> list:
    """The real CT series, foot to head, with identifiers in place of those that were emptied."""
    import pydicom
    from pydicom.uid import CTImageStorage, generate_uid

    series = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    series.sort(key=lambda image: image.ImagePositionPatient[2])
    for image in series:
        image.PatientID, image.SOPClassUID, image.SOPInstanceUID = "7", CTImageStorage, generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = "1.2.3", "1.2.4", "1.2.5"
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    return series


def affine_of(series: list) -> np.ndarray:
    """The affine of an axial series, in NIfTI's world."""
    first, second = series[:2]
    lps = np.diag([*map(float, first.PixelSpacing), 1.0, 1.0])
    lps[2, 2] = second.ImagePositionPatient[2] - first.ImagePositionPatient[2]
    lps[:3, 3] = first.ImagePositionPatient
    return LPS_RAS @ lps


def ellipsoid(shape: tuple[int, int, int]) -> np.ndarray:
    """A mask that touches no border of a real series."""
    i, j, k = np.ogrid[: shape[0], : shape[1], : shape[2]]
    return ((i - 200) / 70) ** 2 + ((j - 240) / 50) ** 2 + ((k - 9) / 6) ** 2 < 1
