"""`dapatlas publish --approved-only`: a data set of the approved cases alone, so that nothing tells of the others.

It lies beside the data and is made of links: volumes are linked, rows of the preview table and cases of splits
filtered, card and Croissant file written anew, for their numbers are those of the cases that go out.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas.dataset import Dataset
from dapatlas.dataset.dataset import LABELS
from dapatlas.dataset.reports import REPORTS
from dapatlas.dataset.split_files import FOLDER as SPLITS
from dapatlas.dataset.split_files import FORMAT as OUR_SPLITS
from dapatlas.dataset.subjects import NAME_COLUMNS, SUBJECTS
from dapatlas.errors import DapatlasError
from dapatlas.extras import needed
from dapatlas.files import link_file, whole_file, write_json, write_text
from dapatlas.pipeline.carding import make_card
from dapatlas.pipeline.journal import FOLDER
from dapatlas.pipeline.reviewing import review_store, standing
from dapatlas.publish.atlas_info import ATLAS_TOML
from dapatlas.publish.card import CARD, foreign_files
from dapatlas.publish.croissant import CROISSANT
from dapatlas.publish.shards import PARQUET_OPTIONS, ROWS_PER_GROUP, shard_name
from dapatlas.publish.table import DATA
from dapatlas.publish.upload_plan import LeftOut

VIEW = Path(FOLDER) / "approved"
CASE_COLUMN = "sample_id"  # of the preview table

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Approval:
    """Which cases readers let go out.

    Attributes
    ----------
    approved
        Case id to SHA-256 of the map that was approved, with remarks or without.
    left_out
        How the others stand (``unread``, ``rejected``, ``stale`` …) to their ids.
    """

    approved: Mapping[str, str]
    left_out: Mapping[str, tuple[str, ...]]

    @property
    def words(self) -> str:
        """How many go out, how many not and why."""
        others = ", ".join(f"{len(cases)} {state}" for state, cases in self.left_out.items())
        total = len(self.approved) + sum(map(len, self.left_out.values()))
        return f"{len(self.approved)} of {total} cases are approved" + (
            f"; left out: {others}" if others else ""
        )

    def as_left_out(self, dataset: Dataset) -> tuple[LeftOut, ...]:
        """The maps that stay, as a plan tells of them."""
        return tuple(
            LeftOut(
                "masks", len(cases), sum(_bytes(dataset, case) for case in cases), f"not approved: {state}"
            )
            for state, cases in self.left_out.items()
        )

    def check(self, digests: Mapping[str, str]) -> None:
        """See that the maps that go out are those that were approved.

        Parameters
        ----------
        digests
            File name within the data set to SHA-256.

        Raises
        ------
        DapatlasError
            One has changed since.
        """
        allowed = set(self.approved.values())
        changed = [
            name for name, digest in digests.items() if name.startswith("masks/") and digest not in allowed
        ]
        if changed:
            raise DapatlasError(
                f"{', '.join(changed)}: changed while this ran, so that nobody has approved it as it is; run it again"
            )


def approval(dataset: Dataset, url: str | None = None) -> Approval:
    """Which cases are approved, by the review's own rules, of the maps as they are now.

    Parameters
    ----------
    dataset
        The data set.
    url
        Database of its review; that in the data set when ``None``.

    Raises
    ------
    DapatlasError
        There is no review, or no case is approved.
    """
    with review_store(dataset.path, url, new=False) as store:
        found = standing(dataset, store)
    approved, left_out = {}, defaultdict[str, list[str]](list)
    for case, outcome in found.progress.outcomes.items():
        if outcome.is_good:
            approved[case] = found.facts[case].map_sha256
        else:
            left_out[outcome.state.value].append(case)
    told = Approval(approved, {state: tuple(cases) for state, cases in sorted(left_out.items())})
    if not approved:
        raise DapatlasError(f"{dataset.path}: nothing to publish, for {told.words}")
    return told


def view_path(dataset: Path) -> Path:
    """Where the data set of approved cases lies; under its own name, which card and table go by."""
    real = dataset.resolve()
    return real / VIEW / real.name


def approved_view(
    dataset: Dataset, allowed: Approval, *, jobs: int | None = None, progress: Progress | None = None
) -> Dataset:
    """Make the data set of approved cases, or bring it up to date.

    Parameters
    ----------
    dataset
        All cases.
    allowed
        Which of them go out.
    jobs
        Worker processes that measure for the card; as many as processors when ``None``.
    progress
        Called with how many cases are measured, and of how many.

    Raises
    ------
    DapatlasError
        A card was written by hand, so that its numbers cannot be brought in line; a case cannot be measured; a table or
        split cannot be read.
    """
    root, view = dataset.path.resolve(), view_path(dataset.path)
    _refuse_foreign(root)
    _link_volumes(dataset, view, allowed.approved.keys())
    for name in (LABELS, ATLAS_TOML, REPORTS):
        _link_or_drop(view / name, root / name)
    _filter_subjects(
        root / SUBJECTS,
        view / SUBJECTS,
        {dataset[case].subject for case in allowed.approved} | set(allowed.approved),
    )
    others = {case for cases in allowed.left_out.values() for case in cases}
    _filter_splits(root / SPLITS, view / SPLITS, others, dataset)
    _filter_preview(root / DATA, view / DATA, allowed.approved.keys())
    made = Dataset(view, dataset.scheme)
    carded = make_card(made, jobs=jobs, force=True, progress=progress)
    if carded.failed:
        worst = carded.failed[0]
        raise DapatlasError(f"{worst.case}: cannot be measured for the card: {worst.error}")
    return made


def _refuse_foreign(root: Path) -> None:
    foreign = foreign_files(root / CARD, root / CROISSANT)
    if foreign:
        raise DapatlasError(
            f"{', '.join(map(str, foreign))}: not written by `dapatlas card`, or changed since, so that its numbers "
            "cannot be brought in line with the approved cases; move what you want to keep to atlas.toml, then run "
            f"`dapatlas card {root} --force`"
        )


def _link_volumes(dataset: Dataset, view: Path, cases: Set[str]) -> None:
    wanted = {}
    for case in map(dataset.__getitem__, sorted(cases)):
        for path in (case.image_path, case.mask_path):
            if path is not None:
                wanted[view / path.parent.name / path.name] = path.resolve()
    for folder in (view / "images", view / "masks"):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path not in wanted:
                path.unlink()
    for path, source in wanted.items():
        link_file(path, source)


def _link_or_drop(path: Path, source: Path) -> None:
    if source.exists():
        link_file(path, source)
    else:
        path.unlink(missing_ok=True)


def _filter_subjects(source: Path, target: Path, names: Set[str]) -> None:
    """The rows of the table whose subject or case goes out."""
    if not source.is_file():
        target.unlink(missing_ok=True)
        return
    rows = csv.DictReader(io.StringIO(source.read_text(encoding="utf-8-sig"), newline=""))
    columns = list(rows.fieldnames or ())
    keys = [name for name in columns if name.strip().lower() in NAME_COLUMNS]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(row for row in rows if any((row[key] or "").strip() in names for key in keys))
    write_text(target, text.getvalue())


def _filter_splits(source: Path, target: Path, others: Set[str], dataset: Dataset) -> None:
    """Every split without the cases that stay; which part a case is in does not change."""
    kept = {path.name for path in source.glob("*.json")} if source.is_dir() else set()
    for path in target.glob("*.json"):
        if path.name not in kept:
            path.unlink()
    for name in sorted(kept):
        try:
            value = json.loads((source / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DapatlasError(f"{source / name}: cannot be read as a split ({error})") from None
        value = _without(value, others)
        if isinstance(value, dict) and value.get("format") == OUR_SPLITS:
            cases = {case for fold in value["folds"] for part in fold.values() for case in part}
            value["cases"] = len(cases)
            value["subjects"] = len({dataset[case].subject if case in dataset else case for case in cases})
            value.pop("balance", None)  # of all cases; `dapatlas split` measures it
        write_json(target / name, value)


def _without(value: Any, others: Set[str]) -> Any:
    if isinstance(value, list):
        return [_without(item, others) for item in value if not (isinstance(item, str) and item in others)]
    if isinstance(value, dict):
        return {key: _without(item, others) for key, item in value.items() if key not in others}
    return value


def _filter_preview(source: Path, target: Path, cases: Set[str]) -> None:
    """The rows of the preview table that are of approved cases, in as many files as still have some."""
    paths = sorted(source.glob("*.parquet")) if source.is_dir() else []
    parquet = needed("pyarrow.parquet", "hub", "to filter the preview table")
    compute = needed("pyarrow.compute", "hub", "to filter the preview table")
    arrow = needed("pyarrow", "hub", "to filter the preview table")
    tables = []
    for path in paths:
        try:
            table = parquet.read_table(path)
            wanted = compute.is_in(table[CASE_COLUMN], value_set=arrow.array(sorted(cases), arrow.string()))
        except (KeyError, arrow.ArrowException) as error:
            raise DapatlasError(f"{path}: is no preview table ({error}); run `dapatlas preview`") from None
        tables.append(table.filter(wanted))
    full = [table for table in tables if table.num_rows]
    names = [shard_name(number, len(full)) for number in range(len(full))]
    for path in target.glob("*.parquet"):
        if path.name not in names:
            path.unlink()
    for name, table in zip(names, full, strict=True):
        with whole_file(target / name) as scratch:
            parquet.write_table(table, scratch, row_group_size=ROWS_PER_GROUP, **PARQUET_OPTIONS)


def _bytes(dataset: Dataset, case: str) -> int:
    path = dataset[case].mask_path
    return path.stat().st_size if path is not None and path.exists() else 0
