"""Experts whose work is done already: label maps and binary masks on disk, on any grid.

They are pydantic models, so that a recipe's ``[[experts]]`` table *is* the expert.
"""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Annotated, Literal

import fastremap
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dapatlas.dataset import Case
from dapatlas.dataset.names import case_id_of
from dapatlas.errors import BadFileError, BadLabelsError, GridMismatchError
from dapatlas.experts.expert import Proposal
from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme, Structure, load_scheme
from dapatlas.volumes import Box, Grid, Volume, measure, read_grid, read_label_map, resample_labels


def _known_scheme(name: str) -> str:
    try:
        load_scheme(name)
    except BadLabelsError as error:
        raise ValueError(str(error)) from None
    return name


SchemeName = Annotated[str, AfterValidator(_known_scheme)]


class _ReadyExpert(BaseModel):
    """What both kinds of ready expert share: a name, a scheme and where the files are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    scheme: SchemeName
    files: str = Field(description="path, with {case}, {subject} and {study} filled in for each case")

    def path(self, case: Case) -> Path:
        """Where this case's file or folder should be."""
        known = {"case": case.id, "subject": case.subject, "study": case.study or ""}
        return Path(
            reduce(lambda text, item: text.replace(f"{{{item[0]}}}", item[1]), known.items(), self.files)
        )


class LabelMaps(_ReadyExpert):
    """One multi-label NIfTI file a case, its ids in a known scheme."""

    kind: Literal["label-maps"] = "label-maps"

    def inputs(self, case: Case) -> tuple[Path, ...]:
        """The case's label map, if there is one."""
        path = self.path(case)
        return (path,) if path.is_file() else ()

    def propose(self, case: Case) -> Proposal:
        """Read the case's label map and bring it to the CT's grid.

        Raises
        ------
        BadFileError
            The file is missing or unreadable.
        BadLabelsError
            It holds ids that the scheme does not know, or no integers.
        """
        path = self.path(case)
        if not path.is_file():
            raise BadFileError(
                f"{case.id}: expert {self.name!r} has no label map for this case: expected {path}; "
                "add the file, correct `files`, or set `required = false` in the recipe"
            )
        volume = read_label_map(path)
        scheme = load_scheme(self.scheme)
        _check_ids(volume, scheme, path)
        return _on_ct_grid(self.name, case, scheme, volume)


class BinaryMasks(_ReadyExpert):
    """A folder of binary masks a case, one NIfTI file a structure, as TotalSegmentator writes them."""

    kind: Literal["binary-masks"] = "binary-masks"

    def inputs(self, case: Case) -> tuple[Path, ...]:
        """Every mask in the case's folder, in name order."""
        folder = self.path(case)
        if not folder.is_dir():
            return ()
        return tuple(sorted(p for p in folder.iterdir() if case_id_of(p.name) is not None))

    def propose(self, case: Case) -> Proposal:
        """Lay the masks over one another, the smallest structure on top, and bring them to the CT's grid.

        Where two masks claim one voxel the smaller structure keeps it, since it is the more specific
        statement; a finding says so.

        Raises
        ------
        BadFileError
            The folder is missing or holds no mask, or a mask cannot be read.
        GridMismatchError
            Masks of one folder lie on different grids.
        """
        paths = self.inputs(case)
        if not paths:
            raise BadFileError(
                f"{case.id}: expert {self.name!r} has no masks for this case: expected NIfTI files in "
                f"{self.path(case)}; add them, correct `files`, or set `required = false` in the recipe"
            )
        scheme = load_scheme(self.scheme)
        known = [path for path in paths if _stem(path) in scheme]
        findings = [
            Finding(
                case=case.id,
                severity=Severity.WARNING,
                code="unknown-structure",
                message=f"expert {self.name}: {path.name} is named after no structure of {scheme.name}; left out",
                file=str(path),
                remedy="rename the file or use the scheme that it belongs to",
            )
            for path in paths
            if path not in known
        ]
        if not known:
            raise BadLabelsError(
                f"{case.id}: none of the {len(paths)} files in {self.path(case)} is named after a structure of "
                f"{scheme.name}; expected names such as {scheme.names[1]}.nii.gz"
            )
        composed, overlaps = _compose([(scheme[_stem(path)], path) for path in known], case, self.name)
        return _on_ct_grid(self.name, case, scheme, composed, (*findings, *overlaps))


def _stem(path: Path) -> str:
    return case_id_of(path.name) or path.name


def _check_ids(volume: Volume, scheme: LabelScheme, path: Path) -> None:
    ids, counts = fastremap.unique(volume.array, return_counts=True)
    strange = [found for found in zip(ids.tolist(), counts.tolist(), strict=True) if found[0] not in scheme]
    if strange:
        listed = ", ".join(f"{id_} ({voxels} voxels)" for id_, voxels in strange[:8])
        raise BadLabelsError(
            f"{path}: ids that {scheme.name} does not have: {listed}{' …' if len(strange) > 8 else ''}; "
            f"expected ids among 0…{scheme.max_id}; name the scheme that the file is in"
        )


def _compose(
    masks: list[tuple[Structure, Path]], case: Case, expert: str
) -> tuple[Volume, tuple[Finding, ...]]:
    """One label map from many masks; only each mask's bounding box is kept meanwhile."""
    first: Volume | None = None
    pieces: list[tuple[int, Structure, Box, NDArray[np.bool_]]] = []
    for structure, path in masks:
        volume = read_label_map(path)
        first = first or volume
        _check_same_grid(volume.grid, path, first.grid, masks[0][1])
        inside = volume.array != 0
        found = measure(inside.view(np.uint8), volume.grid)
        if 1 in found:
            box = found[1].box
            pieces.append((found[1].voxels, structure, box, inside[box].copy()))
    assert first is not None  # masks is never empty
    ids = max(structure.id for structure, _ in masks)
    label_map = np.zeros(first.grid.shape, np.uint8 if ids <= 255 else np.uint16, order="F")
    findings = []
    for _, structure, box, inside in sorted(pieces, key=lambda piece: (-piece[0], piece[1].id)):
        region = label_map[box]
        overlap = int(np.count_nonzero(region[inside]))
        region[inside] = structure.id
        if overlap:
            findings.append(
                Finding(
                    case=case.id,
                    severity=Severity.INFO,
                    code="masks-overlap",
                    message=f"expert {expert}: {structure.name} keeps {overlap} voxels that a larger mask claims too",
                    structure=structure.name,
                    voxels=overlap,
                )
            )
    return Volume(label_map, first.grid, first.header), tuple(findings)


def _check_same_grid(grid: Grid, path: Path, first: Grid, first_path: Path) -> None:
    differences = grid.differences(first)
    if differences:
        raise GridMismatchError(
            f"{path}: lies on another grid than {first_path.name} beside it: {'; '.join(differences)}; "
            "masks of one folder must share a grid: export them again from one source"
        )


def _on_ct_grid(
    expert: str, case: Case, scheme: LabelScheme, volume: Volume, findings: tuple[Finding, ...] = ()
) -> Proposal:
    """Bring an expert's map to the CT's grid, and say so where that lost something."""
    if case.image_path is None:
        raise BadFileError(f"{case.id}: the case has no CT, so there is no grid to bring {expert!r} to")
    target = read_grid(case.image_path)
    differences = volume.grid.differences(target)
    if not differences:
        return Proposal(expert, scheme, volume.array, findings)
    label_map = resample_labels(volume.array, volume.grid, target)
    if volume.array.any() and not label_map.any():
        raise GridMismatchError(
            f"{case.id}: the map of expert {expert!r} lies wholly outside the CT {case.image_path}: "
            f"{'; '.join(differences)}; check that both come from one study and that the affines are right"
        )
    moved = Finding(
        case=case.id,
        severity=Severity.INFO,
        code="resampled",
        message=f"expert {expert}: brought to the CT's grid by nearest neighbour ({'; '.join(differences)})",
    )
    return Proposal(expert, scheme, label_map, (*findings, moved))
