"""Connected components of all labels in one sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import cc3d
import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes.grid import Grid
from dapatlas.volumes.measure import Measurements, for_cc3d, measure


@dataclass(frozen=True, slots=True)
class Components:
    """Every piece of every label; row n describes component ``n + 1`` of the map.

    Attributes
    ----------
    component_map
        Component numbers from 1, 0 for background; shape and axis order of the label map.
    labels
        The label of each component, shape (n,).
    voxels
        Its size, shape (n,).
    boxes
        Start and stop along i, j, k, shape (n, 3, 2).
    centroids_mm
        Mean world position, shape (n, 3).
    """

    component_map: NDArray[Any]
    labels: NDArray[np.int64]
    voxels: NDArray[np.int64]
    boxes: NDArray[np.int64]
    centroids_mm: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, label: int) -> NDArray[np.int64]:
        """Numbers of a label's components, largest first."""
        rows = np.flatnonzero(self.labels == label)
        numbers: NDArray[np.int64] = rows[np.argsort(-self.voxels[rows], kind="stable")] + 1
        return numbers


def components(label_map: NDArray[Any], grid: Grid, connectivity: Literal[6, 18, 26] = 26) -> Components:
    """Split every label into connected pieces: one sweep to find them and one to measure them.

    Parameters
    ----------
    label_map
        Unsigned integers or bool, of the grid's shape; 0 is background.
    grid
        Places the centroids.
    connectivity
        6: voxels touch by faces, 18: by edges too, 26: by corners too.
    """
    plain = for_cc3d(label_map)
    numbered, _ = connected(plain, connectivity)
    found = measure(numbered, grid)
    keep = found.ids != 0
    return Components(
        component_map=numbered,
        labels=_label_of_each(plain, numbered, found),
        voxels=found.voxels[keep],
        boxes=found.boxes[keep],
        centroids_mm=found.centroids_mm[keep],
    )


def connected(array: NDArray[Any], connectivity: Literal[6, 18, 26] = 26) -> tuple[NDArray[Any], int]:
    """Number the connected pieces of a mask, or of every label, from 1; returns the numbers and how many.

    What cc3d does, but for arrays one voxel wide, for which cc3d 4.1 takes too short a table ("maximum length
    exception" for 1 0 1): these get a border.

    Parameters
    ----------
    array
        Unsigned integers or bool, three axes; 0 is background.
    connectivity
        As :func:`components` takes it.
    """
    if 1 not in array.shape:
        return cast(
            "tuple[NDArray[Any], int]",
            cc3d.connected_components(array, connectivity=connectivity, return_N=True),
        )
    padded = np.pad(array, [(0, 1)] * array.ndim)
    numbers, count = cc3d.connected_components(padded, connectivity=connectivity, return_N=True)
    return np.asfortranarray(numbers[tuple(slice(0, n) for n in array.shape)]), int(count)


def _label_of_each(label_map: NDArray[Any], numbered: NDArray[Any], found: Measurements) -> NDArray[np.int64]:
    """Look every component's label up at one of its voxels: the first in the lowest slice of its box."""
    labels = []
    for component in found:
        if component.id:
            i, j, k = component.box
            places = numbered[i, j, k.start] == component.id
            labels.append(label_map[i, j, k.start].flat[places.argmax()])
    return np.array(labels, np.int64)
