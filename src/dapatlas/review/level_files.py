"""Writing a volume in its resolutions: the coarse ones, and the finest where a browser cannot show the source."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dapatlas.review.pyramid import (
    block_mean,
    coarse_grid,
    coarse_labels,
    coarse_steps,
    factors_of,
    structure_places,
)
from dapatlas.volumes import (
    Grid,
    Header,
    measure,
    read_header,
    read_label_map,
    read_volume,
    write_label_map,
    write_volume,
)
from dapatlas.volumes.gzipped import is_gzipped

CT_TYPES = ("uint8", "int16", "uint16", "int32", "float32")  # that browsers show as they are
LABEL_TYPES = ("uint8", "int16", "uint16")
NIFTI_1 = 348  # bytes of its header, which the pages read
MAKING = BoundedSemaphore(2)  # volumes in memory at a time, however many cases are opened

VolumeKind = Literal["ct", "labels"]  # whether voxels are HU or numbers of structures


def make_levels(source: Path, kind: VolumeKind, folder: Path, layer: str, digest: str) -> dict[str, Any]:
    """Write the files of a layer's levels, and tell what there is of it, ready for JSON.

    The finest level is the source itself where a browser reads that as we do. One waits while :data:`MAKING` others
    are at it.

    Parameters
    ----------
    source
        NIfTI file.
    kind
        Whether its voxels are HU or labels.
    folder
        Where the files go, as ``<layer>-<digest>-<step>.nii.gz``.
    layer, digest
        Name the files: which layer, and the SHA-256 of the source.

    Returns
    -------
    dict
        ``sha256``; ``shape`` and ``affine`` of the source's grid; ``levels``, coarsest first, each with ``step``,
        ``file`` (its name, ``None`` for the source), ``shape``, ``spacing_mm`` and ``bytes``; ``places`` of structures,
        empty for a CT.

    Raises
    ------
    BadFileError
        The source cannot be read.
    BadLabelsError
        A label map holds what is no label.
    """
    with MAKING:
        return _made(source, kind, folder, layer, digest)


def _made(source: Path, kind: VolumeKind, folder: Path, layer: str, digest: str) -> dict[str, Any]:
    volume = read_volume(source) if kind == "ct" else read_label_map(source)
    array, grid = volume.array, volume.grid
    found = measure(array, grid) if kind == "labels" else None
    levels = []
    for step in coarse_steps(grid.shape):
        factors = factors_of(grid.shape, step)
        coarse = block_mean(array, factors) if found is None else coarse_labels(array, factors, found)
        levels.append(_written(folder, layer, digest, step, _plain(coarse), coarse_grid(grid, factors), kind))
    if browser_reads(source, kind, read_header(source)[1], grid):
        levels.append(_level(1, None, grid, source.stat().st_size))
    else:
        levels.append(_written(folder, layer, digest, 1, _plain(array), grid, kind))
    said = [] if found is None else [asdict(each) for each in structure_places(array, grid, found)]
    return {
        "sha256": digest,
        "shape": list(grid.shape),
        "affine": grid.affine.tolist(),
        "levels": levels,
        "places": said,
    }


def browser_reads(source: Path, kind: VolumeKind, header: Header, grid: Grid) -> bool:
    """Whether a browser shows a file just as we read it: type, scale, place in the world."""
    types = CT_TYPES if kind == "ct" else LABEL_TYPES
    dtype = header.get_data_dtype()
    slope, inter = header.get_slope_inter()
    # where both forms are given the browser takes that of the larger code, nibabel the sform
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    shown = header.get_qform() if qform > sform else header.get_sform()
    return bool(
        source.name.endswith(".nii.gz")
        and is_gzipped(source)
        and int(header["sizeof_hdr"]) == NIFTI_1
        and dtype.newbyteorder("=").name in types
        and dtype.newbyteorder("<") == dtype
        and len(header.get_data_shape()) == 3
        and (kind == "ct" or (slope, inter) in ((None, None), (1, 0)))
        and max(sform, qform) > 0
        and np.allclose(shown, grid.affine, rtol=0, atol=1e-3)
    )


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """In a type that browsers read."""
    if array.dtype.name in CT_TYPES:
        return array
    if array.dtype.kind in "iu":
        low, high = int(array.min(initial=0)), int(array.max(initial=0))
        fits = np.iinfo(np.int16).min <= low and high <= np.iinfo(np.int16).max
        return array.astype(np.int16 if fits else np.int32)
    return array.astype(np.float32)


def _written(
    folder: Path, layer: str, digest: str, step: int, array: NDArray[Any], grid: Grid, kind: VolumeKind
) -> dict[str, Any]:
    path = folder / f"{layer}-{digest[:16]}-{step}.nii.gz"
    (write_volume if kind == "ct" else write_label_map)(path, array, grid)
    return _level(step, path.name, grid, path.stat().st_size)


def _level(step: int, file: str | None, grid: Grid, size: int) -> dict[str, Any]:
    return {
        "step": step,
        "file": file,
        "shape": list(grid.shape),
        "spacing_mm": list(grid.spacing),
        "bytes": size,
    }
