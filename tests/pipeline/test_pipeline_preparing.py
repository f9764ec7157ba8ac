"""`dapatlas train prepare`: raw folders of one or several data sets, and splits in which no subject is in two parts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dapatlas.dataset import Dataset
from dapatlas.dataset.split_files import FOLDER, NNUNET
from dapatlas.errors import DapatlasError
from dapatlas.labels import dap, load_scheme
from dapatlas.pipeline.preparing import PrepareSettings, Source, prepare_training
from dapatlas.train import TrainSettings, Workspace, open_workspace, plan, train
from dapatlas.train.training import FINAL, standing
from dapatlas.volumes import Grid, read_label_map, write_label_map, write_volume

SHAPE = (8, 6, 5)
GRID = Grid.from_spacing(SHAPE, (2.0, 2.0, 3.0), "LPS")
CASES = tuple(f"AutoPET_{subject}_0000{study}" for subject in ("aa", "bb", "cc") for study in (1, 2))


def dataset(
    folder: Path, cases: tuple[str, ...] = CASES, scheme: str = "dap", names: tuple[str, ...] = ("liver",)
):
    known = load_scheme(scheme)
    made = Dataset.create(folder, known)
    for case in cases:
        labels = np.zeros(SHAPE, np.uint8)
        for place, name in enumerate(names):
            labels[2 * place : 2 * place + 2, 1:4, 1:3] = known[name].id
        write_volume(made.image_path(case), np.full(SHAPE, 40, np.int16), GRID)
        write_label_map(made.mask_path(case), labels, GRID)
    return Dataset(folder, known)


def subjects(cases: list[str]) -> set[str]:
    return {case.split("_")[1] for case in cases}


def test_a_data_set_becomes_a_raw_folder_with_splits_by_subject(tmp_path: Path):
    prepared = prepare_training([Source(dataset(tmp_path / "data"))], tmp_path / "work", jobs=1)
    work = open_workspace(tmp_path / "work")
    assert (work.dataset, work.number) == ("Dataset701_atlas", 701)
    document = json.loads((work.raw / "dataset.json").read_text())
    assert document["numTraining"] == len(CASES)
    assert document["scheme_ids"] == dap().ids.tolist()
    assert prepared.labels == len(dap())
    folds = json.loads((work.preprocessed / NNUNET).read_text())
    assert len(folds) == 3  # there are three subjects, so no more than three folds
    for fold in folds:
        assert not subjects(fold["train"]) & subjects(fold["val"])
        assert sorted(fold["train"] + fold["val"]) == sorted(CASES)
    assert sorted(case for fold in folds for case in fold["val"]) == sorted(CASES)
    assert work.environment()["nnUNet_raw"] == str((tmp_path / "work" / "nnUNet_raw").resolve())


def test_again_only_what_changed_is_written_and_what_is_gone_goes(tmp_path: Path):
    dataset(tmp_path / "data")
    prepare_training([Source(Dataset(tmp_path / "data"))], tmp_path / "work", jobs=1)
    write_label_map(tmp_path / "data" / "masks" / f"{CASES[0]}.nii.gz", np.ones(SHAPE, np.uint8), GRID)
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder / f"{CASES[5]}.nii.gz").unlink()
    again = prepare_training([Source(Dataset(tmp_path / "data"))], tmp_path / "work", jobs=1)
    assert [one.state for one in again.outcomes] == ["done", *["up to date"] * 4]
    raw = again.workspace.raw
    assert (
        len(list((raw / "imagesTr").glob("*.nii.gz"))) == len(list((raw / "labelsTr").glob("*.nii.gz"))) == 5
    )
    assert json.loads((raw / "dataset.json").read_text())["numTraining"] == 5
    assert CASES[5] not in str(again.folds)


def test_the_data_sets_own_split_is_taken(tmp_path: Path):
    data = dataset(tmp_path / "data")
    own = [{"train": list(CASES[:4]), "val": list(CASES[4:])}]
    (data.path / FOLDER).mkdir()
    (data.path / FOLDER / NNUNET).write_text(json.dumps(own))
    assert list(prepare_training([Source(data)], tmp_path / "work", jobs=1).folds) == own


def test_a_split_that_shares_a_subject_is_refused(tmp_path: Path):
    path = tmp_path / "split.json"
    path.write_text(json.dumps([{"train": [CASES[0]], "val": [CASES[1]]}]))
    with pytest.raises(DapatlasError, match=r"split.json: in fold 0 1 subjects are in train and val \(aa\)"):
        prepare_training(
            [Source(dataset(tmp_path / "data"))], tmp_path / "work", PrepareSettings(splits=path), jobs=1
        )
    path.write_text(json.dumps([{"train": ["someone"], "val": [CASES[1]]}]))
    with pytest.raises(DapatlasError, match="no fold with cases for train and val"):
        prepare_training(
            [Source(dataset(tmp_path / "data"))], tmp_path / "work", PrepareSettings(splits=path), jobs=1
        )


def test_one_fold_holds_nothing_out(tmp_path: Path):
    prepared = prepare_training(
        [Source(dataset(tmp_path / "data"))], tmp_path / "w", PrepareSettings(folds=1), jobs=1
    )
    assert prepared.folds == ()
    assert not (prepared.workspace.preprocessed / NNUNET).exists()


def test_two_sources_in_schemes_of_their_own_are_learnt_together(tmp_path: Path):
    first = Source(dataset(tmp_path / "lits", CASES[:2], "lits", ("liver",)))
    second = Source(dataset(tmp_path / "dap", CASES[2:], "dap", ("spleen", "liver")))
    settings = PrepareSettings(scheme=dap(), structures=("liver", "spleen"), unlabelled="ignore")
    prepared = prepare_training([first, second], tmp_path / "work", settings, jobs=1)
    assert prepared.failed == ()
    assert prepared.findings == ()
    raw = prepared.workspace.raw
    labels = json.loads((raw / "dataset.json").read_text())["labels"]
    assert sorted(labels) == ["background", "ignore", "liver", "spleen"]
    maps = {path.name: read_label_map(path).array for path in (raw / "labelsTr").glob("*.nii.gz")}
    assert sorted(maps) == [f"{case}.nii.gz" for case in CASES]
    # nobody looked for the spleen where only livers are annotated
    assert set(np.unique(maps[f"{CASES[0]}.nii.gz"])) == {labels["liver"], labels["ignore"]}
    assert set(np.unique(maps[f"{CASES[2]}.nii.gz"])) == {0, labels["liver"], labels["spleen"]}
    alone = prepare_training([first], tmp_path / "alone", settings, jobs=1)
    assert [finding.code for finding in alone.findings] == ["no-background"]


def test_learning_absence_from_silence_is_warned_of(tmp_path: Path):
    source = Source(dataset(tmp_path / "lits", CASES, "lits"))
    settings = PrepareSettings(scheme=dap(), structures=("liver", "spleen"))
    (finding,) = prepare_training([source], tmp_path / "work", settings, jobs=1).findings
    assert finding.code == "partial-labels"
    assert "6 of 6 cases are not annotated for all 2 structures" in finding.message
    assert "spleen" in finding.message


def test_what_cannot_be_prepared(tmp_path: Path):
    data = dataset(tmp_path / "data")
    with pytest.raises(DapatlasError, match=r"6 cases are in two of the data sets"):
        prepare_training([Source(data), Source(data)], tmp_path / "work", jobs=1)
    with pytest.raises(DapatlasError, match="letters, digits"):
        prepare_training([Source(data)], tmp_path / "work", PrepareSettings(name="my atlas"), jobs=1)
    prepare_training([Source(data)], tmp_path / "work", jobs=1)
    with pytest.raises(DapatlasError, match="holds Dataset701_atlas already"):
        prepare_training([Source(data)], tmp_path / "work", PrepareSettings(number=702), jobs=1)
    with pytest.raises(DapatlasError, match=r"expected one data set.*found none"):
        open_workspace(tmp_path / "elsewhere")


def test_preparing_again_leaves_plans_and_trainings_standing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source, settings = Source(dataset(tmp_path / "data")), TrainSettings(epochs=2, device="cpu")
    workspace = prepare_training([source], tmp_path / "work", jobs=1).workspace

    def ask(workspace: Workspace, what: str, *args: object, **more: object) -> dict[str, object]:
        """Plays nnU-Net's process."""
        if what == "plan":
            workspace.plans_file.write_text("{}")
            listed = {"patch": [8, 8, 8], "spacing_mm": [1.0, 1.0, 1.0], "features": [4]}
            sizes = {"features_gb": 1.0, "classes_gb": 1.0, "deep_supervision_gb": 0.1}
            return {**listed, **sizes, "batch": 2, "classes": 3}
        (workspace.fold("0", mirroring=False) / FINAL).touch()
        return {}

    monkeypatch.setattr("dapatlas.train.planning.ask", ask)
    monkeypatch.setattr("dapatlas.train.training.ask", ask)
    assert plan(workspace).made
    assert train(workspace, "0", settings).made
    prepare_training([source], tmp_path / "work", jobs=1)
    assert not plan(workspace).made
    assert standing(workspace, "0", settings) == "finished"
    write_label_map(source.dataset.mask_path(CASES[0]), np.ones(SHAPE, np.uint8), GRID)
    prepare_training([source], tmp_path / "work", jobs=1)
    assert plan(workspace).made
    assert standing(workspace, "0", settings) == "other"  # though the plans say the same
