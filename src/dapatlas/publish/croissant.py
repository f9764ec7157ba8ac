"""Croissant: the data set's files and columns for machines (https://docs.mlcommons.org/croissant)."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path
from typing import Any

from dapatlas.dataset.dataset import LABELS
from dapatlas.errors import DapatlasError
from dapatlas.extras import needed
from dapatlas.files import whole_file
from dapatlas.labels import LabelScheme
from dapatlas.publish.atlas_info import AtlasInfo
from dapatlas.publish.card import OTHER, hub_licence
from dapatlas.publish.card_summary import CardFacts, opening
from dapatlas.publish.table import DATA, TableFacts, sha256_of

CROISSANT = "croissant.json"
PREVIEW, STRUCTURES = "preview", "structures"  # its record sets
PARQUET, GZIP, JSON = "application/x-parquet", "application/gzip", "application/json"
TYPES = {"string": "TEXT", "int32": "INT32", "int64": "INT64", "float32": "FLOAT32", "float64": "FLOAT64"}


def croissant_text(info: AtlasInfo, facts: CardFacts, folder: Path) -> str:
    """Text of ``croissant.json``; the same for the same data set.

    Parquet files are listed one by one with their SHA-256, so is ``labels.json``; CTs and masks are file sets. The
    record sets are the preview table and the structures.

    Parameters
    ----------
    info, facts
        The fixed texts, and what was measured.
    folder
        The data set.

    Raises
    ------
    DapatlasError
        mlcroissant is not installed, or objects.
    """
    mlc = needed("mlcroissant", "hub", f"to write {CROISSANT}")
    with _quiet():
        metadata = mlc.Metadata(
            name=info.pretty_name,
            description=f"{_plain(opening(info, facts))} {_plain(info.description)}",
            license=_licences(info, facts),
            cite_as=info.citation or None,
            creators=[mlc.Person(name=name) for name in info.creators],
            date_published=datetime.combine(info.date_published, time()) if info.date_published else None,
            keywords=[*info.modality, *info.tags],
            url=info.url or None,
            version=info.version,
            distribution=_distribution(mlc, facts, folder),
            record_sets=[*_preview(mlc, facts.table), _structures(mlc, facts.scheme)],
        )
        _refuse(metadata.ctx.issues.errors)
        return json.dumps(metadata.to_json(), indent=1, ensure_ascii=False) + "\n"


def write_croissant(path: Path, text: str) -> None:
    """Write ``croissant.json``, whole or not at all, once mlcroissant has read it without objections.

    Raises
    ------
    DapatlasError
        mlcroissant objects.
    """
    mlc = needed("mlcroissant", "hub", f"to check {path.name}")
    with whole_file(path) as scratch, _quiet():
        scratch.write_text(text, encoding="utf-8", newline="\n")
        try:
            _refuse(mlc.Dataset(jsonld=str(scratch)).metadata.ctx.issues.errors)
        except mlc.ValidationError as error:
            _refuse({str(error)})


def _licences(info: AtlasInfo, facts: CardFacts) -> list[str]:
    """Of the masks, and of the CTs where there are any."""
    known = hub_licence(info.mask_licence) != OTHER
    masks = f"https://spdx.org/licenses/{info.mask_licence}" if known else info.mask_licence
    return [masks, *([f"CTs: {info.ct_licence}"] if facts.dataset.cts and info.ct_licence else [])]


def _refuse(errors: set[str]) -> None:
    if errors:
        raise DapatlasError(
            f"{CROISSANT}: mlcroissant objects: {'; '.join(sorted(errors))}; look at atlas.toml"
        )


def _distribution(mlc: Any, facts: CardFacts, folder: Path) -> list[Any]:
    files = (
        [_file(mlc, file.path, PARQUET, file.size, file.sha256) for file in facts.table.files]
        if facts.table
        else []
    )
    labels = folder / LABELS
    if labels.is_file():
        files.append(_file(mlc, LABELS, JSON, labels.stat().st_size, sha256_of(labels)))
    sets = []
    if facts.table is not None:
        sets.append(_file_set(mlc, DATA, "the preview table", PARQUET, f"{DATA}/*.parquet"))
    if facts.dataset.cts:
        sets.append(_file_set(mlc, "images", "CTs in HU, NIfTI", GZIP, "images/*.nii.gz"))
    if facts.dataset.masks:
        sets.append(_file_set(mlc, "masks", "label maps, NIfTI; named as their CTs", GZIP, "masks/*.nii.gz"))
    return [*files, *sets]


def _file(mlc: Any, path: str, kind: str, size: int, sha256: str) -> Any:
    return mlc.FileObject(
        id=path,
        name=path.rpartition("/")[2],
        content_url=path,
        content_size=f"{size} B",
        encoding_formats=[kind],
        sha256=sha256,
    )


def _file_set(mlc: Any, name: str, description: str, kind: str, includes: str) -> Any:
    return mlc.FileSet(
        id=name, name=name, description=description, encoding_formats=[kind], includes=[includes]
    )


def _preview(mlc: Any, table: TableFacts | None) -> list[Any]:
    if table is None:
        return []
    fields = [_column(mlc, name, kind) for name, kind in table.features]
    key = f"{PREVIEW}/{table.features[0][0]}"
    return [
        mlc.RecordSet(
            id=PREVIEW, name=PREVIEW, description="A row a volume: its middle slice", key=[key], fields=fields
        )
    ]


def _column(mlc: Any, name: str, kind: str) -> Any:
    is_image = kind == "image"
    source = mlc.Source(
        file_set=DATA,
        extract=mlc.Extract(column=name),
        # an image is stored as its file's bytes and name
        transforms=[mlc.Transform(json_path="bytes")] if is_image else [],
    )
    type_name = "IMAGE_OBJECT" if is_image else TYPES.get(kind, "TEXT")
    return mlc.Field(
        id=f"{PREVIEW}/{name}", name=name, data_types=[getattr(mlc.DataType, type_name)], source=source
    )


def _structures(mlc: Any, scheme: LabelScheme) -> Any:
    """What the ids in masks mean."""
    types = {"id": mlc.DataType.INTEGER, "name": mlc.DataType.TEXT}
    return mlc.RecordSet(
        id=STRUCTURES,
        name=STRUCTURES,
        description="What the values of mask voxels mean",
        data_types=["sc:Enumeration"],
        key=[f"{STRUCTURES}/id"],
        fields=[
            mlc.Field(id=f"{STRUCTURES}/{name}", name=name, data_types=[kind]) for name, kind in types.items()
        ],
        data=[
            {f"{STRUCTURES}/id": structure.id, f"{STRUCTURES}/name": structure.name} for structure in scheme
        ],
    )


def _plain(markdown: str) -> str:
    return " ".join(markdown.replace("**", "").split())


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what is no concern of ours.

    rdflib, through which mlcroissant reads JSON-LD, calls a class of its own deprecated; mlcroissant logs that
    recommended properties are missing, which `atlas.toml` may leave out.
    """
    import logging

    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="ConjunctiveGraph is deprecated", category=DeprecationWarning
            )
            yield
    finally:
        logger.setLevel(level)
