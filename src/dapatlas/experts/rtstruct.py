"""Contours of radiotherapy planning: DICOM RT Structure Sets, through pydicom.

rt-utils reads these files too, onto the slices of the DICOM CT that they were drawn on. It has had no release since
2023, needs that CT beside the file, and rounds contours to pixels; here they go straight to the grid of the case's CT.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dapatlas.dataset import Case
from dapatlas.errors import GridMismatchError
from dapatlas.experts.expert import Proposal
from dapatlas.experts.polygons import fill
from dapatlas.experts.ready import OneFileExpert, ct_grid, none_known, unknown_findings
from dapatlas.findings import Finding, Severity
from dapatlas.formats.dicom import our_errors, read_dicom
from dapatlas.formats.overlay import PackedMask, overlaid
from dapatlas.formats.worlds import to_ras
from dapatlas.labels import LabelScheme, load_scheme
from dapatlas.volumes import Grid

# defined terms of Contour Geometric Type (3006,0042), PS3.3 C.8.8.6
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
TILT = 0.5  # in slices: how far a contour may leave its plane on the CT's grid
SAME_PLANE_MM = 0.05
SPARSE = 1.5  # in slices: contours further apart than that are worth a word

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Roi:
    """One region of interest: its name, the frame of reference it is in, and contours, mm in NIfTI's world."""

    name: str
    frame: str
    contours: tuple[Points, ...]
    others: int  # contours that enclose nothing: points and open lines


class RtStruct(OneFileExpert):
    """An RT Structure Set a case; its regions of interest are looked up by name.

    Contours are filled on the case's own CT, whose grid need not be the one that they were drawn on, but must have
    slices parallel to theirs. Inner contours are holes. Every slice takes the nearest contour that is no further than
    half the distance between contours, or half a slice. Of structures that overlap the smaller keeps the voxel.
    """

    kind: Literal["rtstruct"] = "rtstruct"

    def propose(self, case: Case) -> Proposal:
        """Fill the case's contours on its CT.

        Raises
        ------
        BadFileError
            The file is missing, unreadable, or no structure set.
        BadLabelsError
            None of its regions is a structure of the scheme.
        GridMismatchError
            The contours are not parallel to the CT's slices, or lie wholly outside of it.
        """
        path, scheme = self.file(case, "RT structure set"), load_scheme(self.scheme)
        grid = ct_grid(self.name, case)
        dataset = read_dicom(path, "RTSTRUCT")
        with our_errors(path):
            rois = _rois(dataset)
        known = [roi for roi in rois if roi.name in scheme]
        strangers = [roi.name for roi in rois if roi.name not in scheme]
        if not known:
            raise none_known(strangers, scheme, path, "regions")
        kept, left = _of_one_frame(known)
        masks, axis, findings = self._masks(kept, grid, scheme, case, path)
        overlay = overlaid(grid.shape, masks, axis)
        findings = (
            *unknown_findings(strangers, self.name, case, scheme, path),
            *self._left_out(left, case, path),
            *findings,
            *overlay.findings(self.name, case.id, scheme),
        )
        return Proposal(self.name, scheme, overlay.label_map, findings)

    def _masks(
        self, rois: Sequence[Roi], grid: Grid, scheme: LabelScheme, case: Case, path: Path
    ) -> tuple[dict[int, PackedMask], int, tuple[Finding, ...]]:
        """Masks by structure id, the axis of the planes that they consist of, and what was noticed."""
        drawn = [(scheme[roi.name].id, [grid.to_index(contour) for contour in roi.contours]) for roi in rois]
        contours = [contour for _, of_roi in drawn for contour in of_roi]
        unfilled = self._unfilled(rois, case, path)
        if not contours:
            nothing = self._says(case, path, "empty", f"nothing is drawn in {path.name}")
            return {}, 2, (*unfilled, nothing)
        axis = _slice_axis(contours, path)
        gap = _gap(contours, axis, grid.spacing[axis])
        masks: dict[int, PackedMask] = {}
        for id_, of_roi in drawn:
            _put(masks.setdefault(id_, PackedMask()), of_roi, axis, grid, gap)
        if not any(mask.voxels for mask in masks.values()):
            raise GridMismatchError(
                f"{case.id}: the contours in {path} lie wholly outside the CT {case.image_path}; "
                "check that both are in one frame of reference"
            )
        return masks, axis, (*unfilled, *self._sparse(gap, grid.spacing[axis], case, path))

    def _left_out(self, rois: Iterable[Roi], case: Case, path: Path) -> tuple[Finding, ...]:
        return tuple(
            self._says(
                case,
                path,
                "other-frame-of-reference",
                f"{roi.name} is drawn in another frame of reference; left out",
            )
            for roi in rois
        )

    def _unfilled(self, rois: Iterable[Roi], case: Case, path: Path) -> tuple[Finding, ...]:
        return tuple(
            self._says(
                case, path, "open-contours", f"{roi.others} points or open lines of {roi.name} left out"
            )
            for roi in rois
            if roi.others
        )

    def _sparse(self, gap: float, slice_mm: float, case: Case, path: Path) -> tuple[Finding, ...]:
        if gap <= SPARSE:
            return ()
        message = (
            f"contours lie {gap * slice_mm:.3g} mm apart, slices of the CT {slice_mm:.3g} mm; "
            "each slice takes the nearest contour"
        )
        return (self._says(case, path, "sparse-contours", message, Severity.INFO),)

    def _says(
        self, case: Case, path: Path, code: str, message: str, severity: Severity = Severity.WARNING
    ) -> Finding:
        return Finding(case.id, severity, code, f"expert {self.name}: {message}", file=str(path))


def _rois(dataset: Any) -> list[Roi]:
    """Regions of interest in the order of the file."""
    drawn = {int(item.ReferencedROINumber): item for item in dataset.get("ROIContourSequence") or ()}
    rois = []
    for described in dataset.StructureSetROISequence:
        item = drawn.get(int(described.ROINumber), {})
        contours = list(item.get("ContourSequence") or ())
        closed = [contour for contour in contours if contour.ContourGeometricType in CLOSED]
        points = (np.array(contour.ContourData, np.float64).reshape(-1, 3) for contour in closed)
        rois.append(
            Roi(
                str(described.get("ROIName", "")),
                str(described.get("ReferencedFrameOfReferenceUID", "")),
                tuple(to_ras(contour) for contour in points if len(contour) > 2),
                len(contours) - len(closed),
            )
        )
    return rois


def _of_one_frame(rois: Sequence[Roi]) -> tuple[list[Roi], list[Roi]]:
    """Regions in the frame of reference that most are in, and the others: their mm are not the CT's."""
    frame = Counter(roi.frame for roi in rois).most_common(1)[0][0]
    return [roi for roi in rois if roi.frame == frame], [roi for roi in rois if roi.frame != frame]


def _slice_axis(contours: Sequence[Points], path: Path) -> int:
    """The axis of the grid along which every contour stays where it is."""
    spread = np.max([np.ptp(contour, axis=0) for contour in contours], axis=0)
    axis = int(spread.argmin())
    if spread[axis] > TILT:
        raise GridMismatchError(
            f"{path}: its contours are not parallel to the CT's slices: one runs through {spread[axis]:.3g} of them; "
            "use the CT that they were drawn on"
        )
    return axis


def _gap(contours: Sequence[Points], axis: int, slice_mm: float) -> float:
    """The distance between neighbouring planes with contours, in slices of the CT; 0 if there is one plane."""
    gaps = np.diff(np.unique([contour[:, axis].mean() for contour in contours]))
    gaps = gaps[gaps > SAME_PLANE_MM / slice_mm]
    return float(gaps.min()) if gaps.size else 0.0


def _planes(contours: Sequence[Points], axis: int, same: float) -> dict[float, list[Points]]:
    """Contours of one plane together, without the axis along which planes lie: by position, in rising order."""
    planes: dict[float, list[Points]] = {}
    last = -np.inf
    for contour in sorted(contours, key=lambda points: float(points[:, axis].mean())):
        position = float(contour[:, axis].mean())
        last = position if position - last > same else last
        planes.setdefault(last, []).append(np.delete(contour, axis, axis=1))
    return planes


def _put(mask: PackedMask, contours: Sequence[Points], axis: int, grid: Grid, gap: float) -> None:
    """Fill the contours of one region: on every slice those of the nearest plane within reach."""
    if not contours:
        return
    same = SAME_PLANE_MM / grid.spacing[axis]
    planes = _planes(contours, axis, same)
    positions, reach = np.array(list(planes)), max(gap, 1.0) / 2 + same
    i, j = (n for place, n in enumerate(grid.shape) if place != axis)
    place, filled = np.nan, np.zeros((i, j), np.bool_)
    for k in range(grid.shape[axis]):
        nearest = float(positions[np.abs(positions - k).argmin()])
        if abs(nearest - k) <= reach:
            if nearest != place:
                place, filled = nearest, fill(planes[nearest], (i, j))
            mask.put(k, filled)
