"""Where the stages leave what they have to say of a data set."""

from __future__ import annotations

from pathlib import Path

REPORTS = "reports"


def report_file(folder: Path, case_id: str) -> Path:
    """Where a build or the guidelines leave a case's counts, volumes and findings."""
    return folder / REPORTS / f"{case_id}.json"
