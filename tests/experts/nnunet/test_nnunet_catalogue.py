"""The models of this computer: found by name, described, verified."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from random_models import random_model

from dapatlas.errors import BadFileError
from dapatlas.experts.nnunet import catalogue
from dapatlas.experts.nnunet.convert import import_model

WEIGHTS = "fold_0/checkpoint_final.safetensors"


@pytest.fixture
def imported(v1_model: Path, tmp_path: Path) -> Path:
    return import_model(v1_model, tmp_path / "models")


def test_the_folder_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/jo")
    monkeypatch.delenv(catalogue.VARIABLE, raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert catalogue.models_folder() == Path("/home/jo/.local/share/dapatlas/models")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert catalogue.models_folder() == Path("/data/dapatlas/models")
    monkeypatch.setenv(catalogue.VARIABLE, "~/models")
    assert catalogue.models_folder() == Path("/home/jo/models")


def test_models_are_found_by_name_or_path(imported: Path) -> None:
    (imported.parent / ".unfinished").mkdir()
    (imported.parent / ".unfinished" / "plans.json").touch()
    assert catalogue.find_models(imported.parent) == [imported]
    assert catalogue.find_model("Task901_Tiny", imported.parent) == imported
    assert catalogue.find_model(imported, Path("/nowhere")) == imported


def test_a_wrong_name_is_told(imported: Path, tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="did you mean Task901_Tiny"):
        catalogue.find_model("Task901_Tinny", imported.parent)
    with pytest.raises(BadFileError, match="none was imported yet: `dapatlas models import"):
        catalogue.find_model("x", tmp_path / "empty")


def test_description(imported: Path) -> None:
    found = catalogue.describe(imported)
    assert (found.name, found.nnunet, found.trainer) == ("Task901_Tiny", "v1", "nnUNetTrainerV2")
    assert (found.classes, found.folds, found.mirroring) == (3, ("0",), (0, 1, 2))
    assert (found.spacing_mm, found.patch) == ((3.0, 3.0, 3.0), (16, 16, 16))
    assert (found.source, found.scheme, found.channels) == ("Task901_Tiny", "", ("CT",))
    assert found.megabytes == pytest.approx((imported / WEIGHTS).stat().st_size / 1e6, abs=0.05)


def test_a_whole_model_has_no_findings(imported: Path) -> None:
    steps: list[tuple[int, int]] = []
    assert catalogue.verify(imported, lambda done, total: steps.append((done, total))) == []
    assert steps == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]  # three files, one fold


def test_a_changed_file_is_found(imported: Path) -> None:
    path = imported / "dataset.json"
    path.write_text(path.read_text().replace("label_1", "liver"))
    (finding,) = catalogue.verify(imported)
    assert (finding.code, finding.severity, finding.file) == ("checksum-differs", "error", str(path))


def test_a_missing_fold_is_found(imported: Path) -> None:
    (imported / WEIGHTS).unlink()
    assert [finding.code for finding in catalogue.verify(imported)] == ["file-missing", "model-damaged"]


def test_a_truncated_file_is_found(imported: Path) -> None:
    path = imported / WEIGHTS
    path.write_bytes(path.read_bytes()[:1000])
    assert [finding.code for finding in catalogue.verify(imported)] == ["checksum-differs", "model-damaged"]


def test_weights_that_are_no_numbers_are_found(tmp_path: Path, torch: ModuleType) -> None:
    """As training leaves them when it diverges."""
    folder = random_model(tmp_path / "model")
    path = folder / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=True)
    content["network_weights"]["decoder.seg_layers.0.bias"][1] = float("nan")
    torch.save(content, path)
    assert [finding.code for finding in catalogue.verify(folder)] == ["no-checksums", "weights-not-finite"]


def test_weights_that_do_not_fit_are_found(tmp_path: Path) -> None:
    folder = random_model(tmp_path / "model", classes=4)
    path = folder / "dataset.json"
    path.write_text(path.read_text().replace('"structure 1": 1', '"structure 1": 1, "more": 4'))
    found = catalogue.verify(folder)
    assert [finding.code for finding in found] == ["no-checksums", "weights-do-not-fit"]
    assert "another task" in found[1].message
