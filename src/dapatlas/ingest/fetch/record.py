"""Records in repositories that run InvenioRDM: what files they have, how large, with which checksums and rights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dapatlas.ingest.fetch.sources import RecordSource, SourceFile
from dapatlas.ingest.fetch.web import DownloadError, Opener, fetch_json, open_url


@dataclass(frozen=True, slots=True)
class Record:
    """What a record says of itself.

    Attributes
    ----------
    files
        Every file of it, with size and checksum as the repository has them.
    licences
        Names of its rights, as it states them.
    """

    files: tuple[SourceFile, ...]
    licences: tuple[str, ...]


def read_record(source: RecordSource, opener: Opener = open_url) -> Record:
    """Ask a repository about a record.

    Raises
    ------
    DownloadError
        It cannot be reached, or answers in another form.
    """
    answer = fetch_json(source.api, opener=opener)
    try:
        entries: Mapping[str, Any] = answer["files"]["entries"]
        found = tuple(_file(name, entry, source) for name, entry in sorted(entries.items()))
        licences = tuple(_licences(answer.get("metadata", {}).get("rights", [])))
    except (KeyError, TypeError, AttributeError, ValidationError) as error:
        raise DownloadError(
            f"{source.api}: expected a record of an InvenioRDM repository with files that are open; "
            f"its answer cannot be used ({type(error).__name__}: {str(error)[:120]})"
        ) from None
    if not found:
        raise DownloadError(f"{source.api}: the record has no files that are open")
    return Record(found, licences)


def _file(name: str, entry: Mapping[str, Any], source: RecordSource) -> SourceFile:
    kind, _, digest = str(entry.get("checksum", "")).partition(":")
    return SourceFile(
        name=name,
        url=entry["links"]["content"],
        found_in=source.api,
        bytes=entry["size"],
        md5=digest if kind == "md5" else "",
        sha256=digest if kind == "sha256" else "",
        checksum_from=source.api if digest else "",
    )


def _licences(rights: Any) -> Iterator[str]:
    for right in rights:
        title = right.get("title", {})
        yield (title.get("en") or next(iter(title.values()), "")) or str(right.get("id", "unnamed"))
