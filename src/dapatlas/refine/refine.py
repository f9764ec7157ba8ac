"""One label map through the guidelines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import fastremap
import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadLabelsError, GridMismatchError
from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme, Sex, crosswalk, dap
from dapatlas.refine.anatomy import FILLING, Anatomy, Note
from dapatlas.refine.piece import Change, Labels
from dapatlas.refine.pieces import Pieces
from dapatlas.refine.settings import GUIDELINES, RefineSettings
from dapatlas.volumes import Box, Grid, bounding_box, hull, remap, reorient

# Two are usual: what one guideline mends may show another something, and the last changes nothing.
MAX_ROUNDS = 12
DENSE_SHARE = 0.1  # a map in which so much is fat, muscle and the like labels the whole body


def refine(
    label_map: NDArray[np.integer],
    grid: Grid,
    *,
    scheme: LabelScheme | None = None,
    settings: RefineSettings | None = None,
    sex: Sex | None = None,
    sex_doubt: str = "",
    dense: bool | None = None,
    case: str = "",
) -> tuple[Labels, list[Finding]]:
    """Make a label map anatomically consistent.

    The guidelines are applied in turn, until none of them has anything to change. They work on a view whose
    axes run right, front, up, so any orientation will do, and on what is in view.

    Parameters
    ----------
    label_map
        Ids of ``scheme``, of the grid's shape; not changed.
    grid
        Its grid, any orientation. A moderately oblique one is taken as straight: the mid-sagittal plane is fitted.
    scheme
        What the ids mean, DAP by default. Another scheme is read by its crosswalk to DAP; what has no
        counterpart there is left alone.
    settings
        Which guidelines, and their thresholds.
    sex
        Of the patient; unknown, organs of either sex stay.
    sex_doubt
        Why it is not known, for the findings.
    dense
        Whether the whole body is labelled, so that no voxel within it may become background; by default told from how
        much of the map is fat, muscle or other filling tissue.
    case
        Case id for the findings.

    Returns
    -------
    label_map
        uint8, a new array of the same shape and ids, Fortran order.
    findings
        Every change, by what became what and why, with its box; then what was noticed and left as it is.

    Raises
    ------
    BadLabelsError
        The map has ids that the scheme does not have, or is no array of integers.
    GridMismatchError
        The map has not the grid's shape.
    """
    scheme = dap() if scheme is None else scheme
    settings = RefineSettings() if settings is None else settings
    _check(label_map, grid, scheme)
    own = np.array(label_map, np.uint8, order="F")
    if not own.any():
        return own, [Finding(case, Severity.WARNING, "empty-map", "nothing is labelled: nothing to refine")]
    canonical, canonical_grid = reorient(own, grid, "RAS")
    box, open_faces = _content(canonical)
    to_dap = np.arange(256, dtype=np.uint8) if scheme == dap() else crosswalk(scheme, dap()).lookup()
    before = np.array(canonical[box], order="F")
    labels = remap(before, to_dap) if scheme != dap() else before.copy(order="F")
    atlas = dap()
    filling = [atlas[name].id for name in FILLING]
    if dense is None:
        dense = _is_dense(labels, filling)
    pieces = Pieces.of_map(labels, canonical_grid.spacing, open_faces, filling, dense=dense)
    anatomy = Anatomy(pieces, sex, sex_doubt)
    settled = _apply(anatomy, settings)
    if not settled:
        anatomy.note(
            "not-settled",
            f"after {MAX_ROUNDS} rounds the guidelines still found something to change",
            remedy="look at this case; the findings say what was changed again and again",
        )
    findings = _changes(anatomy, box, canonical_grid, grid, case) + [
        _noted(note, box, canonical_grid, grid, case) for note in anatomy.notes
    ]
    if pieces.changes:
        canonical[box] = labels if scheme == dap() else _back(before, labels, to_dap, scheme)
    return own, findings


def _check(label_map: NDArray[np.integer], grid: Grid, scheme: LabelScheme) -> None:
    if label_map.dtype.kind not in "iub":
        raise BadLabelsError(f"expected a label map of integers, found {label_map.dtype}")
    if label_map.shape != grid.shape:
        raise GridMismatchError(f"the label map has shape {label_map.shape}, its grid {grid.shape}")
    ids = fastremap.unique(label_map)
    strange = sorted(set(ids.tolist()) - set(scheme.ids.tolist()))
    if strange:
        raise BadLabelsError(
            f"ids that {scheme.name} does not have: {', '.join(map(str, strange))}; if the map is in another "
            "scheme, say which"
        )


def _is_dense(labels: Labels, filling: Sequence[int]) -> bool:
    ids, counts = fastremap.unique(labels, return_counts=True)
    return bool(counts[np.isin(ids, filling)].sum() >= DENSE_SHARE * counts[ids != 0].sum())


def _content(labels: Labels) -> tuple[Box, tuple[tuple[bool, bool], ...]]:
    """The box that holds every label, and which of its faces are faces of the field of view."""
    box = bounding_box(labels != 0)
    return box, tuple((side.start == 0, side.stop == n) for side, n in zip(box, labels.shape, strict=True))


def _apply(anatomy: Anatomy, settings: RefineSettings) -> bool:
    """Round after round until nothing changes; false where that did not come about."""
    for _ in range(MAX_ROUNDS):
        done = len(anatomy.pieces.changes)
        anatomy.notes.clear()  # what is left to say is what the last round sees
        for name in settings.guidelines:
            GUIDELINES[name].apply(anatomy, settings.thresholds(name))
        if len(anatomy.pieces.changes) == done:
            return True
    return False


def _back(before: Labels, labels: Labels, to_dap: NDArray[np.uint8], scheme: LabelScheme) -> Labels:
    """Changed voxels in the words of another scheme: an equal of the new DAP id, else left as they were."""
    way = crosswalk(dap(), scheme).lookup()
    changed = labels != remap(before, to_dap)
    table = way.copy()
    table[0] = 0
    renamed = remap(labels, table)
    sayable = changed & ((renamed != 0) | (labels == 0))
    return np.asfortranarray(np.where(sayable, renamed, before))


def _changes(anatomy: Anatomy, corner: Box, canonical: Grid, grid: Grid, case: str) -> list[Finding]:
    """One finding for each kind of change: why, from what, to what."""
    groups: defaultdict[tuple[str, int, int], list[Change]] = defaultdict(list)
    for change in anatomy.pieces.changes:
        groups[change.reason.code, change.old, change.new].append(change)
    findings = []
    for (code, old, new), changes in groups.items():
        voxels = sum(change.voxels for change in changes)
        box = changes[0].box
        for change in changes[1:]:
            box = hull(box, change.box)
        was, became = anatomy.name(old), anatomy.name(new)
        size = f"{voxels} voxel{'s' if voxels > 1 else ''}, {voxels * anatomy.pieces.voxel_ml:.2f} ml"
        count = f"{len(changes)} pieces" if len(changes) > 1 else "a piece"
        findings.append(
            Finding(
                case=case,
                severity=Severity.INFO,
                code=code,
                message=f"{count} of {was} ({size}) became {became}: {changes[0].reason.words}",
                structure=was,
                voxels=voxels,
                found=was,
                expected=became,
                box=_in_own_axes(box, corner, canonical, grid),
            )
        )
    return findings


def _noted(note: Note, corner: Box, canonical: Grid, grid: Grid, case: str) -> Finding:
    return Finding(
        case=case,
        severity=note.severity,
        code=note.code,
        message=note.message,
        structure=note.structure,
        voxels=note.voxels,
        remedy=note.remedy,
        box=None if note.box is None else _in_own_axes(note.box, corner, canonical, grid),
    )


def _in_own_axes(
    box: Box, corner: Box, canonical: Grid, grid: Grid
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """A box of the working array as start and stop along the axes of the map that came in."""
    offset = np.array([side.start for side in corner])
    ends = np.array([[side.start for side in box], [side.stop - 1 for side in box]]) + offset
    own = np.rint(grid.to_index(canonical.to_world(ends))).astype(int)
    i, j, k = ((int(low), int(high) + 1) for low, high in zip(own.min(axis=0), own.max(axis=0), strict=True))
    return i, j, k
