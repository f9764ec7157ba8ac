"""What a model's own numbers mean in one of our schemes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dapatlas.errors import BadLabelsError
from dapatlas.experts.nnunet.meaning import meaning_of, scheme_of_model
from dapatlas.labels import dap
from dapatlas.labels.export import nnunet

NEEDS_TORCH = False
LABELS = {"background": 0, "Liver": 1, "rib_left_12": 2, "a tumour": 3}


def model(folder: Path, **document: object) -> Path:
    (folder / "dataset.json").write_text(json.dumps(document))
    return folder


def test_labels_are_looked_up_by_name_and_alias(tmp_path: Path):
    meaning = meaning_of(model(tmp_path, labels=LABELS), "dap")
    # the twelfth rib of TotalSegmentator is the lowest, which is DAP's first
    assert meaning.table[:4].tolist() == [0, dap()["liver"].id, dap()["costa_1_left"].id, 0]
    assert meaning.unknown == ("a tumour",)


def test_the_same_names_mean_other_ids_in_another_scheme(tmp_path: Path):
    meaning = meaning_of(model(tmp_path, labels=LABELS), "totalsegmentator")
    assert meaning.table[:4].tolist() == [0, 5, 103, 0]


def test_a_map_is_translated_voxel_by_voxel(tmp_path: Path):
    meaning = meaning_of(model(tmp_path, labels=LABELS), "totalsegmentator")
    labels = np.array([[[0, 1], [2, 3]]], np.uint16)
    assert meaning.of(labels).tolist() == [[[0, 5], [103, 0]]]
    assert meaning.of(labels).dtype == np.uint8


def test_a_training_of_ours_knows_its_way_back(tmp_path: Path):
    document = json.loads(nnunet(dap()))
    folder = model(tmp_path, scheme="dap", **document)
    meaning = meaning_of(folder, "dap")
    assert scheme_of_model(folder) == "dap"
    assert meaning.table[: len(dap())].tolist() == dap().ids.tolist()
    assert meaning.unknown == ()


def test_the_ignore_label_is_no_structure(tmp_path: Path):
    meaning = meaning_of(model(tmp_path, labels={"background": 0, "liver": 1, "ignore": 2}), "dap")
    assert meaning.unknown == ()
    assert np.flatnonzero(meaning.table).tolist() == [1]


def test_names_override_what_the_model_says(tmp_path: Path):
    names = {"a tumour": "liver", "Liver": ""}
    meaning = meaning_of(model(tmp_path, labels=LABELS), "dap", names)
    assert meaning.table[:4].tolist() == [0, 0, dap()["costa_1_left"].id, dap()["liver"].id]
    assert meaning.unknown == ()


@pytest.mark.parametrize(
    ("labels", "names", "story"),
    [
        ({"background": 0, "tree": 1}, {}, r"none of the model's labels.*tree.*`names`"),
        (LABELS, {"liver": "liver"}, r"names: liver: no label of the model.*Liver"),
        (LABELS, {"Liver": "livre"}, r"no structure 'livre'; did you mean liver"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, labels: dict, names: dict, story: str):
    with pytest.raises(BadLabelsError, match=story):
        meaning_of(model(tmp_path, labels=labels), "dap", names)
