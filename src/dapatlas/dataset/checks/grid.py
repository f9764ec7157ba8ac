"""Checks of where a volume lies, and whether CT and label map lie in the same place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import nibabel as nib
import numpy as np
import numpy.typing as npt

from dapatlas.dataset.codes import Code, finding
from dapatlas.findings import Finding
from dapatlas.volumes import Grid

SMALLEST_VOXEL_MM, LARGEST_VOXEL_MM = 0.05, 50.0  # edges; clinical CTs have 0.2 to 10
SPACING_TOLERANCE_MM = 1e-3
AMBIGUITY_TOLERANCE_MM = 1.0  # a qform keeps single-precision quaternions: tenths of a mm are rounding

_BODY_AXES = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
_RESAMPLE = "bring the label map to the grid of its CT: dapatlas.volumes.resample_labels"
_REORIENT = (
    "if the voxels lie right against the CT, copy the affine of the CT into the label map; "
    "if they are in another axis order, use dapatlas.volumes.reorient"
)


def check_grids(case: str, file: str, ct: Grid, label_map: Grid) -> Iterator[Finding]:
    """Do CT and label map lie on one grid? Each cause is told once: a flip is not also a shift."""

    def differs(code: Code, what: str, expected: str, found: str, remedy: str) -> Finding:
        message = f"the label map has {what} {found}, its CT {expected}"
        return finding(case, code, message, file=file, expected=expected, found=found, remedy=remedy)

    findings = []
    if _along_body(ct.shape, ct) != _along_body(label_map.shape, label_map):
        shapes = _cross(ct.shape), _cross(label_map.shape)
        findings.append(differs(Code.GRID_SHAPE, "shape", *shapes, _RESAMPLE))
    spacings = _along_body(ct.spacing, ct), _along_body(label_map.spacing, label_map)
    if any(abs(a - b) > SPACING_TOLERANCE_MM for a, b in zip(*spacings, strict=True)):
        spacings_mm = f"{_cross(ct.spacing)} mm", f"{_cross(label_map.spacing)} mm"
        findings.append(differs(Code.GRID_SPACING, "spacing", *spacings_mm, _RESAMPLE))
    if ct.orientation != label_map.orientation:
        codes = ct.orientation, label_map.orientation
        findings.append(differs(Code.GRID_ORIENTATION, "orientation", *codes, _REORIENT))
    if not findings and not ct.is_close(label_map):
        found = "; ".join(ct.differences(label_map))
        message = f"the label map is shifted or turned against its CT: {found}"
        findings.append(
            finding(case, Code.GRID_AFFINE, message, file=file, expected="the affine of the CT", found=found)
        )
    yield from findings


def check_voxel_size(case: str, what: str, file: str, grid: Grid) -> Iterator[Finding]:
    """Can the spacing be that of a CT, and in mm?"""
    if not all(SMALLEST_VOXEL_MM <= edge <= LARGEST_VOXEL_MM for edge in grid.spacing):
        found = f"{_cross(grid.spacing)} mm"
        yield finding(
            case,
            Code.VOXEL_SIZE,
            f"the {what} has voxels of {found}, which no CT has",
            file=file,
            expected=f"edges from {SMALLEST_VOXEL_MM:g} to {LARGEST_VOXEL_MM:g} mm",
            found=found,
            remedy="see whether the affine is in metres or micrometres; it must be in mm",
        )


def check_header(case: str, what: str, file: str, header: nib.Nifti1Header) -> Iterator[Finding]:
    """Does the header say, and say once, where the volume lies? Left and right depend on it."""
    qform, qcode = header.get_qform(coded=True)
    sform, scode = header.get_sform(coded=True)
    if qcode == 0 and scode == 0:
        yield finding(
            case,
            Code.ORIENTATION_UNKNOWN,
            f"the header of the {what} has neither qform nor sform, so left and right are a guess",
            file=file,
            expected="a qform or sform code above 0",
            found="qform_code 0, sform_code 0",
            remedy="convert the series from DICOM again, or copy the affine from a file that has it",
        )
    elif qcode > 0 and scode > 0:
        corners = _corners(header.get_data_shape()[:3])
        shift = float(np.abs(corners @ (qform - sform).T).max())
        if shift > AMBIGUITY_TOLERANCE_MM:
            yield finding(
                case,
                Code.ORIENTATION_AMBIGUOUS,
                f"qform and sform of the {what} place a corner up to {shift:.1f} mm apart; "
                "programs differ in which of them they follow",
                file=file,
                expected="qform and sform that agree",
                found=f"{shift:.1f} mm apart",
                remedy="find out which is right and write it to both",
            )


def _along_body(values: Sequence[float], grid: Grid) -> list[float]:
    """Values per file axis, put in the order right–left, front–back, head–foot."""
    return [value for _, value in sorted(zip((_BODY_AXES[c] for c in grid.orientation), values, strict=True))]


def _corners(shape: Sequence[int]) -> npt.NDArray[np.float64]:
    """Homogeneous voxel indices of the eight corners, shape (8, 4)."""
    return np.array([(*corner, 1.0) for corner in product(*((0, size - 1) for size in shape))])


def _cross(values: Sequence[float]) -> str:
    return "×".join(f"{value:g}" for value in values)
