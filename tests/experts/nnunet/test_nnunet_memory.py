"""Memory foreseen: what is free, what is needed, and what is said when it is not enough."""

from __future__ import annotations

from dataclasses import replace

import pytest
from random_models import bare_plans

from dapatlas.experts.nnunet.device import NoDeviceError, pick_device
from dapatlas.experts.nnunet.memory import (
    NotEnoughMemoryError,
    estimate,
    require,
)
from dapatlas.experts.nnunet.plans import Plans
from dapatlas.volumes import Grid

NEEDS_TORCH = False
WHOLE_BODY = Grid.from_spacing((512, 512, 555), (1.0, 1.0, 1.0))


def atlas_plans(dialect: str = "v2") -> Plans:
    """145 classes in tiles of 128³ voxels, and a U-Net of the usual width."""
    plans = bare_plans("v1" if dialect == "v1" else "v2", patch=(128, 128, 128), classes=145)
    kwargs = {"features_per_stage": [32, 64, 128, 256, 320, 320], "strides": [1, 2, 2, 2, 2, 2]}
    return replace(plans, architecture=replace(plans.architecture, kwargs=kwargs))


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_145_classes_on_a_whole_body_fit_into_10_gb(monkeypatch: pytest.MonkeyPatch, dialect: str) -> None:
    monkeypatch.setattr("dapatlas.experts.nnunet.memory.free_gb", lambda: 100.0)
    need = estimate(atlas_plans(dialect), WHOLE_BODY)
    assert need.fits
    assert need.host_gb <= 10
    require(need)


def test_less_memory_means_more_tiles_and_never_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dapatlas.experts.nnunet.memory.free_gb", lambda: 100.0)
    needs = [estimate(atlas_plans(), WHOLE_BODY, memory_gb=gb) for gb in (40, 14, 12, 10, 8)]
    assert needs[0].layout.tiles == needs[0].least_tiles
    assert [need.layout.tiles for need in needs] == sorted(need.layout.tiles for need in needs)
    for need, gb in zip(needs, (40, 14, 12, 10, 8), strict=True):
        assert need.host_gb <= gb


def test_too_little_memory_is_said_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dapatlas.experts.nnunet.memory.free_gb", lambda: 3.0)
    need = estimate(atlas_plans(), WHOLE_BODY, tta=True)
    assert not need.fits
    with pytest.raises(NotEnoughMemoryError, match=r"145 classes would take .* 2\.7 GB .* turn TTA off"):
        require(need)


def test_a_device_that_is_not_there_is_refused() -> None:
    torch = pytest.importorskip("torch")
    assert pick_device("cpu") == "cpu"
    with pytest.raises(NoDeviceError, match="expected auto, cpu, cuda"):
        pick_device("gpu")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert pick_device("auto") == "cpu"
    with pytest.raises(NoDeviceError, match="sees 0 CUDA GPUs"):
        pick_device("cuda")


def test_a_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto") == "cuda"
    assert pick_device("cuda:1") == "cuda:1"
    with pytest.raises(NoDeviceError, match="cuda:2 was asked for, .* sees 2 CUDA GPUs"):
        pick_device("cuda:2")
