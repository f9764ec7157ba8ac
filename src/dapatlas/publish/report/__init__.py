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

__all__ = [
    "Agreement",
    "CaseContent",
    "ComparedCase",
    "Comparison",
    "Expert",
    "Overlap",
    "ReportContent",
    "Shown",
    "place_picture",
    "report_page",
]
