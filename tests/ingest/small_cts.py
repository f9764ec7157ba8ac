"""Small CTs on disk, written with nibabel alone, and folders like those people download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

SHAPE = (12, 10, 8)
# Left–posterior–superior as scanners give it, anisotropic, off-centre.
AFFINE = np.array([[-0.8, 0, 0, 40], [0, -0.8, 0, 30], [0, 0, 2.5, -700], [0, 0, 0, 1.0]])
PET_AFFINE = np.array([[-2.0, 0, 0, 40], [0, -2.0, 0, 30], [0, 0, 3.0, -700], [0, 0, 0, 1.0]])


def hu(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A block of soft tissue with a bone in it, in air; noise makes every seed another CT."""
    ct = np.full(shape, -1000, np.int16)
    ct[2:-2, 2:-2, 1:-1] = 40
    ct[4:6, 4:6, 2:4] = 700
    return ct + np.random.default_rng(seed).integers(-9, 10, shape, np.int16)


def write(path: Path, array: Any, affine: Any = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def write_ct(path: Path, seed: int = 0) -> Path:
    return write(path, hu(seed))


def write_pet(path: Path, seed: int = 0) -> Path:
    """SUV, on a grid of its own."""
    suv = np.random.default_rng(seed).random((5, 4, 6)).astype(np.float32)
    return write(path, suv, PET_AFFINE)
