"""The few forms that the sections of a report share."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dapatlas.findings import Severity
from dapatlas.publish.report.content import ReportContent
from dapatlas.publish.svg import rgb

SEVERITIES = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "remark"}


def section(anchor: str, title: str, words: str, content: str) -> str:
    """A part of the page under a heading; ``words`` and ``content`` are markup already."""
    said = f"<p>{words}</p>" if words else ""
    return (
        f'<section id="{anchor}" aria-labelledby="{anchor}-title"><h2 id="{anchor}-title">{escape(title)}</h2>'
        f"{said}{content}</section>"
    )


def absent(words: str) -> str:
    """One line in place of what there is nothing to show for."""
    return f'<p class="absent">{escape(words)}</p>'


def whole(number: int) -> str:
    """A whole number, thousands parted by a thin space."""
    return f"{number:,}".replace(",", "\u2009")


def count(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{whole(number)} {noun}{'' if number == 1 else 's'}"


def badge(severity: Severity) -> str:
    """The severity as a word on its colour."""
    return f'<span class="badge {severity.value}">{SEVERITIES[severity]}</span>'


def breakable(identifier: str) -> str:
    """An id that may break after underscores, escaped."""
    return escape(identifier).replace("_", "_<wbr>")


def case_anchor(number: int) -> str:
    """Where the page tells of a case, by its place among all."""
    return f"case-{number}"


def case_link(content: ReportContent, case: str) -> str:
    """A link to what the page tells of a case; the bare id where it tells nothing."""
    if case not in content.places:
        return breakable(case) or "all cases"
    return f'<a href="#{case_anchor(content.places[case])}">{breakable(case)}</a>'


def swatch(content: ReportContent, structure: str) -> str:
    """The colour of a structure; nothing where the scheme does not know it."""
    if structure not in content.scheme:
        return ""
    return f'<i class="swatch" style="background:{rgb(content.scheme[structure].colour)}"></i>'


def scrolling(content: str, label: str, *, sideways: bool = False) -> str:
    """A card that scrolls by itself, by keyboard too; only sideways where it is as high as its content."""
    cls = "card scroll sideways" if sideways else "card scroll"
    return f'<div class="{cls}" tabindex="0" role="region" aria-label="{escape(label)}">{content}</div>'


def table(heads: Sequence[tuple[str, str]], rows: Sequence[str], caption: str) -> str:
    """A table; each head is its words and class (``n`` for numbers), each row is markup from ``<tr>`` on."""
    cells = "".join(f'<th scope="col" class="{cls}">{escape(words)}</th>' for words, cls in heads)
    return (
        f'<table><caption class="unseen">{escape(caption)}</caption><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
