"""Folders of predictions and references, made from one small phantom."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dapatlas.labels import crosswalk, dap
from dapatlas.phantom import Phantom, PhantomSpec, make_phantom
from dapatlas.volumes import remap, write_label_map, write_volume

LIVER, SPLEEN = dap()["liver"].id, dap()["spleen"].id


@cache
def phantom() -> Phantom:
    return make_phantom(PhantomSpec(seed=2, shape=(64, 64, 80), noise_hu=0))


def eaten(label_map: NDArray[np.uint8], id_: int, rows: int) -> NDArray[np.uint8]:
    """A map whose structure has lost its first rows of voxels along i."""
    out = label_map.copy(order="F")
    first = int(np.nonzero(label_map == id_)[0].min())
    out[first : first + rows][label_map[first : first + rows] == id_] = 0
    return out


def folders(root: Path, cases: int = 3) -> tuple[Path, Path]:
    """Predictions that lose more of the liver from case to case, and their references, as data sets."""
    truth, grid = phantom().label_map, phantom().grid
    for number in range(cases):
        name = f"case_{number}.nii.gz"
        write_label_map(root / "truth" / "masks" / name, truth, grid)
        write_label_map(root / "predicted" / name, eaten(truth, LIVER, number), grid)
    return root / "predicted", root / "truth"


def btcv(root: Path, cases: int = 2) -> tuple[Path, Path]:
    """The layout of the Synapse download, and predictions in DAP's ids named after the CTs."""
    truth, grid = phantom().label_map, phantom().grid
    labels = remap(truth, crosswalk("dap", "btcv").lookup())
    for number in range(1, cases + 1):
        training = root / "Abdomen" / "RawData" / "Training"
        write_label_map(training / "label" / f"label{number:04d}.nii.gz", labels, grid)
        write_volume(training / "img" / f"img{number:04d}.nii.gz", phantom().ct, grid)
        write_label_map(root / "predicted" / f"img{number:04d}.nii.gz", eaten(truth, LIVER, number), grid)
    return root / "predicted", root / "Abdomen"


def dice_of(one: NDArray[np.uint8], other: NDArray[np.uint8], id_: int) -> float:
    a, b = one == id_, other == id_
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))
