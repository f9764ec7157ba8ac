"""Series of DICOM images: of which kind they are, and what is wrong with them."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from dapatlas.findings import Finding
from dapatlas.formats.dicom_stack import Stack, stack_of
from dapatlas.ingest.codes import Code, finding
from dapatlas.ingest.dicom.flaws import CODE_OF
from dapatlas.ingest.dicom.image import Directions, Image, Point
from dapatlas.ingest.naming import case_id

MIN_SLICES = 4  # dicom2nifti, with which the published CTs were made, takes fewer for no volume either
UID = "1.2.840.10008.5.1.4.1.1."  # of storage classes, PS3.4 annex B.5
CT_CLASSES = frozenset({UID + "2", UID + "2.1", UID + "2.2"})  # single slices, enhanced, enhanced legacy
PET_CLASSES = frozenset({UID + "128", UID + "130", UID + "128.1"})
SEG_CLASSES = frozenset({UID + "66.4", UID + "66.7"})  # segmentations, label maps
CAPTURES, REPORTS = UID + "7", UID + "88"  # secondary captures; structured reports, those of dose among them
SYNTAXES = frozenset(  # compressions of images that decoders exist for, and none, PS3.6 annex A
    {
        *("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"),
        "1.2.840.10008.1.2.5",  # RLE
        *(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70)),  # JPEG
        *(f"1.2.840.10008.1.2.4.{number}" for number in (80, 81)),  # JPEG-LS
        # JPEG 2000, also of high throughput
        *(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203)),
    }
)
REFORMATTED = frozenset(
    {"MPR", "CSA MPR", "CPR", "MIP", "MINIP", "MIN_IP", "PROJECTION IMAGE", "REFORMATTED", "VRT"}
)
_NEEDED: tuple[tuple[str, Callable[[Image], Any]], ...] = (
    ("ImagePositionPatient", lambda image: len(image.positions) == image.frames),
    ("ImageOrientationPatient", lambda image: len(image.orientations) in (1, image.frames)),
    ("PixelSpacing", lambda image: image.pixel_spacing),
    ("Rows", lambda image: image.rows),
    ("Columns", lambda image: image.columns),
)


class Kind(StrEnum):
    """What a series is."""

    CT = "CT"
    PET = "PT"
    SEG = "SEG"
    LOCALIZER = "localizer"
    DERIVED = "derived"  # reformatted, projected, or otherwise not as the scanner reconstructed it
    CAPTURE = "secondary capture"
    REPORT = "report"
    OTHER = "other"


@dataclass(frozen=True, eq=False)
class Series:
    """The images of one SeriesInstanceUID; where they have none, of one folder.

    Attributes
    ----------
    uid
        Empty where the images have none.
    kind
        Of most of them.
    images
        In the order of their paths.
    neighbours
        Of other patients' series with files in the same folders: PatientID and number of files.
    """

    uid: str
    kind: Kind
    images: tuple[Image, ...]
    neighbours: tuple[tuple[str, int], ...] = ()

    @cached_property
    def patient(self) -> str:
        """PatientID of most images."""
        return Counter(image.patient for image in self.images).most_common(1)[0][0]

    @cached_property
    def study(self) -> str:
        """StudyInstanceUID of most images."""
        return Counter(image.study for image in self.images).most_common(1)[0][0]

    @property
    def case(self) -> str:
        """Id of the case that it belongs to; empty where the headers do not tell."""
        return case_id(self.patient, self.study)

    @property
    def first(self) -> Image:
        """The first image, which speaks for all where they do not differ."""
        return self.images[0]

    @property
    def number(self) -> int | None:
        """SeriesNumber."""
        return self.first.series_number

    @property
    def files(self) -> tuple[Path, ...]:
        """Of all images."""
        return tuple(image.path for image in self.images)

    @cached_property
    def folder(self) -> Path:
        """The folder that all files lie in, or the nearest above."""
        return Path(os.path.commonpath([image.folder for image in self.images]))

    @property
    def slices(self) -> int:
        """Number of images, or of their frames."""
        return sum(image.frames for image in self.images)

    @cached_property
    def frames_of_reference(self) -> frozenset[str]:
        """UIDs of the coordinate systems that its positions are given in."""
        return frozenset(image.frame_of_reference for image in self.images if image.frame_of_reference)

    @cached_property
    def stack(self) -> Stack | None:
        """Its slices as a stack; ``None`` where a header says nothing of where they lie."""
        if any(not has(image) for image in self.images for _, has in _NEEDED):
            return None
        positions: list[Point] = []
        turned: list[Directions] = []
        sizes, spacings = [], []
        for image in self.images:
            positions += image.positions
            turned += image.orientations * (image.frames if len(image.orientations) == 1 else 1)
            sizes += [(image.rows, image.columns)] * image.frames
            spacings += [image.pixel_spacing or (0.0, 0.0)] * image.frames
        return stack_of(positions, turned, sizes, spacings, self.first.thickness_mm)

    @cached_property
    def extent_mm(self) -> tuple[float, float]:
        """Lowest and highest z that it shows, mm, DICOM's world: along the body of a patient who lies straight."""
        heights = [z for image in self.images for _, _, z in image.positions] or [0.0]
        half = abs(float(self.stack.step[2])) / 2 if self.stack is not None else 0.0
        return min(heights) - half, max(heights) + half

    def __str__(self) -> str:
        number = "without a number" if self.number is None else str(self.number)
        called = f' "{self.first.description}"' if self.first.description else ""
        return f"series {number}{called}"


def series_of(images: Iterable[Image]) -> tuple[Series, ...]:
    """Gather images into series, by their UID; of images without, those of one folder and modality are a series.

    Series come in the order of their first files.
    """
    groups: dict[tuple[str, ...], list[Image]] = defaultdict(list)
    for image in images:
        key = (image.series,) if image.series else ("", image.folder, image.modality)
        groups[key].append(image)
    made = [Series(key[0], _kind(group), tuple(group)) for key, group in groups.items()]
    in_folder: dict[str, Counter[str]] = defaultdict(Counter)
    for series in made:
        for image in series.images:
            in_folder[image.folder][series.patient] += 1
    return tuple(_with_neighbours(series, in_folder) for series in made)


def _with_neighbours(series: Series, in_folder: dict[str, Counter[str]]) -> Series:
    others: Counter[str] = Counter()
    for folder in {image.folder for image in series.images}:
        others += in_folder[folder]
    del others[series.patient]
    return Series(series.uid, series.kind, series.images, tuple(sorted(others.items()))) if others else series


def _kind(images: Sequence[Image]) -> Kind:
    return Counter(map(kind_of, images)).most_common(1)[0][0]


def kind_of(image: Image) -> Kind:
    """Kind of an image, by modality and SOP class; by modality alone where there is no class."""
    if image.sop_class.startswith(REPORTS) or image.modality == "SR":
        return Kind.REPORT
    if image.sop_class == CAPTURES or image.sop_class.startswith(f"{CAPTURES}."):
        return Kind.CAPTURE
    for modality, classes, kind in (
        ("CT", CT_CLASSES, Kind.CT),
        ("PT", PET_CLASSES, Kind.PET),
        ("SEG", SEG_CLASSES, Kind.SEG),
    ):
        if image.modality == modality and (not image.sop_class or image.sop_class in classes):
            return kind if kind is Kind.SEG else _of_scanner(kind, image)
    return Kind.OTHER


def _of_scanner(kind: Kind, image: Image) -> Kind:
    """A kind, unless ImageType (PS3.3 C.7.6.1.1.2) says that the image is for orientation, or was made of others."""
    said = [word.strip().upper() for word in image.image_type]
    if "LOCALIZER" in said:
        return Kind.LOCALIZER
    if said[:2] == ["DERIVED", "SECONDARY"] or REFORMATTED.intersection(said):
        return Kind.DERIVED
    return kind


def check_series(series: Series) -> list[Finding]:
    """What is wrong with a series; with an error it cannot be used.

    Several patients and files that are cut off are told of every kind of series; missing fields and faults of the stack
    of CT and PET alone.
    """
    findings = [*_patients(series), *_files(series)]
    if series.kind in (Kind.CT, Kind.PET):
        findings += _geometry(series)
    return findings


def _said(series: Series, code: Code, message: str, **details: Any) -> Finding:
    return finding(series.case, code, f"{series}: {message}", **{"file": str(series.folder), **details})


def _patients(series: Series) -> list[Finding]:
    found = []
    counts = Counter(image.patient for image in series.images)
    if len(counts) > 1:
        message = f"its files are of {len(counts)} patients: {_counted(counts.items())}, in {series.folder}"
        found.append(_said(series, Code.SEVERAL_PATIENTS, message))
    elif series.neighbours:
        message = (
            f"beside its {len(series.images)} files of {series.patient or 'a patient without id'}, "
            f"{series.folder} holds those of others: {_counted(series.neighbours)}"
        )
        found.append(_said(series, Code.SEVERAL_PATIENTS, message))
    return found


def _counted(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{patient or 'no id'} ({count} files)" for patient, count in counts)


def _files(series: Series) -> list[Finding]:
    found = []
    cut = [image for image in series.images if image.cut]
    if cut:
        message = (
            f"{len(cut)} of {len(series.images)} files are cut off, {cut[0].name} the first: {cut[0].cut}"
        )
        found.append(_said(series, Code.TRUNCATED_FILE, message, file=str(cut[0].path)))
    odd = sorted({image.syntax for image in series.images if image.syntax} - SYNTAXES)
    if odd and series.kind in (Kind.CT, Kind.PET, Kind.SEG):
        message = f"its pixels are compressed as {', '.join(odd)}"
        found.append(_said(series, Code.UNSUPPORTED_TRANSFER_SYNTAX, message))
    return found


def _geometry(series: Series) -> list[Finding]:
    lacking = {name: [i for i in series.images if not has(i)] for name, has in _NEEDED}
    lacking = {name: images for name, images in lacking.items() if images}
    if lacking:
        words = ", ".join(
            f"{name} ({len(images)} of {len(series.images)})" for name, images in lacking.items()
        )
        first = next(iter(lacking.values()))[0]
        return [_said(series, Code.MISSING_FIELD, f"files lack {words}", file=str(first.path))]
    assert series.stack is not None
    found = [_said(series, CODE_OF[fault.flaw], fault.message) for fault in series.stack.faults]
    if not found and series.slices < MIN_SLICES:
        message = f"it has {series.slices} slices, fewer than {MIN_SLICES}"
        found.append(_said(series, Code.TOO_SHORT, message))
    if len(series.frames_of_reference) > 1:
        message = f"its slices are given in {len(series.frames_of_reference)} frames of reference"
        found.append(_said(series, Code.MIXED_FRAMES, message))
    return found
