"""The cases one by one: a line each; what is under it comes when it is opened."""

from __future__ import annotations

from collections import Counter, defaultdict
from html import escape

from dapatlas.findings import Severity
from dapatlas.publish.report.content import CaseContent, ReportContent
from dapatlas.publish.report.markup import breakable, case_anchor, count, section

SEXES = {"F": "female", "M": "male", "unknown": "sex unknown"}


def cases_section(content: ReportContent) -> str:
    """A search box and a folded line a case."""
    counts: defaultdict[str, Counter[Severity]] = defaultdict(Counter)
    for shown in content.findings:
        counts[shown.finding.case][shown.finding.severity] += 1
    lines = "".join(_line(number, case, counts[case.case]) for number, case in enumerate(content.cases))
    words = "A case opens to its findings, its structures beside the cohort's, and what experts and guidelines said."
    search = (
        '<p class="needs-script" role="search" aria-label="Cases"><label>Search cases '
        '<input type="search" id="by-case" placeholder="id, subject, sex, error" autocomplete="off"></label>'
        '<output id="cases-shown" role="status"></output></p>'
        "<noscript><p class='absent'>What is under a case needs JavaScript; "
        "it stands in reports/check/ too.</p></noscript>"
    )
    return section("cases", "Cases", words, f"{search}{lines}")


def _line(number: int, case: CaseContent, counts: Counter[Severity]) -> str:
    facts = [SEXES[case.group]]
    if case.age_years is not None:
        facts.append(f"{case.age_years:.0f} years")
    if case.failed:
        state = '<span class="badge error">could not be checked</span>'
    else:
        state = (
            "".join(
                f'<span class="badge {severity.value}">{count(counts[severity], noun)}</span>'
                for severity, noun in ((Severity.ERROR, "error"), (Severity.WARNING, "warning"))
                if counts[severity]
            )
            or '<span class="badge clean">clean</span>'
        )
    return (
        f'<details class="case" id="{case_anchor(number)}" data-case="{number}"><summary>'
        f"<b>{breakable(case.case)}</b><span>{escape(', '.join(facts))}</span>{state}</summary></details>"
    )
