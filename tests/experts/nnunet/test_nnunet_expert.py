"""A trained nnU-Net among the experts of a recipe."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from random_models import noisy_ct, random_model

from dapatlas.dataset import Case
from dapatlas.errors import BadFileError, BadLabelsError, DapatlasError
from dapatlas.experts import NnunetExpert
from dapatlas.experts.nnunet.model import open_model
from dapatlas.experts.nnunet.predictor import Predictor
from dapatlas.experts.nnunet.preprocess import prepare
from dapatlas.experts.nnunet.segment import segment
from dapatlas.labels import load_scheme
from dapatlas.volumes import Grid, read_volume, write_volume

SHAPE = (20, 24, 18)
NAMES = {"liver": 1, "spleen": 2, "a tumour": 3, "stomach": 4}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Two folds of random weights; three of its four labels are structures."""
    folder = random_model(tmp_path / "model", folds=2)
    document = json.loads((folder / "dataset.json").read_text())
    document["labels"] = {"background": 0, **NAMES}
    (folder / "dataset.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def case(tmp_path: Path) -> Case:
    path = tmp_path / "ct" / "patient7.nii.gz"
    write_volume(path, noisy_ct(SHAPE), Grid.from_spacing(SHAPE, (2.0, 2.0, 3.0), "LPS"))
    return Case("patient7", path, None, load_scheme("dap"))


def expert(model: Path, **more: object) -> NnunetExpert:
    return NnunetExpert(name="net", model=str(model), scheme="totalsegmentator", **more)  # type: ignore[arg-type]


def count_predictions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes a word for each CT that is predicted from now on."""
    counted: list[str] = []
    plain = Predictor.predict

    def counting(self: Predictor, *args: object, **more: object) -> object:
        counted.append("predicted")
        return plain(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Predictor, "predict", counting)
    return counted


def test_it_proposes_what_the_network_says_in_the_words_of_the_scheme(model: Path, case: Case):
    proposal = expert(model, folds=[0]).propose(case)
    opened = open_model(model, folds=["0"])
    ct = read_volume(case.image_path)
    own = segment(opened, prepare(ct.array, ct.grid, opened.plans), opened.plans, tta=False)
    ids = {0: 0, 1: 5, 2: 1, 3: 0, 4: 6}  # TotalSegmentator's liver, spleen, stomach
    assert np.array_equal(proposal.label_map, np.vectorize(ids.get)(own))
    assert set(np.unique(own)) == set(ids)  # or this proves little
    assert [(f.code, f.found) for f in proposal.findings] == [("unknown-structure", "a tumour")]
    assert proposal.scheme.name == "totalsegmentator"


def test_all_folds_are_averaged_unless_some_are_named(model: Path, case: Case):
    maps = [expert(model, **folds).propose(case).label_map for folds in ({}, {"folds": [0]}, {"folds": [1]})]
    assert not np.array_equal(maps[0], maps[1])
    assert not np.array_equal(maps[0], maps[2])


def test_a_kept_prediction_is_read_again_until_something_changes(
    model: Path, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    counted = count_predictions(monkeypatch)
    kept = expert(model, folds=[0], files=str(tmp_path / "kept" / "{case}.nii.gz"))
    first = kept.propose(case).label_map
    assert np.array_equal(kept.propose(case).label_map, first)
    assert len(counted) == 1
    assert np.array_equal(read_volume(tmp_path / "kept" / "patient7.nii.gz").array, first)
    kept.model_copy(update={"step": 0.75}).propose(case)
    assert len(counted) == 2
    os.utime(model / "fold_0" / "checkpoint_final.pth", ns=(1, 1))
    kept.propose(case)
    assert len(counted) == 3
    (tmp_path / "kept" / "patient7.made.json").unlink()  # as when it was cut off in between
    kept.propose(case)
    assert len(counted) == 4


def test_it_depends_on_the_files_of_the_model(model: Path, case: Case):
    found = {path.relative_to(model).as_posix() for path in expert(model, folds=[1]).inputs(case)}
    assert found == {"plans.json", "dataset.json", "fold_1/checkpoint_final.pth"}
    assert expert(model / "nowhere").inputs(case) == ()


@pytest.mark.parametrize(
    ("more", "error", "story"),
    [
        (
            {"folds": [7]},
            BadFileError,
            r"patient7: expert 'net': .*no weights for fold 7; there are folds 0, 1",
        ),
        ({"device": "cuda:9"}, DapatlasError, r"patient7: .*cuda:9 was asked for"),
        ({"memory_gb": 0.001}, DapatlasError, r"patient7: .*GB of memory.*allow more memory"),
        ({"tta": True, "names": {"tree": "liver"}}, BadLabelsError, r"patient7: .*names: tree"),
    ],
)
def test_what_cannot_be_done_names_case_and_remedy(
    model: Path, case: Case, more: dict, error: type[Exception], story: str
):
    with pytest.raises(error, match=story):
        expert(model, **more).propose(case)


def test_a_ct_in_another_unit_and_a_missing_model_are_told(model: Path, case: Case, tmp_path: Path):
    strange = tmp_path / "ct" / "scaled.nii.gz"
    write_volume(
        strange, (noisy_ct(SHAPE) / 4096).astype(np.float32), Grid.from_spacing(SHAPE, (2, 2, 3), "LPS")
    )
    with pytest.raises(DapatlasError, match=r"scaled: expert 'net'"):
        expert(model).propose(Case("scaled", strange, None, load_scheme("dap")))
    with pytest.raises(BadFileError, match=r"patient7: expert 'net': .*nowhere"):
        expert(tmp_path / "nowhere").propose(case)
