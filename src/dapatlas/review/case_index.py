"""What is known of every case that has a map, before anybody looks at it.

Reports of builds, guidelines and checks are read where they lie in the data set; any of them may be absent. What was
read of a file is remembered beside its size and times, so that a listing reads only what is new.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from dapatlas.check.checked_case import COHORT, case_path
from dapatlas.check.codes import Code
from dapatlas.dataset import Case, Dataset
from dapatlas.dataset.digests import place_of, sha256_of
from dapatlas.dataset.reports import report_file
from dapatlas.dataset.subjects import SexTable, sex_of, sex_tables
from dapatlas.files import write_json
from dapatlas.findings import Finding, Severity
from dapatlas.labels import Sex, dap
from dapatlas.locations import HIDDEN

CASES = "cases.json"  # name of the file that remembers, beside the coarse volumes
CACHE = Path(HIDDEN, "review-cases.json")  # in the data set; only saves time
FORMAT = 1  # of what is remembered
THREADS = 4  # hashing lets go of the interpreter
REPORT_UNREADABLE, MAP_UNREADABLE = "report-unreadable", "map-unreadable"
REMEDIES = {
    REPORT_UNREADABLE: "make it again: `dapatlas check` or `dapatlas build`, with --force",
    MAP_UNREADABLE: "`dapatlas validate` tells what is wrong with it",
}
BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What is known of one case.

    Attributes
    ----------
    case, subject
        Ids.
    sex
        Of the patient; ``None`` where it is not known.
    age_years
        At the time of the study; ``None`` where it is not known.
    map_sha256
        Of the file of the label map; empty where that cannot be read.
    errors, warnings, remarks
        Findings of checks and of the build or the guidelines, and of files that are broken.
    outliers
        Structures whose volume lies far from the cohort's; not among the warnings.
    disagreement
        1 − mean Dice of the build's experts, over structures and pairs; ``None`` where none were compared.
    structures
        Those that the map holds; ``None`` where no report tells.
    problems
        What could not be read.
    """

    case: str
    subject: str
    sex: Sex | None = None
    age_years: float | None = None
    map_sha256: str = ""
    errors: int = 0
    warnings: int = 0
    remarks: int = 0
    outliers: int = 0
    disagreement: float | None = None
    structures: frozenset[str] | None = None
    problems: tuple[Finding, ...] = ()


def case_index(dataset: Dataset, cache: Path | None = None) -> dict[str, CaseFacts]:
    """Case id to what is known, for every case that has a map, in name order.

    Parameters
    ----------
    dataset
        With or without CTs.
    cache
        JSON file that remembers what was read; :data:`CACHE` in the data set when ``None``. One that cannot be
        written costs time only.

    Raises
    ------
    BadFileError
        The data set's ``subjects.csv`` is no table of sexes.
    """
    cases = [case for case in (*dataset.cases, *dataset.unpaired) if case.mask_path is not None]
    memory = _Memory(cache or dataset.path / CACHE, dataset.path)
    tables = sex_tables(None, dataset.path)
    cohort = memory.recall(dataset.path / COHORT, _cohort) or {}
    with ThreadPoolExecutor(THREADS) as pool:
        facts = pool.map(lambda case: _facts(case, dataset, memory, cohort, tables), cases)
        found = {each.case: each for each in sorted(facts, key=lambda each: each.case)}
    memory.keep()
    return found


class _Memory:
    """What was read of files, by name within a folder; good while a file's place, size, time and inode stay."""

    def __init__(self, cache: Path, folder: Path) -> None:
        self._cache, self._folder = cache, folder
        self._known = _read_cache(cache)
        self._found: dict[str, list[Any]] = {}

    def recall(self, path: Path, read: Callable[[Path], Row]) -> Row | None:
        """What ``read`` says of a file; ``None`` where there is no such file."""
        try:
            place = place_of(path)
        except (OSError, RuntimeError):  # absent, or a link that leads nowhere or in circles
            return None
        name = path.relative_to(self._folder).as_posix()
        known = self._known.get(name)
        if known is None or known[0] != place:
            known = [place, _read(path, read)]
        self._found[name] = known
        return dict(known[1])

    def keep(self) -> None:
        """Remember what was read, if there is news."""
        if self._found != self._known:
            with suppress(OSError):  # a data set that cannot be written to
                write_json(self._cache, {"format": FORMAT, "files": self._found})


def _read_cache(path: Path) -> dict[str, list[Any]]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: [place, dict(row)]
            for name, (place, row) in kept["files"].items()
            if kept["format"] == FORMAT
        }
    except BROKEN:
        return {}


def _read(path: Path, read: Callable[[Path], Row]) -> Row:
    try:
        return read(path)
    except BROKEN as error:
        return {"problem": f"{path.name} cannot be read ({type(error).__name__}: {error})"}


def _facts(
    case: Case, dataset: Dataset, memory: _Memory, cohort: Mapping[str, Any], tables: list[SexTable]
) -> CaseFacts:
    assert case.mask_path is not None  # only such are asked for
    paths = {
        "map": case.mask_path,
        "check": case_path(dataset.path, case.id),
        "build": report_file(dataset.path, case.id),
    }
    kept = memory.recall(paths["map"], _digest)
    check = memory.recall(paths["check"], _checked) or {}
    build = memory.recall(paths["build"], _built) or {}
    rows = {
        "map": kept or {"problem": f"{case.mask_path.name} cannot be read"},
        "check": check,
        "build": build,
    }
    problems = tuple(
        _problem(case.id, paths[name], row["problem"], MAP_UNREADABLE if name == "map" else REPORT_UNREADABLE)
        for name, row in rows.items()
        if "problem" in row
    )
    own = Counter(each.severity for each in problems)
    counts = {one: own[one] + sum(row.get(one.value, 0) for row in (check, build)) for one in Severity}
    sex = check.get("sex") or sex_of(case.id, case.subject, tables)[0]
    return CaseFacts(
        case.id,
        case.subject,
        Sex(sex) if sex else None,
        check.get("age_years"),
        rows["map"].get("sha256", ""),
        counts[Severity.ERROR] + cohort.get("unreadable", {}).get(case.id, 0),
        counts[Severity.WARNING],
        counts[Severity.INFO],
        cohort.get("outliers", {}).get(case.id, 0),
        build.get("disagreement"),
        _structures(dataset, check, build),
        problems,
    )


def _structures(dataset: Dataset, check: Row, build: Row) -> frozenset[str] | None:
    """Those in view, in the names of the data set's scheme; checks speak in those of DAP."""
    rows = (check, build) if dataset.scheme.name == dap().name else (build,)
    told = next((row["structures"] for row in rows if "structures" in row), None)
    return None if told is None else frozenset(told)


def _problem(case: str, path: Path, message: str, code: str) -> Finding:
    severity = Severity.ERROR if code == MAP_UNREADABLE else Severity.WARNING
    return Finding(case, severity, code, message, file=str(path), remedy=REMEDIES[code])


def _digest(path: Path) -> Row:
    return {"sha256": sha256_of(path)}


def _checked(path: Path) -> Row:
    row = _json(path)
    return {
        "sex": Sex(row["sex"]).value if row["sex"] else None,
        "age_years": None if row["age_years"] is None else float(row["age_years"]),
        "structures": list(row["volumes_ml"]),
        **_severities(row["findings"]),
    }


def _built(path: Path) -> Row:
    row = _json(path)
    dice = [float(each["dice"]) for each in row.get("agreement") or ()]
    told = {"structures": list(row["structures"])} if "structures" in row else {}
    return {"disagreement": 1 - fmean(dice) if dice else None, **told, **_severities(row.get("findings", ()))}


def _cohort(path: Path) -> Row:
    """What stands in the report of the whole cohort alone: outliers, and cases that could not be checked."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    codes = {Code.VOLUME_OUTLIER.value: "outliers", Code.CASE_UNREADABLE.value: "unreadable"}
    for finding in _json(path)["findings"]:
        if finding["code"] in codes:
            counts[codes[finding["code"]]][finding["case"]] += 1
    return {name: dict(by_case) for name, by_case in counts.items()}


def _json(path: Path) -> Row:
    row = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(row, dict):
        raise TypeError(f"expected an object, found {type(row).__name__}")
    return row


def _severities(findings: Iterable[Mapping[str, Any]]) -> Row:
    return dict(Counter(Severity(each["severity"]).value for each in findings))
