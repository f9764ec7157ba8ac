"""Whether the files of a case are there, can be read, and lie on its CT; headers alone are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dapatlas.aggregate.explain import by_trust
from dapatlas.aggregate.overlap import covered_share, overlap
from dapatlas.aggregate.recipe import ExpertSettings, Recipe
from dapatlas.dataset import Case
from dapatlas.dataset.names import case_id_of
from dapatlas.errors import DapatlasError
from dapatlas.experts.ready import OneFileExpert
from dapatlas.findings import Finding, Severity
from dapatlas.formats.itk import is_itk, itk_grid
from dapatlas.formats.planes import channel_file
from dapatlas.volumes import Grid, read_grid


def check_case(case: Case, recipe: Recipe) -> list[Finding]:
    """Whether the files of one case are there, can be read, and lie on its CT."""
    findings = []
    ct: Grid | None = None
    try:
        ct = read_grid(case.image_path) if case.image_path else None
    except DapatlasError as error:
        findings.append(_unreadable(case, "", case.image_path, error))
    any_files = False
    for expert in by_trust(recipe):
        paths = expert.inputs(case)
        any_files |= bool(paths) or expert.required
        if paths and isinstance(expert, OneFileExpert) and len(paths) > 1:
            findings.append(_several(case, expert, paths))
        elif paths:
            findings += _headers(case, expert, paths, ct)
        elif expert.required:
            findings.append(_missing(case, expert))
    if not any_files:
        findings.append(
            Finding(
                case.id,
                Severity.ERROR,
                "no-expert",
                "no expert of the recipe has a file for this case",
                remedy="add files, correct `files`, or leave the case out by cts.only",
            )
        )
    return findings


def _headers(case: Case, expert: ExpertSettings, paths: Sequence[Path], ct: Grid | None) -> Iterator[Finding]:
    """Whether an expert's files of a case can be read, share a grid, and lie on the CT."""
    first: tuple[Grid, Path] | None = None
    for path in paths:
        try:
            grid = _grid(expert, path)
        except DapatlasError as error:
            yield _unreadable(case, expert.name, path, error)
            continue
        if grid is None:
            continue
        if first is None:
            first = grid, path
            yield from _place(case, expert, grid, path, ct)
        elif grid != first[0] and (differences := grid.differences(first[0])):
            yield Finding(
                case.id,
                Severity.ERROR,
                "grids-differ",
                f"expert {expert.name}: {path.name} lies on another grid than {first[1].name} beside it: "
                f"{'; '.join(differences)}",
                file=str(path),
                remedy="export the masks again from one source",
            )


def _place(case: Case, expert: ExpertSettings, grid: Grid, path: Path, ct: Grid | None) -> Iterator[Finding]:
    if ct is None:
        return
    if not overlap(grid, ct):
        yield Finding(
            case.id,
            Severity.ERROR,
            "outside-ct",
            f"expert {expert.name}: lies wholly outside the CT: {'; '.join(grid.differences(ct))}",
            file=str(path),
            expected=repr(ct),
            found=repr(grid),
            remedy="check that both come from one study and that the affines are right",
        )
        return
    share = covered_share(ct, grid)
    if share < 1:
        yield Finding(
            case.id,
            Severity.INFO,
            "covers-part",
            f"expert {expert.name}: covers {_percent(share)} of the CT, and has no say in the rest",
            file=str(path),
        )


def _percent(share: float) -> str:
    """A share as words that neither say none of some nor all of most."""
    if share < 0.01:
        return "less than 1 %"
    return "more than 99 %" if share > 0.99 else f"about {100 * share:.0f} %"


def _missing(case: Case, expert: ExpertSettings) -> Finding:
    return Finding(
        case.id,
        Severity.ERROR,
        "missing-file",
        f"expert {expert.name}: has no file for this case: expected {expert.path(case)}",
        file=str(expert.path(case)),
        remedy="add the file, correct `files`, or set `required = false` in the recipe",
    )


def _several(case: Case, expert: ExpertSettings, paths: Sequence[Path]) -> Finding:
    return Finding(
        case.id,
        Severity.ERROR,
        "several-files",
        f"expert {expert.name}: {expert.path(case)} holds {len(paths)} files; expected one",
        file=str(expert.path(case)),
        remedy="name the file in `files`",
    )


def _unreadable(case: Case, expert: str, path: Path | None, error: DapatlasError) -> Finding:
    whose = f"expert {expert}" if expert else "the CT"
    return Finding(case.id, Severity.ERROR, "unreadable", f"{whose}: {error}", file=str(path or ""))


def _grid(expert: ExpertSettings, path: Path) -> Grid | None:
    """The grid of a file, from its header; ``None`` for DICOM, and where there are no voxels."""
    if expert.kind == "one-hot":
        return channel_file(path).grid
    if is_itk(path):
        grid = itk_grid(path)
        return grid if grid.size > 1 else None  # so 3D Slicer writes a segmentation in which nothing is drawn
    return read_grid(path) if case_id_of(path.name) is not None else None
