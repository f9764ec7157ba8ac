"""One channel a structure: masks and probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from expert_cases import AFFINES, GALLBLADDER, KIDNEY_LEFT, LIVER, SHAPE, SPLEEN, case_on, organs, save
from pydantic import ValidationError

from dapatlas.errors import BadFileError, BadLabelsError
from dapatlas.experts import OneHot
from dapatlas.labels import load_scheme

CHANNELS = ("liver", "spleen", "kidney_left", "gallbladder")
IDS = (LIVER, SPLEEN, KIDNEY_LEFT, GALLBLADDER)


def expert(
    folder: Path, channels: tuple[str, ...] | None = CHANNELS, scheme: str = "totalsegmentator"
) -> OneHot:
    return OneHot(name="net", scheme=scheme, files=str(folder / "{case}.nii.gz"), channels=channels)


def channels_of(label_map: np.ndarray, ids: tuple[int, ...] = IDS) -> np.ndarray:
    return np.stack([label_map == id_ for id_ in ids], axis=-1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("name", AFFINES)
def test_masks_become_the_map_they_came_from(tmp_path: Path, name: str, dtype):
    save(tmp_path / "patient7.nii.gz", channels_of(organs()).astype(dtype), AFFINES[name])
    proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES[name]))
    assert (proposal.label_map == organs()).all()
    assert proposal.findings == ()


def test_the_fifth_axis_of_nifti_is_taken_too(tmp_path: Path):
    save(tmp_path / "patient7.nii.gz", channels_of(organs())[:, :, :, None].astype(np.uint8), AFFINES["RAS"])
    assert (expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"])).label_map == organs()).all()


def test_of_masks_that_overlap_the_smaller_keeps_the_voxel(tmp_path: Path):
    channels = channels_of(organs())
    channels[..., 0] |= channels[..., 3]  # the liver's mask holds the gallbladder too
    save(tmp_path / "patient7.nii.gz", 255 * channels.astype(np.uint8), AFFINES["RAS"])
    proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))
    assert (proposal.label_map == organs()).all()
    (finding,) = proposal.findings
    assert (finding.code, finding.structure, finding.voxels) == ("masks-overlap", "gallbladder", 3 * 3 * 2)


def test_of_probabilities_the_largest_above_one_half_wins(tmp_path: Path):
    random = np.random.default_rng(1)
    probabilities = random.random((*SHAPE, 4)).astype(np.float32)
    save(tmp_path / "patient7.nii.gz", probabilities, AFFINES["RAS"])
    proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))
    best = np.array(IDS)[probabilities.argmax(axis=3)]
    assert (proposal.label_map == np.where(probabilities.max(axis=3) > 0.5, best, 0)).all()
    (finding,) = proposal.findings
    assert finding.voxels > 0


def test_a_background_channel_takes_part(tmp_path: Path):
    probabilities = np.zeros((*SHAPE, 2), np.float32)
    probabilities[..., 0] = 0.9
    probabilities[:4, ..., 1], probabilities[:2, ..., 0] = 0.95, 0.97
    save(tmp_path / "patient7.nii.gz", probabilities, AFFINES["RAS"])
    found = expert(tmp_path, ("background", "liver")).propose(case_on(tmp_path, AFFINES["RAS"])).label_map
    assert np.unique(found[:2]).tolist() == [0]
    assert np.unique(found[2:4]).tolist() == [LIVER]
    assert not found[4:].any()


def test_probabilities_may_be_scaled_integers(tmp_path: Path):
    import nibabel as nib

    image = nib.Nifti1Image((channels_of(organs()) * 200 + 20).astype(np.uint8), AFFINES["RAS"])
    image.header.set_slope_inter(1 / 255, 0)
    nib.save(image, tmp_path / "patient7.nii.gz")
    assert (expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"])).label_map == organs()).all()


@pytest.mark.parametrize("background", [0, 1])
def test_by_default_channels_are_the_schemes_structures(tmp_path: Path, background: int):
    scheme = load_scheme("btcv")
    ids = tuple(scheme.ids.tolist())[1 - background :]
    label_map = (np.arange(np.prod(SHAPE)).reshape(SHAPE) % len(scheme)).astype(np.uint8)
    label_map = scheme.ids[label_map]
    save(tmp_path / "patient7.nii.gz", channels_of(label_map, ids).astype(np.uint8), AFFINES["RAS"])
    found = expert(tmp_path, None, "btcv").propose(case_on(tmp_path, AFFINES["RAS"]))
    assert (found.label_map == label_map).all()


def test_a_wrong_number_of_channels_is_refused(tmp_path: Path):
    save(tmp_path / "patient7.nii.gz", np.zeros((*SHAPE, 3), np.uint8), AFFINES["RAS"])
    case = case_on(tmp_path, AFFINES["RAS"])
    with pytest.raises(BadLabelsError, match="3 channels, but `channels` names 4"):
        expert(tmp_path).propose(case)
    with pytest.raises(BadLabelsError, match="3 channels, but totalsegmentator has 117 structures"):
        expert(tmp_path, None).propose(case)


@pytest.mark.parametrize(
    ("array", "error", "said"),
    [
        (np.full((*SHAPE, 4), 3.5, np.float32), BadLabelsError, "3.5; probabilities lie in 0…1"),
        (np.full((*SHAPE, 4), -2.0, np.float32), BadLabelsError, "-2; probabilities lie in 0…1"),
        (np.full((*SHAPE, 4), np.nan, np.float32), BadLabelsError, "nan; probabilities lie in 0…1"),
        (
            np.arange(4 * np.prod(SHAPE)).reshape(*SHAPE, 4).astype(np.int16),
            BadLabelsError,
            "a slope in the header",
        ),
        (np.zeros(SHAPE, np.uint8), BadFileError, r"four axes \(x, y, z, channel\), found shape"),
    ],
)
def test_what_is_neither_masks_nor_probabilities_is_refused(
    tmp_path: Path, array: np.ndarray, error, said: str
):
    save(tmp_path / "patient7.nii.gz", array, AFFINES["RAS"])
    with pytest.raises(error, match=said):
        expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))


def test_truncated_missing_and_foreign_files_are_refused(tmp_path: Path):
    case = case_on(tmp_path, AFFINES["RAS"])
    with pytest.raises(BadFileError, match="expert 'net' has no one-hot file.*patient7.nii.gz"):
        expert(tmp_path).propose(case)
    noise = np.random.default_rng(0).integers(0, 2, (*SHAPE, 4)).astype(np.uint8)
    path = save(tmp_path / "patient7.nii.gz", noise, AFFINES["RAS"])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BadFileError, match="truncated"):
        expert(tmp_path).propose(case)
    path.write_bytes(b"no nifti at all")
    with pytest.raises(BadFileError, match="cannot be read as NIfTI"):
        expert(tmp_path).propose(case)


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        (("liver", "livr"), "channels.1.*no structure 'livr'"),
        (("liver", "spleen", "Liver"), "channels.2.*has a channel"),
    ],
)
def test_channels_must_be_structures_once_each(tmp_path: Path, channels: tuple[str, ...], said: str):
    with pytest.raises(ValidationError, match=said):
        expert(tmp_path, channels)
