"""Small data sets for the tests of the folder on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_datasets import CASES, Folder

from dapatlas.labels import dap


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A data set with labels.json and no case."""
    made = Folder(tmp_path / "atlas")
    for name in ("images", "masks"):
        (made.path / name).mkdir(parents=True)
    labels = {str(structure.id): structure.name for structure in dap()}
    (made.path / "labels.json").write_text(json.dumps(labels))
    return made


@pytest.fixture
def five(folder: Folder) -> Folder:
    """A sound data set of five cases."""
    folder.add(*CASES)
    return folder
