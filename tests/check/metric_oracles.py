"""Other programs, and the definitions written out, that measures are compared with."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from dapatlas.check.surface_areas import surfel_areas

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]


def deepmind(prediction: Mask, reference: Mask, spacing: Spacing) -> dict[str, NDArray[np.float64]]:
    """What the package ``surface-distance`` says."""
    metrics = pytest.importorskip("surface_distance.metrics")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it uses old names of SciPy's
        return metrics.compute_surface_distances(reference, prediction, spacing)


def deepmind_scores(
    prediction: Mask, reference: Mask, spacing: Spacing, tolerance_mm: float
) -> tuple[float, list[float], float]:
    """Its surface Dice, its HD95 a hair below and above 95 % (rounding decides ties), and pooled mean distance."""
    metrics = pytest.importorskip("surface_distance.metrics")
    found = deepmind(prediction, reference, spacing)
    there, back = found["distances_pred_to_gt"], found["distances_gt_to_pred"]
    area, other = found["surfel_areas_pred"], found["surfel_areas_gt"]
    return (
        float(metrics.compute_surface_dice_at_tolerance(found, tolerance_mm)),
        [float(metrics.compute_robust_hausdorff(found, percent)) for percent in (95 - 1e-7, 95, 95 + 1e-7)],
        float((there @ area + back @ other) / (area.sum() + other.sum())),
    )


def by_definition(
    prediction: Mask, reference: Mask, spacing: Spacing
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Distances and areas of all surfels, both directions, corner by corner and pair by pair."""
    areas = surfel_areas(spacing)
    corners = []
    for mask in (prediction, reference):
        padded, codes = np.pad(mask, 1), {}
        for corner in np.ndindex(*(n + 1 for n in mask.shape)):
            around = padded[tuple(slice(c, c + 2) for c in corner)].ravel().tolist()  # k runs fastest
            code = int("".join("01"[inside] for inside in around), 2)
            if 0 < code < 255:
                codes[corner] = code
        corners.append(codes)
    directed = []
    for own, other in (corners, corners[::-1]):
        points, others = (np.array(list(codes), float) * spacing for codes in (own, other))
        mm = np.sqrt(((points[:, None] - others[None]) ** 2).sum(axis=2)).min(axis=1)
        directed.append((mm, areas[list(own.values())]))
    return directed


def blob(rng: np.random.Generator, shape: tuple[int, int, int], filled: float = 0.4) -> Mask:
    """A random shape with rough boundaries, in one or several pieces, never empty."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(rng.standard_normal(shape), rng.uniform(0.5, 2))
    return noise >= np.quantile(noise, 1 - filled)
