"""Findings: what a stage noticed about a case, or changed in it, and why.

Every stage speaks through the same record, so that a report can gather them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Self

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"  # the case breaks the contract of the data set
    WARNING = "warning"  # the case can be used, but somebody should look
    INFO = "info"  # said for the record


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing noticed about one case.

    Attributes
    ----------
    case
        Case id; the empty string where the finding is about the data set as a whole.
    severity
        Whether it must be mended.
    code
        Stable kebab-case name of the rule, for scripts to match on.
    message
        One sentence for a person.
    file
        The file it is about, as a path; empty where there is none.
    structure
        Canonical name of the structure it is about; empty where there is none.
    voxels
        How many voxels it concerns; 0 where that has no meaning.
    expected, found, remedy
        What should be there, what is there, what to do; empty where there is nothing to say.
    box
        Where it is: start and stop along i, j, k of the array, stop exclusive; ``None`` where that has no
        meaning.
    """

    case: str
    severity: Severity
    code: str
    message: str
    file: str = ""
    structure: str = ""
    voxels: int = 0
    expected: str = ""
    found: str = ""
    remedy: str = ""
    box: Box | None = None

    def as_dict(self) -> dict[str, Any]:
        """Every field under its own name, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`as_dict`, by way of JSON; fields of other kinds of findings are passed over."""
        known = {field.name: row[field.name] for field in fields(cls) if field.name in row}
        box = known.get("box")
        known["box"] = None if box is None else tuple((int(start), int(stop)) for start, stop in box)
        return cls(**{**known, "severity": Severity(row["severity"])})


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether any finding breaks the contract."""
    return any(finding.severity is Severity.ERROR for finding in findings)
