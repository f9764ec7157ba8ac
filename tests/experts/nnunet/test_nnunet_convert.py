"""Importing trained models: one folder in a known form, whole or not at all, whatever comes in."""

from __future__ import annotations

import json
import os
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from random_models import random_model
from v1_models import (
    ANISOTROPIC,
    V1Spec,
    v1_forward,
    v1_plans,
    v1_state,
    write_pickle,
    write_v1_fold,
    write_v1_model,
)

from dapatlas.errors import BadFileError, BadLabelsError
from dapatlas.experts.nnunet.convert import ImportSettings, import_model
from dapatlas.experts.nnunet.model import open_model

FOLDER = "3d_fullres/Task901_Tiny/nnUNetTrainerV2__nnUNetPlansv2.1"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def zipped(folder: Path, path: Path, inside: str = FOLDER) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"{inside}/{file.relative_to(folder).as_posix()}")
    return path


def nothing_left(models: Path) -> bool:
    return not models.exists() or not list(models.iterdir())


def test_a_model_of_version_1_predicts_as_before(tmp_path: Path, models: Path, torch: ModuleType) -> None:
    source = write_v1_model(tmp_path / "Task901_Tiny", V1Spec(folds=("fold_0", "fold_1")))
    model = open_model(import_model(source, models))
    assert (model.path, model.folds, model.plans.dialect) == (models / "Task901_Tiny", ("0", "1"), "v1")
    assert (model.plans.mirror_axes, model.plans.channel_names) == ((0, 1, 2), {"0": "CT"})
    assert model.plans.labels == {"background": 0, "label_1": 1, "label_2": 2}
    x = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        for seed, network in enumerate(model.networks()):
            torch.testing.assert_close(
                network(x), v1_forward(v1_state(V1Spec(), seed), V1Spec(), x), atol=1e-5, rtol=0
            )


def test_nnunet_itself_can_build_the_network(tmp_path: Path, models: Path, torch: ModuleType) -> None:
    """The plans that are written are those of version 2."""
    handler = pytest.importorskip("nnunetv2.utilities.plans_handling.plans_handler")
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from safetensors.torch import load_file

    path = import_model(write_v1_model(tmp_path / "v1", ANISOTROPIC), models)
    plans = handler.PlansManager(str(path / "plans.json")).get_configuration("3d_fullres")
    network = get_network_from_plans(
        plans.network_arch_class_name, plans.network_arch_init_kwargs, plans.network_arch_init_kwargs_req_import,
        1, 3, deep_supervision=False,
    )  # fmt: skip
    weights = load_file(path / "fold_0" / "checkpoint_final.safetensors")
    missing, unexpected = network.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(
        "all_modules" in name or name.startswith("decoder.encoder") for name in missing
    )  # other names of the same
    x = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        expected = v1_forward(v1_state(ANISOTROPIC), ANISOTROPIC, x)
        torch.testing.assert_close(network.eval()(x), expected, atol=1e-5, rtol=1e-5)


def test_a_zip_as_it_is_released(v1_model: Path, models: Path, tmp_path: Path) -> None:
    path = import_model(zipped(v1_model, tmp_path / "download.zip"), models)
    assert path == models / "Task901_Tiny"
    assert sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()) == [
        "dataset.json", "fold_0/checkpoint_final.safetensors", "import.json", "plans.json",
    ]  # fmt: skip
    record = json.loads((path / "import.json").read_text())
    assert (record["source"], record["inside"], record["nnunet"]) == ("download.zip", FOLDER, "v1")
    assert [item.name for item in models.iterdir()] == ["Task901_Tiny"]


def test_no_mirroring_is_remembered(tmp_path: Path, models: Path) -> None:
    spec = V1Spec(trainer="nnUNetTrainerV2_noMirroring", checkpoint="model_latest", folds=("all",))
    model = open_model(import_model(write_v1_model(tmp_path / "Task902_Tiny", spec), models))
    assert (model.plans.mirror_axes, model.folds) == ((), ("all",))


def test_the_final_weights_are_taken_unless_others_are_named(
    v1_model: Path, models: Path, torch: ModuleType
) -> None:
    latest = V1Spec(checkpoint="model_latest")
    write_v1_fold(v1_model / "fold_0", latest, seed=5)
    key, weight = "decoder.seg_layers.1.weight", "seg_outputs.1.weight"
    final = open_model(import_model(v1_model, models)).networks()[0].state_dict()[key]
    other = open_model(
        import_model(v1_model, models, ImportSettings("other", checkpoint="model_latest"))
    ).networks()[0]
    assert torch.equal(final, v1_state(V1Spec(), 0)[weight])
    assert torch.equal(other.state_dict()[key], v1_state(latest, 5)[weight])


@pytest.mark.parametrize(
    "content",
    [
        {"labels": {"0": "nothing", "1": "liver", "2": "spleen"}, "name": "of version 1"},
        {"labels": {"background": 0, "spleen": 2, "liver": 1}},
        {"0": "background", "1": "liver", "2": "spleen"},
    ],
)
def test_names_of_labels_come_from_a_file(v1_model: Path, models: Path, tmp_path: Path, content: Any) -> None:
    names = tmp_path / "names.json"
    names.write_text(json.dumps(content))
    model = open_model(import_model(v1_model, models, ImportSettings(labels=names)))
    assert model.plans.labels == {"background": 0, "liver": 1, "spleen": 2}


def test_a_dataset_json_in_the_source_names_the_labels(v1_model: Path, models: Path) -> None:
    (v1_model / "dataset.json").write_text(json.dumps({"labels": {"0": "background", "1": "a", "2": "b"}}))
    assert list(open_model(import_model(v1_model, models)).plans.labels) == ["background", "a", "b"]


def test_names_of_another_task_are_refused(v1_model: Path, models: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.json"
    names.write_text(json.dumps({"labels": {"0": "background", "1": "liver"}}))
    with pytest.raises(BadFileError, match="names 2 labels.*model tells 3 classes apart"):
        import_model(v1_model, models, ImportSettings(labels=names))
    assert nothing_left(models)


@pytest.mark.parametrize(("classes", "last"), [(145, 144), (144, 143)])
def test_a_scheme_names_the_labels(tmp_path: Path, models: Path, classes: int, last: int) -> None:
    """The atlas has ids up to 144 and none that is 11: a network may have a class for it or not."""
    source = write_v1_model(tmp_path / "v1", V1Spec(classes=classes))
    path = import_model(source, models, ImportSettings(scheme="dap"))
    content = json.loads((path / "dataset.json").read_text())
    labels = open_model(path).plans.labels
    assert content["scheme"] == "dap"
    assert content["scheme_ids"][labels["liver"]] == 13
    assert content["scheme_ids"][last] == 144
    assert ("unused_11" in labels) == (classes == 145)


def test_a_scheme_that_does_not_fit_is_refused(v1_model: Path, models: Path) -> None:
    with pytest.raises(BadLabelsError, match="tells 3 classes apart, and the scheme dap has 144 structures"):
        import_model(v1_model, models, ImportSettings(scheme="dap"))


def test_a_model_is_not_replaced_unasked(v1_model: Path, models: Path) -> None:
    first = import_model(v1_model, models)
    with pytest.raises(BadFileError, match="there is a model of that name.*--force"):
        import_model(v1_model, models)
    (first / "mark").touch()
    assert not (import_model(v1_model, models, ImportSettings(force=True)) / "mark").exists()
    assert len(list(models.iterdir())) == 1


@pytest.mark.parametrize("name", ["../outside", ".hidden", "a/b"])
def test_names_that_are_no_folders_are_refused(v1_model: Path, models: Path, name: str) -> None:
    with pytest.raises(BadFileError, match="cannot be the name of a model"):
        import_model(v1_model, models, ImportSettings(name=name))


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch trace",)


@pytest.mark.parametrize(
    "file", ["plans.pkl", "fold_0/model_final_checkpoint.model.pkl", "fold_0/model_final_checkpoint.model"]
)
def test_pickles_that_ask_to_run_code_are_refused(
    v1_model: Path, models: Path, file: str, torch: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(v1_model)
    if file.endswith(".pkl"):
        write_pickle(v1_model / file, {"plans": Evil()})
    else:
        torch.save({"state_dict": Evil()}, v1_model / file)
    with pytest.raises(BadFileError, match=rf"{file}: refused: it asks to run \w+\.system"):
        import_model(v1_model, models)
    assert not (v1_model / "trace").exists()
    assert nothing_left(models)


@pytest.mark.parametrize(
    "file", ["plans.pkl", "fold_0/model_final_checkpoint.model.pkl", "fold_0/model_final_checkpoint.model"]
)
def test_truncated_files_are_told(v1_model: Path, models: Path, file: str) -> None:
    whole = (v1_model / file).read_bytes()
    (v1_model / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFileError, match=f"{file}: truncated"):
        import_model(v1_model, models)
    assert nothing_left(models)


def test_settings_beside_the_weights_are_needed(v1_model: Path, models: Path) -> None:
    (v1_model / "fold_0" / "model_final_checkpoint.model.pkl").unlink()
    with pytest.raises(BadFileError, match=r"model_final_checkpoint.model.pkl: no such file"):
        import_model(v1_model, models)


def test_weights_moved_here_from_another_task_are_told(v1_model: Path, models: Path) -> None:
    write_v1_fold(v1_model / "fold_0", V1Spec(classes=7))
    with pytest.raises(
        BadFileError,
        match=r"network of 7 classes.*plans.pkl describes another \(of 3 classes\).*another task",
    ):
        import_model(v1_model, models)


def test_weights_with_the_settings_of_another_task_are_told(
    v1_model: Path, models: Path, torch: ModuleType
) -> None:
    torch.save(
        {"state_dict": v1_state(V1Spec(classes=7))}, v1_model / "fold_0" / "model_final_checkpoint.model"
    )
    with pytest.raises(BadFileError, match="weights tell 7 classes apart.*counts 3"):
        import_model(v1_model, models)


def test_folds_of_different_models_are_told(tmp_path: Path, models: Path) -> None:
    source = write_v1_model(tmp_path / "v1", V1Spec(folds=("fold_0", "fold_1")))
    write_v1_fold(source / "fold_1", V1Spec(spacing=(2.0, 2.0, 2.0)))
    with pytest.raises(BadFileError, match=r"fold_1/.*made with other plans"):
        import_model(source, models)


def test_a_fold_without_weights_is_told(tmp_path: Path, models: Path) -> None:
    source = write_v1_model(tmp_path / "v1", V1Spec(folds=("fold_0", "fold_1")))
    (source / "fold_1" / "model_final_checkpoint.model").unlink()
    with pytest.raises(
        BadFileError, match=r"fold_1/model_final_checkpoint.model: missing, and other folds have it"
    ):
        import_model(source, models)


def test_unknown_trainers_are_refused_unless_vouched_for(tmp_path: Path, models: Path) -> None:
    source = write_v1_model(tmp_path / "v1", V1Spec(trainer="nnUNetTrainerV2_Loss_CE"))
    with pytest.raises(BadFileError, match=r"trainer nnUNetTrainerV2_Loss_CE; known are .*--as-trainer"):
        import_model(source, models)
    model = open_model(import_model(source, models, ImportSettings(as_trainer="nnUNetTrainerV2")))
    assert model.plans.mirror_axes == (0, 1, 2)


def test_plans_may_be_in_the_folder_alone(v1_model: Path, models: Path) -> None:
    settings = OrderedDict(init=("plans.pkl", 0, None, None, True, 0), name="nnUNetTrainerV2")
    write_pickle(v1_model / "fold_0" / "model_final_checkpoint.model.pkl", settings)
    assert open_model(import_model(v1_model, models)).plans.patch == (16, 16, 16)


def test_one_of_several_models_is_chosen(tmp_path: Path, models: Path) -> None:
    source = tmp_path / "Task901_Tiny"
    for kind in ("2d", "3d_lowres", "3d_fullres"):
        write_v1_model(
            source / kind / "trainer",
            V1Spec(spacing=(3.0, 3.0, 3.0) if kind == "3d_fullres" else (6.0, 6.0, 6.0)),
        )
    assert open_model(import_model(source, models)).plans.spacing_mm == (3.0, 3.0, 3.0)
    low = import_model(source, models, ImportSettings("low", inside="3d_lowres"))
    assert open_model(low).plans.spacing_mm == (6.0, 6.0, 6.0)
    with pytest.raises(
        BadFileError,
        match=r"several models; choose one with --inside; there are 3d_fullres/trainer, 3d_lowres",
    ):
        import_model(source, models, ImportSettings(inside="trainer"))
    with pytest.raises(BadFileError, match="no model in 4d; there are"):
        import_model(source, models, ImportSettings(inside="4d"))


def test_the_trainer_is_chosen_where_a_task_has_two(tmp_path: Path, models: Path) -> None:
    """As the folder of the Atlas prediction model has them."""
    source = tmp_path / "Task902_Anatomy_Prediction"
    for trainer in ("nnUNetTrainerV2", "nnUNetTrainerV2_noMirroring"):
        spec = V1Spec(trainer=trainer, checkpoint="model_latest")
        write_v1_model(source / f"{trainer}__nnUNetPlansv2.1", spec)
    with pytest.raises(
        BadFileError, match=r"several models; choose one with --inside; there are nnUNetTrainerV2__"
    ):
        import_model(source, models)
    path = import_model(source, models, ImportSettings(inside="noMirroring", checkpoint="model_latest"))
    assert path.name == "Task902_Anatomy_Prediction"
    assert open_model(path).plans.mirror_axes == ()


def test_what_version_1_would_clean_up_is_recorded(v1_model: Path, models: Path) -> None:
    (v1_model / "postprocessing.json").write_text(
        json.dumps({"for_which_classes": [1], "min_valid_object_sizes": None})
    )
    assert json.loads((import_model(v1_model, models) / "import.json").read_text())["keeps_largest_of"] == [1]


@pytest.mark.parametrize("name", ["../plans.pkl", "/plans.pkl", "a\\..\\x.model"])
def test_a_zip_that_reaches_outside_is_refused(tmp_path: Path, models: Path, name: str) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"")
    with pytest.raises(BadFileError, match="would land outside its folder"):
        import_model(path, models)
    assert nothing_left(models)


def test_a_zip_with_links_is_refused(tmp_path: Path, models: Path) -> None:
    path, link = tmp_path / "bad.zip", zipfile.ZipInfo("a/plans.pkl")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadFileError, match="would land outside its folder"):
        import_model(path, models)


def test_a_zip_larger_than_the_disk_is_refused(
    v1_model: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dapatlas.experts.nnunet import unpack

    monkeypatch.setattr(unpack.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(BadFileError, match="0.0 GB free"):
        import_model(zipped(v1_model, tmp_path / "model.zip"), models)


def test_damaged_and_other_sources_are_told(v1_model: Path, models: Path, tmp_path: Path) -> None:
    path = zipped(v1_model, tmp_path / "model.zip")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(BadFileError, match="not readable as a ZIP"):
        import_model(path, models)
    with pytest.raises(BadFileError, match="no such file; expected the ZIP or the folder"):
        import_model(tmp_path / "none.zip", models)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadFileError, match="no model; expected plans.pkl or plans.json beside"):
        import_model(tmp_path / "empty", models)


def test_a_model_of_version_2_keeps_its_network_and_labels(
    tmp_path: Path, models: Path, torch: ModuleType
) -> None:
    source = random_model(tmp_path / "Dataset700_X" / "trainer", folds=2, mirror=(0, 2))
    path = import_model(source, models)
    before, after = open_model(source), open_model(path)
    assert path.name == "Dataset700_X"
    assert (after.plans, after.folds) == (before.plans, before.folds)
    assert after.checkpoints[0].suffix == ".safetensors"
    x = torch.randn(1, 1, 16, 24, 16)
    with torch.inference_mode():
        for old, new in zip(before.networks(), after.networks(), strict=True):
            assert torch.equal(old(x), new(x))


def test_plans_that_disagree_with_the_shapes_leave_nothing(v1_model: Path, models: Path) -> None:
    plans = v1_plans(V1Spec(features=6))
    write_pickle(v1_model / "plans.pkl", plans)
    settings = OrderedDict(init=("", 0, None, None, True, 0), name="nnUNetTrainerV2", plans=plans)
    write_pickle(v1_model / "fold_0" / "model_final_checkpoint.model.pkl", settings)
    with pytest.raises(BadFileError, match=r"has shape \(4, 1, 3, 3, 3\), expected shape \(6"):
        import_model(v1_model, models)
    assert nothing_left(models)
