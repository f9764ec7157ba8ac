"""What a data set's card says that cannot be measured: ``atlas.toml``."""

from __future__ import annotations

import tomllib
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from dapatlas.errors import DapatlasError
from dapatlas.table_faults import KEY_FAULTS, in_words

ATLAS_TOML = "atlas.toml"
OWN_TEXTS = ("dap",)  # label schemes whose atlas comes with its own texts

Text = Annotated[str, StringConstraints(strip_whitespace=True)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Source(BaseModel):
    """Something the data set was made from, and where it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Words
    url: Words


class AtlasInfo(BaseModel):
    """The fixed texts of a data set's card.

    Attributes
    ----------
    pretty_name, title
        Its name, and the card's heading (the name where there is none).
    coverage, body_part
        How much of the body the scans show, as an adjective and as a noun.
    description
        Where CTs and masks come from, in Markdown.
    mask_licence
        SPDX identifier.
    ct_licence
        In words; empty where there is nothing to say.
    ct_redistributable
        Whether it allows to give the CTs to others; false where nobody said so.
    modality, task_categories, language, tags
        As the Hugging Face Hub files it.
    url, version, date_published, creators
        For Croissant; ``version`` is major.minor.patch.
    notes
        What users must know, in Markdown.
    citation
        BibTeX.
    sources
        What it was made from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pretty_name: Words
    title: Text = ""
    coverage: Text = ""
    body_part: Text = ""
    description: Words
    mask_licence: Words
    ct_licence: Text = ""
    ct_redistributable: bool = False
    modality: tuple[Words, ...] = ("CT",)
    task_categories: tuple[Words, ...] = ("image-segmentation",)
    language: tuple[Words, ...] = ()
    tags: tuple[Words, ...] = ()
    url: Text = ""
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] = "1.0.0"
    date_published: date | None = None
    creators: tuple[Words, ...] = ()
    notes: tuple[Words, ...] = ()
    citation: Text = ""
    sources: tuple[Source, ...] = ()

    @property
    def heading(self) -> str:
        """The card's first line."""
        return self.title or self.pretty_name


def atlas_info(folder: Path, scheme: str) -> AtlasInfo:
    """The fixed texts of a data set: its ``atlas.toml``, else those that come with its label scheme.

    Parameters
    ----------
    folder
        The data set.
    scheme
        Name of its label scheme.

    Raises
    ------
    DapatlasError
        The file cannot be read or used, or there is none and the scheme comes without texts.
    """
    path = folder / ATLAS_TOML
    if path.is_file():
        return read_atlas_info(path)
    if scheme in OWN_TEXTS:
        return own_texts(scheme)
    raise DapatlasError(
        f"{path}: there is no such file, and nothing is known of the data sets of the scheme {scheme!r}: name, "
        f"licences and sources cannot be measured; write one with `dapatlas card {folder} --init` and fill it in"
    )


def read_atlas_info(path: Path) -> AtlasInfo:
    """Read an ``atlas.toml``.

    Raises
    ------
    DapatlasError
        It cannot be read, is no TOML, or a key is missing, unknown or of the wrong kind; the message names all of them.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DapatlasError(f"{path}: cannot be read as TOML: {error}") from None
    like = table.pop("like", None)
    if like is not None and like not in OWN_TEXTS:
        raise DapatlasError(f"{path}: like: expected one of {', '.join(OWN_TEXTS)}, found {like!r}")
    try:
        return AtlasInfo.model_validate({**(_own_table(like) if like else {}), **table})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {_fault(fault)}" for fault in error.errors())
        raise DapatlasError(f"{path}: {faults} (`dapatlas card --init` writes a commented example)") from None


def own_texts(scheme: str) -> AtlasInfo:
    """The texts that come with a label scheme, one of ``OWN_TEXTS``."""
    return AtlasInfo.model_validate(_own_table(scheme))


def atlas_toml_template() -> str:
    """A commented ``atlas.toml`` to fill in."""
    return _data("atlas.toml")


def _own_table(scheme: str) -> dict[str, Any]:
    return tomllib.loads(_data(f"{scheme}.toml"))


def _data(name: str) -> str:
    return resources.files("dapatlas.publish").joinpath("data", name).read_text("utf-8")


def _fault(fault: Any) -> str:
    if fault["type"] == "string_too_short":
        return "fill it in"
    found = "" if fault["type"] in KEY_FAULTS else f", found {fault['input']!r}"
    return in_words(fault, AtlasInfo) + found
