"""What is known of subjects and studies beside the images: ``subjects.csv`` and ``studies.csv`` of a data set.

The pseudonymous subject id is the only identifier in them: no dates, no UIDs, no free text of the scanner.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dapatlas.dataset import parse_case_name
from dapatlas.dataset.subjects import SUBJECTS
from dapatlas.errors import BadFileError
from dapatlas.files import write_text
from dapatlas.ingest.dicom.image import Image
from dapatlas.labels import Sex
from dapatlas.volumes import Grid

STUDIES = "studies.csv"
SUBJECT_COLUMNS = ("subject", "sex", "studies")
STUDY_COLUMNS = (
    "case", "subject", "study", "age_years", "weight_kg", "manufacturer", "model", "kvp", "kernel",
    "slice_thickness_mm", "n_i", "n_j", "n_k", "spacing_i_mm", "spacing_j_mm", "spacing_k_mm", "orientation",
)  # fmt: skip

SEXES = {"F": Sex.FEMALE, "M": Sex.MALE}  # as DICOM writes them; O, for other, is not known to us

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What a study's headers tell; what is not known is ``None`` or empty.

    Attributes
    ----------
    case, subject, study
        Case id, pseudonymous subject id, last five digits of the study UID.
    sex
        Of the subject.
    age_years, weight_kg
        At the time of the study.
    manufacturer, model, kernel
        Of the scanner, and its reconstruction kernel.
    kvp
        Tube voltage, kV.
    slice_thickness_mm
        As the scanner names it; not the distance of slices.
    """

    case: str
    subject: str
    study: str = ""
    sex: Sex | None = None
    age_years: float | None = None
    weight_kg: float | None = None
    manufacturer: str = ""
    model: str = ""
    kernel: str = ""
    kvp: float | None = None
    slice_thickness_mm: float | None = None

    @classmethod
    def of_case(cls, case: str, ct: Image | None = None) -> StudyFacts:
        """What a case's name tells, and the header of one image of its CT."""
        name = parse_case_name(case)
        bare = cls(case, name.subject, name.study or "")
        if ct is None:
            return bare
        return replace(
            bare,
            sex=SEXES.get(ct.sex),
            age_years=ct.age_years,
            weight_kg=ct.weight_kg,
            manufacturer=ct.manufacturer,
            model=ct.model,
            kernel=ct.kernel,
            kvp=ct.kvp,
            slice_thickness_mm=ct.thickness_mm,
        )

    def row(self, grid: Grid) -> dict[str, str]:
        """A row of ``studies.csv``, with the grid of the CT as it was written, along its own axes."""
        known = {name: _cell(getattr(self, name, "")) for name in STUDY_COLUMNS}
        sizes = {f"n_{axis}": str(n) for axis, n in zip("ijk", grid.shape, strict=True)}
        spacings = {f"spacing_{axis}_mm": f"{mm:.6g}" for axis, mm in zip("ijk", grid.spacing, strict=True)}
        return known | sizes | spacings | {"orientation": grid.orientation}


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:g}"


def write_tables(folder: Path, facts: Sequence[StudyFacts], grids: Mapping[str, Grid]) -> list[str]:
    """Bring ``subjects.csv`` and ``studies.csv`` up to date.

    Rows of other cases stay, and so do columns of yours and cells that nothing is known of now.

    Parameters
    ----------
    folder
        Of the data set.
    facts
        Of the studies that came in.
    grids
        Case id to the grid of its CT; a study without one has no row.

    Returns
    -------
    list of str
        Subjects whose studies contradict each other, or the table, on the sex; theirs is left empty.

    Raises
    ------
    BadFileError
        A table that stands cannot be read.
    """
    facts = [fact for fact in facts if fact.case in grids]
    studies = {row["case"]: row for row in read_table(folder / STUDIES, "case")}
    for fact in facts:
        known = {name: cell for name, cell in fact.row(grids[fact.case]).items() if cell}
        studies[fact.case] = {**studies.get(fact.case, {}), **known}
    subjects = {row["subject"]: row for row in read_table(folder / SUBJECTS, "subject")}
    unsure = _take_sexes(subjects, facts)
    counts: defaultdict[str, int] = defaultdict(int)
    for row in studies.values():
        counts[row.get("subject") or ""] += 1
    for subject, row in subjects.items():
        subjects[subject] = {**row, "studies": str(counts[subject])}
    _write(folder / STUDIES, STUDY_COLUMNS, studies)
    _write(folder / SUBJECTS, SUBJECT_COLUMNS, subjects)
    return unsure


def _take_sexes(subjects: dict[str, dict[str, str]], facts: Iterable[StudyFacts]) -> list[str]:
    """Put the sexes that headers tell into the rows of subjects; name those that are contradicted."""
    said: defaultdict[str, set[str]] = defaultdict(set)
    for fact in facts:
        said[fact.subject] |= {str(fact.sex.value)} if fact.sex else set()
        said[fact.subject] |= {word for word in [subjects.get(fact.subject, {}).get("sex", "")] if word}
    for subject, words in said.items():
        sex = next(iter(words)) if len(words) == 1 else ""
        subjects[subject] = {**subjects.get(subject, {}), "subject": subject, "sex": sex}
    return sorted(subject for subject, words in said.items() if len(words) > 1)


def read_table(path: Path, key: str) -> list[dict[str, str]]:
    """Rows of a CSV that has a column ``key``; none where there is no such file.

    Raises
    ------
    BadFileError
        It is no CSV in UTF-8 with that column.
    """
    if not path.is_file():
        return []
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
        columns = rows.fieldnames or ()
        table = list(rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadFileError(f"{path}: cannot be read as a table ({error})") from None
    if key not in columns:
        raise BadFileError(f"{path}: expected a column {key!r}, found {', '.join(columns) or 'none'}")
    return table


def _write(path: Path, columns: Sequence[str], rows: Mapping[str, Row]) -> None:
    extra = dict.fromkeys(name for row in rows.values() for name in row if name and name not in columns)
    out = io.StringIO()
    writer = csv.DictWriter(out, (*columns, *extra), restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[name] for name in sorted(rows))
    write_text(path, out.getvalue())
