"""Experts of one real CT, made from TotalSegmentator's map of it: other schemes, grids and layouts, one of them wrong.

    python examples/make_four_experts.py FOLDER

reads ``ct.nii.gz`` and ``total.nii.gz`` (in the folder that DAPATLAS_SHARED names, or under --data) and writes

    FOLDER/amos/ct.nii.gz          AMOS, a 4-D one-hot file: slices of 5 mm, turned by 6 degrees, flipped to LPS
    FOLDER/btcv/ct/*.nii.gz        BTCV, a folder of binary masks: the upper 24 cm, axes PIR, a voxel too far forward
    FOLDER/wrong/ct.nrrd           AbdomenCT-1K, an NRRD file: every organ 3 cm too far left and 2 cm too high

for ``dapatlas build examples/four_experts.toml``.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import DapatlasError
from dapatlas.labels import LabelScheme, crosswalk, load_scheme
from dapatlas.volumes import Grid, Volume, read_label_map, remap, reorient, resample_labels, write_label_map

Labels = NDArray[np.uint8]


def in_words_of(scheme: LabelScheme, total: Volume) -> Labels:
    """TotalSegmentator's map in the ids of another scheme."""
    return remap(total.array, crosswalk("totalsegmentator", scheme).lookup())


def write_amos(path: Path, total: Volume) -> None:
    """One channel an organ, in the order of the ids, on a grid that is turned against the CT's."""
    scheme = load_scheme("amos")
    grid = turned(total.grid, spacing=(2.5, 2.5, 5.0), degrees=6.0)
    label_map = resample_labels(in_words_of(scheme, total), total.grid, grid)
    channels = np.stack([label_map == id_ for id_ in scheme.ids[1:]], axis=-1).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(channels, grid.affine), path)


def turned(grid: Grid, spacing: tuple[float, float, float], degrees: float) -> Grid:
    """A grid of other spacing around the same middle, turned about the long axis, axes running left, back, up."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    axes = np.array([[-cosine, sine, 0], [-sine, -cosine, 0], [0, 0, 1]]) * spacing
    extent = [n * mm * 1.1 for n, mm in zip(grid.shape, grid.spacing, strict=True)]
    i, j, k = (round(mm / step) for mm, step in zip(extent, spacing, strict=True))
    middle = grid.to_world([(n - 1) / 2 for n in grid.shape])
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = middle - axes @ [(n - 1) / 2 for n in (i, j, k)]
    return Grid((i, j, k), affine)


def write_btcv(folder: Path, total: Volume) -> None:
    """A mask an organ, of the upper 24 cm."""
    scheme = load_scheme("btcv")
    view, grid = reorient(np.roll(in_words_of(scheme, total), 1, axis=1), total.grid, "PIR")
    upper = round(240 / grid.spacing[1])
    for structure in scheme:
        mask = view[:, :upper] == structure.id
        if structure.id and mask.any():
            cut = Grid(mask.shape, grid.affine)
            write_label_map(folder / f"{structure.name}.nii.gz", mask.astype(np.uint8), cut)


def write_wrong(path: Path, total: Volume) -> None:
    """Every organ displaced."""
    import SimpleITK as sitk  # noqa: N813  # its usual name

    label_map = in_words_of(load_scheme("abdomenct_1k"), total)
    left, up = round(30 / total.grid.spacing[0]), round(20 / total.grid.spacing[2])
    displaced = np.zeros_like(label_map)
    displaced[:-left, :, up:] = label_map[left:, :, :-up]  # the sample's axes run right, front, up
    view, grid = reorient(displaced, total.grid, "LPS")
    image = sitk.GetImageFromArray(np.ascontiguousarray(view.T))
    image.SetSpacing(grid.spacing)
    image.SetOrigin((grid.affine[:3, 3] * [-1, -1, 1]).tolist())  # ITK's world runs to the left and the back
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, path, useCompression=True)


def make(folder: Path, data: Path) -> None:
    """Write all of them."""
    total = read_label_map(data / "total.nii.gz")
    write_amos(folder / "amos" / "ct.nii.gz", total)
    write_btcv(folder / "btcv" / "ct", total)
    write_wrong(folder / "wrong" / "ct.nrrd", total)


def main() -> None:
    """The command line."""
    shared = Path(os.environ.get("DAPATLAS_SHARED", Path(__file__).parents[2] / "shared"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=shared / "data" / "totalsegmentator")
    options = parser.parse_args()
    try:
        make(options.folder, options.data)
    except DapatlasError as error:
        parser.exit(2, f"{error}\nName the folder that holds ct.nii.gz and total.nii.gz with --data.\n")


if __name__ == "__main__":
    main()
