"""Label maps in bounded memory: those of nnunetv2's own predictor, and of version 1's rules followed naively."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from random_models import bare_plans, nnunet_labels, nnunet_predictor, noisy_ct, random_model
from scipy.ndimage import gaussian_filter, zoom

from dapatlas.errors import DapatlasError
from dapatlas.experts.nnunet.device import NoDeviceError
from dapatlas.experts.nnunet.memory import NotEnoughMemoryError, need_of
from dapatlas.experts.nnunet.model import open_model
from dapatlas.experts.nnunet.plans import Plans
from dapatlas.experts.nnunet.preprocess import Prepared, prepare
from dapatlas.experts.nnunet.segment import segment
from dapatlas.experts.nnunet.window import ScoreError
from dapatlas.volumes import Grid, read_volume

SHAPE = (40, 36, 22)


@pytest.fixture(autouse=True)
def _one_thread(torch: Any) -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small arrays: two threads would wait for each other
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("tta", [False, True])
@pytest.mark.parametrize(
    ("model", "ct_mm"),
    [
        ({}, (0.9, 0.9, 3.0)),
        ({"spacing": (1.5, 1.5, 1.5)}, (0.8, 0.8, 5.0)),  # the CT is coarse
        ({"spacing": (5.0, 1.0, 1.0), "transpose": (1, 0, 2)}, (0.8, 4.0, 0.9)),  # both are
        ({"spacing": (1.5, 1.5, 1.5), "mirror": (0, 2)}, (1.5, 1.5, 1.5)),  # nothing is resampled
    ],
)
def test_one_fold_gives_the_very_voxels_of_nnunetv2(
    tmp_path: Path, model: dict[str, Any], ct_mm: Any, tta: bool
) -> None:
    opened = open_model(random_model(tmp_path / "model", **model))
    ct, grid = noisy_ct(SHAPE), Grid.from_spacing(SHAPE, ct_mm, "LPS")
    ours = segment(opened, prepare(ct, grid, opened.plans), opened.plans, tta=tta)
    theirs = nnunet_labels(nnunet_predictor(opened.path, tta=tta), ct, grid, opened.plans)
    assert len(np.unique(theirs)) > 2
    assert ours.dtype == np.uint8
    assert ours.flags.f_contiguous
    np.testing.assert_array_equal(ours, theirs)


def test_two_folds_are_averaged_and_differ_from_nnunetv2_at_its_rounding_alone(tmp_path: Path) -> None:
    opened = open_model(random_model(tmp_path / "model", folds=2))
    ct, grid = noisy_ct(SHAPE), Grid.from_spacing(SHAPE, (0.9, 0.9, 3.0), "LPS")
    ours = segment(opened, prepare(ct, grid, opened.plans), opened.plans, tta=False)
    theirs = nnunet_labels(nnunet_predictor(opened.path, tta=False, folds=(0, 1)), ct, grid, opened.plans)
    assert (ours == theirs).mean() >= 0.999
    first = segment([opened.network("0")], prepare(ct, grid, opened.plans), opened.plans, tta=False)
    assert (first == theirs).mean() < 0.99


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_cuts_for_less_memory_change_nothing(torch: Any, dialect: Any) -> None:
    plans = bare_plans(dialect, patch=(12, 12, 12), spacing=(1.5, 1.4, 1.6))
    ct = noisy_ct(SHAPE)
    ready = prepare(ct, Grid.from_spacing(SHAPE, (0.9, 1.0, 1.1)), plans)
    networks = [small_network(torch, plans)]
    whole = segment(networks, ready, plans, tta=False)
    smallest = need_of(plans, ready, memory_gb=0.0)
    assert len(smallest.layout.columns) > 4
    told: list[tuple[int, int]] = []
    cut = segment(
        networks, ready, plans, tta=False, memory_gb=smallest.host_gb,
        progress=lambda done, of: told.append((done, of)),
    )  # fmt: skip
    np.testing.assert_array_equal(whole, cut)
    assert told == [(n, smallest.layout.tiles) for n in range(1, smallest.layout.tiles + 1)]
    assert smallest.layout.tiles > smallest.least_tiles


@pytest.mark.parametrize("tta", [False, True])
@pytest.mark.parametrize(
    ("spacing", "transpose", "ct_mm", "mirror"),
    [
        ((1.5, 1.4, 1.6), (0, 1, 2), (0.9, 1.0, 1.1), (0, 1, 2)),
        (
            (1.5, 1.4, 1.6),
            (2, 0, 1),
            (0.9, 1.0, 4.0),
            (0, 2),
        ),  # anisotropic: the nearest plane along the file's k
        ((6.0, 6.0, 6.0), (0, 1, 2), (0.9, 1.0, 1.1), (0, 1, 2)),  # a single tile, mostly padding
    ],
)
def test_version_1_is_its_rules_followed_without_regard_to_memory(
    torch: Any, spacing: Any, transpose: Any, ct_mm: Any, mirror: Any, tta: bool
) -> None:
    plans = bare_plans("v1", patch=(12, 16, 12), spacing=spacing, transpose=transpose, mirror=mirror)
    ready = prepare(noisy_ct(SHAPE), Grid.from_spacing(SHAPE, ct_mm), plans)
    networks = [small_network(torch, plans, seed) for seed in (0, 1)]
    naive = naive_version_1(torch, networks, ready, plans, tta)
    ours = segment(networks, ready, plans, tta=tta)
    assert len(np.unique(naive)) > 1
    assert (ours == naive).mean() >= 0.9999


def small_network(torch: Any, plans: Plans, seed: int = 0) -> Any:
    """Two convolutions; not symmetric, so that mirroring matters."""
    torch.manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Conv3d(1, 4, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv3d(4, plans.classes, 3, padding=1)
    )
    with torch.no_grad():
        network[2].weight *= 10
    return network.eval()


def naive_version_1(
    torch: Any, networks: Sequence[Any], ready: Prepared, plans: Plans, tta: bool
) -> NDArray[Any]:
    """Probabilities of the whole volume, as nnunet 1.7.1 has them, resampled class by class."""
    data = ready.data[0]
    before = [max(p - n, 0) // 2 for n, p in zip(data.shape, plans.patch, strict=True)]
    after = [max(p - n, 0) - b for n, p, b in zip(data.shape, plans.patch, before, strict=True)]
    data = np.pad(data, list(zip(before, after, strict=True)))
    starts = [tile_starts(n, p) for n, p in zip(data.shape, plans.patch, strict=True)]
    weights = bell(plans.patch)
    total = np.zeros((plans.classes, *data.shape))
    for network, corner in product(networks, product(*starts)):
        place = tuple(slice(s, s + p) for s, p in zip(corner, plans.patch, strict=True))
        total[(slice(None), *place)] += probabilities(torch, network, data[place], plans, tta) * weights
    inner = tuple(slice(b, n - a) for b, a, n in zip(before, after, data.shape, strict=True))
    sums = np.zeros(data.shape)
    for corner in product(*starts):
        sums[tuple(slice(s, s + p) for s, p in zip(corner, plans.patch, strict=True))] += weights
    mean = (total / sums / len(networks))[(slice(None), *inner)]
    labels = resampled(mean, ready.cropped, ready.coarse_back).argmax(0)
    back = labels.transpose(plans.transpose_backward)  # reversed file axes
    return back.transpose(2, 1, 0)


def tile_starts(length: int, patch: int) -> list[int]:
    """Version 1's rule."""
    count = int(np.ceil((length - patch) / (patch * 0.5))) + 1
    return [int(np.round((length - patch) / max(count - 1, 1) * i)) for i in range(count)]


def bell(patch: Sequence[int]) -> NDArray[np.float64]:
    """Version 1's weights."""
    point = np.zeros(patch)
    point[tuple(p // 2 for p in patch)] = 1
    weights = gaussian_filter(point, [p / 8 for p in patch], mode="constant")
    return weights / weights.max()


def probabilities(torch: Any, network: Any, tile: NDArray[Any], plans: Plans, tta: bool) -> NDArray[Any]:
    """Mean over mirrored tiles of the softmax."""
    axes = plans.mirror_axes if tta else ()
    flips = [
        tuple(a for a, on in zip(axes, chosen, strict=True) if on)
        for chosen in product([0, 1], repeat=len(axes))
    ]
    found = []
    for flip in flips:
        with torch.no_grad():
            logits = network(torch.from_numpy(np.flip(tile, flip).copy())[None, None])[0]
        found.append(np.flip(logits.softmax(0).numpy(), tuple(a + 1 for a in flip)))
    return np.mean(found, 0)


def resampled(scores: NDArray[Any], shape: Sequence[int], coarse: int | None) -> NDArray[Any]:
    """Linear, except along a coarse axis: there the nearest plane."""
    found = scores
    for axis in range(3):
        factors = [1.0] * 4
        factors[axis + 1] = shape[axis] / scores.shape[axis + 1]
        if axis == coarse:
            place = scores.shape[axis + 1] / shape[axis] * (np.arange(shape[axis]) + 0.5) - 0.5
            found = np.take(
                found, np.clip(np.floor(place + 0.5).astype(int), 0, scores.shape[axis + 1] - 1), axis + 1
            )
        else:
            found = zoom(found, factors, order=1, mode="nearest", grid_mode=True)
    return found


def test_many_classes_get_wide_ids(torch: Any) -> None:
    plans = bare_plans("v2", patch=(8, 8, 8), classes=300)
    ready = prepare(noisy_ct((12, 12, 12)), Grid.from_spacing((12, 12, 12), (1.5, 1.5, 1.5)), plans)

    class Last(torch.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, tile: Any) -> Any:
            scores = torch.zeros((1, 300, *tile.shape[2:]))
            scores[:, 299] = 1
            return scores

    labels = segment([Last()], ready, plans, tta=False)
    assert labels.dtype == np.uint16
    assert (labels == 299).all()


def test_a_model_that_was_not_mirrored_in_training_is_not_mirrored_now(torch: Any) -> None:
    plans = bare_plans("v1", mirror=())
    ready = prepare(noisy_ct((12, 12, 12)), Grid.from_spacing((12, 12, 12), (1.5, 1.5, 1.5)), plans)
    with pytest.raises(DapatlasError, match="turn TTA off"):
        segment([small_network(torch, plans)], ready, plans, tta=True)


def test_bad_scores_and_missing_devices_and_memory_are_said(
    torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = bare_plans("v2", patch=(8, 8, 8))
    ready = prepare(noisy_ct((12, 12, 12)), Grid.from_spacing((12, 12, 12), (1.5, 1.5, 1.5)), plans)
    broken = small_network(torch, plans)
    with torch.no_grad():
        broken[2].bias[1] = float("nan")
    with pytest.raises(ScoreError, match="intact"):
        segment([broken], ready, plans, tta=False)
    with pytest.raises(ScoreError, match="shape"):
        segment([torch.nn.Conv3d(1, 3, 1)], ready, plans, tta=False)
    with pytest.raises(NoDeviceError):
        segment([broken], ready, plans, tta=False, device="cuda:97")
    with pytest.raises(NotEnoughMemoryError, match="smallest"):
        segment([broken], ready, plans, tta=False, memory_gb=0.2)


def test_a_real_ct_gets_nnunetv2s_labels(tmp_path: Path, real_data: Path) -> None:
    volume = read_volume(real_data / "ct_sm.nii.gz")
    opened = open_model(random_model(tmp_path / "model", spacing=(6.0, 5.0, 5.0), patch=(24, 32, 32)))
    ours = segment(opened, prepare(volume.array, volume.grid, opened.plans), opened.plans, tta=False)
    predictor = nnunet_predictor(opened.path, tta=False)
    np.testing.assert_array_equal(ours, nnunet_labels(predictor, volume.array, volume.grid, opened.plans))
