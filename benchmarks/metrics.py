"""Measures of agreement of all labels of two maps, beside the loops over labels that people write."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contest import Contest, Prepared
from benchmarks.inputs import MAP, OTHER

TOLERANCE_MM = 3.0


def load(folder: Path) -> tuple[Any, Any, Any]:
    """Prediction, reference and their grid."""
    from dapatlas.volumes import read_label_map

    reference = read_label_map(folder / MAP)
    return read_label_map(folder / OTHER).array, reference.array, reference.grid


def scores_ours(folder: Path, surface: bool, threads: int = 1) -> Prepared:
    from dapatlas.check.scores import score
    from dapatlas.labels import dap

    prediction, reference, grid = load(folder)
    return lambda: score(prediction, reference, grid, dap(), surface=surface, threads=threads)


def overlaps_label_by_label(folder: Path) -> Prepared:
    prediction, reference, _ = load(folder)

    def call() -> None:
        for label in np.unique(reference)[1:]:
            ours, theirs = prediction == label, reference == label
            common = (ours & theirs).sum()
            found, there = ours.sum(), theirs.sum()
            2 * common / (found + there), common / (found + there - common), common / there, common / found

    return call


def surfaces_deepmind(folder: Path, cropped: bool = False) -> Prepared:
    """Surface Dice, HD95 and mean distances by ``surface-distance``; of the whole volume, or of boxes cut out first."""
    from surface_distance import metrics

    from dapatlas.volumes import hull, measure

    prediction, reference, grid = load(folder)
    warnings.simplefilter("ignore", DeprecationWarning)

    def call() -> None:
        ours, theirs = (measure(labels, grid) for labels in (prediction, reference)) if cropped else ({}, {})
        for label in np.unique(reference)[1:].tolist():
            box = hull(ours[label].box, theirs[label].box) if cropped else ...
            found = metrics.compute_surface_distances(
                reference[box] == label, prediction[box] == label, grid.spacing
            )
            metrics.compute_surface_dice_at_tolerance(found, TOLERANCE_MM)
            metrics.compute_robust_hausdorff(found, 95)
            metrics.compute_average_surface_distance(found)

    return call


def boxes_alone(folder: Path) -> Prepared:
    from dapatlas.volumes import measure

    prediction, reference, grid = load(folder)
    return lambda: (measure(prediction, grid), measure(reference, grid))


def contests() -> list[Contest]:
    """Rows of the table."""
    limit = (boxes_alone, "finding the boxes")
    ours = partial(scores_ours, surface=True)
    return [
        Contest(
            "overlap measures of all labels",
            partial(scores_ours, surface=False),
            overlaps_label_by_label,
            "a pass a label",
        ),
        Contest(
            "overlap and surface measures of all labels",
            ours,
            surfaces_deepmind,
            "surface-distance, surfaces only",
            *limit,
        ),
        Contest(
            "overlap and surface measures, boxes given to the peer",
            ours,
            partial(surfaces_deepmind, cropped=True),
            "surface-distance in boxes",
            *limit,
        ),
        Contest("overlap and surface measures, two threads", partial(scores_ours, surface=True, threads=2)),
    ]
