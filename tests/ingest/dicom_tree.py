"""Makes a download of TCIA's FDG-PET-CT-Lesions in small: real slices, re-tagged, with faults planted on request.

    tree = make_tree(tmp_path / "download", [StudySpec(), StudySpec("PETCT_01140d52d8", "56839")])
    tree.root                                # give this to the ingest
    tree["AutoPET_0011f3deaf_00445"].ct      # its CT as made: folder, files, voxels in HU, affine

A :class:`StudySpec` has CT series, a PET and a lesion mask (SEG); faults are named in ``CtSpec.fault`` and
``StudySpec.faults``. :func:`planted_studies` gives a cohort and the code that each fault must be found by.
Slices come from the real series in DAPATLAS_SHARED, binned to 64×64; without it, from a drawn torso.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

COLLECTION = "FDG-PET-CT-Lesions"
SECRET_NAME, SECRET_BIRTH, SECRET_HOSPITAL = (
    "Muster^Erika",
    "19471103",
    "Klinikum Geheim",
)  # must come out nowhere
FIELD_MM = 500.0  # side of the square that slices show
CORNER_MM = (-250.0, -438.0)  # its corner, DICOM's x and y
TOP_MM = -766.5  # z of the highest slice
TILT_DEG = 12.0  # of the gantry, where tilted
UNEVEN = 1.4  # where uneven, the lower half of the slices is this much further apart
SYNTAXES = {
    "explicit": "1.2.840.10008.1.2.1",
    "implicit": "1.2.840.10008.1.2",
    "deflated": "1.2.840.10008.1.2.1.99",
    "rle": "1.2.840.10008.1.2.5",
    "jpeg2000": "1.2.840.10008.1.2.4.90",
    "jpegls": "1.2.840.10008.1.2.4.80",
}
CT_FAULTS = (
    "missing_slice",  # the middle one
    "duplicate_slice",  # one is there twice
    "uneven",
    "tilted",
    "mixed_sizes",  # the lowest third has half the matrix
    "mixed_orientations",  # one slice is coronal
    "single_slice",
    "truncated",  # the file of the middle slice ends within its pixels
    "truncated_header",  # … within its header
    "two_names",  # half of the files bear another patient's id, in the same series
    "no_position",  # one slice says nothing of where it lies
)
STUDY_FAULTS = (
    "pdf",  # a PDF lies among the slices of the CT
    "two_patients",  # three slices of another patient's CT lie in the folder of the CT
)


@dataclass(frozen=True, slots=True)
class CtSpec:
    """A CT series: ``step_mm`` from slice to slice, feet-wards from ``top_mm``; frame "own" for one of its own."""

    number: int = 2
    description: str = "CT Body 3.0"
    slices: int = 20
    size: int = 64  # rows and columns
    step_mm: float = 3.0
    top_mm: float = TOP_MM
    kernel: tuple[str, ...] = ("Br38f", "3")
    image_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI")
    frame: str = "shared"
    syntax: str = "explicit"  # a key of SYNTAXES
    enhanced: bool = False  # one multi-frame file
    fault: str = ""  # one of CT_FAULTS
    acquisition: int = 1


LOCALIZER = CtSpec(
    number=1,
    description="Topogram 0.6",
    slices=2,
    kernel=("T20f",),
    image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"),
)
LUNG = CtSpec(number=5, description="CT Lunge 3.0", slices=12, kernel=("Br60f", "3"))
REFORMATTED = CtSpec(
    number=7, description="Body coronal MPR", image_type=("DERIVED", "SECONDARY", "MPR", "COR")
)


@dataclass(frozen=True, slots=True)
class PetSpec:
    """A PET series. Activity is 2 kBq/ml in the body and 30 in a ball, as of the start of the scan."""

    number: int = 4
    description: str = "PET corr."
    slices: int = 12
    size: int = 32
    step_mm: float = 5.0
    top_mm: float = TOP_MM
    units: str = "BQML"
    decay: str = "START"
    corrected: tuple[str, ...] = ("NORM", "DTIM", "ATTN", "SCAT", "RADL", "DECY")
    dose_bq: float | None = 3.0e8
    half_life_s: float | None = 6586.2
    injected: str | None = "100000.00"  # time of day
    acquired: str = "110000.00"
    weight_kg: float | None = 75.0
    frame: str = "shared"


UNCORRECTED = PetSpec(
    number=3, description="PET uncorr.", corrected=("NORM", "DTIM", "RADL", "DECY"), units="BQML"
)


@dataclass(frozen=True, slots=True)
class StudySpec:
    """One visit of one patient; ``study5`` are the last digits of its StudyInstanceUID."""

    patient: str = "PETCT_0011f3deaf"
    study5: str = "00445"
    date: str = "20030323"
    description: str = "PET-CT Ganzkoerper  primaer mit KM"
    cts: tuple[CtSpec, ...] = (CtSpec(),)
    pets: tuple[PetSpec, ...] = ()
    seg: bool = False  # lesions on the first PET
    sex: str = "F"
    age: str = "063Y"
    manufacturer: str = "SIEMENS"
    kvp: float = 120.0
    faults: tuple[str, ...] = ()  # of STUDY_FAULTS
    salt: str = ""  # makes another study with the same last digits

    @property
    def uid(self) -> str:
        """Its StudyInstanceUID."""
        return f"1.2.826.0.1.3680043.8.498.1{_digits(self.patient, self.salt)}{self.study5}"

    @property
    def case(self) -> str:
        """The case that it must become."""
        return f"AutoPET_{self.patient.removeprefix('PETCT_')}_{self.study5}"


@dataclass(frozen=True, slots=True, eq=False)
class MadeSeries:
    """A series on disk. ``voxels`` is indexed (column, row, slice), feet to head, in HU or Bq/ml or 0 and 1.

    ``affine`` leads from there to NIfTI's world; both are those of the series without its fault.
    """

    uid: str
    folder: Path
    files: tuple[Path, ...]
    voxels: np.ndarray
    affine: np.ndarray


@dataclass(slots=True)
class MadeStudy:
    """A study on disk: its series by role ("CT", "PT", "SEG"), in the order of the spec."""

    spec: StudySpec
    cts: list[MadeSeries] = field(default_factory=list)
    pets: list[MadeSeries] = field(default_factory=list)
    segs: list[MadeSeries] = field(default_factory=list)

    @property
    def ct(self) -> MadeSeries:
        return self.cts[0]

    @property
    def pet(self) -> MadeSeries:
        return self.pets[0]

    @property
    def seg(self) -> MadeSeries:
        return self.segs[0]


@dataclass(frozen=True, slots=True)
class Tree:
    """A made download: ``root`` is the folder of the manifest, ``folder`` that of the collection."""

    root: Path
    folder: Path
    studies: tuple[MadeStudy, ...]

    def __getitem__(self, case: str) -> MadeStudy:
        return next(study for study in self.studies if study.spec.case == case)

    def __iter__(self) -> Iterator[MadeStudy]:
        return iter(self.studies)


def make_tree(root: Path, studies: Iterable[StudySpec] = (StudySpec(),), layout: str = "nested") -> Tree:
    """Write studies as the retriever leaves them: "nested", with folders for people, or "flat", by series UID."""
    folder = root / COLLECTION if layout == "nested" else root
    folder.mkdir(parents=True, exist_ok=True)
    (root / "metadata.csv").write_text("Series UID,Collection\n")
    (root / "manifest-1647440690095.tcia").write_text("downloadServerUrl=\n")
    (folder / "LICENSE").write_text("see the collection's page\n")
    return Tree(root, folder, tuple(_write_study(folder, spec, layout) for spec in studies))


def planted_studies(count: int = 40) -> tuple[list[StudySpec], dict[str, set[str]]]:
    """A cohort of ``count`` (24 or more) studies, and the codes that must be found, by case (the rest is sound).

    Subjects have one or two studies; every second has PET and lesions. A fault of ingest's ``not-dicom`` or
    ``several-ct`` leaves its study usable; all others of a case are errors.
    """
    whole = {"pets": (PetSpec(),), "seg": True}
    planted: list[tuple[Mapping[str, Any], set[str]]] = [
        ({"cts": (CtSpec(fault="missing_slice"),)}, {"missing-slices"}),
        ({"cts": (CtSpec(fault="duplicate_slice"),)}, {"duplicate-slices"}),
        ({"cts": (CtSpec(fault="uneven"),)}, {"uneven-slices"}),
        ({"cts": (CtSpec(fault="tilted"),)}, {"gantry-tilt"}),
        ({"cts": (CtSpec(fault="mixed_sizes"),)}, {"mixed-sizes"}),
        ({"cts": (CtSpec(fault="mixed_orientations"),)}, {"mixed-orientations"}),
        ({"cts": (CtSpec(fault="single_slice"),)}, {"single-slice"}),
        ({"cts": (CtSpec(fault="truncated"),)}, {"truncated-file"}),
        ({"cts": (CtSpec(fault="two_names"),)}, {"several-patients"}),
        ({"cts": (CtSpec(fault="no_position"),)}, {"missing-field"}),
        ({"cts": (), **whole}, {"no-ct"}),
        ({"cts": (LOCALIZER,)}, {"no-ct"}),
        ({"faults": ("two_patients",)}, {"several-patients"}),
        ({"faults": ("pdf",)}, {"not-dicom"}),
        ({"cts": (LUNG, CtSpec(), LOCALIZER), **whole}, {"several-ct"}),
    ]
    studies, expected = [], {}
    for number in range(count):
        changes, codes = planted[number] if number < len(planted) else ({}, set())
        if number >= len(planted) and number % 2:
            changes = whole
        subject = number if number < len(planted) else number // 2 + 1000  # the sound ones come in pairs
        spec = StudySpec(
            f"PETCT_{_digits('subject', str(subject), size=10)}",
            f"{7 * number + 91:05d}",
            date=f"2003{number % 12 + 1:02d}11",
            sex="FM"[subject % 2],
            age=f"{30 + subject % 50:03d}Y",
        )
        spec = replace(spec, **changes)
        studies.append(spec)
        if codes:
            expected[spec.case] = codes
    return studies, expected


def _digits(*words: str, size: int = 14) -> str:
    """Digits that depend on nothing but the words."""
    return str(int(hashlib.sha256("|".join(words).encode()).hexdigest(), 16))[:size]


def _uid(*words: str) -> str:
    return f"1.2.826.0.1.3680043.8.498.2{_digits(*words, size=24)}"


# ---------------------------------------------------------------------------------------------- pictures


@lru_cache
def hounsfield(size: int) -> np.ndarray:
    """Slices of a torso, int16 HU, indexed (slice, row, column), head to feet; 20 of them where they are real."""
    folder = Path(os.environ.get("DAPATLAS_SHARED", Path(__file__).parents[3] / "shared"))
    folder = folder / "data/totalsegmentator/dicom"
    return _real(folder, size) if folder.is_dir() else _drawn(size)


@lru_cache
def _decoded(folder: Path) -> np.ndarray:
    import pydicom

    images = sorted((pydicom.dcmread(path) for path in folder.iterdir()), key=lambda i: int(i.InstanceNumber))
    return np.array([i.pixel_array * float(i.RescaleSlope) + float(i.RescaleIntercept) for i in images])


def _real(folder: Path, size: int) -> np.ndarray:
    slices = _decoded(folder)
    by = slices.shape[1] // size
    means = slices.reshape(len(slices), size, by, size, by).mean(axis=(2, 4))
    return np.round(means).astype(np.int16)


def _drawn(size: int) -> np.ndarray:
    k, row, column = np.ogrid[:20, :size, :size]
    x, y = (column - size / 2) / (0.35 * size), (row - size / 2) / (0.25 * size)
    torso = np.where(x**2 + y**2 < 1, 40 + 3 * k, -1000)
    return np.where((x - 0.4) ** 2 + (y + 0.2) ** 2 < 0.05, 900 + k, torso).astype(np.int16)


def _slices(size: int, count: int) -> np.ndarray:
    """As many slices as wanted; no two are alike, for after every 20 the values differ by 1."""
    base = hounsfield(size)
    numbers = np.arange(count)
    again = (numbers // len(base))[:, None, None].astype(np.int16)
    return base[numbers % len(base)] + again


def _affine(size: int, step_mm: float, lowest_mm: float) -> np.ndarray:
    """From (column, row, slice), feet to head, to NIfTI's world, for upright slices."""
    pixel = FIELD_MM / size
    affine = np.diag([-pixel, -pixel, step_mm, 1.0])
    affine[:3, 3] = (-(CORNER_MM[0] + pixel / 2), -(CORNER_MM[1] + pixel / 2), lowest_mm)
    return affine


# ---------------------------------------------------------------------------------------------- studies


def _write_study(folder: Path, spec: StudySpec, layout: str) -> MadeStudy:
    made = MadeStudy(spec)
    for ct in spec.cts:
        images = _ct_series(spec, ct)
        voxels = _slices(ct.size, 1 if ct.fault == "single_slice" else ct.slices)
        at = _series_folder(folder, spec, ct.number, ct.description, images[0].SeriesInstanceUID, layout)
        files = _save(at, images, ct)
        affine = _affine(ct.size, ct.step_mm, ct.top_mm - (len(voxels) - 1) * ct.step_mm)
        made.cts.append(MadeSeries(images[0].SeriesInstanceUID, at, files, voxels[::-1].T, affine))
    for pet in spec.pets:
        made.pets.append(_write_pet(folder, spec, pet, layout))
    if spec.seg:
        made.segs.append(_write_seg(folder, spec, made.pet, layout))
    if "pdf" in spec.faults:
        (made.ct.folder / "report.pdf").write_bytes(b"%PDF-1.4\n" + b"%" * 400)
    if "two_patients" in spec.faults:
        other = replace(spec, patient="PETCT_ffffffffff", study5="99999")
        for place, image in enumerate(_ct_series(other, replace(spec.cts[0], fault=""))[:3]):
            _save_one(made.ct.folder / f"2-{place + 1:02d}.dcm", image, "explicit")
    return made


def _series_folder(
    folder: Path, spec: StudySpec, number: int, description: str, uid: str, layout: str
) -> Path:
    if layout == "flat":
        return folder / uid
    day = f"{spec.date[4:6]}-{spec.date[6:]}-{spec.date[:4]}"
    study = f"{day}-NA-{spec.description}-{spec.study5}"
    return folder / spec.patient / study / f"{number}.000000-{description}-{uid[-5:]}"


def _general(
    spec: StudySpec, modality: str, sop_class: str, series: str, number: int, description: str
) -> Any:
    """What images of all kinds say."""
    from pydicom.dataset import Dataset, FileMetaDataset

    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = SYNTAXES["explicit"]
    image.SpecificCharacterSet = "ISO_IR 100"
    image.SOPClassUID, image.Modality = sop_class, modality
    image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = spec.date
    image.StudyTime, image.SeriesTime, image.AcquisitionTime = "093000", "110000.00", "110000.00"
    image.ContentTime, image.AccessionNumber, image.StudyID = "110000.00", "", ""
    image.Manufacturer, image.ManufacturerModelName = spec.manufacturer, "Biograph mCT"
    image.InstitutionName, image.ReferringPhysicianName = SECRET_HOSPITAL, ""
    image.StudyDescription, image.SeriesDescription = spec.description, description
    image.PatientID, image.PatientName, image.PatientBirthDate = spec.patient, SECRET_NAME, SECRET_BIRTH
    image.PatientSex, image.PatientAge, image.PatientSize = spec.sex, spec.age, 1.7
    image.PatientPosition = "HFS"
    image.StudyInstanceUID, image.SeriesInstanceUID, image.SeriesNumber = spec.uid, series, number
    return image


def _place(
    image: Any, size: int, position: Iterable[float], orientation: Iterable[float] = (1, 0, 0, 0, 1, 0)
):
    image.Rows = image.Columns = size
    image.PixelSpacing = [FIELD_MM / size] * 2
    image.ImageOrientationPatient = [_decimal(x) for x in orientation]
    image.ImagePositionPatient = [_decimal(x) for x in position]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0


def _decimal(number: float) -> str:
    """A decimal string, which DICOM holds to 16 characters."""
    return f"{number:.10g}"[:16]


# ---------------------------------------------------------------------------------------------- CT


def _ct_series(spec: StudySpec, ct: CtSpec) -> list[Any]:
    """Its images, head to feet, with its fault unless that is one of files."""
    if ct.enhanced:
        return [_enhanced_ct(spec, ct)]
    series = _uid(spec.uid, "CT", str(ct.number))
    tilted = ct.fault == "tilted"
    voxels = _slices(ct.size, ct.slices)
    images = []
    for k in range(ct.slices):
        down = k * ct.step_mm
        if ct.fault == "uneven" and k > ct.slices // 2:
            down += (k - ct.slices // 2) * (UNEVEN - 1) * ct.step_mm
        angle = np.deg2rad(TILT_DEG if tilted else 0)
        image = _ct_image(spec, ct, series, k, voxels[k])
        _place(
            image,
            ct.size,
            _first_pixel(ct.size, ct.top_mm - down),
            (1, 0, 0, 0, np.cos(angle), np.sin(angle)),
        )
        image.GantryDetectorTilt = TILT_DEG if tilted else 0
        images.append(image)
    return _spoil(images, spec, ct)


def _first_pixel(size: int, z: float) -> tuple[float, float, float]:
    half = FIELD_MM / size / 2
    return CORNER_MM[0] + half, CORNER_MM[1] + half, z


def _ct_image(spec: StudySpec, ct: CtSpec, series: str, k: int, hu: np.ndarray) -> Any:
    image = _general(spec, "CT", "1.2.840.10008.5.1.4.1.1.2", series, ct.number, ct.description)
    image.SOPInstanceUID = f"{series}.{k + 1}"
    image.ImageType, image.AcquisitionNumber, image.InstanceNumber = (
        list(ct.image_type),
        ct.acquisition,
        k + 1,
    )
    image.SliceThickness, image.KVP, image.ConvolutionKernel = ct.step_mm, spec.kvp, list(ct.kernel)
    image.FrameOfReferenceUID = _frame(spec, ct.frame, ct.number)
    image.PositionReferenceIndicator, image.BodyPartExamined = "", "PARTIALBODY"
    image.ContrastBolusAgent = "APPLIED"
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = -1024, 1, "HU"
    image.PixelData = (hu + 1024).astype("<u2").tobytes()
    image["PixelData"].VR = "OW"
    return image


def _frame(spec: StudySpec, frame: str, number: int) -> str:
    return _uid(spec.uid, "frame", "" if frame == "shared" else f"{frame}{number}")


def _spoil(images: list[Any], spec: StudySpec, ct: CtSpec) -> list[Any]:
    middle = len(images) // 2
    if ct.fault == "missing_slice":
        del images[middle]
    elif ct.fault == "single_slice":
        del images[1:]
    elif ct.fault == "duplicate_slice":
        twin = _ct_image(
            spec, ct, images[0].SeriesInstanceUID, ct.slices, _slices(ct.size, ct.slices)[middle]
        )
        _place(twin, ct.size, images[middle].ImagePositionPatient)
        images.insert(middle, twin)
    elif ct.fault == "mixed_sizes":
        for image in images[2 * len(images) // 3 :]:
            _place(image, ct.size // 2, image.ImagePositionPatient)
            image.PixelData = bytes(ct.size * ct.size // 2)
    elif ct.fault == "mixed_orientations":
        images[middle].ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    elif ct.fault == "two_names":
        for image in images[middle:]:
            image.PatientID = "PETCT_ffffffffff"
    elif ct.fault == "no_position":
        del images[middle].ImagePositionPatient
    return images


def _enhanced_ct(spec: StudySpec, ct: CtSpec) -> Any:
    """All slices in one Enhanced CT file, with what differs between them in functional groups."""
    from pydicom.dataset import Dataset

    series = _uid(spec.uid, "CT", str(ct.number))
    voxels = _slices(ct.size, ct.slices)
    image = _ct_image(spec, ct, series, 0, voxels[0])
    image.SOPClassUID, image.NumberOfFrames = "1.2.840.10008.5.1.4.1.1.2.1", ct.slices
    _place(image, ct.size, (0, 0, 0))
    image.PixelData = (voxels + 1024).astype("<u2").tobytes()
    for keyword in ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "SliceThickness"):
        del image[keyword]
    for keyword in ("RescaleIntercept", "RescaleSlope", "RescaleType", "KVP", "ConvolutionKernel"):
        del image[keyword]
    shared = Dataset()
    shared.PixelMeasuresSequence = [_item(PixelSpacing=[FIELD_MM / ct.size] * 2, SliceThickness=ct.step_mm)]
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    shared.PixelValueTransformationSequence = [
        _item(RescaleIntercept=-1024, RescaleSlope=1, RescaleType="HU")
    ]
    shared.CTXRayDetailsSequence = [_item(KVP=spec.kvp)]
    shared.CTReconstructionSequence = [_item(ConvolutionKernel=list(ct.kernel))]
    image.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in range(ct.slices):
        position = [_decimal(x) for x in _first_pixel(ct.size, ct.top_mm - k * ct.step_mm)]
        frames.append(_item(PlanePositionSequence=[_item(ImagePositionPatient=position)]))
    image.PerFrameFunctionalGroupsSequence = frames
    return image


def _item(**elements: Any) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


# ---------------------------------------------------------------------------------------------- files


def _save(folder: Path, images: list[Any], ct: CtSpec | None = None) -> tuple[Path, ...]:
    digits = len(str(len(images)))
    files = [folder / f"1-{place + 1:0{digits}d}.dcm" for place in range(len(images))]
    for path, image in zip(files, images, strict=True):
        _save_one(path, image, ct.syntax if ct else "explicit")
    if ct and ct.fault.startswith("truncated"):
        cut = files[len(files) // 2]
        content = cut.read_bytes()
        lost = min(
            len(images[0].PixelData) // 2, len(content) // 3
        )  # a deflated file may be smaller than that half
        cut.write_bytes(content[: 300 if ct.fault == "truncated_header" else len(content) - lost])
    return tuple(files)


def _save_one(path: Path, image: Any, syntax: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    if syntax in ("rle", "jpeg2000", "jpegls"):
        image.compress(SYNTAXES[syntax], generate_instance_uid=False)
    else:
        image.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    image.save_as(path, enforce_file_format=True, **_encoding(syntax))


def _encoding(syntax: str) -> dict[str, bool]:
    return {"implicit_vr": syntax == "implicit", "little_endian": True}


# ---------------------------------------------------------------------------------------------- PET and lesions


def activity(size: int, count: int) -> np.ndarray:
    """Bq/ml, indexed (slice, row, column), head to feet: a body, and a hot ball in its middle."""
    body = _slices(size, count) > -300
    k, row, column = np.ogrid[:count, :size, :size]
    ball = ((k - count / 2) / (count / 5)) ** 2 + ((row - size / 2) ** 2 + (column - size / 2) ** 2) / 9 < 1
    return np.where(ball, 30000.0, np.where(body, 2000.0, 0.0))


def _pet_series(spec: StudySpec, pet: PetSpec) -> list[Any]:
    series = _uid(spec.uid, "PT", str(pet.number))
    images = []
    for k, plane in enumerate(activity(pet.size, pet.slices)):
        image = _general(spec, "PT", "1.2.840.10008.5.1.4.1.1.128", series, pet.number, pet.description)
        image.SOPInstanceUID, image.InstanceNumber, image.ImageIndex = f"{series}.{k + 1}", k + 1, k + 1
        _place(image, pet.size, _first_pixel(pet.size, pet.top_mm - k * pet.step_mm))
        slope = max(float(plane.max()), 1.0) / (20000 + 100 * k)  # every slice has its own
        image.PixelData = np.round(plane / slope).astype("<u2").tobytes()
        image["PixelData"].VR = "OW"
        image.RescaleIntercept, image.RescaleSlope = 0, _decimal(slope)
        image.ImageType, image.SliceThickness = ["ORIGINAL", "PRIMARY"], pet.step_mm
        image.FrameOfReferenceUID = _frame(spec, pet.frame, pet.number)
        image.PositionReferenceIndicator = ""
        image.SeriesTime = image.AcquisitionTime = pet.acquired
        _nuclear(image, pet)
        images.append(image)
    return images


def _nuclear(image: Any, pet: PetSpec) -> None:
    image.Units, image.DecayCorrection, image.CorrectedImage = pet.units, pet.decay, list(pet.corrected)
    image.SeriesType, image.CountsSource = ["WHOLE BODY", "IMAGE"], "EMISSION"
    image.NumberOfSlices, image.FrameReferenceTime, image.DecayFactor = pet.slices, 0, 1
    image.ActualFrameDuration = 120000
    if pet.weight_kg is not None:
        image.PatientWeight = pet.weight_kg
    drug = _item(Radiopharmaceutical="FDG -- fluorodeoxyglucose")
    if pet.injected is not None:
        drug.RadiopharmaceuticalStartTime = pet.injected
    if pet.dose_bq is not None:
        drug.RadionuclideTotalDose = pet.dose_bq
    if pet.half_life_s is not None:
        drug.RadionuclideHalfLife = pet.half_life_s
    image.RadiopharmaceuticalInformationSequence = [drug]


def _write_pet(folder: Path, spec: StudySpec, pet: PetSpec, layout: str) -> MadeSeries:
    images = _pet_series(spec, pet)
    uid = images[0].SeriesInstanceUID
    at = _series_folder(folder, spec, pet.number, pet.description, uid, layout)
    voxels = activity(pet.size, pet.slices)[::-1].T
    affine = _affine(pet.size, pet.step_mm, pet.top_mm - (pet.slices - 1) * pet.step_mm)
    return MadeSeries(uid, at, _save(at, images), voxels, affine)


def _write_seg(folder: Path, spec: StudySpec, pet: MadeSeries, layout: str) -> MadeSeries:
    """The hot ball as a binary segmentation of the PET, all frames kept."""
    import highdicom
    import pydicom
    from pydicom.sr.codedict import codes

    lesions = pet.voxels > 10000
    uid = _uid(spec.uid, "SEG")
    segment = highdicom.seg.SegmentDescription(
        1, "Lesion", codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Lesion, "MANUAL"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the ids of its own equipment that it would like to have
        file = highdicom.seg.Segmentation(
            [pydicom.dcmread(path) for path in pet.files],  # head to feet, as the masks below
            np.ascontiguousarray(lesions.T[::-1]).astype(np.uint8),
            "BINARY",
            [segment],
            uid,
            300,
            f"{uid}.1",
            1,
            "dapatlas",
            "dapatlas",
            "0",
            "0",
            series_description="Segmentation",
            omit_empty_frames=False,
        )
    at = _series_folder(folder, spec, 300, "Segmentation", uid, layout)
    at.mkdir(parents=True, exist_ok=True)
    path = at / "1-1.dcm"
    file.save_as(path)
    return MadeSeries(uid, at, (path,), lesions.astype(np.uint8), pet.affine)
