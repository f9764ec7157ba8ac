"""A data set of two cases, written with nibabel alone, that reaches over chunk borders."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dapatlas.dataset import Dataset

SHAPE = (100, 80, 70)
AFFINE = np.array([[-0.8, 0, 0, 40], [0, -0.8, 0, 30], [0, 0, 2.5, -700], [0, 0, 0, 1.0]])
CASES = ("AutoPET_00000001aa_00001", "AutoPET_00000002bb_00002")
LIVER, SPLEEN, BLADDER = 13, 26, 20


def ct_array(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 1500, SHAPE, np.int16)


def map_array(seed: int) -> np.ndarray:
    """A liver, a spleen of 24 voxels on both sides of a chunk's border and in a far corner, a bladder of one voxel."""
    array = np.zeros(SHAPE, np.uint8)
    array[10:90, 10:70, 5:60] = LIVER
    array[62:66, 30:32, 66:68] = SPLEEN
    array[97:99, 76:80, 69] = SPLEEN
    array[0, 0, seed] = BLADDER
    return array


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "DAP_Atlas"
    for seed, case in enumerate(CASES):
        for name, array in (("images", ct_array(seed)), ("masks", map_array(seed))):
            (path / name).mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(array, AFFINE), path / name / f"{case}.nii.gz")
    return path


@pytest.fixture
def atlas(folder: Path) -> Dataset:
    return Dataset(folder)


def by_nibabel(folder: Path, kind: str, case: str) -> np.ndarray:
    return np.asarray(nib.load(folder / kind / f"{case}.nii.gz").dataobj)


def box_of(array: np.ndarray, start: tuple[int, ...], size: tuple[int, ...], fill: int) -> np.ndarray:
    """A box of an array that is padded on all sides beforehand: slow, and surely right."""
    pads = [(max(size), max(size))] * 3
    wide = np.pad(array, pads, constant_values=fill)
    a, b, c = (at + max(size) for at in start)
    return wide[a : a + size[0], b : b + size[1], c : c + size[2]]


@pytest.fixture
def oracle():
    """Readers that are not ours."""
    return by_nibabel, box_of
