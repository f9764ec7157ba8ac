"""The section of a report on what readers said."""

from __future__ import annotations

import re
from dataclasses import replace

from report_contents import HOSTILE, made_content

from dapatlas.publish.report import (
    ReportContent,
    ReviewContent,
    ReviewedCase,
    ReviewedStructure,
    ReviewPair,
    ReviewReader,
    ReviewVerdict,
    report_page,
)

STATES = {
    "unread": 27,
    "reading": 0,
    "disagreement": 1,
    "approved": 0,
    "remarks": 0,
    "rejected": 1,
    "stale": 1,
}


def reviewed(content: ReportContent) -> ReportContent:
    """Three cases with verdicts: a disagreement, a rejection with hostile words, and a stale approval."""
    one, two, three = (case.case for case in content.cases[:3])
    at = "2026-03-01 12:00 UTC"
    said = (
        ReviewedCase(one, "disagreement", (
            ReviewVerdict("r-01", "reading", "approve", "", (), at, False),
            ReviewVerdict("r-02", "reading", "reject", "", (("liver", "leaks", "into the kidney"),), at, False),
        )),
        ReviewedCase(two, "rejected", (
            ReviewVerdict("chief", "adjudication", "reject", f"{HOSTILE}\nsecond line", ((HOSTILE, "missing", HOSTILE),), at, False),
            ReviewVerdict("r-01", "reading", None, "", (), at, False),
        )),
        ReviewedCase(three, "stale", (ReviewVerdict("r-01", "reading", "approve", "", (), at, True),)),
    )  # fmt: skip
    review = ReviewContent(
        STATES,
        2,
        (
            ReviewReader("r-01", {"approve": 1}, at),
            ReviewReader("r-02", {"reject": 1}, at),
            ReviewReader("idle", {}, ""),
        ),
        (ReviewPair(("r-01", "r-02"), 4, 0.75, 0.5), ReviewPair(("r-01", HOSTILE), 1, 1.0, None)),
        (ReviewedStructure("liver", 4, 1, 0.75, 0.3006, 0.9544, {"leaks": 1, "wrong_side": 2}),),
        said,
    )
    return replace(content, review=review)


def section_of(page: str) -> str:
    return page[page.index('<section id="review"') :].split("</section>")[0]


def row(section: str, key: str) -> str:
    return section[section.index(key) :].split("</tr>")[0]


def words(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())


def test_the_section_tells_all_of_it():
    content = reviewed(made_content(30, compared=False))
    page = report_page(content)
    section = section_of(page)
    assert '<a href="#review">Review</a>' in page
    assert "2 readings by different readers" in section
    assert dict(re.findall(r'data-state="(\w+)"><b>(\d+)</b>', section)) == {
        "unread": "27", "disagreement": "1", "approved": "0", "rejected": "1", "stale": "1",
    }  # fmt: skip
    assert "75%" in row(section, "r-01 and r-02")
    assert "0.50" in row(section, "r-01 and r-02")
    assert words(row(section, 'data-structure="liver"')).endswith(
        "4 1 75.0% [30.1%, 95.4%] 1 leaks, 2 wrong side"
    )
    one, two, three = (f'data-case="{case.case}"' for case in content.cases[:3])
    assert "in disagreement" in row(section, one)
    assert "leaks: into the kidney" in words(row(section, one))
    assert "adjudication" in row(section, two)
    assert "second line" in row(section, two)
    assert "open" in words(row(section, two))
    assert words(row(section, three)).count("stale: the map has changed") == 2
    assert section.index(one) < section.index(two)
    assert 'href="#case-0"' in row(section, one)


def test_words_of_readers_are_nothing_but_words():
    section = section_of(report_page(reviewed(made_content(5, compared=False))))
    assert "<img" not in section
    assert "<script" not in section
    assert section.count("&lt;img src=x onerror=alert(1)&gt;") >= 4


def test_nothing_is_told_where_nobody_asked_or_said_anything():
    content = made_content(3, compared=False)
    assert 'id="review"' not in report_page(content)
    empty = report_page(replace(content, review=ReviewContent(dict.fromkeys(STATES, 0))))
    assert "Nobody has said anything yet." in section_of(empty)
