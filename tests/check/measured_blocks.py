"""Cases made of blocks: so many ml of each structure, at one HU each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dapatlas.check.measured_case import MeasuredCase, Patient, measured_case
from dapatlas.labels import Sex, dap
from dapatlas.volumes import Grid

SIDE = 50


def blocks(
    ml: Mapping[str, float],
    sex: Sex | None = None,
    age: float | None = None,
    *,
    hu: Mapping[str, float] | None = None,
    voxel_ml: float = 0.1,
    cut: bool = False,
) -> MeasuredCase:
    """A case whose structures lie one after the other, clear of all faces unless ``cut``."""
    counts = {name: round(volume / voxel_ml) for name, volume in ml.items()}
    depth = max(1, -(-sum(counts.values()) // SIDE**2))
    inside = np.zeros(SIDE * SIDE * depth, np.uint8)
    start = 0
    for name, count in counts.items():
        inside[start : start + count] = dap()[name].id
        start += count
    labels = inside.reshape((SIDE, SIDE, depth), order="F")
    labels = np.asfortranarray(labels if cut else np.pad(labels, 1))
    table = np.full(256, -1000, np.int16)
    for name, value in (hu or {}).items():
        table[dap()[name].id] = value
    edge = (1000 * voxel_ml) ** (1 / 3)
    grid = Grid(labels.shape, np.diag([edge, edge, edge, 1.0]))
    ct = None if hu is None else np.asfortranarray(table[labels])
    return measured_case("a", labels, ct, grid, dap(), Patient(sex, age))
