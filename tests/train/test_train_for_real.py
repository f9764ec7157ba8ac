"""nnU-Net itself, as small as it can be: planned, trained, cut off, gone on with, predicted with."""

from __future__ import annotations

import json
import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from dapatlas.dataset import Dataset
from dapatlas.errors import DapatlasError
from dapatlas.experts.nnunet.meaning import meaning_of
from dapatlas.experts.nnunet.model import open_model
from dapatlas.experts.nnunet.predictor import PredictionSettings
from dapatlas.labels import dap
from dapatlas.pipeline.comparing import compare_maps
from dapatlas.pipeline.predicting import predict_cases
from dapatlas.pipeline.preparing import PrepareSettings, Source, prepare_training
from dapatlas.train import PlanSettings, TrainSettings, open_workspace, plan, train
from dapatlas.train.trainer import PARENTS
from dapatlas.train.training import LATEST, UNTRAINED, standing
from dapatlas.train.workspace import TRAINER_WITHOUT_MIRRORING
from dapatlas.volumes import Grid, read_label_map, read_volume, write_label_map, write_volume

sys.path.append(
    str(Path(__file__).parents[1] / "experts" / "nnunet")
)  # what its tests ask nnU-Net serves here
from random_models import nnunet_labels, nnunet_predictor

SHAPE, STRUCTURES = (32, 32, 32), ("liver", "spleen")
GRID = Grid.from_spacing(SHAPE, (6.0, 6.0, 6.0), "LPS")
SMALL = TrainSettings(epochs=3, steps=10, validation_steps=1, learning_rate=0.03, device="cpu", workers=0,
                      keep_untrained=True)  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("nnunetv2") is None, reason="needs the extra models"),
]


def dataset(folder: Path) -> Dataset:
    """Bright livers and middling spleens in dark bodies, none where another's is."""
    made = Dataset.create(folder)
    for number in range(4):
        draw = np.random.default_rng(number)
        ct, labels = draw.normal(-400, 20, SHAPE), np.zeros(SHAPE, np.uint8)
        for name, hu, first in (("liver", 300, 4), ("spleen", 0, 18)):
            start = draw.integers(first, first + 3, 3)
            box = tuple(slice(begin, begin + 10) for begin in start)
            labels[box] = dap()[name].id
            ct[box] += 400 + hu
        write_volume(made.image_path(f"case{number}"), np.clip(ct, -1024, 3000).astype(np.int16), GRID)
        write_label_map(made.mask_path(f"case{number}"), labels, GRID)
    return Dataset(folder)


def held_out_dice(work: Path, data: Dataset, model: Path, checkpoint: str | None, out: Path) -> float:
    folds = json.loads((open_workspace(work).preprocessed / "splits_final.json").read_text())
    predict_cases(PredictionSettings(model, ("0",), checkpoint), data.path, out, only=tuple(folds[0]["val"]))
    return compare_maps(out, data.masks_dir, out / "scores", dap(), STRUCTURES, jobs=1).dice


def test_a_network_learns_and_a_training_that_was_cut_off_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")  # of nnU-Net's process
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    data, work = dataset(tmp_path / "data"), tmp_path / "work"
    prepared = prepare_training([Source(data)], work, PrepareSettings(structures=STRUCTURES, folds=2), jobs=1)
    planned = plan(prepared.workspace, PlanSettings(gpu_gb=0.1, features=4, jobs=1))
    assert planned.made
    assert planned.classes == 3
    assert planned.total_gb <= 0.1
    assert planned.features[0] == 4
    assert not plan(prepared.workspace, PlanSettings(gpu_gb=0.1, features=4, jobs=2)).made

    def stop(epoch, total) -> None:
        if epoch.number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(prepared.workspace, "0", SMALL, progress=stop)
    assert standing(prepared.workspace, "0", SMALL) == "begun"
    prepare_training(
        [Source(data)], work, PrepareSettings(structures=STRUCTURES, folds=2), jobs=1
    )  # as the loop does
    assert not plan(prepared.workspace, PlanSettings(gpu_gb=0.1, features=4, jobs=1)).made
    trained = train(prepared.workspace, "0", SMALL, go_on=True)
    assert trained.epochs[0].number in (1, 2)  # an epoch that was not saved yet is done again
    assert trained.epochs[-1].number == 3
    assert not (trained.model / "fold_0" / LATEST).exists()
    before = held_out_dice(work, data, trained.model, UNTRAINED, tmp_path / "before")
    after = held_out_dice(work, data, trained.model, None, tmp_path / "after")
    print(f"held-out Dice {before:.3f} untrained, {after:.3f} trained", file=sys.stderr)
    assert after > before + 0.3
    assert_nnunet_predicts_the_same(trained.model, data, tmp_path / "after", monkeypatch)


def assert_nnunet_predicts_the_same(
    model: Path, data: Dataset, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nnU-Net's own predictor takes the model as one of its own, and says the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nnunetv2 and what it imports
        predicting = import_module("nnunetv2.inference.predict_from_raw_data")
        parent = import_module(PARENTS[TRAINER_WITHOUT_MIRRORING])
    # it looks through all of its trainers, some of which import packages that no prediction needs
    monkeypatch.setattr(
        predicting, "recursive_find_trainer_class_by_name", lambda name: getattr(parent, name)
    )
    plans = open_model(model).plans
    predictor = nnunet_predictor(model, tta=False)
    for path in sorted(ours.glob("*.nii.gz")):
        ct = read_volume(data.image_path(path.name.removesuffix(".nii.gz")))
        numbers = nnunet_labels(predictor, ct.array, ct.grid, plans)
        assert np.array_equal(
            meaning_of(model, "dap").of(numbers.astype(np.uint8)), read_label_map(path).array
        )


def test_a_gpu_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    data = dataset(tmp_path / "data")
    prepared = prepare_training(
        [Source(data)], tmp_path / "work", PrepareSettings(structures=STRUCTURES), jobs=1
    )
    prepared.workspace.plans_file.write_text("{}")
    with pytest.raises(DapatlasError, match="cuda was asked for, .* sees 0 CUDA GPUs; use the device cpu"):
        train(prepared.workspace, "0", TrainSettings(epochs=1))
