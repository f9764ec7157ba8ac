"""Chunks give back what is in the files, are built once, and never stand half-built."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.stats import chisquare

from dapatlas.dataset import Case, Dataset
from dapatlas.errors import BadFileError, DapatlasError, GridMismatchError
from dapatlas.loaders import chunked as module
from dapatlas.loaders.chunked import ABOUT, CT, cache_of, chunked, chunked_cases

pytest.importorskip("blosc2")

SPLEEN, BLADDER = 26, 20


def test_any_box_is_what_nibabel_has_there(atlas: Dataset, folder: Path, oracle):
    by_nibabel, box_of = oracle
    case = chunked(atlas[0], cache_of(atlas))
    ct, ids = by_nibabel(folder, "images", case.id), by_nibabel(folder, "masks", case.id)
    rng = np.random.default_rng(0)
    for _ in range(25):
        size = tuple(map(int, rng.integers(1, 90, 3)))
        start = tuple(int(rng.integers(-n + 1, edge)) for n, edge in zip(size, ct.shape, strict=True))
        assert np.array_equal(case.image(start, size), box_of(ct, start, size, -1024))
        assert np.array_equal(case.label(start, size), box_of(ids, start, size, 0))
    assert np.array_equal(case.image(), ct)
    assert np.array_equal(case.grid.affine, nib.load(atlas[0].image_path).affine)
    assert case.ids.tolist() == np.unique(ids).tolist()
    assert (case.image((200, 0, 0), (3, 3, 3)) == -1024).all()


def test_every_voxel_of_a_structure_has_the_same_chance(atlas: Dataset, folder: Path, oracle):
    by_nibabel, _ = oracle
    case = chunked(atlas[1], cache_of(atlas))
    places = [tuple(map(int, at)) for at in np.argwhere(by_nibabel(folder, "masks", case.id) == SPLEEN)]
    rng = np.random.default_rng(1)
    drawn = [case.voxel_of(SPLEEN, rng) for _ in range(2400)]
    assert set(drawn) == set(places)
    assert len(places) == 24
    assert chisquare([drawn.count(at) for at in places]).pvalue > 0.001
    assert case.voxel_of(BLADDER, rng) == (0, 0, 1)
    with pytest.raises(KeyError):
        case.voxel_of(99, rng)


def test_chunks_are_built_once_and_again_when_a_file_has_changed(
    atlas: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    first = chunked(atlas[0], cache_of(atlas))
    with monkeypatch.context() as patch:
        patch.setattr(Case, "ct", lambda _: pytest.fail("read again"))
        assert chunked(atlas[0], cache_of(atlas)).folder == first.folder
    path = folder / "images" / f"{first.id}.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.full(image.shape, 7, np.int16), image.affine), path)
    os.utime(path, ns=(1, 1))
    killed, at_work = (first.folder.parent / f".{name}.partial" for name in ("killed", "at_work"))
    killed.mkdir()
    at_work.mkdir()
    os.utime(killed, (1, 1))
    theirs = first.folder.parent / "notes"
    (theirs / "of somebody").mkdir(parents=True)
    second = chunked(atlas[0], cache_of(atlas))
    assert (second.image() == 7).all()
    assert set(second.folder.parent.iterdir()) == {second.folder, at_work, theirs}


def test_a_build_that_fails_leaves_nothing(atlas: Dataset, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_json", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            chunked(atlas[0], cache_of(atlas))
    assert list((cache_of(atlas) / atlas[0].id).iterdir()) == []
    assert (chunked(atlas[0], cache_of(atlas)).folder / ABOUT).is_file()


def test_who_comes_second_takes_what_stands(atlas: Dataset, monkeypatch: pytest.MonkeyPatch):
    """Another process builds the same case in the meantime."""
    build, cache = module._build, cache_of(atlas)

    def slow(case: Case, folder: Path) -> None:
        build(case, folder)
        monkeypatch.setattr(module, "_build", build)
        chunked(case, cache)

    monkeypatch.setattr(module, "_build", slow)
    made = chunked(atlas[0], cache)
    assert [each.name for each in made.folder.parent.iterdir()] == [made.folder.name]
    assert made.image().shape == made.grid.shape


def test_a_box_is_read_from_its_own_chunks_alone(atlas: Dataset, folder: Path, oracle):
    """With the rest of the file spoilt, the box is as it was; what is spoilt is told."""
    case = chunked(atlas[0], cache_of(atlas))
    path = case.folder / CT
    data = bytearray(path.read_bytes())
    middle = range(int(len(data) * 0.55), int(len(data) * 0.65))
    data[middle.start : middle.stop] = b"\xff" * len(middle)
    path.write_bytes(data)
    by_nibabel, box_of = oracle
    ct = by_nibabel(folder, "images", case.id)
    assert np.array_equal(case.image((0, 0, 0), (30, 40, 50)), box_of(ct, (0, 0, 0), (30, 40, 50), 0))
    with pytest.raises(BadFileError, match=r"ct\.b2nd.*remove .*built anew"):
        case.image()


def test_a_chunked_case_goes_to_another_process(atlas: Dataset):
    case = chunked(atlas[0], cache_of(atlas))
    again = pickle.loads(pickle.dumps(case))
    assert np.array_equal(again.label(), case.label())


def test_a_bad_case_is_named_and_the_others_are_built(atlas: Dataset, folder: Path):
    path = folder / "masks" / f"{atlas[0].id}.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((5, 5, 5), np.uint8), np.eye(4)), path)
    with pytest.raises(GridMismatchError, match=r"is not on the grid of .*shape"):
        chunked(atlas[0], cache_of(atlas))
    with pytest.raises(DapatlasError, match=f"case {atlas[0].id} cannot be cut"):
        chunked_cases(atlas, cache_of(atlas))
    assert len(list(cache_of(atlas).glob(f"{atlas[1].id}/*/{ABOUT}"))) == 1


def test_a_case_without_map_is_refused(atlas: Dataset, folder: Path):
    (folder / "masks" / f"{atlas[0].id}.nii.gz").unlink()
    lone = Dataset(folder).unpaired[0]
    with pytest.raises(BadFileError, match=f"{lone.id}: patches need both"):
        chunked(lone, cache_of(atlas))
