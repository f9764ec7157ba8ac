"""A data set in an orientation and a spacing that nobody would guess, whose HU say where a voxel lies."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

AFFINE = np.array([[0, 0, -0.9, 40], [-2.5, 0, 0, 90], [0, 0.7, 0, -500], [0, 0, 0, 1.0]])  # i: P, j: S, k: L
SHAPE = (36, 80, 60)
GRADIENT = np.array([3.0, -2.0, 1.5])  # HU a mm to the right, the front, the head
CASES = ("AutoPET_00000001aa_00001", "AutoPET_00000002bb_00002")
LIVER, SPLEEN, BLADDER, LAST = 13, 26, 20, 144


def world_of(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """World mm of every voxel, shape (i, j, k, 3)."""
    index = np.stack(np.indices(shape), -1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def hu_at(world: np.ndarray) -> np.ndarray:
    return world @ GRADIENT + 700


def turned_map(seed: int) -> np.ndarray:
    """Four structures of very different sizes, all away from the border."""
    array = np.zeros(SHAPE, np.uint8)
    array[10:26, 20:60, 20:40] = LIVER
    array[12:16, 22:26, 21:25] = SPLEEN
    array[20, 50, 30 + seed] = BLADDER
    array[24, 40:44, 35] = LAST
    return array


def make_turned(folder: Path) -> Path:
    for seed, case in enumerate(CASES):
        hu = hu_at(world_of(SHAPE, AFFINE)).astype(np.float32)
        for name, array in (("images", hu), ("masks", turned_map(seed))):
            (folder / name).mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(array, AFFINE), folder / name / f"{case}.nii.gz")
    return folder
