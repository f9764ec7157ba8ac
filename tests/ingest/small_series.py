"""Makes a series of small DICOM slices, with whatever geometry, rescale and pixel format a test asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

UPRIGHT = (1, 0, 0, 0, 1, 0)
CT, PET = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.128"
SERIES, STUDY, FRAME = "1.2.826.0.1.7.1", "1.2.826.0.1.7.2", "1.2.826.0.1.7.3"


def save_series(
    folder: Path,
    stored: np.ndarray,
    *,
    orientation: Sequence[float] = UPRIGHT,
    first: Sequence[float] = (-20.0, -30.0, 100.0),
    step: Sequence[float] | None = None,
    spacing: tuple[float, float] = (1.5, 0.75),
    slopes: Sequence[float] | float = 1,
    intercept: float = -1024,
    bits: int = 16,
    signed: bool = False,
    syntax: str = ExplicitVRLittleEndian,
    modality: str = "CT",
    **fields: Any,
) -> list[Path]:
    """Write values indexed (slice, row, column); slices lie ``step`` mm apart, by default 3 along the normal."""
    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(orientation[:3], orientation[3:])
    step = 3 * normal if step is None else np.asarray(step)
    by = np.broadcast_to(slopes, len(stored))
    paths = []
    for k, values in enumerate(stored):
        image = slice_of(values, bits, signed, modality)
        image.SOPInstanceUID, image.InstanceNumber = f"{SERIES}.{k + 1}", k + 1
        image.ImageOrientationPatient = [f"{x:.12g}" for x in orientation]
        image.ImagePositionPatient = [f"{x:.10g}" for x in np.asarray(first) + k * step]
        image.PixelSpacing = list(spacing)
        image.RescaleSlope, image.RescaleIntercept = f"{by[k]:.10g}", intercept
        for keyword, value in fields.items():
            setattr(image, keyword, value)
        paths.append(folder / f"{k:03}.dcm")
        save(image, paths[-1], syntax)
    return paths


def slice_of(values: np.ndarray, bits: int = 16, signed: bool = False, modality: str = "CT") -> Dataset:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.SOPClassUID, image.Modality = {"CT": CT, "PT": PET}[modality], modality
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = STUDY, SERIES, FRAME
    image.PatientID, image.PatientName, image.StudyID, image.Manufacturer = "P1", "P^1", "1", ""
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = values.shape
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, bits, bits - 1
    image.PixelRepresentation = int(signed)
    image.PixelData = values.astype("<i2" if signed else "<u2").tobytes()
    image["PixelData"].VR = "OW"
    return image


def save(image: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> None:
    uid = UID(syntax)
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    if uid == ExplicitVRBigEndian:
        image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if uid.is_encapsulated else uid
    if uid.is_encapsulated:
        image.compress(uid, generate_instance_uid=False)
    implicit, little = uid == ImplicitVRLittleEndian, uid != ExplicitVRBigEndian
    image.save_as(path, implicit_vr=implicit, little_endian=little, enforce_file_format=True)


def edit(path: Path, **fields: Any) -> None:
    """Set elements of a file; ``None`` takes one out."""
    image = pydicom.dcmread(path)
    for keyword, value in fields.items():
        if value is None:
            del image[keyword]
        else:
            setattr(image, keyword, value)
    image.save_as(path)
