"""The data set against another one: overlap and volumes of every structure, findings gained and lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from math import exp, log
from statistics import fmean

from dapatlas.findings import Finding, Severity
from dapatlas.publish.report.agreement import dice_cell
from dapatlas.publish.report.content import ComparedCase, Comparison, ReportContent
from dapatlas.publish.report.markup import (
    absent,
    badge,
    breakable,
    case_link,
    count,
    scrolling,
    section,
    swatch,
    table,
)

MOST_FINDINGS = 100  # of those gained, and of those lost


def comparison_section(content: ReportContent) -> str:
    """Nothing where no comparison was asked for."""
    found = content.comparison
    if found is None:
        return ""
    title = f"Against {found.other}"
    if not found.cases:
        return section("comparison", title, "", absent(f"{found.other} has none of these cases."))
    parts = [_notes(content, found), _structures(content, found.cases)]
    for heading, findings in (("New here", found.gained), (f"Only in {found.other}", found.lost)):
        parts.append(_findings(content, heading, findings))
    words = (
        f"{count(len(found.cases), 'case')} that both have; {escape(found.other)} is what is compared with."
    )
    return section("comparison", title, words, "".join(parts))


def _notes(content: ReportContent, found: Comparison) -> str:
    lines = [
        f"{case_link(content, each.case)}: {escape(each.why_not)}" for each in found.cases if each.why_not
    ]
    for cases, where in ((found.only_here, "here"), (found.only_there, f"in {found.other}")):
        if cases:
            named = ", ".join(cases[:5]) + (" …" if len(cases) > 5 else "")
            lines.append(escape(f"{count(len(cases), 'case')} only {where}: {named}"))
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f'<div class="note"><ul>{items}</ul></div>' if lines else ""


def _structures(content: ReportContent, cases: Sequence[ComparedCase]) -> str:
    dice: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    ratios: defaultdict[str, list[float]] = defaultdict(list)
    for case in cases:
        for name, value in case.dice.items():
            dice[name].append((value, case.case))
        for name in case.here_ml.keys() & case.there_ml.keys():
            if case.here_ml[name] > 0 and case.there_ml[name] > 0:
                ratios[name].append(log(case.here_ml[name] / case.there_ml[name]))
    order = sorted(
        {*dice, *ratios},
        key=lambda name: (fmean(value for value, _ in dice[name]) if dice[name] else 1.0, name),
    )
    rows = [_row(content, name, dice[name], ratios[name]) for name in order]
    heads = [
        ("structure", ""), ("cases", "n"), ("mean Dice", "n"), ("least", "n"), ("in case", ""), ("volume", "n"),
    ]  # fmt: skip
    drawn = table(heads, rows, "Dice and volumes by structure, the worst first")
    return scrolling(drawn, "Dice and volumes by structure")


def _row(content: ReportContent, name: str, dice: list[tuple[float, str]], ratios: list[float]) -> str:
    start = f'<tr><th scope="row">{swatch(content, name)}{escape(content.display(name))}</th>'
    change = _percent(exp(fmean(ratios)) - 1) if ratios else "–"
    if not dice:
        return f'{start}<td class="n">{len(ratios)}</td><td>–</td><td>–</td><td></td><td class="n">{change}</td></tr>'
    least, worst = min(dice)
    return (
        f'{start}<td class="n">{len(dice)}</td>{dice_cell(fmean(value for value, _ in dice))}{dice_cell(least)}'
        f'<td>{case_link(content, worst)}</td><td class="n">{change}</td></tr>'
    )


def _percent(share: float) -> str:
    """With its sign, but for what rounds to nothing."""
    return f"{100 * share:+.1f} %".replace("-", "−") if abs(share) >= 5e-4 else "0.0 %"


def _findings(content: ReportContent, heading: str, findings: Sequence[Finding]) -> str:
    told = [finding for finding in findings if finding.severity is not Severity.INFO]
    title = f"<h3>{escape(heading)}: {count(len(told), 'finding')}</h3>"
    if not told:
        return title
    rows = [
        f"<tr><td>{badge(finding.severity)}</td><td>{case_link(content, finding.case)}</td>"
        f"<td>{breakable(content.display(finding.structure))}</td><td>{escape(finding.message)}"
        f"<code>{escape(finding.code)}</code></td></tr>"
        for finding in told[:MOST_FINDINGS]
    ]
    heads = [("severity", "sev"), ("case", "who"), ("structure", "what"), ("finding", "said")]
    more = f"<p>The first {MOST_FINDINGS} are shown.</p>" if len(told) > MOST_FINDINGS else ""
    return title + scrolling(table(heads, rows, heading), heading) + more
