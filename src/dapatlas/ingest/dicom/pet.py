"""A PET series in DICOM as SUV in NIfTI, on the PET's own grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.convert import ORIENTATION, read_headers, stack_of
from dapatlas.ingest.dicom.pixels import float_volume
from dapatlas.ingest.dicom.suv import PetFacts, parse_datetime, suv_factor
from dapatlas.ingest.fault import IngestError
from dapatlas.volumes import Grid, read_grid, reorient, write_volume

GE_GROUP, GE_CREATOR, GE_SCAN = 0x0009, "GEMS_PETD_01", 0x0D
PHILIPS_GROUP, PHILIPS_CREATOR = 0x7053, "Philips PET Private Group"
PHILIPS_SUV, PHILIPS_ACTIVITY = 0x00, 0x09
ALIKE = ("Units", "DecayCorrection", "PatientWeight", "SeriesDate", "SeriesTime")  # in all slices of a series
LIKELY_MOST = (1.0, 5000.0)  # g/ml: where the highest SUV lies, unless weight, dose or times are far off


@dataclass(frozen=True, slots=True, eq=False)
class SuvWritten:
    """What came of a PET.

    Attributes
    ----------
    grid
        Of the file.
    factor
        SUV of one rescaled unit of the series.
    facts
        What the factor was worked out from.
    most
        Highest SUV, g/ml.
    """

    grid: Grid
    factor: float
    facts: PetFacts
    most: float

    @property
    def doubt(self) -> str:
        """Why the values can hardly be right, in words; empty where they can."""
        low, high = LIKELY_MOST
        if low <= self.most <= high:
            return ""
        return f"the highest SUV is {self.most:.3g} g/ml; expected {low:g} to {high:g}: check weight, dose and times"


def write_suv(files: Sequence[Path], target: Path) -> SuvWritten:
    """Write the slices of one PET series as SUV by body weight, float32, whole or not at all.

    Each slice is rescaled with its own slope. The grid is what dicom2nifti makes of the series with ``reorient=True``.

    Parameters
    ----------
    files
        Of one series, in any order.
    target
        Ends in ``.nii.gz`` or ``.nii``.

    Raises
    ------
    IngestError
        As :func:`dapatlas.ingest.dicom.convert.write_ct` and :func:`dapatlas.ingest.dicom.suv.suv_factor`.
    DapatlasError
        pydicom is not installed.
    """
    headers = read_headers(files, "PT")
    stack = stack_of(headers)
    facts = pet_facts(headers)
    factor = suv_factor(facts, headers[0][0].parent)
    volume = float_volume(stack, factor)
    array, grid = reorient(volume, stack.grid, ORIENTATION)
    write_volume(target, array, grid)
    return SuvWritten(read_grid(target), factor, facts, float(volume.max()))


def pet_facts(headers: Sequence[tuple[Path, Any]]) -> PetFacts:
    """What the headers of a series say that SUV needs.

    Raises
    ------
    IngestError
        They contradict each other.
    """
    first_path, first = headers[0]
    for keyword in ALIKE:
        said = {str(header.get(keyword)): path for path, header in headers}
        if len(said) > 1:
            raise IngestError(
                Code.MIXED_SERIES,
                f"{first_path.parent}: slices differ in {keyword}: {', '.join(sorted(said)[:3])}; "
                "expected one for the series: give each series its own folder",
            )
    drug: Any = next(iter(first.get("RadiopharmaceuticalInformationSequence") or ()), {})
    corrections = first.get("CorrectedImage") or ()
    acquired = [at for _, header in headers if (at := _moment(header, "Acquisition"))]
    return PetFacts(
        units=str(first.get("Units") or ""),
        decay_correction=str(first.get("DecayCorrection") or ""),
        corrections=(corrections,) if isinstance(corrections, str) else tuple(map(str, corrections)),
        weight_kg=_number(first.get("PatientWeight")),
        dose_bq=_number(drug.get("RadionuclideTotalDose")),
        half_life_s=_number(drug.get("RadionuclideHalfLife")),
        injected_at=str(drug.get("RadiopharmaceuticalStartDateTime") or ""),
        injected_time=str(drug.get("RadiopharmaceuticalStartTime") or ""),
        series_at=_moment(first, "Series"),
        acquired_at=min(acquired, default=None),
        ge_scan_at=parse_datetime(_private(first, GE_GROUP, GE_CREATOR, GE_SCAN)),
        philips_suv=_number(_private(first, PHILIPS_GROUP, PHILIPS_CREATOR, PHILIPS_SUV)),
        philips_activity=_number(_private(first, PHILIPS_GROUP, PHILIPS_CREATOR, PHILIPS_ACTIVITY)),
        suv_type=str(first.get("SUVType") or ""),
    )


def _moment(header: Any, event: str) -> datetime | None:
    """Date and time of an event, such as Series."""
    return parse_datetime(f"{header.get(f'{event}Date') or ''}{header.get(f'{event}Time') or ''}")


def _private(header: Any, group: int, creator: str, element: int) -> str:
    """A private element as text; empty where it is not there."""
    try:
        value = header.private_block(group, creator)[element].value
    except KeyError:
        return ""
    return value.decode("ascii", "ignore").strip(" \0") if isinstance(value, bytes) else str(value)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
