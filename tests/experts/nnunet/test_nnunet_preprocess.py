"""A CT made ready for a network: nnunetv2's own array to the last bit, version 1's rules, and what is refused."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from random_models import bare_plans, nnunet_input, nnunet_predictor, noisy_ct, random_model
from scipy.ndimage import zoom

from dapatlas.errors import BadFileError, DapatlasError, GridMismatchError
from dapatlas.experts.nnunet.intensities import WrongUnitError, check_unit
from dapatlas.experts.nnunet.plans import Intensity, Plans
from dapatlas.experts.nnunet.preprocess import body_box, prepare
from dapatlas.experts.nnunet.spacing import coarse_axis_back
from dapatlas.experts.nnunet.splines import resize
from dapatlas.volumes import Grid, read_volume

NEEDS_TORCH = False


@pytest.mark.parametrize(
    ("spacing", "transpose", "ct_mm"),
    [
        ((1.5, 1.5, 1.5), (0, 1, 2), (0.8, 0.9, 2.0)),
        ((1.5, 1.5, 1.5), (2, 0, 1), (0.8, 0.8, 5.0)),  # the CT is coarse
        ((5.0, 1.0, 1.0), (0, 1, 2), (0.8, 0.8, 3.0)),  # the network is
        ((5.0, 1.0, 1.0), (1, 2, 0), (0.8, 4.0, 0.9)),
        ((1.5, 1.5, 1.5), (0, 1, 2), (1.5, 1.5, 1.5)),
    ],
)
def test_arrays_are_those_of_nnunetv2s_preprocessor(
    tmp_path: Path, spacing: Any, transpose: Any, ct_mm: Any
) -> None:
    pytest.importorskip("torch")
    preprocessors = pytest.importorskip("nnunetv2.preprocessing.preprocessors.default_preprocessor")
    from dapatlas.experts.nnunet.model import open_model

    folder = random_model(tmp_path / "model", spacing=spacing, transpose=transpose)
    plans = open_model(folder).plans
    shape = (40, 31, 22)
    ct, grid = noisy_ct(shape), Grid.from_spacing(shape, ct_mm, "LPS")
    ct[:, :2] = 0  # a part that is cropped away
    predictor = nnunet_predictor(folder, tta=False)
    image, properties = nnunet_input(ct, grid, plans)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nnunetv2's own
        theirs, _, _ = preprocessors.DefaultPreprocessor(verbose=False).run_case_npy(
            image,
            None,
            properties,
            predictor.plans_manager,
            predictor.configuration_manager,
            predictor.dataset_json,
        )
    ours = prepare(ct, grid, plans)
    assert ours.data.dtype == np.float32
    np.testing.assert_array_equal(ours.data, theirs)


def test_version_1_resamples_before_it_clips_and_scales() -> None:
    plans = bare_plans("v1", spacing=(1.5, 1.5, 1.5))
    shape = (20, 30, 40)
    ct, grid = noisy_ct(shape), Grid.from_spacing(shape, (1.0, 1.1, 1.7))
    # by hand: axes reversed, cubic splines with repeated edges, overshoots cut off, then HU
    turned = ct.transpose(2, 1, 0).astype(float)
    wanted = (round(1.7 / 1.5 * 40), round(1.1 / 1.5 * 30), round(1.0 / 1.5 * 20))
    factors = [m / n for n, m in zip(turned.shape, wanted, strict=True)]
    resampled = zoom(turned, factors, order=3, mode="nearest", grid_mode=True)
    clipped = np.clip(resampled, max(turned.min(), -900), min(turned.max(), 700))
    np.testing.assert_allclose(prepare(ct, grid, plans).data[0], (clipped - 60) / 180, rtol=0, atol=1e-5)


def test_coarse_planes_are_resampled_one_by_one_and_the_nearest_taken() -> None:
    picture = np.random.default_rng(0).standard_normal((4, 9, 8)).astype(np.float32)
    found = resize(picture, (7, 12, 11), 3, 0, 0)
    # seven planes out of four: plane centres lie at 4/7 (i + ½) − ½, to the nearest
    nearest = [0, 0, 1, 2, 2, 3, 3]
    for plane, source in zip(found, nearest, strict=True):
        expected = zoom(
            picture[source].astype(float), (12 / 9, 11 / 8), order=3, mode="nearest", grid_mode=True
        )
        np.testing.assert_allclose(
            plane, expected.clip(picture[source].min(), picture[source].max()), rtol=0, atol=1e-6
        )


def test_numbers_that_are_none_count_as_0() -> None:
    plans = bare_plans("v2", spacing=(1.0, 1.0, 1.0))
    ct = noisy_ct((12, 12, 12)).astype(np.float32)
    ct[5, 5, 5] = np.nan
    assert prepare(ct, Grid.from_spacing(ct.shape, (1.0, 1.0, 1.0)), plans).data[0, 5, 5, 5] == pytest.approx(
        -60 / 180, abs=1e-6
    )


def test_what_is_0_all_around_is_cropped_and_comes_back_as_background() -> None:
    plans = bare_plans("v2", spacing=(2.0, 2.0, 2.0), transpose=(1, 0, 2))
    ct = np.zeros((20, 30, 40), np.int16)
    ct[3:15, 4:24, 6:36] = noisy_ct((12, 20, 30))
    ct[3, 4, 6] = ct[14, 23, 35] = 55
    ready = prepare(ct, Grid.from_spacing(ct.shape, (1.0, 1.0, 1.0)), plans)
    assert ready.box == (slice(3, 15), slice(4, 24), slice(6, 36))
    assert ready.cropped == (20, 30, 12)  # file axis j, then k, then i
    labels, kept = ready.empty_map(plans)
    kept[...] = 1
    assert labels.flags.f_contiguous
    assert (labels != 0).sum() == 12 * 20 * 30
    assert labels[3:15, 4:24, 6:36].all()


def test_models_trained_on_reoriented_volumes_get_them_so_and_labels_come_back() -> None:
    plans = replace(bare_plans("v2", spacing=(1.0, 1.0, 1.0)), image_reader="NibabelIOWithReorient")
    ct = noisy_ct((14, 16, 18))
    straight = prepare(ct, Grid.from_spacing(ct.shape, (1.0, 1.0, 1.0), "RAS"), plans)
    turned = np.asfortranarray(ct[::-1, :, ::-1].transpose(2, 0, 1))  # the same patient: I, L, A
    other = prepare(turned, Grid.from_spacing(turned.shape, (1.0, 1.0, 1.0), "ILA"), plans)
    np.testing.assert_array_equal(straight.data, other.data)
    labels, kept = other.empty_map(plans)
    kept[...] = np.arange(kept.size, dtype=np.uint32).reshape(kept.shape) % 200
    straight_labels, straight_kept = straight.empty_map(plans)
    straight_kept[...] = kept
    np.testing.assert_array_equal(straight_labels[::-1, :, ::-1].transpose(2, 0, 1), labels)


def test_a_box_keeps_its_place_when_the_volume_is_reoriented() -> None:
    plans = replace(bare_plans("v2", spacing=(1.0, 1.0, 1.0)), image_reader="NibabelIOWithReorient")
    ct = noisy_ct((14, 16, 18))
    box = (slice(2, 10), slice(3, 12), slice(4, 17))
    ready = prepare(ct, Grid.from_spacing(ct.shape, (1.0, 1.0, 1.0), "SLP"), plans, box=box)
    labels, kept = ready.empty_map(plans)
    kept[...] = 1
    assert labels[box].all()
    assert labels.sum() == 8 * 9 * 13


def test_the_body_box_holds_the_patient_and_a_margin() -> None:
    ct = np.full((60, 60, 40), -1000, np.int16)
    ct[20:40, 25:45, 5:30] = 30
    ct[0, 0, 0] = 3000  # a speck of noise
    grid = Grid.from_spacing(ct.shape, (2.0, 2.0, 5.0))
    assert body_box(ct, grid, margin_mm=10) == (slice(15, 45), slice(20, 50), slice(3, 32))


@pytest.mark.parametrize(
    ("dialect", "ct_mm", "network_mm", "axis"),
    [
        ("v2", (1.0, 1.0, 5.0), (1.5, 1.5, 1.5), 0),
        ("v1", (1.0, 1.0, 5.0), (1.5, 1.5, 1.5), 0),
        ("v2", (1.0, 1.0, 2.9), (1.5, 1.5, 1.5), None),
        ("v2", (1.0, 5.0, 5.0), (1.5, 1.5, 1.5), None),  # two coarse axes
        ("v2", (1.0, 1.0, 1.0), (1.0, 4.0, 1.0), 1),
        ("v2", (1.0, 5.0, 1.0), (4.0, 1.0, 1.0), 0),  # version 2 asks the network first
        ("v1", (1.0, 5.0, 1.0), (4.0, 1.0, 1.0), 1),  # version 1 the CT
    ],
)
def test_the_axis_that_is_resampled_by_itself(
    dialect: Any, ct_mm: Any, network_mm: Any, axis: int | None
) -> None:
    plans = bare_plans(dialect, spacing=network_mm)
    assert coarse_axis_back((ct_mm[2], ct_mm[1], ct_mm[0]), plans) == axis


def test_version_1_takes_the_networks_coarse_axis_for_one_of_the_files() -> None:
    # network axis 0 is coarse; version 1 resamples in reversed file axes, whose axis 0 is network axis 1 here
    plans = bare_plans("v1", spacing=(5.0, 1.0, 1.0), transpose=(1, 0, 2))
    assert coarse_axis_back((1.0, 1.0, 1.0), plans) == 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0, 4095), "rescale intercept"),
        ((0.0, 0.3), "small numbers"),
        ((0, 255), "windowed"),
        ((-1000, -500), "windowed"),
    ],
)
def test_values_that_are_no_hu_are_refused(values: tuple[float, float], said: str) -> None:
    with pytest.raises(WrongUnitError, match=said):
        check_unit(np.linspace(*values, 50).reshape(5, 5, 2))


def test_an_empty_ct_is_refused() -> None:
    plans = replace(bare_plans("v2"), intensities=(Intensity("noNorm", 0, 1, 0, 0),))
    with pytest.raises(BadFileError, match="zeros"):
        prepare(np.zeros((5, 5, 5), np.int16), Grid.from_spacing((5, 5, 5), (1.0, 1.0, 1.0)), plans)


def test_other_grids_and_other_kinds_of_models_are_refused() -> None:
    plans = bare_plans("v2")
    ct = noisy_ct((8, 8, 8))
    grid = Grid.from_spacing((8, 8, 8), (1.0, 1.0, 1.0))
    with pytest.raises(GridMismatchError):
        prepare(ct, Grid.from_spacing((8, 8, 9), (1.0, 1.0, 1.0)), plans)
    two = replace(
        plans, architecture=replace(plans.architecture, in_channels=2), channel_names={"0": "CT", "1": "PET"}
    )
    with pytest.raises(DapatlasError, match="CT, PET"):
        prepare(ct, grid, two)
    masked = replace(plans, intensities=(replace(plans.intensities[0], use_mask=True),))
    with pytest.raises(DapatlasError, match="mask"):
        prepare(ct, grid, masked)


@pytest.mark.parametrize("scheme", ["CT2", "zscore", "rescale01", "noNorm"])
def test_other_schemes_scale_by_the_volume_itself(scheme: Any) -> None:
    plans = bare_plans("v2", spacing=(1.0, 1.0, 1.0))
    plans = replace(plans, intensities=(replace(plans.intensities[0], scheme=scheme),))
    ct = noisy_ct((12, 13, 14))
    data = prepare(ct, Grid.from_spacing(ct.shape, (1.0, 1.0, 1.0)), plans).data[0].transpose(2, 1, 0)
    np.testing.assert_allclose(data, by_hand(ct.astype(float), scheme), rtol=0, atol=1e-4)


def by_hand(ct: NDArray[np.float64], scheme: str) -> NDArray[np.float64]:
    """The formulas of nnunet 1.7.1 and nnunetv2."""
    if scheme == "CT2":
        within = ct[(ct > -900) & (ct < 700)]
        return (ct.clip(-900, 700) - within.mean()) / within.std()
    if scheme == "zscore":
        return (ct - ct.mean()) / ct.std()
    return (ct - ct.min()) / (ct.max() - ct.min()) if scheme == "rescale01" else ct


def test_a_real_ct_is_in_hu_and_its_body_is_found(real_data: Path) -> None:
    volume = read_volume(real_data / "ct_sm.nii.gz")
    check_unit(volume.array)
    box = body_box(volume.array, volume.grid)
    assert (volume.array[box] > -200).sum() > 0.99 * (volume.array > -200).sum()
    plans: Plans = bare_plans("v2", spacing=(3.0, 3.0, 3.0))
    data = prepare(volume.array, volume.grid, plans).data
    assert data.min() >= (-900 - 60) / 180 - 1e-5
    assert data.max() <= (700 - 60) / 180 + 1e-5
