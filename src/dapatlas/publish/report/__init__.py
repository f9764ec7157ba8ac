"""The report on a checked data set: one HTML file from what checks, experts and guidelines said of it."""

from dapatlas.publish.report.content import (
    Agreement,
    CaseContent,
    ComparedCase,
    Comparison,
    Expert,
    Overlap,
    ReportContent,
    Shown,
)
from dapatlas.publish.report.page import report_page
from dapatlas.publish.report.place import place_picture
from dapatlas.publish.report.review_content import (
    ReviewContent,
    ReviewedCase,
    ReviewedStructure,
    ReviewPair,
    ReviewReader,
    ReviewVerdict,
)

__all__ = [
    "Agreement",
    "CaseContent",
    "ComparedCase",
    "Comparison",
    "Expert",
    "Overlap",
    "ReportContent",
    "ReviewContent",
    "ReviewPair",
    "ReviewReader",
    "ReviewVerdict",
    "ReviewedCase",
    "ReviewedStructure",
    "Shown",
    "place_picture",
    "report_page",
]
