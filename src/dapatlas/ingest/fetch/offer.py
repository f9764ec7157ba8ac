"""What a source has to offer of a part, once it is asked: files or series, their size, and the licences it states."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dapatlas.ingest.fetch.nbia import Series, list_series
from dapatlas.ingest.fetch.record import read_record
from dapatlas.ingest.fetch.sources import Part, SourceFile
from dapatlas.ingest.fetch.web import DownloadError, Opener, open_url

# as TCIA and InvenioRDM spell them out
_SHORT = {
    "creative commons attribution 4.0 international": "cc by 4.0",
    "creative commons attribution non commercial 4.0 international": "cc by-nc 4.0",
    "creative commons attribution-noncommercial 4.0 international": "cc by-nc 4.0",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be downloaded.

    Attributes
    ----------
    files
        Single files.
    series
        Series of a collection.
    licences
        As the source itself states them; empty where it does not.
    """

    files: tuple[SourceFile, ...] = ()
    series: tuple[Series, ...] = ()
    licences: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """How much it is, as far as anybody says."""
        files = sum(file.bytes or file.about_bytes or 0 for file in self.files)
        return files + sum(series.bytes for series in self.series)

    def licences_beyond(self, known: str) -> list[str]:
        """Licences that the source states, and that are not the one already known, by name or long name."""
        return [licence for licence in self.licences if not _is_the_same(licence, known)]


def offer_of(
    part: Part,
    *,
    modalities: Sequence[str] = (),
    subjects: Collection[str] = (),
    cases: Collection[str] = (),
    opener: Opener = open_url,
) -> Offer:
    """Ask the source of a part what it has; the network is not touched where the table of sources says it all.

    Parameters
    ----------
    part
        What is wanted.
    modalities, subjects, cases
        As for :func:`dapatlas.ingest.fetch.nbia.list_series`; for collections alone.
    opener
        Sends requests.

    Raises
    ------
    DownloadError
        The source cannot be reached, or the part must be fetched by hand; the message says how.
    """
    if part.nbia:
        series = list_series(part.nbia, modalities, subjects, cases, opener=opener)
        return Offer(series=series, licences=tuple(sorted({one.licence for one in series if one.licence})))
    if part.record:
        record = read_record(part.record, opener)
        return Offer(files=record.files, licences=record.licences)
    if part.is_by_hand:
        steps = "; ".join(part.by_hand)
        raise DownloadError(f"{part.name}: this must be fetched by hand from {part.page}: {steps}")
    return Offer(files=part.files)


def _is_the_same(licence: str, known: str) -> bool:
    name = licence.lower().removesuffix("license").strip()
    short, ours = _SHORT.get(name, name), known.lower()
    return ours == short or ours.startswith(f"{short} (")
