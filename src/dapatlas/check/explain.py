"""What values are held against: every published range, what follows from it, and who says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dapatlas.check.judged import told
from dapatlas.check.ranges import Row, Source, Table, table

TABLES = ("volumes", "ratios", "composition", "hounsfield")


def explained() -> list[dict[str, Any]]:
    """Rows of all tables of ranges: what of which structures, for whom, what is usual and possible, and the sources."""
    return [_explained(name, row, table(name)) for name in TABLES for row in table(name).rows]


def _explained(name: str, row: Row, ranges: Table) -> dict[str, Any]:
    usual, possible = row.limits(ranges.quantity)
    return {
        "table": name,
        "structures": list(row.structures),
        "of": list(row.of),
        "quantity": ranges.quantity.value,
        "sex": None if row.sex is None else row.sex.value,
        "ages": None if row.ages is None else list(row.ages),
        "persons": row.n or None,
        "usual": told(usual, ranges.quantity),
        "possible": told(possible, ranges.quantity),
        "sources": list(_cited(row, ranges)),
        "note": row.note,
    }


def _cited(row: Row, ranges: Table) -> Iterator[str]:
    for key in row.sources:
        yield cited(ranges.sources[key])


def cited(source: Source) -> str:
    """A source in full: authors, title, journal, year, and where to find it."""
    place = f"doi:{source.doi}" if source.doi else f"PMID {source.pmid}" if source.pmid else source.url
    parts = (source.authors, source.title, source.journal, str(source.year or ""), place)
    return ". ".join(part for part in parts if part)
