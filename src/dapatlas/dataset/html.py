"""What a notebook shows of a data set and of a case. Voxels are never read, and nothing that is broken raises."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dapatlas.errors import DapatlasError
from dapatlas.files import size_in_words
from dapatlas.labels.html import Cell, block, fact_table, table
from dapatlas.volumes import Grid, read_grid

if TYPE_CHECKING:
    from dapatlas.dataset.case import Case
    from dapatlas.dataset.dataset import Dataset

FIRST_CASES = 10


def dataset_html(dataset: Dataset) -> str:
    """Where it lies, how much there is, and its first cases; nothing but the folders' listings is read."""
    title, facts = (
        f"Dataset {dataset.path.name}",
        [("path", str(dataset.path)), ("scheme", repr(dataset.scheme))],
    )
    try:
        cases, unpaired, subjects = dataset.cases, dataset.unpaired, dataset.subjects
    except (DapatlasError, OSError) as error:
        return block(title, fact_table([*facts, ("cannot be listed", _why(error))]))
    facts.append(("cases", f"{len(cases)} of {len(subjects)} subjects"))
    if unpaired:
        facts.append(("unpaired", f"{len(unpaired)} without CT or label map: {_first_names(unpaired)}"))
    if not cases:
        return block(title, fact_table(facts))
    rows = (
        (number, case.id, case.subject, case.study or "") for number, case in enumerate(cases[:FIRST_CASES])
    )
    more = len(cases) - FIRST_CASES
    rest = f"<p>… and {more} more</p>" if more > 0 else ""
    return block(title, fact_table(facts), table(("", "case", "subject", "study"), rows), rest)


def case_html(case: Case) -> str:
    """Who and what it is, its files, and their grids as the headers tell."""
    facts: list[tuple[str, Cell]] = [("subject", case.subject)]
    if case.study is not None:
        facts.append(("study", case.study))
    facts.append(("scheme", repr(case.scheme)))
    files = (("CT", case.image_path), ("label map", case.mask_path))
    rows = [_file_row(what, path) for what, path in files]
    head = ("", "file", "size", "shape", "spacing (mm)", "orientation")
    return block(f"Case {case.id}", fact_table(facts), table(head, rows))


def _file_row(what: str, path: Path | None) -> tuple[Cell, ...]:
    if path is None:
        return what, "none", "", "", "", ""
    return what, str(path), _size(path), *_grid(path)


def _size(path: Path) -> str:
    try:
        return size_in_words(path.stat().st_size)
    except Exception as error:
        return _why(error)


def _grid(path: Path) -> tuple[str, str, str]:
    """Shape, spacing and orientation; instead of the shape, why the header cannot be read."""
    try:
        grid: Grid = read_grid(path)
    except Exception as error:
        return f"cannot be read: {_why(error)}", "", ""
    shape = " × ".join(map(str, grid.shape))
    return shape, " × ".join(f"{mm:.4g}" for mm in grid.spacing), grid.orientation


def _why(error: Exception) -> str:
    """What an error says; a notebook must show a broken file, not fail over it, whatever is wrong with it."""
    return str(error) or type(error).__name__


def _first_names(cases: tuple[Case, ...]) -> str:
    names = ", ".join(case.id for case in cases[:3])
    return f"{names} …" if len(cases) > 3 else names
