"""The ranked table of findings. The gravest stand in the page as such; the script shows and filters all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape

from dapatlas.findings import Finding, Severity
from dapatlas.publish.report.content import ReportContent, Shown
from dapatlas.publish.report.markup import (
    SEVERITIES,
    absent,
    badge,
    breakable,
    case_link,
    count,
    section,
    swatch,
    table,
)

STANDING = 150  # rows that need no script
HEADS = (("severity", "sev"), ("case", "who"), ("structure", "what"), ("finding", "said"))


def findings_section(content: ReportContent) -> str:
    """Filters, the table, and how many are shown."""
    words = "Gravest first, then what is farthest out. A row opens: the place, what was expected, what to do."
    if not content.findings:
        return section("findings", "Findings", "", absent("The checks found nothing to say."))
    rows = [
        _row(content, number, shown)
        for number, shown in enumerate(content.findings)
        if content.holders.get(number) == number
        or (number < STANDING and shown.finding.severity is not Severity.INFO)
    ]
    note = ""
    if len(rows) < len(content.findings):
        note = (
            f"<noscript><p class='absent'>The {len(rows)} gravest of {count(len(content.findings), 'finding')} are "
            "shown; the rest, and the filters, need JavaScript. All stand in reports/check.json too.</p></noscript>"
        )
    drawn = table(HEADS, rows, "Findings, gravest first")
    return section(
        "findings",
        "Findings",
        words,
        f'{_filters(content)}{note}<div class="card" id="found">{drawn}</div>'
        '<p class="more"><button type="button" id="more" hidden>Show more</button></p>',
    )


def _filters(content: ReportContent) -> str:
    findings = [shown.finding for shown in content.findings]
    severities = Counter(finding.severity for finding in findings)
    boxes = "".join(
        f'<label><input type="checkbox" name="severity" value="{number}"{_checked(severity)}> '
        f"{count(severities[severity], SEVERITIES[severity])}</label>"
        for number, severity in enumerate(Severity)
    )
    codes = _options(Counter(finding.code for finding in findings).most_common())
    structures = _options(
        Counter(finding.structure for finding in findings if finding.structure).most_common(), content
    )
    return (
        '<form class="filters needs-script" role="search" aria-label="Filter findings">'
        f"<fieldset><legend>Severity</legend>{boxes}</fieldset>"
        f'<label>Code<select id="by-code"><option value="">all</option>{codes}</select></label>'
        f'<label>Structure<select id="by-structure"><option value="">all</option>{structures}</select></label>'
        '<label>Text<input type="search" id="by-text" placeholder="case, structure, words" autocomplete="off"></label>'
        '<button type="reset">Reset</button><output id="shown" role="status"></output></form>'
    )


def _checked(severity: Severity) -> str:
    return "" if severity is Severity.INFO else " checked"


def _options(counted: Iterable[tuple[str, int]], content: ReportContent | None = None) -> str:
    named = [(name, content.display(name) if content else name, number) for name, number in counted]
    if content:
        named.sort(key=lambda each: each[1].lower())
    return "".join(
        f'<option value="{escape(name)}">{escape(shown)} ({number})</option>' for name, shown, number in named
    )


def _row(content: ReportContent, number: int, shown: Shown) -> str:
    finding = shown.finding
    return (
        f'<tr data-finding="{number}"><td>{badge(finding.severity)}</td><td>{case_link(content, finding.case)}</td>'
        f"<td>{swatch(content, finding.structure)}{breakable(content.display(finding.structure))}</td>"
        f"<td><details><summary>{escape(finding.message)}<code>{escape(finding.code)}</code></summary>"
        f"{_body(finding, shown.picture if content.holders.get(number) == number else '')}</details></td></tr>"
    )


def _body(finding: Finding, picture: str) -> str:
    facts = [
        ("found", finding.found),
        ("expected", finding.expected),
        ("what to do", finding.remedy),
        ("voxels i, j, k", where(finding)),
    ]
    terms = "".join(f"<dt>{name}</dt><dd>{escape(words)}</dd>" for name, words in facts if words)
    drawn = ""
    if picture:
        drawn = (
            f'<img src="{picture}" loading="lazy" width="672" height="220" '
            f'alt="Axial, coronal and sagittal plane: {escape(finding.message)}">'
        )
    return f"{drawn}<dl>{terms}</dl>"


def where(finding: Finding) -> str:
    """First and last voxel of its box along each axis of the file."""
    return "" if finding.box is None else ", ".join(f"{start}–{stop - 1}" for start, stop in finding.box)
