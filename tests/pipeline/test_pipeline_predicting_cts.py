"""Which CTs `dapatlas predict` finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.experts.nnunet.predictor import PredictionSettings
from dapatlas.pipeline.predicting import find_cts, predict_cases


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_a_folder_a_data_set_and_nnunets_names(tmp_path: Path):
    folder = touch(tmp_path / "cts", "b_0000.nii.gz", "a.nii", "notes.txt", ".c.nii.gz")
    assert {case: path.name for case, path in find_cts(folder).items()} == {
        "a": "a.nii",
        "b": "b_0000.nii.gz",
    }
    touch(tmp_path / "atlas" / "images", "a.nii.gz", "b.nii.gz")
    touch(tmp_path / "atlas" / "masks", "a.nii.gz")
    assert list(find_cts(tmp_path / "atlas")) == ["a", "b"]
    assert list(find_cts(tmp_path / "atlas", ("b",))) == ["b"]
    assert find_cts(folder / "b_0000.nii.gz") == {"b": folder / "b_0000.nii.gz"}


def test_what_is_not_there_is_told(tmp_path: Path):
    folder = touch(tmp_path / "cts", "a.nii.gz", "a_0000.nii.gz")
    with pytest.raises(DapatlasError, match=r"a.nii.gz and a_0000.nii.gz are both the case a"):
        find_cts(folder)
    with pytest.raises(DapatlasError, match="no CT"):
        find_cts(touch(tmp_path / "empty"))
    with pytest.raises(DapatlasError, match="no case z"):
        find_cts(touch(tmp_path / "one", "a.nii.gz"), ("z",))
    with pytest.raises(DapatlasError, match="expected a CT in NIfTI"):
        find_cts(touch(tmp_path / "x", "ct.txt") / "ct.txt")
    with pytest.raises(BadFileError, match="no such folder; expected a trained nnU-Net"):
        predict_cases(PredictionSettings(tmp_path / "model"), tmp_path / "one", tmp_path / "out")
