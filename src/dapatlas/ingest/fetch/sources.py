"""Where each part of the atlas is to be had: addresses, licences, checksums, citations, in one data file."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from dapatlas.errors import BadFileError, DapatlasError, did_you_mean
from dapatlas.table_faults import in_words

OWN_TABLE = "the table that comes with dapatlas"


def _plain_name(name: str) -> str:
    if name != Path(name).name or "\\" in name or name.startswith("."):
        raise ValueError("expected the name of a file, without a folder")
    return name


Words = Annotated[str, Field(min_length=1)]
Address = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$")]
FileName = Annotated[Words, AfterValidator(_plain_name)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceFile(_Entry):
    """One file to download.

    Attributes
    ----------
    name
        What it is called here.
    url, found_in
        Where it is, and where that was found in print.
    bytes, about_bytes
        Published size, which is checked; else roughly how large it is.
    sha256, md5, checksum_from
        Published checksums, empty where there are none, and who published them.
    """

    name: FileName
    url: Address
    found_in: Words
    bytes: int | None = None
    about_bytes: int | None = None
    sha256: Annotated[str, Field(pattern=r"^([0-9a-fA-F]{64})?$")] = ""
    md5: Annotated[str, Field(pattern=r"^([0-9a-fA-F]{32})?$")] = ""
    checksum_from: str = ""


class RecordSource(_Entry):
    """A record in an InvenioRDM repository, which lists its own files, checksums and rights."""

    api: Address
    found_in: Words


class NbiaSource(_Entry):
    """A collection on a server that runs NBIA, as TCIA does.

    Attributes
    ----------
    api, found_in
        Address of its REST API up to the version, and where that was found in print.
    collection
        Its name.
    modalities
        What to fetch unless told otherwise.
    """

    api: Address
    found_in: Words
    collection: Words
    modalities: tuple[Words, ...] = ("CT",)


class Part(_Entry):
    """One part of the atlas.

    Attributes
    ----------
    name, title, holds, size
        What it is, and how large in words.
    licence, licence_url, licence_from
        Its licence, and who says so.
    page
        For people.
    files, record, nbia
        How to get it; none of them where it must be fetched by hand.
    by_hand
        What to do where there is no network, or no address.
    notes
        What one should know before.
    citation
        What to cite.
    next
        The command that takes it in; ``{dest}`` stands for where it is.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    title: Words
    holds: Words
    size: Words
    licence: Words
    licence_url: Address
    licence_from: Words
    page: Address
    citation: Words
    files: tuple[SourceFile, ...] = ()
    record: RecordSource | None = None
    nbia: NbiaSource | None = None
    by_hand: tuple[Words, ...] = ()
    notes: tuple[Words, ...] = ()
    next: str = ""

    @property
    def is_by_hand(self) -> bool:
        """Whether no program can fetch it."""
        return not (self.files or self.record or self.nbia)

    @property
    def how(self) -> str:
        """How it comes, in a few words."""
        if self.nbia:
            return "series by series, from NBIA"
        return "by hand" if self.is_by_hand else "one download"


class _Table(_Entry):
    parts: tuple[Part, ...]


def parts(table: Path | None = None) -> dict[str, Part]:
    """Every part by name, in the order of the table.

    Parameters
    ----------
    table
        A file in the form of ``ingest/data/sources.toml``, e.g. of mirrors; the one that comes along by default.

    Raises
    ------
    BadFileError
        It cannot be read, or is not in that form.
    """
    if table is None:
        return _own_parts()
    try:
        text = table.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFileError(f"{table}: cannot be read as text ({error})") from None
    return _parsed(text, str(table))


def part(name: str, table: Path | None = None) -> Part:
    """One part.

    Raises
    ------
    DapatlasError
        There is none of that name.
    BadFileError
        As :func:`parts`.
    """
    known = parts(table)
    if name in known:
        return known[name]
    raise DapatlasError(
        f"there is no part {name!r} to fetch, known are {', '.join(known)}{did_you_mean(name, known)}"
    )


@cache
def _own_parts() -> dict[str, Part]:
    text = files("dapatlas.ingest.fetch").joinpath("data/sources.toml").read_text(encoding="utf-8")
    return _parsed(text, OWN_TABLE)


def _parsed(text: str, where: str) -> dict[str, Part]:
    try:
        table = _Table.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadFileError(f"{where}: no TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(step) for step in first["loc"])
        raise BadFileError(
            f"{where}: {key}: {in_words(first, _Table)}; found {str(first['input'])[:80]!r}"
        ) from None
    named = {entry.name: entry for entry in table.parts}
    if len(named) < len(table.parts):
        raise BadFileError(f"{where}: two parts have one name; expected each once")
    return named
