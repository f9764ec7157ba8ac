"""Coarse versions of volumes: where they lie, what they hold, when they are made."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dapatlas.dataset import Dataset
from dapatlas.errors import DapatlasError
from dapatlas.review import layer_files as files_module
from dapatlas.review.layer_files import cache_folder, layer_files
from dapatlas.review.layers import check_compare, layer_sources, open_layers, same_place
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
    measure,
    read_grid,
    read_label_map,
    read_volume,
    write_label_map,
    write_volume,
)

OBLIQUE = np.array(
    [[0.7, 0.1, -0.2, 11.0], [-0.05, -0.9, 0.3, -7.0], [0.15, 0.25, 2.5, 400.0], [0, 0, 0, 1.0]]
)


def some_map(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Blobs of labels: noise held for five voxels along each axis."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 6, [-(-n // 5) for n in shape], dtype=np.uint8)
    for axis in range(3):
        coarse = coarse.repeat(5, axis)
    return np.asfortranarray(coarse[: shape[0], : shape[1], : shape[2]])


@pytest.mark.parametrize("factors", [(4, 4, 4), (2, 2, 2), (4, 2, 1)])
def test_a_coarse_voxel_lies_at_the_mean_of_its_voxels_in_the_world(factors: tuple[int, int, int]):
    grid = Grid((21, 18, 13), OBLIQUE)
    coarse = coarse_grid(grid, factors)
    for block in [(0, 0, 0), (3, 2, 1), (4, 3, 2)]:
        voxels = np.array(list(np.ndindex(*factors))) + np.array(block) * factors
        np.testing.assert_allclose(coarse.to_world(block), grid.to_world(voxels).mean(axis=0), atol=1e-9)
    assert coarse.shape == tuple(-(-n // f) for n, f in zip(grid.shape, factors, strict=True))


@given(st.tuples(*[st.integers(1, 13)] * 3), st.tuples(*[st.sampled_from([1, 2, 4])] * 3), st.integers(0, 99))
@settings(max_examples=40)
def test_block_means_are_those_of_a_loop(shape, factors, seed):
    ct = np.asfortranarray(np.random.default_rng(seed).integers(-1024, 3071, shape, dtype=np.int16))
    mean = block_mean(ct, factors)
    assert mean.dtype == np.int16
    for block in np.ndindex(mean.shape):
        part = ct[tuple(slice(b * f, b * f + f) for b, f in zip(block, factors, strict=True))]
        assert abs(float(mean[block]) - part.mean()) <= 0.5


def test_means_of_floats_stay_floats():
    ct = np.arange(64, dtype=np.float32).reshape(4, 4, 4, order="F")
    assert block_mean(ct, (4, 4, 4)).item() == pytest.approx(31.5)


@pytest.mark.parametrize(
    ("shape", "steps"),
    [
        ((512, 512, 390), (4, 2)),
        (
            (128, 128, 128),
            (2,),
        ),  # step 4 would have 32: it is made as coarse as step 2, which is there already
        ((512, 512, 60), (4, 2)),  # along k it stays as it is
        ((60, 60, 60), ()),
    ],
)
def test_levels_that_are_worth_having(shape: tuple[int, int, int], steps: tuple[int, ...]):
    assert coarse_steps(shape) == steps
    assert factors_of((512, 512, 60), 4) == (4, 4, 1)


def test_labels_come_from_voxels_of_the_block_and_none_vanishes():
    labels = some_map((41, 38, 30))
    labels[7, 9, 11] = 9  # one voxel
    labels[:, 20, 16] = 7  # a line that passes no block's centre
    labels[:, 20, 16][::9] = 0
    found = measure(labels, Grid(labels.shape, np.eye(4)))
    coarse = coarse_labels(labels, (4, 4, 4), found)
    assert set(np.unique(coarse)) == set(np.unique(labels))
    for block in np.ndindex(coarse.shape):
        part = labels[tuple(slice(4 * b, 4 * b + 4) for b in block)]
        assert coarse[block] in part
    assert coarse[1, 2, 2] == 9
    for each in found:
        assert (coarse == each.id).sum() * 64 >= 0.45 * each.voxels


def test_centres_lie_in_the_structures_and_measures_are_right():
    labels = np.zeros((30, 30, 30), np.uint8, order="F")
    labels[5:25, 5:25, 5:25] = 1
    labels[8:22, 8:22, 8:22] = 0  # a shell: its centroid is not in it
    labels[14, 15, 16] = 3
    grid = Grid(labels.shape, OBLIQUE)
    shell, dot = structure_places(labels, grid)
    assert labels[shell.center] == 1
    assert shell.box == ((5, 25), (5, 25), (5, 25))
    assert shell.ml == pytest.approx((20**3 - 14**3) * abs(np.linalg.det(OBLIQUE[:3, :3])) / 1000)
    assert (dot.id, dot.voxels, dot.center) == (3, 1, (14, 15, 16))
    np.testing.assert_allclose(dot.center_mm, (OBLIQUE @ [14, 15, 16, 1])[:3])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    labels = some_map((100, 97, 99))
    path = tmp_path / "masks" / "one.nii.gz"
    write_label_map(path, labels, Grid(labels.shape, OBLIQUE))
    return path


def test_levels_are_files_with_the_right_grids_and_the_last_is_the_source(source: Path, tmp_path: Path):
    made = layer_files(source, "labels", tmp_path / "cache", "one", "map")
    assert [level.step for level in made.levels] == [2, 1]
    coarse, full = made.levels
    assert full.path == source
    assert read_grid(coarse.path).is_close(coarse_grid(read_grid(source), (2, 2, 2)))
    assert coarse.bytes == coarse.path.stat().st_size
    assert (coarse.shape, read_grid(coarse.path).shape) == ((50, 49, 50), (50, 49, 50))
    again = layer_files(source, "labels", tmp_path / "cache", "one", "map")
    assert again.places == made.places
    assert (again.sha256, again.levels) == (made.sha256, made.levels)


def test_what_was_made_is_kept_until_the_content_changes(source: Path, tmp_path: Path, monkeypatch):
    made_of = []
    monkeypatch.setattr(
        files_module,
        "make_levels",
        lambda *a, real=files_module.make_levels: made_of.append(a[4]) or real(*a),
    )
    cache = tmp_path / "cache"
    first = layer_files(source, "labels", cache, "one", "map")
    source.write_bytes(source.read_bytes())  # another time of change, the same content
    assert layer_files(source, "labels", cache, "one", "map").sha256 == first.sha256
    assert len(made_of) == 1
    write_label_map(source, some_map((100, 97, 99), seed=1), Grid((100, 97, 99), OBLIQUE))
    second = layer_files(source, "labels", cache, "one", "map")
    assert second.sha256 != first.sha256
    assert len(made_of) == 2
    assert not first.levels[0].path.exists()
    second.levels[0].path.write_bytes(b"half")  # damaged: made again
    assert layer_files(source, "labels", cache, "one", "map").levels[0].bytes > 4
    assert len(made_of) == 3


def test_many_who_ask_at_once_have_it_made_once(source: Path, tmp_path: Path, monkeypatch):
    made, start = [], threading.Barrier(8)
    monkeypatch.setattr(
        files_module, "make_levels", lambda *a, real=files_module.make_levels: made.append(1) or real(*a)
    )

    def ask(_: int) -> str:
        start.wait()
        return layer_files(source, "labels", tmp_path / "cache", "one", "map").sha256

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert len(made) == 1


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_what_browsers_do_not_read_is_converted(tmp_path: Path, suffix: str):
    ct = (
        np.random.default_rng(0)
        .integers(-1000, 1000, (20, 21, 22))
        .astype(np.float64 if suffix == ".nii.gz" else ">i2")
    )
    path = tmp_path / f"ct{suffix}"
    nib.save(nib.Nifti1Image(ct, OBLIQUE), path)
    (only,) = layer_files(path, "ct", tmp_path / "cache", "one", "ct").levels
    assert only.path != path
    assert only.path.name.endswith(".nii.gz")
    shown = nib.load(only.path)
    assert shown.get_data_dtype() == (np.float32 if suffix == ".nii.gz" else np.int16)
    np.testing.assert_array_equal(np.asarray(shown.dataobj), ct)
    np.testing.assert_allclose(shown.affine, OBLIQUE, atol=1e-4)


def test_nifti_2_becomes_nifti_1(tmp_path: Path):
    nib.save(nib.Nifti2Image(np.ones((9, 9, 9), np.int16), OBLIQUE), tmp_path / "ct.nii.gz")
    (only,) = layer_files(tmp_path / "ct.nii.gz", "ct", tmp_path / "cache", "one", "ct").levels
    assert isinstance(nib.load(only.path), nib.Nifti1Image)


def test_a_file_whose_two_affines_differ_is_shown_where_we_read_it(tmp_path: Path):
    image = nib.Nifti1Image(np.zeros((9, 9, 9), np.int16), None)
    image.set_sform(np.diag([1, 1, 1, 1]), code=1)
    image.set_qform(np.diag([1, 1, 3, 1]), code=2)  # browsers take the one with the larger code
    nib.save(image, tmp_path / "ct.nii.gz")
    (only,) = layer_files(tmp_path / "ct.nii.gz", "ct", tmp_path / "cache", "one", "ct").levels
    header = nib.load(only.path).header
    np.testing.assert_allclose(header.get_qform(), np.eye(4))
    np.testing.assert_allclose(header.get_sform(), np.eye(4))


def test_the_cache_gives_way_where_the_data_set_cannot_be_written(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    data = tmp_path / "data"
    data.mkdir()
    assert cache_folder(data, tmp_path / "mine") == tmp_path / "mine"
    assert cache_folder(data) == data / ".dapatlas" / "review"
    monkeypatch.setattr(files_module.os, "access", lambda *_: False)
    assert cache_folder(data).parent == tmp_path / "home" / "dapatlas" / "review"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    dataset = Dataset.create(tmp_path / "data")
    grid = Grid((20, 22, 24), OBLIQUE)
    write_volume(dataset.image_path("one"), np.zeros(grid.shape, np.int16), grid)
    write_label_map(dataset.mask_path("one"), some_map(grid.shape), grid)
    return Dataset(tmp_path / "data")


def test_layers_of_a_case_and_maps_to_compare(dataset: Dataset, tmp_path: Path):
    labels = read_label_map(dataset.mask_path("one"))
    half = coarse_grid(labels.grid, (2, 2, 2))
    away = Grid(labels.grid.shape, labels.grid.affine + np.array([[0] * 3 + [900]] + [[0] * 4] * 3))
    for name, grid in {"coarse": half, "away": away}.items():
        write_label_map(tmp_path / name / "one.nii.gz", np.ones(grid.shape, np.uint8), grid)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "one.nii.gz").write_bytes(b"nothing")
    compare = {name: tmp_path / name for name in ("coarse", "away", "empty", "broken")}
    layers = open_layers(dataset, dataset["one"], compare, tmp_path / "cache")
    assert list(layers) == ["ct", "map", "coarse", "away", "broken"]
    assert layers["coarse"].files is not None
    assert "elsewhere" in layers["away"].error
    assert "not a NIfTI file" in layers["broken"].error
    assert (layers["away"].files, layers["broken"].files) == (None, None)


def test_the_map_before_the_guidelines_is_found_by_the_report(dataset: Dataset, tmp_path: Path):
    report = dataset.path / "reports" / "one.json"
    report.parent.mkdir()
    before = tmp_path / "before" / "one.nii.gz"
    for source, known in ((before, False), (before, True), (dataset.mask_path("one"), False), (3, False)):
        if known:
            write_label_map(before, np.ones((3, 3, 3), np.uint8), Grid((3, 3, 3), np.eye(4)))
        report.write_text(json.dumps({"source": str(source) if isinstance(source, Path) else source}))
        assert ("before" in layer_sources(dataset, dataset["one"], {})) is known
    other = tmp_path / "other"
    other.mkdir()
    assert "before" not in layer_sources(dataset, dataset["one"], {"before": other})


def test_extents_are_compared_in_the_world():
    grid = Grid((10, 10, 10), np.eye(4))
    flipped = Grid((10, 10, 10), np.array([[-1, 0, 0, 9], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    assert same_place(grid, flipped)
    assert same_place(grid, Grid((100, 100, 100), np.eye(4)))
    shift = np.eye(4)
    shift[2, 3] = 6
    assert not same_place(grid, Grid((10, 10, 10), shift))


@pytest.mark.parametrize("name", ["ct", "map", "a/b", "..", ""])
def test_names_of_further_maps_are_checked(name: str, tmp_path: Path):
    with pytest.raises(DapatlasError, match="cannot name"):
        check_compare({name: tmp_path})
    with pytest.raises(DapatlasError, match="not a folder"):
        check_compare({"fine": tmp_path / "absent"})


def test_a_real_case(real_data: Path, tmp_path: Path):
    made = layer_files(real_data / "total.nii.gz", "labels", tmp_path, "real", "map")
    labels = read_label_map(real_data / "total.nii.gz")
    assert all(labels.array[place.center] == place.id for place in made.places)
    assert made.sha256
    ct = layer_files(real_data / "ct.nii.gz", "ct", tmp_path, "real", "ct")
    coarse = read_volume(ct.levels[0].path)
    full = read_volume(real_data / "ct.nii.gz")
    assert coarse.array.mean() == pytest.approx(full.array.mean(), abs=8)
