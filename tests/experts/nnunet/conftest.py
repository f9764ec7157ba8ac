"""What tests of models share: they are skipped where the extra `models` is not installed.

A module whose tests need none of it says ``NEEDS_TORCH = False``.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType

import pytest
from v1_models import V1Spec, write_v1_model

THREADS = 2


@pytest.fixture(autouse=True)
def _skipped_without_torch(request: pytest.FixtureRequest) -> None:
    if getattr(request.module, "NEEDS_TORCH", True):
        request.getfixturevalue("torch")


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch on two threads, with everything that runs nnU-Net beside it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages that nnunetv2 brings along
        module = pytest.importorskip("torch")
        pytest.importorskip("dynamic_network_architectures")
        pytest.importorskip("safetensors")
    module.set_num_threads(THREADS)
    return module


@pytest.fixture
def v1_model(tmp_path: Path) -> Path:
    """A small model of nnU-Net v1 with one fold and three classes."""
    return write_v1_model(tmp_path / "Task901_Tiny", V1Spec())
