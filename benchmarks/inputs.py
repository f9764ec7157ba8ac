"""What is measured on: a phantom, and a second map that differs a little from its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dapatlas.phantom import PhantomSpec, make_phantom
from dapatlas.volumes import write_label_map, write_volume

CT, MAP, OTHER = "ct.nii.gz", "map.nii.gz", "other.nii.gz"


def make_inputs(folder: Path, shape: tuple[int, int, int]) -> int:
    """Write CT, label map and other map into the folder; returns the number of labels in the map."""
    phantom = make_phantom(PhantomSpec(shape=shape))
    write_volume(folder / CT, phantom.ct, phantom.grid)
    write_label_map(folder / MAP, phantom.label_map, phantom.grid)
    write_label_map(folder / OTHER, np.roll(phantom.label_map, 2, axis=0), phantom.grid)
    return int(np.count_nonzero(np.bincount(phantom.label_map.ravel(order="K"))))
