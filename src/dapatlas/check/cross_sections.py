"""Cross-sections of a vessel: what each slice across the body shows of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes import connected

LEAST_VOXELS = 4


@dataclass(frozen=True, slots=True)
class CrossSection:
    """One connected piece of a vessel in one slice.

    Attributes
    ----------
    z_mm, y_mm
        Height of the slice, and where its centre lies from back to front: index times spacing.
    minor_mm
        Smallest diameter of the ellipse that has its second moments: the vessel's own, however obliquely it is cut.
    others
        How many more pieces the slice shows.
    """

    z_mm: float
    y_mm: float
    minor_mm: float
    others: int


def cross_sections(
    mask: NDArray[np.bool_], start: tuple[int, int, int], spacing: tuple[float, float, float]
) -> list[CrossSection]:
    """Measure every piece in every slice of a mask with axes to the right, the front, and up.

    Parameters
    ----------
    mask
        A vessel within its box.
    start
        First index of the box, along i, j, k.
    spacing
        Mm between voxels along i, j, k.
    """
    found = []
    for k in range(mask.shape[2]):
        numbers, count = connected(np.asfortranarray(mask[:, :, k : k + 1]))
        parts = [np.argwhere(numbers[:, :, 0] == number) for number in range(1, count + 1)]
        parts = [part for part in parts if len(part) >= LEAST_VOXELS]
        for part in parts:
            y = (start[1] + float(part[:, 1].mean())) * spacing[1]
            minor = _minor_mm(part, spacing)
            found.append(CrossSection((start[2] + k) * spacing[2], y, minor, len(parts) - 1))
    return found


def _minor_mm(index: NDArray[np.intp], spacing: tuple[float, float, float]) -> float:
    """Of an ellipse with semi-axis a the variance along it is a²/4; each voxel adds that of its own width, s²/12."""
    points = index * np.array(spacing[:2])
    covariance = np.cov(points.T, bias=True) + np.diag(np.square(spacing[:2]) / 12)
    return float(4 * np.sqrt(np.linalg.eigvalsh(covariance)[0]))
