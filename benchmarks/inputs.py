"""What is measured on: a phantom, a second map that differs a little from its own, and one with planted errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dapatlas.phantom import ErrorKind, PhantomSpec, make_phantom, plant
from dapatlas.volumes import write_label_map, write_volume

CT, MAP, OTHER, SPOILED = "ct.nii.gz", "map.nii.gz", "other.nii.gz", "spoiled.nii.gz"


def make_inputs(folder: Path, shape: tuple[int, int, int]) -> int:
    """Write CT, label map and other map into the folder; returns the number of labels in the map."""
    phantom = make_phantom(PhantomSpec(shape=shape))
    write_volume(folder / CT, phantom.ct, phantom.grid)
    write_label_map(folder / MAP, phantom.label_map, phantom.grid)
    write_label_map(folder / OTHER, np.roll(phantom.label_map, 2, axis=0), phantom.grid)
    spoiled, _ = plant(phantom.label_map, phantom.grid, list(ErrorKind), skip_impossible=True)
    write_label_map(folder / SPOILED, spoiled, phantom.grid)
    return int(np.count_nonzero(np.bincount(phantom.label_map.ravel(order="K"))))
