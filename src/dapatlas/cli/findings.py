"""Findings as a table on the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from dapatlas.findings import Finding

COLOURS = {"error": "red", "warning": "yellow", "info": "dim"}


def findings_table(findings: Iterable[Finding]) -> Table:
    """A row a finding, in the order given."""
    from rich.table import Table
    from rich.text import Text

    table = Table("severity", "case", "code", "what is wrong, and what to do", box=None, pad_edge=False)
    for finding in findings:
        story = Text(finding.message)
        if finding.remedy:
            story.append(f"\n→ {finding.remedy}", style="dim")
        severity = Text(finding.severity.value, style=COLOURS[finding.severity.value])
        table.add_row(severity, Text(finding.case or "(data set)"), Text(finding.code), story)
    return table
