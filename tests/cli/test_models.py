"""`dapatlas models` on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dapatlas.cli.models import app

sys.path.insert(0, str(Path(__file__).parents[1] / "experts" / "nnunet"))
pytest.importorskip("torch")
pytest.importorskip("safetensors")
from v1_models import V1Spec, write_v1_model

runner = CliRunner()


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of models, and a model of version 1 beside it, `Task901_Tiny`."""
    write_v1_model(tmp_path / "Task901_Tiny", V1Spec())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAPATLAS_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def run(*arguments: str, code: int = 0) -> str:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_import_list_info_verify(models: Path) -> None:
    told = run("import", "Task901_Tiny", "-q")
    assert told == ""
    assert "Task901_Tiny" in run("list")
    assert "nnUNetTrainerV2" in run("info", "Task901_Tiny")
    assert "1 models checked" in run("verify")
    (row,) = json.loads(run("list", "--json"))
    assert row == json.loads(run("info", "Task901_Tiny", "--json"))
    assert (row["classes"], row["nnunet"], row["patch"]) == (3, "v1", [16, 16, 16])


def test_import_elsewhere_under_another_name(models: Path, tmp_path: Path) -> None:
    path = json.loads(run("import", "Task901_Tiny", "--models", "other", "--name", "tiny", "--json"))["path"]
    assert Path(path) == Path("other/tiny")
    assert "tiny" in run("list", "--models", "other")


def test_no_models(models: Path) -> None:
    assert "no models in" in run("list")


def test_a_damaged_model_is_told(models: Path) -> None:
    run("import", "Task901_Tiny", "-q")
    (models / "Task901_Tiny" / "dataset.json").unlink()
    assert "dataset.json: missing" in run("list", code=1)
    found = json.loads(run("verify", "--json", code=1))
    assert [finding["code"] for finding in found] == ["file-missing", "model-damaged"]
    assert "file-missing" in run("verify", "Task901_Tiny", code=1)


def test_labels_and_scheme_exclude_each_other(models: Path) -> None:
    run("import", "Task901_Tiny", "--scheme", "dap", "--labels", "x.json", code=2)
