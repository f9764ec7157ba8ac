"""Slices as a stack: their order, the grid that they make, and what keeps them from making one.

Pure geometry, from what headers say of position, orientation and size; DICOM's world is LPS, mm
(PS3.3 C.7.6.2.1.1: x grows to the patient's left, y to the back, z to the head).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dapatlas.errors import first_few
from dapatlas.formats.worlds import LPS_TO_RAS
from dapatlas.volumes import Grid

Floats = NDArray[np.float64]

MOST_NAMED = 5  # places in a message
SAME_PLACE_MM = 0.01  # no scanner steps less; what lies this close is one place
OFF_PLACE = 0.02  # of the step: how far a slice may lie off its place in an even stack
ROUNDING_MM = 0.06  # some write positions in tenths of a mm, which puts a slice 0.05 mm off
OFF_PLACE_MOST = 0.1  # of the step: beyond it, a place between two slices could pass for any of them
SAME_DIRECTION = 1e-3  # of direction cosines: a quarter of a mm at the edge of a field of 500 mm
SAME_SPACING_MM = 1e-4  # of pixels: 0.05 mm over 512 of them
TILT_DEG = 0.1  # a slant of less moves the end of a stack of 1 m by less than 2 mm, one or two pixels
TILT_MM = 0.2  # over the whole stack: less may come from rounded positions


class Flaw(StrEnum):
    """What can be wrong with a stack."""

    BAD_GEOMETRY = "bad geometry"
    MIXED_ORIENTATIONS = "mixed orientations"
    MIXED_SIZES = "mixed sizes"
    SINGLE_SLICE = "single slice"
    DUPLICATE_SLICES = "duplicate slices"
    MISSING_SLICES = "missing slices"
    UNEVEN_SLICES = "uneven slices"
    OFF_LINE = "slices off line"
    GANTRY_TILT = "gantry tilt"


HARMLESS = frozenset({Flaw.SINGLE_SLICE, Flaw.GANTRY_TILT})  # a grid is a grid for all that


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a stack.

    Attributes
    ----------
    flaw
        What.
    message
        Half a sentence for a person, with numbers: "2 slices are missing, …".
    places
        Which slices, as places in what was given; empty where it is all of them, or those that are not there.
    count
        How many slices it concerns, the missing ones among them.
    """

    flaw: Flaw
    message: str
    places: tuple[int, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Slices in order.

    Attributes
    ----------
    order
        Places of the slices in what was given, sorted along the normal: for upright slices, feet to head.
    step
        From one slice to the next, mm, DICOM's world; zeros where there is no telling.
    planes_mm
        Where the slices lie along the normal, ascending, each place once; for upright slices this is z.
    tilt_deg
        Between the step and the normal.
    grid
        Indexed (column, row, slice), in NIfTI's world, slices in ``order``; ``None`` where faults leave none. A tilted
        stack has one, with a slant.
    faults
        What is wrong, worst first.
    """

    order: NDArray[np.intp]
    step: Floats
    planes_mm: Floats
    tilt_deg: float
    grid: Grid | None
    faults: tuple[Fault, ...]


def stack_of(
    positions: ArrayLike,
    orientations: ArrayLike,
    sizes: ArrayLike,
    spacings: ArrayLike,
    thickness_mm: float | None = None,
) -> Stack:
    """Stack slices, and say what is wrong with them.

    Parameters
    ----------
    positions
        (n, 3) ImagePositionPatient: the centre of the first pixel, mm.
    orientations
        (n, 6) ImageOrientationPatient: directions along a row, and down a column.
    sizes
        (n, 2) rows and columns.
    spacings
        (n, 2) PixelSpacing: mm between rows, and between columns.
    thickness_mm
        Stands for the step of a single slice.

    Raises
    ------
    ValueError
        There is no slice, or the shapes do not fit.
    """
    points, directions = np.asarray(positions, np.float64), np.asarray(orientations, np.float64)
    matrix, pixels = np.asarray(sizes, np.int64), np.asarray(spacings, np.float64)
    n = len(points)
    if n < 1 or [a.shape for a in (points, directions, matrix, pixels)] != [(n, 3), (n, 6), (n, 2), (n, 2)]:
        raise ValueError("expected positions (n, 3), orientations (n, 6), sizes (n, 2) and spacings (n, 2)")
    bad = _bad(points, directions, matrix, pixels)
    if bad.any():
        message = f"{bad.sum()} of {n} slices have no proper position, orientation, size or pixel spacing"
        return _unstacked(n, [Fault(Flaw.BAD_GEOMETRY, message, _places(bad), int(bad.sum()))])
    mixed = [*_mixed_orientations(directions), *_mixed_sizes(matrix, pixels)]
    if mixed:
        return _unstacked(n, mixed)
    return _stacked(points, directions[0], matrix[0], pixels[0], thickness_mm)


def _bad(points: Floats, directions: Floats, matrix: NDArray[np.int64], pixels: Floats) -> NDArray[np.bool_]:
    """Which slices cannot be placed."""
    row, column = directions[:, :3], directions[:, 3:]
    with np.errstate(invalid="ignore", over="ignore"):
        askew = np.abs((row * column).sum(axis=1))
        lengths = np.stack([np.linalg.norm(row, axis=1), np.linalg.norm(column, axis=1)])
        sound = (np.abs(lengths - 1) < 10 * SAME_DIRECTION).all(axis=0) & (askew < SAME_DIRECTION)
    sound &= np.isfinite(points).all(axis=1) & np.isfinite(pixels).all(axis=1)
    bad: NDArray[np.bool_] = ~(sound & (matrix > 0).all(axis=1) & (pixels > 0).all(axis=1))
    return bad


def _mixed_orientations(directions: Floats) -> list[Fault]:
    off = np.abs(directions - _usual(directions.round(2), directions)).max(axis=1) > SAME_DIRECTION
    if not off.any():
        return []
    message = f"{off.sum()} of {len(off)} slices point in other directions than the rest"
    return [Fault(Flaw.MIXED_ORIENTATIONS, message, _places(off), int(off.sum()))]


def _mixed_sizes(matrix: NDArray[np.int64], pixels: Floats) -> list[Fault]:
    both = np.hstack([matrix, pixels])
    usual = _usual(both.round(3), both)
    off = np.abs(both - usual).max(axis=1) > SAME_SPACING_MM
    if not off.any():
        return []
    other = both[off.argmax()]
    message = f"{off.sum()} of {len(off)} slices have {_size(other)}, the others {_size(usual)}"
    return [Fault(Flaw.MIXED_SIZES, message, _places(off), int(off.sum()))]


def _usual(rounded: Floats, exact: Floats) -> Floats:
    """The row of ``exact`` that, rounded, occurs most often; the first of equals."""
    _, first, counts = np.unique(rounded + 0.0, axis=0, return_index=True, return_counts=True)
    row: Floats = exact[first[counts == counts.max()].min()]
    return row


def _size(both: Floats) -> str:
    rows, columns, between_rows, between_columns = both
    return f"{rows:.0f}×{columns:.0f} pixels of {between_rows:.6g}×{between_columns:.6g} mm"


def _stacked(
    points: Floats, direction: Floats, size: NDArray[np.int64], pixel: Floats, thickness_mm: float | None
) -> Stack:
    """Stack slices of one size and direction."""
    normal = np.cross(direction[:3], direction[3:])
    heights = points @ normal
    order = np.argsort(heights, kind="stable")
    heights = heights[order]
    new = np.r_[True, np.diff(heights) > SAME_PLACE_MM]
    corners, planes = points[order][new], heights[new]
    faults = _duplicates(order, heights, new)
    if len(planes) == 1:
        step, tilt = normal * (thickness_mm or 1.0), 0.0
        faults.append(Fault(Flaw.SINGLE_SLICE, "there is one slice only", count=1))
    else:
        step, uneven = _step(corners, planes, normal)
        tilt, tilted = _tilt(step, corners, normal)
        faults += [*uneven, *tilted]
    grid = None
    if HARMLESS.issuperset(fault.flaw for fault in faults):
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1] = direction[:3] * pixel[1], direction[3:] * pixel[0]
        affine[:3, 2], affine[:3, 3] = step, corners[0]
        grid = Grid((int(size[1]), int(size[0]), len(planes)), LPS_TO_RAS @ affine)
    return Stack(order, step, planes, tilt, grid, tuple(faults))


def _duplicates(order: NDArray[np.intp], heights: Floats, new: NDArray[np.bool_]) -> list[Fault]:
    twins = ~new
    if not twins.any():
        return []
    at = heights[twins]
    where = _at(np.unique(at.round(3)))
    message = f"{len(order)} slices stand at {new.sum()} places: {twins.sum()} too many, at {where}"
    return [Fault(Flaw.DUPLICATE_SLICES, message, tuple(map(int, order[twins])), int(twins.sum()))]


def _step(corners: Floats, planes: Floats, normal: Floats) -> tuple[Floats, list[Fault]]:
    """From slice to slice, mm, and what is wrong with it: gaps, unevenness, slices beside the line."""
    gaps = np.diff(planes)
    for pitch in (float(np.sort(gaps)[(len(gaps) - 1) // 2]), float(gaps.min())):
        steps = np.maximum(1, np.rint(gaps / pitch))
        numbers = np.r_[0, np.cumsum(steps)]
        slope, start = np.polyfit(numbers, corners, 1)  # ends may be rounded like all others
        off = corners - (start + numbers[:, None] * slope)
        slack = _slack(float(slope @ normal))
        missing = int(numbers[-1]) + 1 - len(planes)
        if np.abs(off @ normal).max() <= slack and missing <= len(planes):
            beside = np.linalg.norm(off - np.outer(off @ normal, normal), axis=1)
            step: Floats = (corners[-1] - corners[0]) / numbers[-1]
            return step, [*_missing(planes, steps, missing), *_off_line(planes, beside, slack)]
    return (corners[-1] - corners[0]) / len(gaps), [_uneven(planes, gaps)]


def _slack(pitch: float) -> float:
    """How far a slice may lie off its place, mm."""
    return min(max(OFF_PLACE * pitch, ROUNDING_MM), OFF_PLACE_MOST * pitch)


def _missing(planes: Floats, steps: Floats, missing: int) -> list[Fault]:
    if not missing:
        return []
    holes = [
        f"{steps[k] - 1:.0f} between {planes[k]:.6g} and {planes[k + 1]:.6g} mm"
        for k in np.flatnonzero(steps > 1)
    ]
    are = "slice is" if missing == 1 else "slices are"
    return [
        Fault(Flaw.MISSING_SLICES, f"{missing} {are} missing: {first_few(holes, MOST_NAMED)}", count=missing)
    ]


def _off_line(planes: Floats, beside: Floats, slack: float) -> list[Fault]:
    most = float(beside.max())
    if most <= slack:
        return []
    off = beside > max(slack, most / 2)  # one slice draws the line, and with it all others aside
    where = _at(planes[off])
    message = f"{off.sum()} slices lie beside the line of the others, up to {most:.3g} mm, at {where}"
    return [Fault(Flaw.OFF_LINE, message, count=int(off.sum()))]


def _uneven(planes: Floats, gaps: Floats) -> Fault:
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])
    odd = np.abs(gaps - usual) > 2 * _slack(usual)
    if not odd.any():  # it adds up over the stack
        odd = gaps == gaps.max()
    message = (
        f"slices lie {gaps.min():.4g} to {gaps.max():.4g} mm apart: {odd.sum()} of {len(gaps)} distances are not "
        f"{usual:.4g} mm, the first after {planes[int(odd.argmax())]:.6g} mm"
    )
    return Fault(Flaw.UNEVEN_SLICES, message, count=int(odd.sum()))


def _tilt(step: Floats, corners: Floats, normal: Floats) -> tuple[float, list[Fault]]:
    """Angle between step and normal, degrees, and the fault that it is if it matters."""
    along = float(step @ normal)
    sideways = float(np.linalg.norm(step - along * normal))
    angle = float(np.rad2deg(np.arctan2(sideways, along)))
    whole = corners[-1] - corners[0]
    moved = float(np.linalg.norm(whole - (whole @ normal) * normal))
    if angle <= TILT_DEG or moved <= TILT_MM:
        return angle, []
    message = f"the stack leans by {angle:.2f}° against its slices ({moved:.3g} mm from end to end)"
    return angle, [Fault(Flaw.GANTRY_TILT, message)]


def _unstacked(n: int, faults: list[Fault]) -> Stack:
    return Stack(np.arange(n), np.zeros(3), np.zeros(0), 0.0, None, tuple(faults))


def _places(where: NDArray[Any]) -> tuple[int, ...]:
    return tuple(map(int, np.flatnonzero(where)))


def _at(places: Floats) -> str:
    return f"{first_few((f'{mm:.6g}' for mm in places), MOST_NAMED)} mm"
