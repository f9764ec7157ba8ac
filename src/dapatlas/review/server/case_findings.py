"""What checks and builds have to say of a case, and where in the world that is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from dapatlas.check.checked_case import case_path, read_checked
from dapatlas.dataset import Dataset
from dapatlas.dataset.reports import read_report
from dapatlas.errors import BadFileError
from dapatlas.findings import Finding
from dapatlas.review.case_index import CaseFacts
from dapatlas.review.layer_files import LayerFiles
from dapatlas.review.server.schemas.cases import FindingBody

Source = Literal["check", "build"]


def finding_bodies(dataset: Dataset, facts: CaseFacts, files: LayerFiles | None) -> list[FindingBody]:
    """All findings of a case, those of the checks first, each in the order of its report; broken reports say so."""
    findings: list[tuple[Source, Finding]] = [("check", each) for each in facts.problems]
    findings += [("check", each) for each in _checked(case_path(dataset.path, facts.case))]
    findings += [("build", each) for each in _built(dataset, facts.case)]
    centers = {} if files is None else _centers(dataset, files)
    return [_body(each, source, files, centers) for source, each in findings]


def _checked(path: Path) -> Iterable[Finding]:
    try:
        return read_checked(path).findings
    except BadFileError:  # absent; or broken, which the index has told
        return ()


def _built(dataset: Dataset, case: str) -> Iterable[Finding]:
    try:
        return [Finding.from_dict(row) for row in (read_report(dataset.path, case) or {}).get("findings", ())]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()


def _centers(dataset: Dataset, files: LayerFiles) -> dict[str, tuple[float, float, float]]:
    scheme = dataset.scheme
    return {scheme[place.id].name: place.center_mm for place in files.places if place.id in scheme}


def _body(
    finding: Finding,
    source: Source,
    files: LayerFiles | None,
    centers: dict[str, tuple[float, float, float]],
) -> FindingBody:
    """The place is the middle of the finding's box, or where its structure is."""
    place = centers.get(finding.structure)
    if finding.box is not None and files is not None:
        x, y, z = files.grid.to_world([(start + stop - 1) / 2 for start, stop in finding.box]).tolist()
        place = (x, y, z)
    row: dict[str, Any] = finding.as_dict()
    row["file"] = Path(finding.file).name  # where the server keeps it is nobody's business
    return FindingBody.model_validate({**row, "source": source, "place_mm": place})
