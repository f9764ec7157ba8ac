"""`dapatlas export` as a user runs it, on a small synthetic cohort."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from export_cases import contents
from typer.testing import CliRunner

from dapatlas.cli import app
from dapatlas.dataset import Dataset
from dapatlas.errors import DapatlasError
from dapatlas.phantom import make_cohort

FORMATS = ["nnunet", "binary-masks", "slicer", "meshes", "stats"]
FEW = ("--structures", "liver,kidney_left")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("cohort") / "atlas"
    return make_cohort(folder, 2, shape=(96, 96, 96), orientations=("LPS", "RAS"))


def run(*words: object):
    return CliRunner().invoke(app, ["export", *map(str, words)])


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_bytes_whatever_the_number_of_jobs(cohort: Dataset, tmp_path: Path, kind: str):
    pytest.importorskip({"meshes": "trimesh", "stats": "pyarrow"}.get(kind, "numpy"))
    for jobs in (1, 2):
        done = run(kind, cohort.path, tmp_path / f"jobs{jobs}", "--jobs", jobs, *FEW, "-q")
        assert (done.exit_code, done.output) == (0, "")
    assert contents(tmp_path / "jobs1") == contents(tmp_path / "jobs2")
    assert contents(tmp_path / "jobs1")


def test_what_is_done_stays_and_what_is_gone_comes_back(cohort: Dataset, tmp_path: Path):
    def states(*more: str) -> list[str]:
        done = run("slicer", cohort.path, tmp_path / "out", "--jobs", 1, "--json", *more)
        assert done.exit_code == 0
        return [row["state"] for row in json.loads(done.stdout)]

    assert states() == ["done", "done"]
    assert states() == ["up to date", "up to date"]
    (tmp_path / "out" / f"{cohort[1].id}.seg.nrrd").unlink()
    assert states() == ["up to date", "done"]
    assert states("--force") == ["done", "done"]
    assert states("--structures", "liver") == ["done", "done"]
    (tmp_path / "out" / f"{cohort[0].id}.seg.nrrd").unlink()
    assert states("--structures", "liver", "--only", cohort[1].id) == ["left out", "up to date"]


def test_a_bad_case_is_named_and_the_others_are_written(cohort: Dataset, tmp_path: Path):
    spoiled = tmp_path / "atlas"
    for folder in ("images", "masks"):
        (spoiled / folder).mkdir(parents=True)
        for path in (cohort.path / folder).iterdir():
            (spoiled / folder / path.name).write_bytes(path.read_bytes())
    bad, good = cohort[0].id, cohort[1].id
    mask = spoiled / "masks" / f"{bad}.nii.gz"
    mask.write_bytes(mask.read_bytes()[:2000])
    done = run("binary-masks", spoiled, tmp_path / "out", "--jobs", 1, *FEW)
    assert done.exit_code == 1
    assert "truncated" in done.output
    assert str(mask) in done.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.name[0] != ".") == [good]
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.endswith(".partial")]
    assert bad in done.output


def test_what_has_no_counterpart_is_told(cohort: Dataset, tmp_path: Path):
    done = run(
        "binary-masks",
        cohort.path,
        tmp_path / "out",
        "--to",
        "totalsegmentator",
        "--only",
        cohort[0].id,
        "--jobs",
        1,
    )
    assert done.exit_code == 0
    told = done.output.split("no counterpart, so left out: ")[1].splitlines()[0].split(", ")
    assert {"fat", "muscles", "skin"} <= set(told)
    assert "liver" not in told
    assert (tmp_path / "out" / cohort[0].id / "gallbladder.nii.gz").is_file()


def test_maps_in_another_scheme(cohort: Dataset, tmp_path: Path):
    """A cohort translated to TotalSegmentator and exported as such has DAP's liver under its own id."""
    made = run("slicer", cohort.path, tmp_path / "out", "--to", "btcv", "--only", cohort[0].id, "--jobs", 1)
    assert made.exit_code == 0
    sitk = pytest.importorskip("SimpleITK")
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / f"{cohort[0].id}.seg.nrrd"))).T
    assert np.count_nonzero(written == 6) == np.count_nonzero(
        cohort[0].structure("liver")
    )  # BTCV's liver is 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "nobody"], "no case nobody among the 2 of this stage"),
        (["--structures", "livr"], "did you mean liver"),
        (["--scheme", "nothing"], "nothing"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(cohort: Dataset, tmp_path: Path, words: list[str], said: str):
    done = run("slicer", cohort.path, tmp_path / "out", *words)
    assert done.exit_code != 0
    assert isinstance(done.exception, DapatlasError)  # which the program prints, with exit code 2
    assert said in str(done.exception)


def test_bad_options_and_the_data_set_itself_are_refused(cohort: Dataset, tmp_path: Path):
    assert run("meshes", cohort.path, tmp_path, "--format", "ply").exit_code == 2
    assert run("nnunet", cohort.path, tmp_path, "--name", "a b").exit_code == 2
    assert run("nnunet", cohort.path, tmp_path, "--link", "soft").exit_code == 2
    assert "give another folder" in str(run("slicer", cohort.path, cohort.path).exception)


@pytest.mark.parametrize("kind", [*FORMATS, "dicom-seg"])
def test_help_has_an_example(kind: str):
    done = run(kind, "--help")
    assert done.exit_code == 0
    assert f"dapatlas export {kind} DAP_Atlas" in done.output
