"""TotalSegmentator as an expert, played by a package of the same name that labels what is dense."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from expert_cases import AFFINES, SHAPE, save

from dapatlas.dataset import Case
from dapatlas.errors import BadLabelsError, DapatlasError
from dapatlas.experts import TotalSegmentator
from dapatlas.experts.totalsegmentator import tasks
from dapatlas.labels import dap

LIVER, BODY_TRUNK = 5, 1
API = """
import json, os
import nibabel as nib
import numpy as np

def totalsegmentator(input, output, ml=False, quiet=False, task="total", fast=False, device="gpu"):
    log = os.environ["FAKE_LOG"]
    with open(log, "a") as file:
        file.write(json.dumps(dict(ml=ml, task=task, fast=fast, device=device)) + chr(10))
    if task == "breasts":
        print("this task wants a licence")
        raise SystemExit(1)
    image = nib.load(input)
    labels = np.where(np.asarray(image.dataobj) > 0, int(os.environ.get("FAKE_ID", "5")), 0).astype(np.uint8)
    made = nib.Nifti1Image(labels, image.affine)
    if os.environ.get("FAKE_SAVES", "1") == "1":
        nib.save(made, output)
    return made
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installs the package for the interpreter that runs the tests; gives what it was asked."""
    package = tmp_path / "packages" / "totalsegmentator"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "python_api.py").write_text(API)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    return lambda: [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    ct = np.full(SHAPE, -1000, np.int16)
    ct[4:9, 5:12, 2:7] = 40
    return Case("patient7", save(tmp_path / "ct" / "patient7.nii.gz", ct, AFFINES["oblique"]), None, dap())


def dense(case: Case) -> np.ndarray:
    return np.asarray(nib.load(case.image_path).dataobj) > 0


def test_it_runs_on_the_ct_and_its_answer_is_the_proposal(case: Case, calls):
    proposal = TotalSegmentator(name="ts", fast=True).propose(case)
    assert np.array_equal(proposal.label_map, np.where(dense(case), LIVER, 0))
    assert proposal.scheme.name == "totalsegmentator"
    assert calls() == [{"ml": True, "task": "total", "fast": True, "device": "cpu"}]


def test_an_answer_that_it_only_returns_is_taken_too(case: Case, calls, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAKE_SAVES", "0")
    assert np.array_equal(TotalSegmentator(name="ts").propose(case).label_map > 0, dense(case))


def test_the_task_decides_the_scheme(case: Case, calls, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAKE_ID", str(BODY_TRUNK))
    expert = TotalSegmentator(name="ts", task="body", device="cuda:1")
    assert expert.scheme == "totalsegmentator_body"
    assert expert.propose(case).scheme.name == "totalsegmentator_body"
    assert calls()[0]["task"] == "body"
    assert calls()[0]["device"] == "gpu:1"  # as TotalSegmentator calls it


def test_a_kept_map_is_not_made_again(case: Case, calls, tmp_path: Path):
    expert = TotalSegmentator(name="ts", files=str(tmp_path / "kept" / "{case}.nii.gz"))
    first, second = expert.propose(case), expert.propose(case)
    assert np.array_equal(first.label_map, second.label_map)
    assert len(calls()) == 1
    expert.model_copy(update={"fast": True}).propose(case)
    assert len(calls()) == 2


def test_where_it_is_absent_the_error_says_how_to_get_it(case: Case):
    with pytest.raises(
        DapatlasError, match=r"patient7: expert 'ts': TotalSegmentator is not installed for .*pip install"
    ):
        TotalSegmentator(name="ts").propose(case)


def test_an_interpreter_that_is_not_there(case: Case, tmp_path: Path):
    expert = TotalSegmentator(name="ts", python=str(tmp_path / "python"))
    assert expert.inputs(case) == ()
    with pytest.raises(DapatlasError, match=r"there is no interpreter .*python; name with `python`"):
        expert.propose(case)
    assert TotalSegmentator(name="ts").inputs(case) == (Path(sys.executable),)


def test_its_last_words_are_repeated_when_it_fails(case: Case, calls):
    with pytest.raises(
        DapatlasError, match=r"(?s)exit status 1 and no label map; it said:.*this task wants a licence"
    ):
        TotalSegmentator(name="ts", task="breasts").propose(case)


def test_ids_that_its_task_does_not_have_are_refused(case: Case, calls, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAKE_ID", "200")
    with pytest.raises(BadLabelsError, match=r"patient7: expert 'ts': .*200 \(175 voxels\)"):
        TotalSegmentator(name="ts").propose(case)


@pytest.mark.parametrize(
    ("settings", "story"),
    [
        ({"task": "lungs_of_steel"}, "no label scheme for the task 'lungs_of_steel'; known are total"),
        ({"scheme": "dap"}, "labels in totalsegmentator; leave `scheme` out"),
        ({"device": "gpu"}, "expected cpu, cuda"),
        ({"files": "all.nii.gz"}, "expected one file a case"),
    ],
)
def test_settings_that_cannot_be(settings: dict, story: str):
    with pytest.raises(ValueError, match=story):
        TotalSegmentator(name="ts", **settings)


def test_tasks_have_the_names_that_totalsegmentator_gives_them():
    assert {"total", "body", "tissue_types", "heartchambers_highres", "headneck_muscles"} <= tasks().keys()
    assert "v1" not in tasks()
