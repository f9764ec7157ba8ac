"""Small data sets that the tests of exports share."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np

from dapatlas.dataset import Dataset
from dapatlas.labels import dap
from dapatlas.volumes import Grid, write_label_map, write_volume

sys.path.append(str(Path(__file__).parents[1] / "experts"))  # its DICOM series serve here too

from expert_cases import AFFINES, SHAPE, ct_series, real_series

__all__ = [
    "AFFINES",
    "CASE",
    "SHAPE",
    "anatomy",
    "contents",
    "ct_series",
    "real_series",
    "save_series",
    "small_dataset",
]

CASE = "AutoPET_0a1b2c3d4e_00123"
# a plain organ, a side within the concept, a side beside it, a region, and one that SNOMED CT has no concept for
NAMES = ("liver", "kidney_left", "costa_1_left", "mediastinal_tissue", "gonads", "skin")


def anatomy(shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    """Boxes of DAP structures, no two axes alike, one of them at the edge of the volume."""
    label_map = np.zeros(shape, np.uint8, order="F")
    i, j, k = shape
    label_map[:2] = dap()["skin"].id
    label_map[2 : i // 2, 3 : j - 5, 1 : k - 2] = dap()["liver"].id
    label_map[i // 2 + 2 : i - 4, 4:9, 2 : k - 1] = dap()["kidney_left"].id
    label_map[i - 9 : i - 6, 11:17, 3:6] = dap()["mediastinal_tissue"].id
    label_map[5:8, 6:9, 3:5] = dap()["gonads"].id
    label_map[i - 3 + seed % 2, :, k // 2] = dap()["costa_1_left"].id
    return label_map


def small_dataset(
    path: Path, affine: np.ndarray = AFFINES["oblique"], cases: tuple[str, ...] = (CASE,)
) -> Dataset:
    dataset = Dataset.create(path)
    grid = Grid(SHAPE, affine)
    for seed, case in enumerate(cases):
        ct = np.random.default_rng(seed).integers(-1000, 1500, SHAPE, dtype=np.int16)
        write_volume(dataset.image_path(case), np.asfortranarray(ct), grid)
        write_label_map(dataset.mask_path(case), anatomy(seed=seed), grid)
    return Dataset(path)


def save_series(folder: Path, series: list) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(series):
        image.save_as(folder / f"{(number * 7) % len(series):03d}{number}.dcm", enforce_file_format=True)
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file of an export, without its memory."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".dapatlas" not in path.parts
    }
