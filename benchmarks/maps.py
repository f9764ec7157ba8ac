"""All labels in one pass against one pass a label, as it is commonly written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contest import Contest, Prepared
from benchmarks.inputs import MAP, OTHER

SPACING_MM = (1.5, 1.5, 1.5)


def load(folder: Path, name: str = MAP) -> Any:
    from dapatlas.volumes import read_label_map

    return read_label_map(folder / name)


def measure_ours(folder: Path) -> Prepared:
    from dapatlas.volumes import measure

    volume = load(folder)
    return lambda: measure(volume.array, volume.grid)


def measure_naive(folder: Path) -> Prepared:
    volume = load(folder)

    def call() -> None:
        for label in np.unique(volume.array):
            where = np.argwhere(volume.array == label)
            where.min(axis=0), where.max(axis=0), where.mean(axis=0)

    return call


def copy_once(folder: Path) -> Prepared:
    array = load(folder).array
    target = array.copy(order="K")
    return lambda: np.copyto(target, array)


def components_ours(folder: Path) -> Prepared:
    from dapatlas.volumes import components

    volume = load(folder)
    return lambda: components(volume.array, volume.grid)


def components_naive(folder: Path) -> Prepared:
    import cc3d

    array = load(folder).array

    def call() -> None:
        for label in np.unique(array)[1:]:
            cc3d.statistics(cc3d.connected_components(array == label))

    return call


def components_once(folder: Path) -> Prepared:
    import cc3d

    array = load(folder).array
    return lambda: cc3d.connected_components(array)


def overlaps_ours(folder: Path) -> Prepared:
    from dapatlas.volumes import joint_histogram

    one, other = load(folder).array, load(folder, OTHER).array
    return lambda: joint_histogram(one, other)


def overlaps_naive(folder: Path) -> Prepared:
    one, other = load(folder).array, load(folder, OTHER).array

    def call() -> None:
        for label in np.unique(one):
            a, b = one == label, other == label
            2 * (a & b).sum() / (a.sum() + b.sum())

    return call


def target_grid(source: Any) -> Any:
    from dapatlas.volumes import Grid

    shape = tuple(
        round(n * mm / want) for n, mm, want in zip(source.shape, source.spacing, SPACING_MM, strict=True)
    )
    corner = source.to_world([n - 1 for n in source.shape])
    return Grid.from_spacing(shape, SPACING_MM, "RAI", tuple(corner))


def resample_ours(folder: Path) -> Prepared:
    from dapatlas.volumes import resample_labels

    volume = load(folder)
    target = target_grid(volume.grid)
    return lambda: resample_labels(volume.array, volume.grid, target)


def resample_thin_ours(folder: Path) -> Prepared:
    from dapatlas.volumes import resample_labels

    volume = load(folder)
    target = target_grid(volume.grid)
    return lambda: resample_labels(volume.array, volume.grid, target, keep_thin=True)


def resample_scipy(folder: Path) -> Prepared:
    from scipy.ndimage import affine_transform

    volume = load(folder)
    target = target_grid(volume.grid)
    step = np.linalg.inv(volume.grid.affine) @ target.affine
    return lambda: affine_transform(volume.array, step[:3, :3], step[:3, 3], target.shape, order=0)


def contests() -> list[Contest]:
    """Rows of the table."""
    return [
        Contest(
            "measure all labels",
            measure_ours,
            measure_naive,
            "a pass a label",
            copy_once,
            "copy",
        ),
        Contest(
            "components of all labels",
            components_ours,
            components_naive,
            "cc3d, a pass a label",
            components_once,
            "bare cc3d",
        ),
        Contest(
            "overlaps of all labels",
            overlaps_ours,
            overlaps_naive,
            "a pass a label",
            copy_once,
            "copy",
        ),
        Contest(
            "resample to 1.5 mm, turned",
            resample_ours,
            resample_scipy,
            "scipy",
            copy_once,
            "copy",
        ),
        Contest(
            "resample to 1.5 mm, thin structures kept",
            resample_thin_ours,
            limit=resample_ours,
            limit_name="nearest neighbour alone",
        ),
    ]
