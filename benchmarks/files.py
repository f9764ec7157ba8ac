"""Reading and writing against nibabel as it comes, and against bare ISA-L."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contest import Contest, Prepared
from benchmarks.inputs import CT, MAP


def read_ours(name: str, folder: Path) -> Prepared:
    from dapatlas.volumes import read_volume

    return lambda: read_volume(folder / name)


def read_nibabel(name: str, folder: Path) -> Prepared:
    import nibabel as nib
    import numpy as np

    return lambda: np.asanyarray(nib.load(folder / name).dataobj)


def inflate(name: str, folder: Path) -> Prepared:
    from dapatlas.volumes import read_volume

    # memory that is mapped already
    return inflate_into(read_volume(folder / name).array.T.data.cast("B"), folder / name)


def inflate_into(target: memoryview, path: Path) -> Prepared:
    """Inflate a file into memory of at least its size."""
    from isal import igzip

    def call() -> None:
        with igzip.open(path) as stream:
            done = 0
            while block := stream.readinto(target[done : done + (1 << 20)]):
                done += block

    return call


def write_ours(name: str, folder: Path) -> Prepared:
    from dapatlas.volumes import read_volume, write_volume

    volume = read_volume(folder / name)
    return lambda: write_volume(folder / f"ours-{name}", volume.array, volume.grid, volume.header)


def write_nibabel(name: str, folder: Path) -> Prepared:
    import nibabel as nib
    import numpy as np

    image = nib.load(folder / name)
    image = nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine, image.header)
    return lambda: nib.save(image, folder / f"nibabel-{name}")


def deflate(name: str, folder: Path) -> Prepared:
    from isal import isal_zlib

    from dapatlas.volumes import read_volume
    from dapatlas.volumes.gzipped import LEVEL

    raw = read_volume(folder / name).array.T.data.cast("B")
    return lambda: isal_zlib.compress(raw, LEVEL)


def slice_ours(folder: Path) -> Prepared:
    from dapatlas.volumes import read_slice

    return lambda: read_slice(folder / CT)


def slice_nibabel(folder: Path) -> Prepared:
    import nibabel as nib
    import numpy as np

    def call() -> object:
        image = nib.load(folder / CT)
        return np.asanyarray(image.dataobj[:, :, image.shape[2] // 2])

    return call


def contests() -> list[Contest]:
    """Rows of the table."""
    from functools import partial

    rows = []
    for what, name in (("label map", MAP), ("CT", CT)):
        rows += [
            Contest(
                f"read a {what}",
                partial(read_ours, name),
                partial(read_nibabel, name),
                "nibabel",
                partial(inflate, name),
                "inflate",
            ),
            Contest(
                f"write a {what}",
                partial(write_ours, name),
                partial(write_nibabel, name),
                "nibabel",
                partial(deflate, name),
                "deflate, one thread",
            ),
        ]
    rows.append(Contest("read the middle slice of a CT", slice_ours, slice_nibabel, "nibabel's slicing"))
    return rows
