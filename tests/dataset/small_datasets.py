"""Small data sets on disk, written with nibabel alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import nibabel as nib
import numpy as np

SHAPE = (12, 10, 8)
# Left–posterior–superior as scanners give it, anisotropic, off-centre.
AFFINE = np.array([[-0.8, 0, 0, 40], [0, -0.8, 0, 30], [0, 0, 2.5, -700], [0, 0, 0, 1.0]])
LIVER, SPLEEN, PROSTATE, UTERUS = 13, 26, 19, 21


def ct_array(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A block of soft tissue with a bone in it, in air; noise makes every seed another CT."""
    ct = np.full(shape, -1000, np.int16)
    ct[2:-2, 2:-2, 1:-1] = 40
    ct[4:6, 4:6, 2:4] = 700
    return ct + np.random.default_rng(seed).integers(-9, 10, shape, np.int16)


def mask_array(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[2:-2, 2:-2, 1:-1] = LIVER
    mask[4:6, 4:6, 2:4] = SPLEEN
    mask[2:4, 2:-2, 1:-1][np.random.default_rng(seed).random((2, shape[1] - 4, shape[2] - 2)) < 0.5] = 2
    return mask


@dataclass
class Folder:
    """A data set to plant faults in."""

    path: Path

    def image(self, case: str, suffix: str = ".nii.gz") -> Path:
        return self.path / "images" / f"{case}{suffix}"

    def mask(self, case: str, suffix: str = ".nii.gz") -> Path:
        return self.path / "masks" / f"{case}{suffix}"

    def write(self, path: Path, array: np.ndarray, affine: Any = AFFINE) -> Path:
        nib.save(nib.Nifti1Image(array, affine), path)
        return path

    def add(self, *cases: str) -> None:
        for case in cases:
            seed = crc32(case.encode())
            self.write(self.image(case), ct_array(seed))
            self.write(self.mask(case), mask_array(seed))


CASES = tuple(f"AutoPET_0000000{n}aa_0000{n}" for n in range(5))
