"""Opening nnU-Net v2 folders: folds and weights found, what is wrong with them told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from random_models import nnunet_predictor, random_model

from dapatlas.errors import BadFileError
from dapatlas.experts.nnunet.model import open_model

FINAL = "checkpoint_final.pth"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return random_model(tmp_path / "model", folds=2, classes=4, transpose=(1, 0, 2))


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def configuration(content: Any) -> Any:
    return content["configurations"]["3d_fullres"]


def test_same_logits_as_nnunet(folder: Path, torch: ModuleType) -> None:
    pytest.importorskip("nnunetv2")
    x = torch.randn(1, 1, 16, 24, 16)
    theirs = nnunet_predictor(folder, tta=False, folds=(1,)).network.eval()
    with torch.inference_mode():
        assert torch.equal(open_model(folder, folds=["1"]).networks()[0](x), theirs(x))


def test_plans(folder: Path) -> None:
    plans = open_model(folder).plans
    assert (plans.dialect, plans.spacing_mm, plans.patch) == ("v2", (2.0, 1.5, 1.5), (16, 24, 16))
    assert (plans.transpose_forward, plans.transpose_backward) == ((1, 0, 2), (1, 0, 2))
    assert (plans.mirror_axes, plans.reorients, plans.classes) == ((0, 1, 2), False, 4)
    assert plans.labels == {"background": 0, "structure 1": 1, "structure 2": 2, "structure 3": 3}
    (intensity,) = plans.intensities
    assert (intensity.scheme, intensity.mean, intensity.sd) == ("CT", 60.0, 180.0)


def test_folds_are_found_or_chosen(folder: Path) -> None:
    assert open_model(folder).folds == ("0", "1")
    assert open_model(folder, folds=["fold_1"]).folds == ("1",)
    (folder / "fold_2").mkdir()  # in training
    assert open_model(folder).folds == ("0", "1")


def test_a_missing_fold_is_told(folder: Path) -> None:
    with pytest.raises(BadFileError, match=r"no weights for fold 4; there are folds 0, 1"):
        open_model(folder, folds=["0", "4"])


def test_fold_all_is_taken_when_it_is_alone(folder: Path) -> None:
    (folder / "fold_0").rename(folder / "fold_all")
    assert open_model(folder).folds == ("1",)
    (folder / "fold_1" / FINAL).unlink()
    assert open_model(folder).folds == ("all",)


def test_other_checkpoints_are_taken_by_name(folder: Path) -> None:
    (folder / "fold_0" / FINAL).rename(folder / "fold_0" / "checkpoint_best.pth")
    (folder / "fold_1" / FINAL).rename(folder / "fold_1" / "checkpoint_best.pth")
    with pytest.raises(BadFileError, match=r"there is checkpoint_best.pth: name it as the checkpoint"):
        open_model(folder)
    assert open_model(folder, checkpoint="checkpoint_best.pth").folds == ("0", "1")


def test_a_truncated_checkpoint_is_told(folder: Path) -> None:
    path = folder / "fold_0" / FINAL
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(BadFileError, match=r"fold_0/checkpoint_final.pth: truncated"):
        open_model(folder)


def test_an_empty_checkpoint_is_told(folder: Path) -> None:
    (folder / "fold_0" / FINAL).write_bytes(b"")
    with pytest.raises(BadFileError, match=r"checkpoint_final.pth: truncated"):
        open_model(folder)


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch trace",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_asks_to_run_code_is_refused(
    folder: Path, torch: ModuleType, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    torch.save({"network_weights": Evil()}, folder / "fold_0" / FINAL, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        BadFileError, match=r"fold_0/checkpoint_final.pth: refused: it asks to run \w+\.system"
    ):
        open_model(folder)
    assert not (folder / "trace").exists()


def test_numbers_of_numpy_in_a_checkpoint_are_no_harm(folder: Path, torch: ModuleType) -> None:
    path = folder / "fold_0" / FINAL
    content = torch.load(path, weights_only=True)
    torch.save(content | {"logging": {"losses": [np.float64(0.5), np.float32(0.1), np.int64(3)]}}, path)
    assert open_model(folder).folds == ("0", "1")


def test_a_checkpoint_of_something_else_is_told(folder: Path, torch: ModuleType) -> None:
    torch.save({"state_dict": {}}, folder / "fold_0" / FINAL)
    with pytest.raises(BadFileError, match=r"no checkpoint of nnU-Net v2 \(no 'network_weights'\)"):
        open_model(folder)


@pytest.mark.parametrize("weights", [[1, 2], {"encoder": 3}])
def test_other_things_in_place_of_weights_are_told(folder: Path, torch: ModuleType, weights: Any) -> None:
    path = folder / "fold_0" / FINAL
    torch.save(torch.load(path, weights_only=True) | {"network_weights": weights}, path)
    with pytest.raises(BadFileError, match="no weights where nnU-Net keeps them"):
        open_model(folder)


def test_weights_of_another_task_are_told(folder: Path) -> None:
    edit(folder / "dataset.json", lambda content: content["labels"].update(more=4))
    with pytest.raises(BadFileError, match=r"tell 4 classes apart.*dataset.json names 5.*another task"):
        open_model(folder).networks()


def test_weights_of_another_network_are_told(folder: Path) -> None:
    def wider(content: Any) -> None:
        configuration(content)["architecture"]["arch_kwargs"]["features_per_stage"] = [8, 32]

    edit(folder / "plans.json", wider)
    with pytest.raises(BadFileError, match=r"has shape \(16, 8, 3, 3, 3\), expected \(32, 8, 3, 3, 3\)"):
        open_model(folder).networks()


def test_plans_of_2023_describe_the_network_by_its_sizes(folder: Path, torch: ModuleType) -> None:
    expected = open_model(folder).networks()[0]

    def older(content: Any) -> None:
        kwargs = configuration(content).pop("architecture")["arch_kwargs"]
        configuration(content).update(
            UNet_class_name="PlainConvUNet", UNet_base_num_features=8, unet_max_num_features=320,
            n_conv_per_stage_encoder=[1, 1], n_conv_per_stage_decoder=[1],
            pool_op_kernel_sizes=kwargs["strides"], conv_kernel_sizes=kwargs["kernel_sizes"],
        )  # fmt: skip

    edit(folder / "plans.json", older)
    x = torch.randn(1, 1, 16, 24, 16)
    with torch.inference_mode():
        assert torch.equal(open_model(folder).networks()[0](x), expected(x))


def test_inherited_configurations_are_resolved(folder: Path) -> None:
    def inherit(content: Any) -> None:
        content["configurations"]["base"] = configuration(content)
        content["configurations"]["3d_fullres"] = {"inherits_from": "base", "spacing": [4, 4, 4]}

    edit(folder / "plans.json", inherit)
    plans = open_model(folder).plans
    assert (plans.spacing_mm, plans.patch) == ((4.0, 4.0, 4.0), (16, 24, 16))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("patch_size", [16, 16], "a model of slices"),
        ("previous_stage", "3d_lowres", "second stage of a cascade"),
        ("preprocessor_name", "MyPreprocessor", "the preprocessor MyPreprocessor; known are"),
        (
            "resampling_fn_data",
            "resample_torch_fornnunet",
            "the resampling resample_torch_fornnunet; known are",
        ),
        ("resampling_fn_probabilities", "no_resampling", "the resampling no_resampling; known are"),
        ("normalization_schemes", ["MyNormalization"], "the normalisation MyNormalization; known are"),
        ("inherits_from", "3d_fullres", "no configuration '3d_fullres'"),
        ("spacing", None, "not the plans of an nnU-Net v2 model"),
    ],
)
def test_plans_that_cannot_be_used_are_told(folder: Path, key: str, value: Any, message: str) -> None:
    edit(folder / "plans.json", lambda content: configuration(content).update({key: value}))
    with pytest.raises(BadFileError, match=f"plans.json: .*{message}"):
        open_model(folder)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"background": 0, "whole": [1, 2], "part": 2}, r"overlapping regions \(whole\)"),
        ({"background": 0, "liver": 2}, r"the ids \[0, 2\]"),
    ],
)
def test_labels_that_cannot_be_used_are_told(folder: Path, labels: Any, message: str) -> None:
    edit(folder / "dataset.json", lambda content: content.update(labels=labels))
    with pytest.raises(BadFileError, match=f"dataset.json: .*{message}"):
        open_model(folder)


def test_the_ignore_label_is_no_class(folder: Path) -> None:
    edit(folder / "dataset.json", lambda content: content["labels"].update(ignore=4))
    assert len(open_model(folder).networks()) == 2


@pytest.mark.parametrize("name", ["os.system", "dynamic_network_architectures.architectures.unet.Other"])
def test_only_known_networks_are_built(folder: Path, name: str) -> None:
    edit(folder / "plans.json", lambda c: configuration(c)["architecture"].update(network_class_name=name))
    with pytest.raises(BadFileError, match=r"plans.json: .*known are PlainConvUNet"):
        open_model(folder).networks()


@pytest.mark.parametrize("name", ["os.system", "torch.nn.NoLayer", "torch.hub.load", "torch.nn.functional"])
def test_only_layers_of_torch_are_built(folder: Path, name: str) -> None:
    edit(folder / "plans.json", lambda c: configuration(c)["architecture"]["arch_kwargs"].update(nonlin=name))
    with pytest.raises(BadFileError, match=r"plans.json: .*no layer of torch.nn"):
        open_model(folder).networks()


def test_folders_of_something_else_are_told(tmp_path: Path, v1_model: Path) -> None:
    with pytest.raises(BadFileError, match="no such folder"):
        open_model(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadFileError, match=r"no trained model \(no fold_\*/checkpoint_final.safetensors or"):
        open_model(tmp_path / "empty")
    with pytest.raises(BadFileError, match="nnU-Net v1; translate it first: dapatlas models import"):
        open_model(v1_model)
