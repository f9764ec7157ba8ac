"""The report as one HTML file: everything inside, nothing loaded from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files

from dapatlas import __version__
from dapatlas.publish.report.agreement import agreement_section
from dapatlas.publish.report.cases import cases_section
from dapatlas.publish.report.changes import changes_section
from dapatlas.publish.report.cohort_charts import cohort_section
from dapatlas.publish.report.comparison import comparison_section
from dapatlas.publish.report.content import ReportContent
from dapatlas.publish.report.embedded import case_notes, cohort, script
from dapatlas.publish.report.findings import findings_section
from dapatlas.publish.report.markup import count
from dapatlas.publish.report.review import review_section
from dapatlas.publish.report.summary import summary_section

SCRIPTS = ("store", "findings", "cohort", "cases", "start")  # run in this order, as one
LINKS = (
    ("summary", "Summary"),
    ("findings", "Findings"),
    ("cohort", "Volumes"),
    ("cases", "Cases"),
    ("agreement", "Experts"),
    ("changes", "Changes"),
)


def report_page(content: ReportContent) -> str:
    """The whole page; the same for the same content."""
    data = files("dapatlas.publish.report") / "data"
    style = (data / "report.css").read_text("utf-8")
    code = "\n".join((data / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    program = f'"use strict";\n(() => {{\n{code}}})();\n'
    sections = [
        summary_section(content),
        review_section(content),
        comparison_section(content),
        findings_section(content),
        cohort_section(content),
        cases_section(content),
        agreement_section(content),
        changes_section(content),
    ]
    embedded = [script("cohort-data", cohort(content))]
    embedded += [
        script(f"case-data-{number}", case_notes(content, case)) for number, case in enumerate(content.cases)
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(program)}">'
        f"<title>{escape(content.name)}: report</title><style>\n{style}</style></head><body>\n"
        + f'<a class="skip" href="#findings">To the findings</a>{_header(content)}<main>\n'
        + "\n".join(part for part in sections if part)
        + f"\n</main>{_footer(content)}\n"
        + '<div id="tip" role="status" aria-live="polite" hidden></div>\n'
        + "\n".join(embedded)
        + f"\n<script>{program}</script></body></html>\n"
    )


def _policy(program: str) -> str:
    """Whatever slipped in could load nothing and run nothing: this very program alone may."""
    digest = b64encode(sha256(program.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _header(content: ReportContent) -> str:
    asked_for = [("review", "Review")] if content.review else []
    asked_for += [("comparison", "Comparison")] if content.comparison else []
    links = [*LINKS[:1], *asked_for, *LINKS[1:]]
    nav = "".join(f'<a href="#{anchor}">{words}</a>' for anchor, words in links)
    subjects = len({case.subject for case in content.cases})
    return (
        f"<header><h1>{escape(content.name)}</h1><p>{count(len(content.cases), 'case')} of "
        f'{count(subjects, "subject")}, checked</p><nav aria-label="Sections">{nav}</nav></header>'
    )


def _footer(content: ReportContent) -> str:
    scheme = content.scheme
    return (
        f"<footer><p>Structures and colours: {escape(scheme.title or scheme.name)}. {escape(scheme.citation)} "
        f"Made with dapatlas {__version__}. A finding is a reason to look, no diagnosis.</p></footer>"
    )
