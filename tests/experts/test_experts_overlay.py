"""Masks over one another: against painting whole masks, largest first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from expert_cases import AFFINES, SHAPE, case_on, save
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dapatlas.errors import BadFileError, BadLabelsError
from dapatlas.experts import BinaryMasks
from dapatlas.formats.overlay import Overlay, PackedMask, overlaid
from dapatlas.labels import load_scheme

BOX = (4, 3, 5)


def painted(masks: dict[int, np.ndarray]) -> np.ndarray:
    """The rule in its plainest form: paint from the largest to the smallest, of equals the lower id first."""
    label_map = np.zeros(BOX, np.uint8)
    for id_ in sorted(masks, key=lambda id_: (-masks[id_].sum(), id_)):
        label_map[masks[id_]] = id_
    return label_map


def packed(mask: np.ndarray, axis: int) -> PackedMask:
    return PackedMask.of(np.moveaxis(mask, axis, 2)[:, :, k] for k in range(mask.shape[axis]))


masks_by_id = st.dictionaries(st.integers(1, 255), hnp.arrays(np.bool_, BOX), min_size=1, max_size=6)


@given(masks=masks_by_id, axis=st.integers(0, 2), order=st.randoms())
def test_the_smaller_keeps_the_voxel_whatever_comes_first(masks: dict[int, np.ndarray], axis: int, order):
    ids = list(masks)
    order.shuffle(ids)
    overlay = overlaid(BOX, {id_: packed(masks[id_], axis) for id_ in ids}, axis)
    expected = painted(masks)
    assert (overlay.label_map == expected).all()
    several = np.sum(list(masks.values()), axis=0) > 1
    kept = {id_: int((several & (expected == id_)).sum()) for id_ in sorted(masks)}
    assert overlay.contested() == {id_: voxels for id_, voxels in kept.items() if voxels}


@given(mask=hnp.arrays(np.uint8, BOX), more=hnp.arrays(np.bool_, BOX))
def test_packed_planes_count_and_add_up(mask: np.ndarray, more: np.ndarray):
    whole = packed(mask, 2)
    assert whole.voxels == np.count_nonzero(mask)
    for k in range(BOX[2]):
        whole.put(k, more[:, :, k])
    both = (mask != 0) | more
    assert whole.voxels == both.sum()
    overlay = Overlay(BOX)
    overlay.add(7, whole)
    assert (overlay.label_map == 7 * both).all()
    assert overlay.contested() == {}


def expert(folder: Path) -> BinaryMasks:
    return BinaryMasks(name="ts", scheme="totalsegmentator", files=str(folder / "masks"))


@pytest.mark.parametrize("dtype", [np.int16, np.float64, ">u2", np.uint8])
def test_many_masks_of_every_type_are_laid_as_painted(tmp_path: Path, dtype):
    import warnings

    random = np.random.default_rng(3)
    scheme = load_scheme("totalsegmentator")
    stored = {}
    for id_ in range(1, 40):
        corner = random.integers(0, 15, 3) % (np.array(SHAPE) - 2)
        mask = np.zeros(SHAPE, bool)
        i, j, k = (slice(int(c), int(c) + int(random.integers(1, 9))) for c in corner)
        mask[i, j, k] = True
        stored[id_] = mask
        save(tmp_path / "masks" / f"{scheme[id_].name}.nii.gz", mask.astype(dtype), AFFINES["LPS"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES["LPS"]))
    expected = np.zeros(SHAPE, np.uint8)
    for id_ in sorted(stored, key=lambda id_: (-stored[id_].sum(), id_)):
        expected[stored[id_]] = id_
    assert (proposal.label_map == expected).all()
    several = np.sum(list(stored.values()), axis=0) > 1
    assert sum(finding.voxels for finding in proposal.findings) == several.sum()
    assert {finding.code for finding in proposal.findings} == {"masks-overlap"}


@pytest.mark.parametrize(
    ("numbers", "said"),
    [((0.0, 0.5), r"found 0\.5.*nearest neighbour"), ((-1, 1), "no negative numbers; found -1")],
)
def test_what_is_no_mask_is_refused(tmp_path: Path, numbers: tuple[float, float], said: str):
    array = np.full(SHAPE, numbers[0], np.float32)
    array[3, 3, 3] = numbers[1]
    save(tmp_path / "masks" / "liver.nii.gz", array, AFFINES["RAS"])
    with pytest.raises(BadLabelsError, match=rf"liver.nii.gz.*{said}"):
        expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
def test_a_truncated_mask_is_refused_by_name(tmp_path: Path, suffix: str):
    save(tmp_path / "masks" / "liver.nii.gz", np.ones(SHAPE, np.uint8), AFFINES["RAS"])
    noise = np.random.default_rng(0).integers(0, 2, SHAPE).astype(np.uint8)
    bad = save(tmp_path / "masks" / f"spleen{suffix}", noise, AFFINES["RAS"])
    bad.write_bytes(bad.read_bytes()[:-30])
    with pytest.raises(BadFileError, match=rf"spleen{suffix}: truncated"):
        expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))


def test_a_damaged_mask_is_refused_though_it_can_be_decompressed(tmp_path: Path):
    bad = save(tmp_path / "masks" / "liver.nii.gz", np.ones(SHAPE, np.uint8), AFFINES["RAS"])
    content = bytearray(bad.read_bytes())
    content[-6] ^= 1  # a bit of the checksum
    bad.write_bytes(content)
    with pytest.raises(BadFileError, match="corrupt gzip stream"):
        expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))


def test_two_files_for_one_structure_are_refused(tmp_path: Path):
    for name in ("liver.nii.gz", "liver.nii"):
        save(tmp_path / "masks" / name, np.ones(SHAPE, np.uint8), AFFINES["RAS"])
    with pytest.raises(BadLabelsError, match=r"named after liver, as liver\.nii beside it is; keep one"):
        expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))
