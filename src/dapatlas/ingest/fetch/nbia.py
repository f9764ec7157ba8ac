"""Collections on servers that run NBIA, as The Cancer Imaging Archive does: which series they have.

The REST API is documented in TCIA's "NBIA Search REST API Guide".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from dapatlas.ingest.fetch.sources import NbiaSource
from dapatlas.ingest.fetch.web import DownloadError, Opener, fetch_json, open_url
from dapatlas.ingest.naming import case_id, subject_of

UID = re.compile(r"[0-9]+(\.[0-9]+)+")


@dataclass(frozen=True, slots=True)
class Series:
    """One series, as the server lists it.

    Attributes
    ----------
    uid, study_uid, patient
        SeriesInstanceUID, StudyInstanceUID, PatientID.
    modality
        CT, PT, SEG, …
    images
        How many files it has; 0 where the server does not say.
    bytes
        Their size.
    licence
        As the server states it.
    """

    uid: str
    study_uid: str
    patient: str
    modality: str
    images: int
    bytes: int
    licence: str

    @property
    def case(self) -> str:
        """The case that its study becomes; empty where its ids make no name."""
        return case_id(self.patient, self.study_uid)


def list_series(
    source: NbiaSource,
    modalities: Sequence[str] = (),
    subjects: Collection[str] = (),
    cases: Collection[str] = (),
    *,
    opener: Opener = open_url,
) -> tuple[Series, ...]:
    """Ask which series a collection has.

    Parameters
    ----------
    source
        Server and collection.
    modalities
        Such as CT and PT; the source's own by default.
    subjects
        Only of these, with or without the collection's prefix; of all where there are none.
    cases
        Only of studies that become these cases; of all where there are none.

    Returns
    -------
    tuple of Series
        By patient, study, modality and UID.

    Raises
    ------
    DownloadError
        The server cannot be reached, answers in another form, or has nothing of what was asked for.
    """
    wanted = {subject_of(subject) or subject for subject in subjects}
    found: dict[str, Series] = {}
    for modality in modalities or source.modalities:
        query = {"Collection": source.collection, "Modality": modality}
        answer = fetch_json(f"{source.api}/getSeries", query, opener=opener)
        found |= {series.uid: series for series in _parsed(answer or [], source)}
    chosen = [
        series
        for series in found.values()
        if (not wanted or subject_of(series.patient) in wanted) and (not cases or series.case in cases)
    ]
    missing = wanted - {subject_of(series.patient) for series in chosen}
    if missing or not chosen:
        who = f" of {', '.join(sorted(missing)[:8])}" if missing else ""
        kinds = ", ".join(modalities or source.modalities)
        raise DownloadError(
            f"{source.api}: the collection {source.collection!r} lists no {kinds} series{who}; see "
            "whether the names are right, and whether what you look for is open to everybody"
        )
    return tuple(
        sorted(chosen, key=lambda series: (series.patient, series.study_uid, series.modality, series.uid))
    )


def _parsed(answer: Any, source: NbiaSource) -> list[Series]:
    try:
        return [_series(row) for row in answer]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DownloadError(
            f"{source.api}/getSeries: the server's list cannot be used ({type(error).__name__}: {error}); expected "
            "rows with SeriesInstanceUID, StudyInstanceUID, PatientID and Modality"
        ) from None


def _series(row: Any) -> Series:
    uid = str(row["SeriesInstanceUID"])
    if not UID.fullmatch(uid):  # it becomes the name of a folder
        raise ValueError(f"{uid!r} is no UID")
    return Series(
        uid=uid,
        study_uid=str(row["StudyInstanceUID"]),
        patient=str(row["PatientID"]),
        modality=str(row["Modality"]),
        images=int(row.get("ImageCount") or 0),
        bytes=int(row.get("FileSize") or 0),
        licence=str(row.get("LicenseName") or ""),
    )
