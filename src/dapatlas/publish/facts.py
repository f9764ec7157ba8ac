"""What can be measured of a data set: case by case, and all cases together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import fastremap
import numpy as np
from numpy.typing import NDArray

from dapatlas.dataset import Case, parse_case_name
from dapatlas.errors import DapatlasError
from dapatlas.labels import LabelScheme, Sex
from dapatlas.volumes import Grid, Header, read_header, read_label_map, read_volume

PATIENT_AXES = ("RL", "AP", "SI")  # letters that an array axis may have: left–right, front–back, head–foot

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What was measured of one case.

    Attributes
    ----------
    case
        Case id.
    shape, spacing_mm
        Voxels and mm along the patient's axes: left–right, front–back, head–foot, whatever the file's axis order.
    orientation
        Of the file's own axes, e.g. ``LPS``.
    ct_type, mask_type
        How voxels are stored, e.g. ``int16``; ``None`` where there is no such file.
    hu
        Lowest and highest HU; ``None`` without CT.
    ids
        Ids in the label map, rising, background among them; empty without one.
    """

    case: str
    shape: tuple[int, int, int]
    spacing_mm: Triple
    orientation: str
    ct_type: str | None
    mask_type: str | None
    hu: tuple[float, float] | None
    ids: tuple[int, ...]

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> CaseFacts:
        """The inverse of ``asdict``, by way of JSON."""
        whole: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
        }
        return cls(**whole)


@dataclass(frozen=True, slots=True)
class Spread:
    """Lowest, typical and highest value along left–right, front–back and head–foot."""

    lowest: Triple
    typical: Triple
    highest: Triple


@dataclass(frozen=True, slots=True)
class SexCount:
    """In how many subjects a structure that only one sex has was found.

    Attributes
    ----------
    structure
        Canonical name.
    sex
        The sex that has it.
    found
        Subjects that have it in any of their label maps, by recorded sex (``F``, ``M``, or ``""`` where none is).
    """

    structure: str
    sex: str
    found: dict[str, int]


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What was measured of all cases of a data set.

    Attributes
    ----------
    subjects, cases, cts, masks
        How many.
    studies
        Number of subjects by number of cases that they have.
    shape, spacing_mm
        Along the patient's axes. The typical shape is the commonest in the plane and the median number of slices; the
        typical spacing is the median.
    orientations, ct_types, mask_types
        Number of cases by orientation, and by type of voxels.
    hu
        Lowest and highest HU of all CTs; ``None`` without CTs.
    ids
        Number of label maps by id that they hold.
    sexes
        Number of subjects by recorded sex; ``""`` where none is.
    sex_counts
        One for each structure that only one sex has.
    """

    subjects: int
    cases: int
    cts: int
    masks: int
    studies: dict[int, int]
    shape: Spread
    spacing_mm: Spread
    orientations: dict[str, int]
    ct_types: dict[str, int]
    mask_types: dict[str, int]
    hu: tuple[float, float] | None
    ids: dict[int, int]
    sexes: dict[str, int]
    sex_counts: tuple[SexCount, ...]

    def as_dict(self) -> dict[str, Any]:
        """Every field under its own name, ready for JSON."""
        return asdict(self)


def measure_case(case: Case, report: Path | None = None) -> CaseFacts:
    """Measure one case: a pass over its CT, and one over its label map unless the report of a build spares it.

    Parameters
    ----------
    case
        With a CT, a label map, or both.
    report
        ``reports/<case>.json`` of a build; see :func:`ids_of_report`.

    Raises
    ------
    BadFileError, BadLabelsError
        A file cannot be read; ids are no whole numbers.
    """
    grid, header, ct_type, mask_type, hu = None, None, None, None, None
    ids: tuple[int, ...] = ()
    if case.mask_path is not None:
        grid, header = read_header(case.mask_path)
        mask_type = _stored(header)
        known = ids_of_report(report, case.mask_path, grid, case.scheme) if report else None
        ids = known or tuple(fastremap.unique(read_label_map(case.mask_path).array).tolist())
    if case.image_path is not None:
        ct = read_volume(case.image_path)
        grid, ct_type, hu = ct.grid, _stored(ct.header), _hu_range(ct.array)
    if grid is None:
        raise DapatlasError(f"case {case.id} has neither a CT nor a label map")
    order = [next(a for a, code in enumerate(grid.orientation) if code in pair) for pair in PATIENT_AXES]
    shape, spacing = ([values[a] for a in order] for values in (grid.shape, grid.spacing))
    return CaseFacts(
        case.id,
        (int(shape[0]), int(shape[1]), int(shape[2])),
        (round(spacing[0], 6), round(spacing[1], 6), round(spacing[2], 6)),
        grid.orientation,
        ct_type,
        mask_type,
        hu,
        ids,
    )


def ids_of_report(report: Path, mask: Path, grid: Grid, scheme: LabelScheme) -> tuple[int, ...] | None:
    """Ids that the report of a build says a label map has; ``None`` where it cannot be relied upon.

    It is relied upon where it is not older than the map, tells of a volume of the same shape, names structures as
    the scheme does, and does not count more voxels than there are.
    """
    try:
        if report.stat().st_mtime_ns < mask.stat().st_mtime_ns:
            return None
        document = json.loads(report.read_text(encoding="utf-8"))
        if document["grid"]["shape"] != list(grid.shape):
            return None
        voxels = {item["id"]: item["voxels"] for item in document["structures"].values()}
        names = {item["id"]: name for name, item in document["structures"].items()}
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ):  # of another stage, or no report at all
        return None
    labelled = sum(voxels.values())
    if labelled > grid.size or any(
        id_ not in scheme or scheme[id_].name != name for id_, name in names.items()
    ):
        return None
    return (*([0] if labelled < grid.size else []), *sorted(voxels))


def gather(
    cases: Sequence[CaseFacts], scheme: LabelScheme, sexes: Mapping[str, Sex | None] | None = None
) -> DatasetFacts:
    """Put the facts of all cases together.

    Parameters
    ----------
    cases
        At least one.
    scheme
        What ids mean.
    sexes
        Sex by subject or case id, as far as it is known.
    """
    people: dict[str, list[CaseFacts]] = {}
    for case in cases:
        people.setdefault(parse_case_name(case.case).subject, []).append(case)
    hus = [case.hu for case in cases if case.hu is not None]
    sex = {subject: _sex(subject, theirs, sexes or {}) for subject, theirs in people.items()}
    return DatasetFacts(
        subjects=len(people),
        cases=len(cases),
        cts=sum(case.ct_type is not None for case in cases),
        masks=sum(case.mask_type is not None for case in cases),
        studies=dict(sorted(Counter(map(len, people.values())).items())),
        shape=_spread([case.shape for case in cases], (_commonest, _commonest, _middle)),
        spacing_mm=_spread([case.spacing_mm for case in cases], (median, median, median)),
        orientations=_counted(case.orientation for case in cases),
        ct_types=_counted(case.ct_type for case in cases if case.ct_type),
        mask_types=_counted(case.mask_type for case in cases if case.mask_type),
        hu=(min(low for low, _ in hus), max(high for _, high in hus)) if hus else None,
        ids=dict(sorted(Counter(id_ for case in cases for id_ in case.ids).items())),
        sexes=_counted(sex.values()),
        sex_counts=_sex_counts(people, sex, scheme),
    )


def _sex(subject: str, cases: Sequence[CaseFacts], sexes: Mapping[str, Sex | None]) -> str:
    """Recorded sex of a subject; empty where none is, or its cases contradict each other."""
    said = {str(found) for key in (subject, *(case.case for case in cases)) if (found := sexes.get(key))}
    return said.pop() if len(said) == 1 else ""


def _sex_counts(
    people: Mapping[str, Sequence[CaseFacts]], sex: Mapping[str, str], scheme: LabelScheme
) -> tuple[SexCount, ...]:
    ids = {subject: {id_ for case in cases for id_ in case.ids} for subject, cases in people.items()}
    return tuple(
        SexCount(
            structure.name,
            str(structure.sex),
            _counted(sex[subject] for subject, theirs in ids.items() if structure.id in theirs),
        )
        for structure in scheme
        if structure.sex is not None
    )


def _spread(rows: Sequence[Sequence[float]], typical: Sequence[Callable[[Sequence[float]], float]]) -> Spread:
    columns = list(zip(*rows, strict=True))
    low, middle, high = (
        tuple(function(column) for function, column in zip(functions, columns, strict=True))
        for functions in ((min,) * 3, typical, (max,) * 3)
    )
    return Spread((low[0], low[1], low[2]), (middle[0], middle[1], middle[2]), (high[0], high[1], high[2]))


def _commonest(values: Sequence[float]) -> float:
    """The largest of the commonest."""
    return max(Counter(values).items(), key=lambda item: (item[1], item[0]))[0]


def _middle(values: Sequence[float]) -> float:
    return round(median(values))


def _counted(values: Any) -> dict[str, int]:
    """How often each occurs, the commonest first."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _stored(header: Header) -> str:
    return str(header.get_data_dtype().newbyteorder("="))


def _hu_range(array: NDArray[Any]) -> tuple[float, float] | None:
    """Lowest and highest finite value; ``None`` where there is none."""
    low, high = float(array.min()), float(array.max())
    if np.isfinite((low, high)).all():
        return low, high
    finite = array[np.isfinite(array)]
    return (float(finite.min()), float(finite.max())) if finite.size else None
