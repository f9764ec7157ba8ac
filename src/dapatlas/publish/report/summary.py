"""The head of a report: how many cases, how grave, and where to look first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from html import escape

from dapatlas.check.codes import Code
from dapatlas.findings import Finding, Severity
from dapatlas.publish.report.content import ReportContent, serious
from dapatlas.publish.report.markup import case_link, count, section, swatch, whole

MOST = 10  # rows of each list
SEXES = {"F": "female", "M": "male", "unknown": "of unknown sex"}
MEANINGS = {code.value: code.meaning for code in Code}


def summary_section(content: ReportContent) -> str:
    """Tiles with numbers, then the worst structures, the commonest findings, and the cases to look at first."""
    told = serious(content.findings)
    failed = [case for case in content.cases if case.failed]
    lists = (
        ""
        if not told
        else (
            '<div class="lists">'
            f"{_list('Structures with most cases', _by_structure(content, told))}"
            f"{_list('What is found most', _by_code(told))}"
            f"{_list('Cases to look at first', _by_case(content, told))}</div>"
        )
    )
    return section(
        "summary",
        "Summary",
        "",
        f'<div class="tiles">{_tiles(content)}</div>{_failures(content, len(failed))}{lists}',
    )


def _tiles(content: ReportContent) -> str:
    findings = [shown.finding for shown in content.findings]
    groups = Counter(case.group for case in content.cases)
    sexes = ", ".join(f"{groups[group]} {words}" for group, words in SEXES.items() if groups[group])
    troubled = {finding.case for finding in serious(content.findings)}
    clean = sum(not case.failed and case.case not in troubled for case in content.cases)
    tiles = [("cases", len(content.cases), "case", sexes)]
    for severity, noun in (
        (Severity.ERROR, "error"),
        (Severity.WARNING, "warning"),
        (Severity.INFO, "remark"),
    ):
        own = [finding.case for finding in findings if finding.severity is severity]
        tiles.append((severity.value, len(own), noun, f"in {count(len(set(own)), 'case')}"))
    tiles.append(("clean", clean, "clean case", "without error or warning"))
    return "".join(
        f'<div class="tile {cls}" data-number="{cls}"><b>{whole(number)}</b> {noun}{"" if number == 1 else "s"}'
        f"<span>{small}</span></div>"
        for cls, number, noun, small in tiles
    )


def _failures(content: ReportContent, number: int) -> str:
    if not number:
        return ""
    lines = "".join(
        f"<li>{case_link(content, case.case)}: {escape(case.failed.splitlines()[0])}</li>"
        for case in content.cases
        if case.failed
    )
    return f'<div class="note"><b>{count(number, "case")} could not be checked</b><ul>{lines}</ul></div>'


def _list(title: str, rows: Sequence[str]) -> str:
    return f'<div class="card"><h3>{title}</h3><ol class="bars">{"".join(rows)}</ol></div>'


def _by_structure(content: ReportContent, told: Iterable[Finding]) -> list[str]:
    """Structures by how many cases they trouble."""
    counts = _cases_by((finding.structure, finding) for finding in told if finding.structure)
    rows = []
    for name, errors, warnings in counts:
        link = f'<a href="#findings" data-structure="{escape(name)}">{escape(content.display(name))}</a>'
        rows.append(_bar(swatch(content, name) + link, errors, warnings, len(content.cases), "case"))
    return rows


def _by_code(told: Iterable[Finding]) -> list[str]:
    counts = _cases_by((finding.code, finding) for finding in told)
    most = max((errors + warnings for _, errors, warnings in counts), default=1)
    rows = []
    for code, errors, warnings in counts:
        meaning = escape(MEANINGS.get(code, ""))
        link = f'<a href="#findings" data-code="{escape(code)}" title="{meaning}">{escape(code)}</a>'
        rows.append(_bar(link, errors, warnings, most, "case"))
    return rows


def _by_case(content: ReportContent, told: Iterable[Finding]) -> list[str]:
    counts: defaultdict[str, Counter[Severity]] = defaultdict(Counter)
    for finding in told:
        if finding.case:
            counts[finding.case][finding.severity] += 1
    order = sorted(
        counts, key=lambda case: (-counts[case][Severity.ERROR], -counts[case][Severity.WARNING], case)
    )
    most = max((sum(own.values()) for own in counts.values()), default=1)
    return [
        _bar(
            case_link(content, case),
            counts[case][Severity.ERROR],
            counts[case][Severity.WARNING],
            most,
            "finding",
        )
        for case in order[:MOST]
    ]


def _cases_by(keyed: Iterable[tuple[str, Finding]]) -> list[tuple[str, int, int]]:
    """The first ten keys: in how many cases there is an error, and in how many others a warning."""
    errors: defaultdict[str, set[str]] = defaultdict(set)
    warnings: defaultdict[str, set[str]] = defaultdict(set)
    for key, finding in keyed:
        (errors if finding.severity is Severity.ERROR else warnings)[key].add(finding.case)
    rows = [(key, len(errors[key]), len(warnings[key] - errors[key])) for key in {*errors, *warnings}]
    return sorted(rows, key=lambda row: (-row[1] - row[2], -row[1], row[0]))[:MOST]


def _bar(name: str, errors: int, warnings: int, most: int, noun: str) -> str:
    words = (
        f"{count(errors, noun)} with errors, {warnings} with warnings"
        if noun == "case"
        else (f"{count(errors, 'error')}, {count(warnings, 'warning')}")
    )
    shares = "".join(
        f'<span class="{cls}" style="width:{100 * number / most:.1f}%"></span>'
        for cls, number in (("error", errors), ("warning", warnings))
        if number
    )
    number = f'<span class="number" title="{words}">{errors + warnings}</span>'
    return f'<li><span>{name}</span>{number}<span class="meter">{shares}</span></li>'
