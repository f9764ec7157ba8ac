"""Verdicts for those who count them: CSV, JSON and Parquet.

CSV and Parquet hold one table, made to be loaded at once: a row for every verdict, and a row for every mark, told apart
by the column ``row``. A mark's row repeats who said it of what, so that either kind of rows stands for itself.
JSON nests the marks in their verdicts.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from dapatlas import __version__
from dapatlas.errors import DapatlasError
from dapatlas.extras import needed
from dapatlas.files import whole_file
from dapatlas.review.case_index import CaseFacts
from dapatlas.review.outcome import is_stale, outcomes
from dapatlas.review.plan import Plan
from dapatlas.review.verdict import Mark, Verdict

Row = dict[str, Any]

# Name of each column, its type in Parquet, and what it holds.
COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("row", "string", "`verdict` or `mark`"),
    ("case", "string", "case id"),
    ("subject", "string", "who was scanned; empty where the case is no longer in the data set"),
    ("state", "string", "how the case stands: `unread`, `reading`, `disagreement`, `approved` …"),
    ("reader", "string", "who said it"),
    ("kind", "string", "`reading` or `adjudication`"),
    ("version", "int32", "how often it was saved"),
    ("stale", "bool", "whether the map has changed since"),
    ("decision", "string", "`approve`, `remarks`, `reject`; empty while there is none"),
    ("remarks", "string", "free text of the verdict; empty in rows of marks"),
    ("marks", "int32", "how many marks the verdict has"),
    ("mark", "int32", "number of the mark within its verdict, from 1"),
    ("structure", "string", "what is marked"),
    ("mark_kind", "string", "`missing`, `wrong_side`, `leaks`, `wrong_identity`, `misnumbered`"),
    ("note", "string", "the reader's words on the mark"),
    ("point_i", "int32", "a voxel that shows it, in the map's own axis order"),
    ("point_j", "int32", ""),
    ("point_k", "int32", ""),
    ("box_i_start", "int32", "a box about it; starts are within, stops are not"),
    ("box_i_stop", "int32", ""),
    ("box_j_start", "int32", ""),
    ("box_j_stop", "int32", ""),
    ("box_k_start", "int32", ""),
    ("box_k_stop", "int32", ""),
    ("map_sha256", "string", "of the map that was looked at"),
    ("created_at", "time", "when it was first saved, UTC"),
    ("saved_at", "time", "when it was last saved, UTC"),
)
NAMES = tuple(name for name, _, _ in COLUMNS)


class Format(StrEnum):
    """A kind of file."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSON: "application/json",
    Format.PARQUET: "application/vnd.apache.parquet",
}


@dataclass(frozen=True, slots=True)
class _Said:
    """A verdict and how it stands."""

    verdict: Verdict
    subject: str
    state: str
    stale: bool


def exported(form: Format, verdicts: Iterable[Verdict], facts: Mapping[str, CaseFacts], plan: Plan) -> bytes:
    """All verdicts as the bytes of a file, by case, then reader; the same for the same verdicts.

    Parameters
    ----------
    form
        Kind of file.
    verdicts
        All of them, stale ones too.
    facts
        What is known of the cases; a verdict on a case that is gone is stale.
    plan
        How many readings a case needs.

    Raises
    ------
    DapatlasError
        Parquet is asked for and pyarrow is not installed.
    """
    writers: dict[Format, Callable[[Sequence[_Said]], bytes]] = {
        Format.CSV: _csv,
        Format.JSON: _json,
        Format.PARQUET: _parquet,
    }
    return writers[form](_said(verdicts, facts, plan))


def write_export(
    path: Path, form: Format, verdicts: Iterable[Verdict], facts: Mapping[str, CaseFacts], plan: Plan
) -> None:
    """Write :func:`exported`, whole or not at all."""
    content = exported(form, verdicts, facts, plan)
    with whole_file(path) as scratch:
        scratch.write_bytes(content)


def format_of(path: Path) -> Format:
    """The kind of file that a name asks for.

    Raises
    ------
    DapatlasError
        Its suffix says none that is known.
    """
    try:
        return Format(path.suffix.lower().removeprefix("."))
    except ValueError:
        known = ", ".join(f".{each.value}" for each in Format)
        raise DapatlasError(
            f"{path}: cannot tell the kind of file from its name; end it in one of {known}, or give --format"
        ) from None


def _said(verdicts: Iterable[Verdict], facts: Mapping[str, CaseFacts], plan: Plan) -> list[_Said]:
    own = sorted(verdicts, key=lambda each: (each.case, each.kind.value != "reading", each.reader))
    states = outcomes(facts, own, plan)
    said = []
    for each in own:
        known = facts.get(each.case)
        subject, digest = (known.subject, known.map_sha256) if known else ("", "")
        state = states[each.case].state.value if known else ""
        said.append(_Said(each, subject, state, is_stale(each, digest)))
    return said


def table_rows(said: Sequence[_Said]) -> list[Row]:
    """The table: every column of :data:`COLUMNS` in every row, ``None`` where there is nothing."""
    rows = []
    for each in said:
        verdict = _of_verdict(each)
        rows.append(verdict)
        for number, mark in enumerate(each.verdict.content.marks, 1):
            rows.append({**verdict, "row": "mark", "remarks": "", **_of_mark(number, mark)})
    return rows


def _of_verdict(said: _Said) -> Row:
    verdict, content = said.verdict, said.verdict.content
    known = {
        "row": "verdict",
        "case": verdict.case,
        "subject": said.subject,
        "state": said.state,
        "reader": verdict.reader,
        "kind": verdict.kind.value,
        "version": verdict.version,
        "stale": said.stale,
        "decision": None if content.decision is None else content.decision.value,
        "remarks": content.remarks,
        "marks": len(content.marks),
        "map_sha256": verdict.map_sha256,
        "created_at": verdict.created_at,
        "saved_at": verdict.saved_at,
    }
    return {name: known.get(name) for name in NAMES}


def _of_mark(number: int, mark: Mark) -> Row:
    row: Row = {"mark": number, "structure": mark.structure, "mark_kind": mark.kind.value, "note": mark.note}
    if mark.point is not None:
        row |= {f"point_{axis}": at for axis, at in zip("ijk", mark.point, strict=True)}
    if mark.box is not None:
        for axis, (start, stop) in zip("ijk", mark.box, strict=True):
            row |= {f"box_{axis}_start": start, f"box_{axis}_stop": stop}
    return row


def _csv(said: Sequence[_Said]) -> bytes:
    """UTF-8 with a head, by RFC 4180; times in ISO 8601, truth as ``true`` and ``false``, nothing as nothing."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)  # RFC 4180: quotes whatever holds a line end of either kind
    writer.writerow(NAMES)
    writer.writerows([_cell(row[name]) for name in NAMES] for row in table_rows(said))
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else value


def _json(said: Sequence[_Said]) -> bytes:
    document = {
        "dapatlas": __version__,
        "verdicts": [
            {**each.verdict.as_dict(), "subject": each.subject, "state": each.state, "stale": each.stale}
            for each in said
        ],
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _parquet(said: Sequence[_Said]) -> bytes:
    arrow, parquet = (needed(name, "tables", "to write Parquet") for name in ("pyarrow", "pyarrow.parquet"))
    types = {
        "string": arrow.string(),
        "int32": arrow.int32(),
        "bool": arrow.bool_(),
        "time": arrow.timestamp("us", tz="UTC"),
    }
    schema = arrow.schema([(name, types[kind]) for name, kind, _ in COLUMNS])
    buffer = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(table_rows(said), schema), buffer, compression="zstd")
    return buffer.getvalue()
