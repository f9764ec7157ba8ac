"""`dapatlas preview`: a row a case in worker processes, then the rows put together to Parquet shards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dapatlas.dataset import Case, Dataset
from dapatlas.errors import DapatlasError
from dapatlas.extras import needed
from dapatlas.files import write_json
from dapatlas.locations import hidden_folder, version_of
from dapatlas.pipeline.engine import Jobs
from dapatlas.pipeline.journal import fingerprint, open_journal
from dapatlas.pipeline.stage import Outcome, Progress, Work, run_stage
from dapatlas.publish.preview import preview_row
from dapatlas.publish.shards import PARQUET_OPTIONS, ROWS_PER_GROUP, shards_of, write_row, write_shards

STAGE = "preview"
DATA = "data"  # folder of the shards, as the dataset card names it
ROWS = "preview"  # folder of the rows that are ready, beside the journal
TABLE = "table.json"  # beside them: what the shards were made from
SHARD_MB = 500  # the Hub's own default


@dataclass(frozen=True, slots=True)
class Preview:
    """How a run of the preview ended.

    Attributes
    ----------
    cases
        One outcome a case, in name order; a failed one has no row.
    shards
        Parquet files of the table, in order; empty where no case has a row.
    rows
        How many cases are in them.
    written
        Whether this run wrote them; False where they were up to date.
    """

    cases: tuple[Outcome[None], ...]
    shards: tuple[Path, ...]
    rows: int
    written: bool

    @property
    def failed(self) -> tuple[Outcome[None], ...]:
        """Cases without a row."""
        return tuple(case for case in self.cases if case.state == "failed")


def preview_dataset(
    dataset: Dataset,
    out: Path | None = None,
    *,
    shard_mb: float = SHARD_MB,
    jobs: Jobs = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Preview:
    """Write the preview table of a data set: ``<out>/data/train-*.parquet``.

    Rows that are up to date stay, and so do shards; a case that fails does not stop the others.

    Parameters
    ----------
    dataset
        Its cases, unpaired ones too: those fail by name.
    out
        Folder of the table, the data set's own when ``None``.
    shard_mb
        Most that a file may have, in MB (10⁶ bytes).
    jobs
        Worker processes, as many as processors when ``None``; or a schedule.
    force
        Make every row again.
    progress
        Called with how many cases are done, and of how many.

    Raises
    ------
    DapatlasError
        The data set has no case, pyarrow is not installed, or another run is at work on ``out``.
    """
    out = dataset.path if out is None else out
    cases = {case.id: case for case in (*dataset.cases, *dataset.unpaired)}
    if not cases:
        raise DapatlasError(
            f"{dataset.path}: no case in it; expected images/<case>.nii.gz and masks/<case>.nii.gz"
        )
    needed("pyarrow", "hub", "to write the preview table")  # at once, not once a case
    with open_journal(out) as journal:
        works = [_work(cases[case_id], out) for case_id in sorted(cases)]
        make = partial(_make, cases=cases)
        outcomes = run_stage(STAGE, works, make, journal, jobs=jobs, force=force, progress=progress)
        rows = [_row_path(out, outcome.case) for outcome in outcomes if outcome.stands]
        shards, written = _assemble(out, rows, int(shard_mb * 1e6))
    return Preview(tuple(outcomes), tuple(shards), len(rows), written)


def _row_path(out: Path, case_id: str) -> Path:
    return hidden_folder(out) / ROWS / f"{case_id}.parquet"


def _work(case: Case, out: Path) -> Work:
    # resolved: the same data set from another working directory is the same
    inputs = [path.resolve() for path in (case.image_path, case.mask_path) if path is not None]
    colours = case.scheme.palette().tobytes().hex()
    return Work(case.id, tuple(inputs), (_row_path(out, case.id),), [case.scheme.name, colours])


def _make(work: Work, cases: dict[str, Case]) -> None:
    """In a worker: preview one case and keep its row."""
    write_row(work.outputs[0], preview_row(cases[work.case]))


def _assemble(out: Path, rows: Sequence[Path], shard_bytes: int) -> tuple[list[Path], bool]:
    """Put rows together to shards, unless those that are there came from the same rows; say whether it was done."""
    folder, record = out / DATA, hidden_folder(out) / ROWS / TABLE
    if not rows:
        return [], False
    source = _source(rows, shard_bytes)
    if record.is_file() and json.loads(record.read_text(encoding="utf-8")) == _record(source, folder):
        return list(shards_of(folder)), False
    record.unlink(missing_ok=True)  # from here on the table is unfinished
    shards = write_shards(folder, rows, shard_bytes)
    write_json(record, _record(source, folder))
    return shards, True


def _source(rows: Sequence[Path], shard_bytes: int) -> str:
    arrow = needed("pyarrow", "hub", "to write the preview table").__version__
    settings = [shard_bytes, ROWS_PER_GROUP, PARQUET_OPTIONS, arrow]
    return fingerprint([row.resolve() for row in rows], settings)


def _record(source: str, folder: Path) -> dict[str, Any]:
    """What the shards came from, and size and time of each, which tell if anyone changed them since."""
    return {"source": source, "shards": {path.name: version_of(path) for path in shards_of(folder)}}
