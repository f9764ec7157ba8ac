"""What readers said: how far they are, how they agree, what they find of each structure, and every verdict."""

from __future__ import annotations

from html import escape

from dapatlas.publish.report.content import ReportContent
from dapatlas.publish.report.markup import (
    absent,
    breakable,
    case_link,
    count,
    scrolling,
    section,
    swatch,
    table,
    whole,
)
from dapatlas.publish.report.review_content import (
    ReviewContent,
    ReviewedCase,
    ReviewedStructure,
    ReviewVerdict,
)

# Each state: its words, and the class of its colour.
STATES = {
    "unread": ("unread", ""),
    "reading": ("being read", ""),
    "disagreement": ("in disagreement", "warning"),
    "approved": ("approved", "clean"),
    "remarks": ("approved with remarks", "clean"),
    "rejected": ("rejected", "error"),
    "stale": ("stale: the map has changed", "warning"),
}
DECISIONS = {"approve": "approved", "remarks": "approved with remarks", "reject": "rejected"}
SHORT = {
    "approve": "approved",
    "remarks": "remarks",
    "reject": "rejected",
}  # fits where badges stand in a column
COLOURS = {"approve": "clean", "remarks": "clean", "reject": "error"}
KINDS = {
    "missing": "missing",
    "wrong_side": "wrong side",
    "leaks": "leaks",
    "wrong_identity": "wrong identity",
    "misnumbered": "misnumbered",
}


def review_section(content: ReportContent) -> str:
    """Nothing where the report is not one of a review."""
    found = content.review
    if found is None:
        return ""
    needed = "one reading" if found.needed == 1 else f"{found.needed} readings by different readers"
    words = f"What readers said of the maps; a case needs {needed}. A verdict counts for the very map that was read."
    if not found.cases:
        return section("review", "Review", words, _tiles(found) + absent("Nobody has said anything yet."))
    parts = (
        _tiles(found),
        "<h3>Readers</h3>" + _readers(found),
        "<h3>Agreement</h3>" + _pairs(found),
        "<h3>Structures</h3>" + _structures(content, found),
        "<h3>Verdicts</h3>" + _cases(content, found),
    )
    return section("review", "Review", words, "".join(parts))


def _tiles(found: ReviewContent) -> str:
    tiles = "".join(
        f'<div class="tile {STATES[state][1]}" data-state="{escape(state)}"><b>{whole(number)}</b> '
        f"{escape(STATES[state][0])}</div>"
        for state, number in found.states.items()
        if number or state in ("unread", "approved", "rejected")
    )
    return f'<div class="tiles">{tiles}</div>'


def _readers(found: ReviewContent) -> str:
    heads = [
        ("reader", ""),
        ("read", "n"),
        *((words, "n") for words in DECISIONS.values()),
        ("last saved", ""),
    ]
    rows = [
        f'<tr><th scope="row">{escape(each.name)}</th><td class="n">{sum(each.decisions.values())}</td>'
        + "".join(f'<td class="n">{each.decisions.get(decision, 0)}</td>' for decision in DECISIONS)
        + f"<td>{escape(each.last) or '–'}</td></tr>"
        for each in found.readers
    ]
    return scrolling(table(heads, rows, "Readers"), "Readers", sideways=True)


def _pairs(found: ReviewContent) -> str:
    if not found.pairs:
        return absent("No two readers have read the same map, so there is no agreement to tell of.")
    hint = (
        '<p class="hint">Cohen’s kappa: 1 is always the same decision, 0 no more often than by chance; – where it is '
        "not defined, because both gave one and the same decision throughout.</p>"
    )
    heads = [("readers", ""), ("cases", "n"), ("same decision", "n"), ("kappa", "n")]
    rows = [
        f'<tr><th scope="row">{" and ".join(map(escape, each.readers))}</th><td class="n">{each.cases}</td>'
        f'<td class="n">{each.agreement:.0%}</td>'
        f'<td class="n">{"–" if each.kappa is None else f"{each.kappa:.2f}"}</td></tr>'
        for each in found.pairs
    ]
    return hint + scrolling(table(heads, rows, "Agreement between readers"), "Agreement", sideways=True)


def _structures(content: ReportContent, found: ReviewContent) -> str:
    if not found.structures:
        return absent("No reading has a report of what is in view: run dapatlas check.")
    hint = (
        '<p class="hint">Share of readings with the structure in view and no mark on it, the lowest first; '
        "the interval is Wilson’s.</p>"
    )
    heads = [
        ("structure", ""),
        ("readings", "n"),
        ("marked", "n"),
        ("approved", "n"),
        ("95 % interval", "n"),
        ("marks", ""),
    ]
    rows = [_structure(content, each) for each in found.structures]
    return hint + scrolling(table(heads, rows, "Approval by structure"), "Approval by structure")


def _structure(content: ReportContent, each: ReviewedStructure) -> str:
    kinds = ", ".join(f"{number} {KINDS.get(kind, kind)}" for kind, number in each.kinds.items())
    return (
        f'<tr data-structure="{escape(each.structure)}"><th scope="row">{swatch(content, each.structure)}'
        f'{escape(content.display(each.structure))}</th><td class="n">{each.read}</td>'
        f'<td class="n">{each.marked}</td><td class="n">{each.rate:.1%}</td>'
        f'<td class="n">[{each.low:.1%}, {each.high:.1%}]</td><td>{escape(kinds)}</td></tr>'
    )


def _cases(content: ReportContent, found: ReviewContent) -> str:
    heads = [("case", ""), ("state", ""), ("what was said", "")]
    rows = [_case(content, each) for each in found.cases]
    words = f"Verdicts on {count(len(rows), 'case')}, disagreements first"
    return scrolling(table(heads, rows, words), "Verdicts")


def _case(content: ReportContent, each: ReviewedCase) -> str:
    words, colour = STATES[each.state]
    said = "".join(_verdict(content, verdict) for verdict in each.verdicts)
    return (
        f'<tr data-case="{escape(each.case)}"><th scope="row">{case_link(content, each.case)}</th>'
        f'<td><span class="badge {colour}">{escape(words)}</span></td>'
        f'<td><ul class="told">{said}</ul></td></tr>'
    )


def _verdict(content: ReportContent, each: ReviewVerdict) -> str:
    colour = "" if each.stale or each.decision is None else COLOURS[each.decision]
    decision = "open" if each.decision is None else SHORT[each.decision]
    facts = [each.reader, *(["adjudication"] if each.kind == "adjudication" else []), each.saved]
    stale = ' <span class="badge warning">stale: the map has changed</span>' if each.stale else ""
    marks = "".join(
        f"<div>{swatch(content, structure)}{breakable(content.display(structure))}: "
        f"{escape(KINDS.get(kind, kind))}{f': {_lines(note)}' if note else ''}</div>"
        for structure, kind, note in each.marks
    )
    remarks = f"<div>{_lines(each.remarks)}</div>" if each.remarks else ""
    return (
        f'<li><span class="badge {colour}">{escape(decision)}</span><div>{escape(", ".join(facts))}{stale}'
        f"{remarks}{marks}</div></li>"
    )


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>")
