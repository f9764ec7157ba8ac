"""One DICOM file, as far as ingest needs to know it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dapatlas.ingest.naming import case_id

Point = tuple[float, float, float]
Directions = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Image:
    """One file: what its header says. Text is empty, and a number ``None``, where it says nothing.

    Of the patient there is the pseudonymous PatientID, and what the tables of a data set tell; no name, no birth date.

    Attributes
    ----------
    folder, name
        Where it is.
    bytes
        Its size.
    modality, sop_class
        The kind of the image; ``sop_class`` is a UID.
    patient, study, series, frame_of_reference
        PatientID, StudyInstanceUID, SeriesInstanceUID, FrameOfReferenceUID.
    series_number, description
        Of the series.
    image_type
        Such as ``("ORIGINAL", "PRIMARY", "AXIAL")``.
    rows, columns, frames
        Size; 0 where there is none.
    positions
        Centre of the first pixel, mm, DICOM's world, one a frame; empty where the header does not say.
    orientations
        Direction cosines along a row and down a column: one for all frames, or one a frame, or none.
    pixel_spacing
        Mm between rows, and between columns.
    thickness_mm
        Of the slice.
    syntax
        UID of the transfer syntax.
    kernel, kvp, manufacturer, model
        How it was made; parts of a kernel's name are set apart by ``/``.
    sex, age_years, weight_kg
        Of the patient; sex is ``M``, ``F``, ``O`` or empty.
    corrections, units
        Of a PET: such as ``("ATTN", "DECY")``, and ``BQML``.
    refers_to
        SeriesInstanceUIDs that the file refers to, as a segmentation does.
    cut
        How the file is cut off within its pixels, in words; empty where it is whole.
    """

    folder: str
    name: str
    bytes: int
    modality: str = ""
    sop_class: str = ""
    patient: str = ""
    study: str = ""
    series: str = ""
    frame_of_reference: str = ""
    series_number: int | None = None
    description: str = ""
    image_type: tuple[str, ...] = ()
    rows: int = 0
    columns: int = 0
    frames: int = 1
    positions: tuple[Point, ...] = ()
    orientations: tuple[Directions, ...] = ()
    pixel_spacing: tuple[float, float] | None = None
    thickness_mm: float | None = None
    syntax: str = ""
    kernel: str = ""
    kvp: float | None = None
    manufacturer: str = ""
    model: str = ""
    sex: str = ""
    age_years: float | None = None
    weight_kg: float | None = None
    corrections: tuple[str, ...] = ()
    units: str = ""
    refers_to: tuple[str, ...] = ()
    cut: str = ""

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.folder, self.name)

    @property
    def case(self) -> str:
        """Id of the case that it belongs to; empty where the header does not tell."""
        return case_id(self.patient, self.study)
