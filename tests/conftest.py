"""Fixtures that every part of the house uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# how long an example takes says more about what else the machine does than about the code
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real CT samples and their TotalSegmentator maps."""
    return _shared("data/totalsegmentator")


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder with published reference files."""
    return _shared("reference")


def _shared(folder: str) -> Path:
    default = Path(__file__).parents[2] / "shared"
    path = Path(os.environ.get("DAPATLAS_SHARED", default)) / folder
    if not path.is_dir():
        pytest.skip(f"needs {path}: set DAPATLAS_SHARED to the folder with the samples")
    return path.resolve()
