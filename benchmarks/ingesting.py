"""A CT's DICOM slices into a NIfTI volume, beside the two programs that people use for it."""

from __future__ import annotations

import multiprocessing
import warnings
from pathlib import Path
from typing import Any

from benchmarks.contest import Contest, Prepared
from benchmarks.files import deflate
from benchmarks.inputs import CT

SERIES = "series"
UID = "1.2.826.0.1.7"
CT_STORAGE, EXPLICIT_LITTLE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


def _slices(folder: Path) -> list[Path]:
    """The CT as a scanner sends it; made in a process of its own, so that its memory is not counted."""
    series = folder / SERIES
    if not series.exists():
        process = multiprocessing.get_context("spawn").Process(target=_write_series, args=(folder,))
        process.start()
        process.join()
        if process.exitcode != 0:
            raise RuntimeError("the DICOM series could not be made")
    return sorted(series.iterdir())


def _write_series(folder: Path) -> None:
    import numpy as np

    from dapatlas.volumes import read_volume

    volume = read_volume(folder / CT)
    towards = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.grid.affine  # DICOM counts to the left and to the back
    steps = volume.grid.spacing
    axes = [towards[:3, axis] / steps[axis] for axis in range(3)]
    scratch = folder / f".{SERIES}"
    scratch.mkdir(exist_ok=True)
    for k in range(volume.grid.shape[2]):
        image = _slice(np.ascontiguousarray(volume.array[:, :, k].T))
        image.ImageOrientationPatient = [f"{x:.10g}" for axis in axes[:2] for x in axis]
        image.ImagePositionPatient = [f"{x:.10g}" for x in (towards @ [0, 0, k, 1])[:3]]
        image.PixelSpacing = [f"{steps[1]:.10g}", f"{steps[0]:.10g}"]
        image.SliceThickness = f"{steps[2]:.10g}"
        image.InstanceNumber, image.SOPInstanceUID = k + 1, f"{UID}.4.{k + 1}"
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.save_as(scratch / f"{k:04}.dcm", enforce_file_format=True)
    scratch.rename(folder / SERIES)


def _slice(values: Any) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset

    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = EXPLICIT_LITTLE
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = CT_STORAGE
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = (
        f"{UID}.{n}" for n in (1, 2, 3)
    )
    image.Modality, image.PatientID, image.PatientName = "CT", "P1", "P^1"
    image.Rows, image.Columns = values.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.RescaleSlope, image.RescaleIntercept = 1, 0
    image.PixelData = values.astype("<i2").tobytes()
    image["PixelData"].VR = "OW"
    return image


def ours(folder: Path) -> Prepared:
    from dapatlas.ingest.dicom.convert import write_ct

    slices = _slices(folder)
    return lambda: write_ct(slices, folder / "ours-ingested.nii.gz")


def with_dicom2nifti(folder: Path) -> Prepared:
    from dicom2nifti import dicom_series_to_nifti

    warnings.simplefilter("ignore")
    _slices(folder)
    return lambda: dicom_series_to_nifti(
        str(folder / SERIES), str(folder / "dicom2nifti.nii.gz"), reorient_nifti=True
    )


def with_simple_itk(folder: Path) -> Prepared:
    import SimpleITK

    _slices(folder)

    def call() -> None:
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder / SERIES)))
        SimpleITK.WriteImage(reader.Execute(), str(folder / "itk.nii.gz"))

    return call


def read_and_deflate(folder: Path) -> Prepared:
    slices, squeeze = _slices(folder), deflate(CT, folder)

    def call() -> None:
        for path in slices:
            path.read_bytes()
        squeeze()

    return call


def contests() -> list[Contest]:
    """Rows of the table."""
    limit = read_and_deflate, "read, deflate, one thread"
    return [
        Contest("ingest a CT from DICOM", ours, with_dicom2nifti, "dicom2nifti", *limit),
        Contest("ingest a CT from DICOM, beside SimpleITK", ours, with_simple_itk, "SimpleITK", *limit),
    ]
