"""Lazy arrays in the real dask and xarray."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dapatlas.dataset import Dataset
from dapatlas.errors import DapatlasError
from dapatlas.loaders.chunked import ChunkedCase, cache_of, chunked
from dapatlas.volumes import Grid

pytest.importorskip("blosc2")
dask = pytest.importorskip("dask")
xarray = pytest.importorskip("xarray")

from dapatlas.loaders.lazy import dask_array, data_array  # noqa: E402


@pytest.fixture
def case(atlas: Dataset) -> ChunkedCase:
    return chunked(atlas[0], cache_of(atlas))


def test_dask_computes_what_nibabel_reads(case: ChunkedCase, folder: Path, oracle):
    by_nibabel, _ = oracle
    ct, ids = by_nibabel(folder, "images", case.id), by_nibabel(folder, "masks", case.id)
    image, label = dask_array(case), dask_array(case, "label")
    with dask.config.set(scheduler="synchronous"):
        assert np.array_equal(image.compute(), ct)
        assert np.array_equal(label[::3, 70:2:-2, 5].compute(), ids[::3, 70:2:-2, 5])
        assert np.array_equal(image[[99, 3], 64:10:-5, -1].compute(), ct[[99, 3], 64:10:-5, -1])
        assert label[5:5].compute().shape == (0, 80, 70)
        assert image[label == 26].mean().compute() == pytest.approx(ct[ids == 26].mean())
    assert image.chunks == ((64, 36), (64, 16), (64, 6))


def test_only_the_chunks_asked_for_are_read(case: ChunkedCase, monkeypatch: pytest.MonkeyPatch):
    read: list[tuple] = []
    image = ChunkedCase.image

    def noted(self, start, size):
        read.append((start, size))
        return image(self, start, size)

    monkeypatch.setattr(ChunkedCase, "image", noted)
    lazy = dask_array(case)
    assert read == []
    with dask.config.set(scheduler="synchronous"):
        lazy[70:80, 3:9, 66].compute()
    assert all(start[0] >= 64 and start[1] == 0 and start[2] >= 64 for start, _ in read)
    assert len(read) == 1


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1)])
def test_xarray_finds_voxels_by_mm(case: ChunkedCase, folder: Path, oracle, axes: tuple[int, int, int]):
    """Also where the array's axes are not x, y, z in this order."""
    by_nibabel, _ = oracle
    affine = case.grid.affine[:, [*axes, 3]]
    turned = replace(case, grid=Grid(case.grid.shape, affine))
    array = data_array(turned)
    assert isinstance(array, xarray.DataArray)
    assert isinstance(array.data, dask.array.Array)
    assert array.dims == tuple("xyz"[axis] for axis in axes)
    ct = by_nibabel(folder, "images", case.id)
    for voxel in [(0, 0, 0), (99, 79, 69), (70, 12, 66)]:
        x, y, z = nib.affines.apply_affine(affine, voxel)
        assert array.sel(x=x + 0.1, y=y - 0.1, z=z + 0.1, method="nearest").compute() == ct[voxel]
    assert array.attrs["units"] == "HU"
    assert array["z"].attrs["units"] == "mm"


def test_oblique_volumes_have_no_coordinates(case: ChunkedCase):
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]
    tilted = replace(case, grid=Grid(case.grid.shape, turn @ case.grid.affine))
    with pytest.raises(DapatlasError, match="axes are oblique"):
        data_array(tilted)
