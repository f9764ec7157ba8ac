"""What a dataset card says of the Parquet files in ``data/``: columns, rows and sizes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from dapatlas.errors import BadFileError
from dapatlas.extras import needed

DATA = "data"
FIRST_SPLITS = ("train", "validation", "test")  # in this order, others after them by name
BLOCK_BYTES = 1 << 20
POOLED_ROWS = 100  # of a table with images, in `datasets`


@dataclass(frozen=True, slots=True)
class TableFile:
    """One Parquet file.

    Attributes
    ----------
    path
        Within the data set, with slashes.
    size
        Bytes on disk.
    sha256
        Of its content, in hexadecimal.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TableSplit:
    """The files of one split together: its name, its size in memory as Arrow, and its rows."""

    name: str
    num_bytes: int
    num_examples: int


@dataclass(frozen=True, slots=True)
class TableFacts:
    """The preview table.

    Attributes
    ----------
    features
        Name and type of each column, as a dataset card spells them.
    splits, files
        In order.
    """

    features: tuple[tuple[str, str], ...]
    splits: tuple[TableSplit, ...]
    files: tuple[TableFile, ...]

    @property
    def dataset_size(self) -> int:
        """Size in memory of all splits."""
        return sum(split.num_bytes for split in self.splits)

    @property
    def download_size(self) -> int:
        """Bytes on disk of all files."""
        return sum(file.size for file in self.files)

    @property
    def examples(self) -> int:
        """Rows of all splits."""
        return sum(split.num_examples for split in self.splits)


def table_facts(folder: Path) -> TableFacts | None:
    """Measure the Parquet files in ``data/`` of a data set; ``None`` where there are none.

    Files are read batch by batch. A split's name is what stands before the first ``-`` of a file's, as in
    ``train-00000-of-00001.parquet``. Sizes are what ``datasets.load_dataset`` says of the same files.

    Raises
    ------
    BadFileError
        A file is no Parquet, has another name than ``<split>-<number>.parquet``, or other columns than the first.
    DapatlasError
        pyarrow is not installed.
    """
    paths = sorted((folder / DATA).glob("*.parquet"), key=_order)
    if not paths:
        return None
    by_split: dict[str, list[Path]] = {}
    for path in paths:
        by_split.setdefault(_split_of(path), []).append(path)
    features = _same_features(paths)
    splits = tuple(_measure(split, theirs) for split, theirs in by_split.items())
    files = (
        TableFile(path.relative_to(folder).as_posix(), path.stat().st_size, sha256_of(path)) for path in paths
    )
    return TableFacts(features, splits, tuple(files))


def _order(path: Path) -> tuple[int, str]:
    split = _split_of(path)
    return FIRST_SPLITS.index(split) if split in FIRST_SPLITS else len(FIRST_SPLITS), path.name


def _split_of(path: Path) -> str:
    split, dash, _ = path.name.partition("-")
    if not (split and dash):
        raise BadFileError(
            f"{path}: expected a name such as train-00000-of-00001.parquet, so that the Hub knows the split; rename it"
        )
    return split


def _same_features(paths: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    """The columns that all files have."""
    first, *others = (_features(_fragment(path).physical_schema) for path in paths)
    for path, features in zip(paths[1:], others, strict=True):
        if features != first:
            raise BadFileError(
                f"{path}: columns {_named(features)}; expected those of {paths[0].name}, {_named(first)}; "
                "remove it, and run `dapatlas preview`"
            )
    return first


def _measure(split: str, paths: Sequence[Path]) -> TableSplit:
    """Sum up the Arrow buffers of a split as `datasets` does, which writes them batch by batch.

    A batch is a row group, or as much of one as the first has rows. Batches of a single row are gathered up to the
    next longer one, :data:`POOLED_ROWS` at most: together they take fewer bytes than alone.
    """
    arrow = needed("pyarrow", "hub", "to read the preview table")
    num_bytes = num_examples = 0
    pool: list[Any] = []

    def pooled_bytes() -> int:
        size = int(arrow.Table.from_batches(pool).combine_chunks().nbytes) if pool else 0
        pool.clear()
        return size

    for batch in chain.from_iterable(map(_batches, paths)):
        num_examples += batch.num_rows
        if batch.num_rows == 1:
            pool.append(batch)
            num_bytes += pooled_bytes() if len(pool) == POOLED_ROWS else 0
        else:
            num_bytes += pooled_bytes() + batch.nbytes
    return TableSplit(split, num_bytes + pooled_bytes(), num_examples)


def _batches(path: Path) -> Iterator[Any]:
    fragment = _fragment(path)
    if fragment.row_groups:
        yield from fragment.to_batches(batch_size=fragment.row_groups[0].num_rows, batch_readahead=0)


def _fragment(path: Path) -> Any:
    """A Parquet file, its footer read."""
    arrow, datasets, files = (
        needed(module, "hub", f"to read {path.name}")
        for module in ("pyarrow", "pyarrow.dataset", "pyarrow.fs")
    )
    try:
        fragment = datasets.ParquetFileFormat().make_fragment(str(path), files.LocalFileSystem())
        fragment.ensure_complete_metadata()
    except (arrow.ArrowException, OSError) as error:
        raise BadFileError(
            f"{path}: cannot be read as Parquet ({error}); run `dapatlas preview` again"
        ) from None
    return fragment


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal; read block by block."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _features(schema: Any) -> tuple[tuple[str, str], ...]:
    """Columns as a card spells them: what `datasets` wrote beside the schema goes before Arrow's own types."""
    noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    return tuple((field.name, _type_of(field, noted.get(field.name, {}))) for field in schema)


def _type_of(field: Any, noted: dict[str, Any]) -> str:
    if noted.get("_type") == "Value":
        return str(noted["dtype"])
    if "_type" in noted:
        return str(noted["_type"]).lower()
    names = {inner.name for inner in field.type} if str(field.type).startswith("struct") else set()
    return "image" if names == {"bytes", "path"} else str(field.type)


def _named(features: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in features)
