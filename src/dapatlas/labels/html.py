"""What a notebook shows of a label scheme: plain HTML, readable on light and dark, no script, nothing fetched.

No colour of text or background is set, so that the page's own apply; only swatches have a colour, and a border.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dapatlas.labels.scheme import LabelScheme
    from dapatlas.labels.structure import Structure


class Markup(str):
    """Text that is HTML already; all other text is escaped."""

    __slots__ = ()


Cell = str | int | Markup


def scheme_html(scheme: LabelScheme) -> str:
    """Name and size of a scheme, and, folded away, a row for each of its ids."""
    facts = [
        ("title", scheme.title),
        ("ids", f"{len(scheme)} in 0…{scheme.max_id}, background included"),
        ("a voxel without label", scheme.absent.value.replace("_", " ")),
        ("version", scheme.version),
        ("licence", scheme.licence),
    ]
    head = ("id", "", "name", "for people", "region", "side", "SNOMED CT")
    listed = table(head, (_row(structure) for structure in scheme))
    summary = f"<summary>{len(scheme)} structures</summary>"
    return block(
        f"LabelScheme {scheme.name}",
        fact_table([(name, value) for name, value in facts if value]),
        f"<details>{summary}{listed}</details>",
    )


def block(title: str, *parts: str) -> str:
    """Parts below a title."""
    return f"<div><strong>{escape(title)}</strong>{''.join(parts)}</div>"


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table with a row of headings."""
    headings = "".join(f'<th style="text-align:left">{cell(text)}</th>' for text in head)
    body = "".join(f"<tr>{''.join(f'<td {_LEFT}>{cell(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{headings}</tr></thead><tbody>{body}</tbody></table>"


def fact_table(facts: Iterable[tuple[str, Cell]]) -> str:
    """A table of names and values."""
    body = "".join(
        f'<tr><th scope="row" {_LEFT}>{cell(name)}</th><td {_LEFT}>{cell(value)}</td></tr>'
        for name, value in facts
    )
    return f"<table><tbody>{body}</tbody></table>"


def cell(value: Cell) -> str:
    """Escaped, unless it is HTML already."""
    return value if isinstance(value, Markup) else escape(str(value))


_LEFT = 'style="text-align:left"'  # Jupyter's own style sheet puts cells to the right


def _row(structure: Structure) -> tuple[Cell, ...]:
    side = "" if structure.side == "none" else structure.side.value
    region = structure.region.value.replace("_", " ")
    code = structure.snomed.value if structure.snomed else ""
    return structure.id, _swatch(structure), structure.name, structure.display_name, region, side, code


def _swatch(structure: Structure) -> Markup:
    red, green, blue = (int(channel) for channel in structure.colour)
    style = f"display:inline-block;width:1em;height:1em;border:1px solid #888;background:rgb({red},{green},{blue})"
    return Markup(f'<span style="{style}"></span>')
