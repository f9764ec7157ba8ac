"""Filled tissues against TotalSegmentator's own masks of tissue, on a real CT.

The reference leaves out the diaphragm and its crura, which are muscle, and fills the fat between muscle fibres in; it has
no skin. So no one can reach a Dice of 1, and the floors lie a little below what is reached.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dapatlas.aggregate import body_outline, fill_tissues
from dapatlas.labels import crosswalk, dap
from dapatlas.volumes import read_label_map, read_volume, remap

NAMED_MUSCLES = ("gluteus", "iliopsoas", "autochthon")
FAT_HU = (-190, -30)


def dice(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()))


@pytest.fixture(scope="module")
def slab(real_data: Path) -> tuple[np.ndarray, np.ndarray]:
    """HU and the filled map."""
    ct = read_volume(real_data / "ct_sm.nii.gz")
    said = read_label_map(real_data / "total_sm.nii.gz").array
    claimed = remap(np.asfortranarray(said), crosswalk("totalsegmentator", "dap").lookup())
    body = body_outline(ct.array, ct.grid)
    return ct.array, fill_tissues(claimed, ct.array, body, ct.grid, dap())[0]


def reference(real_data: Path, name: str) -> np.ndarray:
    return read_label_map(real_data / "tissue_types" / f"{name}.nii.gz").array > 0


def test_muscle(slab: tuple[np.ndarray, np.ndarray], real_data: Path):
    _, filled = slab
    ids = [s.id for s in dap() if s.name == "muscles" or s.name.startswith(NAMED_MUSCLES)]
    assert dice(np.isin(filled, ids), reference(real_data, "skeletal_muscle")) > 0.84


def test_subcutaneous_fat_is_what_the_map_calls_fat(slab: tuple[np.ndarray, np.ndarray], real_data: Path):
    _, filled = slab
    assert dice(filled == dap()["fat"].id, reference(real_data, "subcutaneous_fat")) > 0.92


def test_torso_fat_is_the_fat_of_the_cavities(slab: tuple[np.ndarray, np.ndarray], real_data: Path):
    hu, filled = slab
    cavities = np.isin(filled, [dap()["abdominal_tissue"].id, dap()["mediastinal_tissue"].id])
    fat = cavities & (hu >= FAT_HU[0]) & (hu <= FAT_HU[1])
    assert dice(fat, reference(real_data, "torso_fat")) > 0.885


def test_depots_are_not_mixed_up(slab: tuple[np.ndarray, np.ndarray], real_data: Path):
    _, filled = slab
    cavities = np.isin(filled, [dap()["abdominal_tissue"].id, dap()["mediastinal_tissue"].id])
    under_skin, visceral = reference(real_data, "subcutaneous_fat"), reference(real_data, "torso_fat")
    assert cavities[under_skin].mean() < 0.01
    assert (filled == dap()["fat"].id)[visceral].mean() < 0.025
