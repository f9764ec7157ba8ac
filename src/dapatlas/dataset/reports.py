"""Where the stages leave what they have to say of a data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

REPORTS = "reports"


def report_file(folder: Path, case_id: str) -> Path:
    """Where a build or the guidelines leave a case's counts, volumes and findings."""
    return folder / REPORTS / f"{case_id}.json"


def read_report(folder: Path, case_id: str) -> dict[str, Any] | None:
    """What they left; ``None`` where there is no such file, or it holds something else."""
    try:
        report = json.loads(report_file(folder, case_id).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None
