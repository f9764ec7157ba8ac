"""What all experts share whose work is done already: files on disk, in a known scheme, on any grid.

They are pydantic models, so that a recipe's ``[[experts]]`` table *is* the expert.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from pathlib import Path
from typing import Annotated, Any

import fastremap
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dapatlas.dataset import Case
from dapatlas.errors import BadFileError, BadLabelsError, GridMismatchError, first_few
from dapatlas.experts.expert import Proposal
from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme, load_scheme
from dapatlas.volumes import Grid, read_grid, resample_labels


def _known_scheme(name: str) -> str:
    try:
        load_scheme(name)
    except BadLabelsError as error:
        raise ValueError(str(error)) from None
    return name


SchemeName = Annotated[str, AfterValidator(_known_scheme)]


class ReadyExpert(BaseModel):
    """A name, a scheme and where the files are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    scheme: SchemeName
    files: str = Field(description="path, with {case}, {subject} and {study} filled in for each case")
    silence: bool | None = Field(
        None,
        description="whether its silence within its field of view is evidence of absence; "
        "by default as its scheme says",
    )

    def path(self, case: Case) -> Path:
        """Where this case's file or folder should be."""
        known = {"case": case.id, "subject": case.subject, "study": case.study or ""}
        return Path(
            reduce(lambda text, item: text.replace(f"{{{item[0]}}}", item[1]), known.items(), self.files)
        )


class OneFileExpert(ReadyExpert):
    """An expert that has one file a case; ``files`` may also name a folder that holds nothing else."""

    def inputs(self, case: Case) -> tuple[Path, ...]:
        """The case's file, if there is one."""
        path = self.path(case)
        if path.is_dir():
            return tuple(sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")))
        return (path,) if path.is_file() else ()

    def file(self, case: Case, what: str) -> Path:
        """The one file of this case, which is ``what``.

        Raises
        ------
        BadFileError
            There is none, or the folder holds several.
        """
        found = OneFileExpert.inputs(self, case)
        if not found:
            raise missing(self.name, case, what, self.path(case))
        if len(found) > 1:
            raise BadFileError(
                f"{case.id}: expert {self.name!r}: {self.path(case)} holds {len(found)} files; expected one {what}: "
                "name the file in `files`"
            )
        return found[0]


def missing(expert: str, case: Case, what: str, path: Path) -> BadFileError:
    """The error that says that a case lacks an expert's file."""
    return BadFileError(
        f"{case.id}: expert {expert!r} has no {what} for this case: expected {path}; "
        "add the file, correct `files`, or set `required = false` in the recipe"
    )


def check_ids(array: NDArray[Any], scheme: LabelScheme, path: Path) -> None:
    """Raise BadLabelsError where a label map holds ids that its scheme does not have."""
    ids, counts = fastremap.unique(array, return_counts=True)
    strange = [found for found in zip(ids.tolist(), counts.tolist(), strict=True) if found[0] not in scheme]
    if strange:
        listed = first_few(f"{id_} ({voxels} voxels)" for id_, voxels in strange)
        raise BadLabelsError(
            f"{path}: ids that {scheme.name} does not have: {listed}; "
            f"expected ids among 0…{scheme.max_id}; name the scheme that the file is in"
        )


def unknown_findings(
    names: Iterable[str], expert: str, case: Case, scheme: LabelScheme, path: Path
) -> tuple[Finding, ...]:
    """One finding for each name of a file's segments that is no structure of the scheme."""
    return tuple(
        Finding(
            case=case.id,
            severity=Severity.WARNING,
            code="unknown-structure",
            message=f"expert {expert}: {name!r} in {path.name} is no structure of {scheme.name}; left out",
            file=str(path),
            found=name,
            remedy="rename it, or use the scheme that the file is in",
        )
        for name in names
    )


def none_known(names: Sequence[str], scheme: LabelScheme, path: Path, what: str) -> BadLabelsError:
    """The error that says that a scheme knows nothing of what a file or folder names."""
    listed = first_few(map(repr, names))
    return BadLabelsError(
        f"{path}: none of the {len(names)} {what} is named after a structure of {scheme.name}: found {listed}; "
        f"expected names such as {scheme.names[1]!r}; name the scheme that it is in"
    )


def ct_grid(expert: str, case: Case) -> Grid:
    """The grid of the case's CT; BadFileError where it has none."""
    if case.image_path is None:
        raise BadFileError(f"{case.id}: the case has no CT, so there is no grid to bring {expert!r} to")
    return read_grid(case.image_path)


def on_ct_grid(
    expert: str,
    case: Case,
    scheme: LabelScheme,
    label_map: NDArray[Any],
    grid: Grid,
    findings: Iterable[Finding] = (),
    seen: Grid | None = None,
) -> Proposal:
    """Bring an expert's map to the CT's grid, thin structures kept whole, and say so where that lost something.

    Parameters
    ----------
    expert, case, scheme
        Whose map it is, of whom, and what its ids mean.
    label_map, grid
        The map as it was in the file.
    findings
        What was noticed so far.
    seen
        How far the expert saw, where its file says that that is more than ``grid``.

    Raises
    ------
    GridMismatchError
        The map and the CT have nothing in common.
    """
    target = ct_grid(expert, case)
    differences = grid.differences(target)
    if not differences:
        return Proposal(expert, scheme, label_map, tuple(findings))
    moved = resample_labels(label_map, grid, target, keep_thin=True)
    if label_map.any() and not moved.any():
        raise GridMismatchError(
            f"{case.id}: the map of expert {expert!r} lies wholly outside the CT {case.image_path}: "
            f"{'; '.join(differences)}; check that both come from one study and that the affines are right"
        )
    said = Finding(
        case=case.id,
        severity=Severity.INFO,
        code="resampled",
        message=f"expert {expert}: brought to the CT's grid by nearest neighbour, thin structures kept whole "
        f"({'; '.join(differences)})",
    )
    saw = seen or grid
    return Proposal(expert, scheme, moved, (*findings, said), saw if saw.differences(target) else None)
