"""A case that was checked, as it lies on disk between the checks and those who read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas import __version__
from dapatlas.check.judged import Judged
from dapatlas.dataset.reports import REPORTS
from dapatlas.errors import BadFileError
from dapatlas.findings import Finding
from dapatlas.labels import Sex

FOLDER = Path(REPORTS) / "check"  # a JSON file a case
COHORT = Path(REPORTS) / "check.json"


@dataclass(frozen=True, slots=True)
class CheckedCase:
    """What was measured of one case, and what is to be said of it.

    Attributes
    ----------
    case, subject
        Ids.
    sex
        Of the patient; ``None`` where it is not known.
    age_years
        At the time of the study; ``None`` where it is not known.
    volumes_ml
        Of every structure in view.
    whole
        Structures that touch no face of the field of view.
    hu
        Median HU within each structure; empty without a CT.
    findings
        Ranked: gravest first, then what is farthest out.
    """

    case: str
    subject: str
    sex: Sex | None
    age_years: float | None
    volumes_ml: Mapping[str, float]
    whole: tuple[str, ...]
    hu: Mapping[str, float]
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "case": self.case,
            "subject": self.subject,
            "sex": None if self.sex is None else self.sex.value,
            "age_years": self.age_years,
            "dapatlas": __version__,
            "volumes_ml": {name: round(ml, 4) for name, ml in self.volumes_ml.items()},
            "whole": list(self.whole),
            "hu": dict(self.hu),
            "findings": [each.as_dict() for each in self.findings],
        }


def case_path(out: Path, case: str) -> Path:
    """Where the checks of a case stand."""
    return out / FOLDER / f"{case}.json"


def read_checked(path: Path) -> CheckedCase:
    """Read what the checks left of a case.

    Raises
    ------
    BadFileError
        It is no such file.
    """
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        return CheckedCase(
            row["case"],
            row["subject"],
            None if row["sex"] is None else Sex(row["sex"]),
            row["age_years"],
            row["volumes_ml"],
            tuple(row["whole"]),
            row["hu"],
            tuple(map(Judged.from_dict, row["findings"])),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFileError(
            f"{path}: not what `dapatlas check` left ({type(error).__name__}: {error}); check again with --force"
        ) from None
