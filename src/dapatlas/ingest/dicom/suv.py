"""From activity in a PET to standardized uptake values by body weight (SUVbw).

SUVbw [g/ml] = activity [Bq/ml] × weight [g] / dose [Bq], where the dose is what is left of the injected one at the time
that the activity refers to. The formula is that of the EANM guideline (Boellaard et al., FDG PET/CT: EANM procedure
guidelines for tumour imaging: version 2.0, Eur J Nucl Med Mol Imaging 2015;42:328-354). Where its terms stand in DICOM,
the scale factors of Philips and the scan time of GE are in the vendor-neutral pseudocode of QIBA (qibawiki.rsna.org,
"Standardized Uptake Value (SUV)").

Which time the activity refers to is said by DecayCorrection (DICOM PS3.3, C.8.9.1 "PET Series Module"): ADMIN means
injection, so the dose is not decayed; START means the start of the scan. That is the series time, unless the series was
made after the scan began, as a reconstruction may be: then it is GE's private scan time, or else the time of the first
acquisition. AutoPET's own script takes the acquisition time of whichever file it meets first, so its SUV may differ by
the decay between two bed positions (1 % in 95 s for F-18).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from dapatlas.ingest.codes import Code
from dapatlas.ingest.fault import IngestError

BQML, GML, CNTS = "BQML", "GML", "CNTS"
START, ADMIN = "START", "ADMIN"
G_PER_KG = 1000
# Outside of these a number is in another unit: a weight in g, a dose in MBq or in kBq, a half life in days.
WEIGHT_KG = (1.0, 400.0)
DOSE_BQ = (1e6, 1e10)
HALF_LIFE_S = (30.0, 1e6)  # Rb-82 has 76 s, I-124 four days
MOST_HALF_LIVES = 10  # from injection to scan: no more than a thousandth of the dose would be left

_TIME = re.compile(r"(\d\d):?(\d\d)?:?(\d\d)?(\.\d+)?")


@dataclass(frozen=True, slots=True)
class PetFacts:
    """What SUV needs to know of a PET series; what its headers do not say is ``None`` or empty.

    Attributes
    ----------
    units
        BQML (Bq/ml), GML (SUV already) or CNTS (counts).
    decay_correction
        START or ADMIN; NONE cannot be used.
    corrections
        What was corrected, among it ATTN (attenuation) and DECY (decay).
    weight_kg, dose_bq, half_life_s
        Of patient, injection and nuclide.
    injected_at
        Date and time of injection, as YYYYMMDDHHMMSS.
    injected_time
        Its time of day, as HHMMSS.
    series_at, acquired_at
        When the series began by its own header, and the earliest acquisition in it.
    ge_scan_at
        Start of the scan, private to GE: (0009,100D), GEMS_PETD_01.
    philips_suv, philips_activity
        Scale factors private to Philips, from counts to SUV and to Bq/ml: (7053,1000) and (7053,1009).
    suv_type
        BW where values in GML are by body weight, as they are where it is empty.
    """

    units: str = ""
    decay_correction: str = ""
    corrections: tuple[str, ...] = ()
    weight_kg: float | None = None
    dose_bq: float | None = None
    half_life_s: float | None = None
    injected_at: str = ""
    injected_time: str = ""
    series_at: datetime | None = None
    acquired_at: datetime | None = None
    ge_scan_at: datetime | None = None
    philips_suv: float | None = None
    philips_activity: float | None = None
    suv_type: str = ""


def suv_factor(facts: PetFacts, name: object) -> float:
    """What rescaled values of a series must be multiplied with to be SUV by body weight, g/ml.

    Parameters
    ----------
    facts
        What its headers say.
    name
        Of the series, for errors.

    Raises
    ------
    IngestError
        A field is missing or in another unit, values are no activity, or it cannot be told what time they refer to.
    """
    if facts.units == GML:
        if facts.suv_type not in ("", "BW"):
            raise IngestError(
                Code.SUV_UNITS,
                f"{name}: its values are SUV of type {facts.suv_type} (0054,1006); expected BW",
            )
        return 1.0
    if facts.units not in (BQML, CNTS):
        raise IngestError(
            Code.SUV_UNITS,
            f"{name}: Units (0054,1001) are {facts.units or 'missing'}; expected BQML, GML, or CNTS of Philips",
        )
    _check_corrected(facts, name)
    to_activity = 1.0
    if facts.units == CNTS:
        if facts.philips_suv:
            return facts.philips_suv
        if not facts.philips_activity:
            raise IngestError(
                Code.SUV_UNITS,
                f"{name}: Units (0054,1001) are CNTS, and there is neither of the factors of Philips, (7053,1000) and "
                "(7053,1009), that would make SUV of counts; expected BQML: take the series in Bq/ml",
            )
        to_activity = facts.philips_activity
    weight = _within(facts.weight_kg, WEIGHT_KG, "PatientWeight (0010,1030)", "kg", name)
    dose = _within(facts.dose_bq, DOSE_BQ, "RadionuclideTotalDose (0018,1074)", "Bq", name)
    half_life = _within(facts.half_life_s, HALF_LIFE_S, "RadionuclideHalfLife (0018,1075)", "s", name)
    left = dose * 2 ** (-decay_time_s(facts, half_life, name) / half_life)
    return to_activity * weight * G_PER_KG / left


def decay_time_s(facts: PetFacts, half_life_s: float, name: object) -> float:
    """Seconds from injection to the time that the activity refers to; raises as :func:`suv_factor`.

    A date of injection that does not fit is left aside where there is a time of day: dates are shifted when names are
    taken out, and this one is forgotten at times. An injection by the clock after the scan was on the day before.
    """
    if facts.decay_correction == ADMIN:
        return 0.0
    if facts.decay_correction != START:
        raise IngestError(
            Code.SUV_DECAY,
            f"{name}: DecayCorrection (0054,1102) is {facts.decay_correction or 'missing'}; expected START or ADMIN: "
            "take a series that is corrected for decay",
        )
    reference = reference_time(facts, name)
    longest = MOST_HALF_LIVES * half_life_s
    at = parse_datetime(facts.injected_at)
    if at is not None and 0 <= (reference - at).total_seconds() <= longest:
        return (reference - at).total_seconds()
    time = parse_datetime(f"{reference:%Y%m%d}{facts.injected_time}") if facts.injected_time else None
    if at is None and time is None:
        raise _missing(
            "RadiopharmaceuticalStartDateTime (0018,1078) or RadiopharmaceuticalStartTime (0018,1072)", name
        )
    if time is None:
        raise _odd_times(facts.injected_at, reference, half_life_s, name)
    elapsed = (reference - time).total_seconds()
    elapsed += 86400 if elapsed < 0 else 0
    if elapsed > longest:
        raise _odd_times(facts.injected_time, reference, half_life_s, name)
    return elapsed


def reference_time(facts: PetFacts, name: object) -> datetime:
    """When the scan started that values corrected to START refer to; raises as :func:`suv_factor`."""
    series, acquired = facts.series_at, facts.acquired_at
    if series and (acquired is None or series <= acquired):
        return series
    start = facts.ge_scan_at or acquired or series
    if start is None:
        raise _missing(
            "SeriesDate (0008,0021) and SeriesTime (0008,0031), or those of the acquisition,", name
        )
    return start


def parse_datetime(text: str) -> datetime | None:
    """A date and time as DICOM writes them, YYYYMMDDHHMMSS.FFFFFF with what is behind the hour optional.

    An offset from UTC is left aside: all clocks of a scan are taken to be of one zone. ``None`` where it is none.
    """
    time = _TIME.match(text[8:])
    if time is None:
        return None
    hour, minute, second, part = (time.group(place) or "0" for place in range(1, 5))
    try:
        day = datetime.strptime(text[:8], "%Y%m%d")
        start = day.replace(hour=int(hour), minute=int(minute))
    except ValueError:
        return None
    return start + timedelta(seconds=float(second) + float(part))


def _check_corrected(facts: PetFacts, name: object) -> None:
    if not facts.corrections:
        raise _missing("CorrectedImage (0028,0051)", name)
    lacking = [word for word in ("ATTN", "DECY") if word not in facts.corrections]
    if lacking:
        raise IngestError(
            Code.SUV_UNCORRECTED,
            f"{name}: CorrectedImage (0028,0051) is {', '.join(facts.corrections)}, without {' and '.join(lacking)}; "
            "expected a series corrected for attenuation and decay: take that one",
        )


def _within(number: float | None, bounds: tuple[float, float], field: str, unit: str, name: object) -> float:
    """The number, if it can be what it should be."""
    if not number:
        raise _missing(field, name)
    low, high = bounds
    if not low <= number <= high:
        raise IngestError(
            Code.SUV_UNITS,
            f"{name}: {field} is {number:g}; expected {low:g} to {high:g} {unit}: is it in another unit?",
        )
    return number


def _missing(field: str, name: object) -> IngestError:
    return IngestError(
        Code.SUV_FIELD_MISSING,
        f"{name}: {field} is missing, empty or 0; SUV cannot be computed without: take the PET from the source",
    )


def _odd_times(injected: str, reference: datetime, half_life_s: float, name: object) -> IngestError:
    return IngestError(
        Code.SUV_FIELD_MISSING,
        f"{name}: injection at {injected} and scan at {reference:%H:%M:%S} do not go together with a half life of "
        f"{half_life_s:g} s; expected a scan within {MOST_HALF_LIVES} half lives: check "
        "RadiopharmaceuticalStartTime (0018,1072), SeriesTime (0008,0031) and RadionuclideHalfLife (0018,1075)",
    )
