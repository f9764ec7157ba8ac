"""The preview table as Parquet files, as the Hugging Face viewer and ``datasets`` read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dapatlas.extras import needed
from dapatlas.files import whole_file
from dapatlas.publish.preview import PreviewRow
from dapatlas.publish.schema import PREVIEW_FEATURES

SPLIT = "train"  # the release has no official split: all cases form one pool
SHARD_NAME = re.compile(rf"{SPLIT}-\d{{5}}-of-\d{{5}}\.parquet")
ROWS_PER_GROUP = 100  # some 30 MB: the viewer fetches a group at a time

# PNGs do not get smaller, and the same rows must give the same bytes
PARQUET_OPTIONS: dict[str, Any] = {
    "compression": "none",
    "use_dictionary": False,
    "write_statistics": [name for name, dtype in PREVIEW_FEATURES if dtype != "image"],
    "write_page_index": True,
    "version": "2.6",
}


def arrow_schema() -> Any:
    """Columns of the preview table as pyarrow knows them, with the metadata by which ``datasets`` knows images."""
    pa = _arrow("pyarrow")
    types = {
        "string": pa.string(),
        "int32": pa.int32(),
        "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    }
    features = {
        name: {"_type": "Image"} if dtype == "image" else {"dtype": dtype, "_type": "Value"}
        for name, dtype in PREVIEW_FEATURES
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([(name, types[dtype]) for name, dtype in PREVIEW_FEATURES], metadata=metadata)


def write_row(path: Path, row: PreviewRow) -> None:
    """Write one row as a Parquet file of its own, whole or not at all."""
    pa, schema = _arrow("pyarrow"), arrow_schema()
    values = {
        name: {"bytes": value, "path": None} if isinstance(value, bytes) else value
        for name, value in asdict(row).items()
    }
    table = pa.Table.from_pylist([values], schema)
    with whole_file(path) as scratch:
        _arrow("pyarrow.parquet").write_table(table, scratch, **PARQUET_OPTIONS)


def plan_shards(sizes: Sequence[int], shard_bytes: int) -> list[range]:
    """Cut rows into runs of at most ``shard_bytes``, in order; a larger row is a run of its own.

    Parameters
    ----------
    sizes
        Bytes of each row.
    shard_bytes
        Most that a run may have.
    """
    runs, start, held = [], 0, 0
    for place, size in enumerate(sizes):
        if place > start and held + size > shard_bytes:
            runs.append(range(start, place))
            start, held = place, 0
        held += size
    return [*runs, range(start, len(sizes))] if sizes else []


def shard_name(number: int, count: int) -> str:
    """File name of a shard, as the Hub names them."""
    return f"{SPLIT}-{number:05d}-of-{count:05d}.parquet"


def write_shards(folder: Path, rows: Sequence[Path], shard_bytes: int) -> list[Path]:
    """Put rows together to shards and take away shards of earlier runs.

    A group of rows is in memory at a time. Every shard appears whole or not at all.

    Parameters
    ----------
    folder
        Where the shards go.
    rows
        Files of :func:`write_row`, in order.
    shard_bytes
        Most that a shard may have.

    Returns
    -------
    list
        The shards' paths, in order.
    """
    runs = plan_shards([path.stat().st_size for path in rows], shard_bytes)
    paths = []
    for number, run in enumerate(runs):
        path = folder / shard_name(number, len(runs))
        with whole_file(path) as scratch:
            _write_shard(scratch, rows[run.start : run.stop])
        paths.append(path)
    for stale in shards_of(folder):
        if stale not in paths:
            stale.unlink()
    return paths


def shards_of(folder: Path) -> Iterator[Path]:
    """Shards that lie in a folder, in name order."""
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if SHARD_NAME.fullmatch(path.name))


def _write_shard(path: Path, rows: Sequence[Path]) -> None:
    pa, pq = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    schema = arrow_schema()
    with pq.ParquetWriter(path, schema, **PARQUET_OPTIONS) as writer:
        for start in range(0, len(rows), ROWS_PER_GROUP):
            tables = [pq.ParquetFile(row).read() for row in rows[start : start + ROWS_PER_GROUP]]
            # one row group exactly, whatever chunks the rows came in
            writer.write_table(pa.concat_tables(tables).combine_chunks(), row_group_size=ROWS_PER_GROUP)


def _arrow(module: str) -> Any:
    return needed(module, "hub", "to write the preview table")
