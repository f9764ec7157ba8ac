"""Options of every command that goes case by case: who works, and on which cases."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from dapatlas.cli import app
from dapatlas.cli.schedule import scheduled, slurm_jobs
from dapatlas.dataset import Dataset
from dapatlas.phantom import make_cohort
from dapatlas.pipeline.cluster import SlurmJobs
from dapatlas.pipeline.engine import Processes
from dapatlas.pipeline.status import status

COMMANDS = """
ingest tcia, ingest autopet, ingest masks, ingest ct, build, refine, check, preview, stats, chunks, export nnunet, export meshes,
evaluate, predict
""".replace("\n", " ").split(", ")
OPTIONS = ("--jobs", "--cluster", "--slurm", "--dask-local", "--only", "--retry-failed")


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)
    return result.exit_code, result.output + (str(result.exception) if result.exception else "")


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_cohort(tmp_path_factory.mktemp("atlas"), 2, shape=(32, 32, 48), jobs=1)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_stage_has_them(command: str) -> None:
    code, shown = run(*command.split(), "--help")
    assert code == 0
    for option in OPTIONS:
        assert option in shown


def test_only_the_case_that_is_asked_for(atlas: Dataset, tmp_path: Path) -> None:
    case = atlas.cases[0].id
    code, _ = run("check", atlas.path, "--out", tmp_path, "--only", case, "--jobs", "1")
    assert code in (0, 1)  # what is found in it is another matter
    assert [path.stem for path in (tmp_path / "reports" / "check").iterdir()] == [case]
    assert status(tmp_path).stages[0].done == 1
    code, said = run("check", atlas.path, "--out", tmp_path, "--only", case[:-1] + "x")
    assert code != 0
    assert f"did you mean {case}?" in said


@pytest.mark.parametrize(
    ("command", "tells"),
    [
        ("refine {data} {out}", "left out"),
        ("preview {data} --out {out}", "1 left out"),
        ("stats {data} --out {out}/s.html --work {out}", ""),
        ("export binary-masks {data} {out} --structures liver", ""),
        ("evaluate {data}/masks {data}/masks --out {out}", ""),
    ],
)
def test_tables_tell_of_one_case_alone(atlas: Dataset, tmp_path: Path, command: str, tells: str) -> None:
    if command.startswith("preview"):
        pytest.importorskip("pyarrow", reason="the preview needs pyarrow")
    words = command.format(data=atlas.path, out=tmp_path / "out").split()
    code, said = run(*words, "--only", atlas.cases[0].id, "--jobs", "1")
    assert code == 0, said
    assert tells in said


def test_a_build_of_one_case_alone(atlas: Dataset, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        f'name = "r"\n[cts]\nfiles = "{atlas.path}/images/{{case}}.nii.gz"\n[[experts]]\nname = "e"\n'
        f'kind = "label-maps"\nscheme = "dap"\nfiles = "{atlas.path}/masks/{{case}}.nii.gz"\n'
    )
    code, said = run("build", recipe, "--out", tmp_path / "out", "--only", atlas.cases[0].id, "--jobs", "1")
    assert code == 0, said
    assert "left out" in said
    assert f"1 of {len(atlas.cases)} cases" in said
    code, said = run("card", tmp_path / "out", "--only", atlas.cases[0].id)
    assert code != 0
    assert "a card tells of all cases" in said


@pytest.mark.parametrize(
    "options", [("--jobs", "2", "--dask-local", "2"), ("--cluster", "tcp://x:1", "--slurm", "cpu")]
)
def test_one_who_works_is_enough(atlas: Dataset, tmp_path: Path, options: tuple[str, ...]) -> None:
    code, said = run("check", atlas.path, "--out", tmp_path, *options)
    assert code == 2
    assert "give one of --jobs, --cluster, --slurm and --dask-local" in " ".join(
        said.replace("│", " ").split()
    )


def test_a_stage_of_a_build_that_does_not_exist(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        'name = "r"\n[cts]\nfiles = "{case}.nii.gz"\n[[experts]]\nname = "e"\nkind = "label-maps"\n'
        'scheme = "dap"\nfiles = "{case}.nii.gz"\n'
    )
    code, said = run("build", recipe, "--out", tmp_path / "out", "--force-stage", "maps")
    assert code == 2
    assert "'maps' is no stage of a build: map, picture" in " ".join(said.replace("│", " ").split())


def test_what_slurm_is_asked_for() -> None:
    assert slurm_jobs("gpu") == SlurmJobs("gpu")
    assert slurm_jobs("gpu,workers=3,memory_gb=6.5,walltime=01:00:00,account=lab") == SlurmJobs(
        "gpu", 3, 6.5, walltime="01:00:00", account="lab"
    )
    for wrong in ("gpu,worker=3", "gpu,workers=many", "gpu,workers"):
        with pytest.raises(typer.BadParameter, match=r"expected NAME=VALUE with workers, memory_gb"):
            slurm_jobs(wrong)


def test_without_options_there_is_a_process_a_processor() -> None:
    with scheduled() as schedule:
        assert schedule.engine == Processes(None)
        assert (schedule.only, schedule.retry_failed) == ((), False)
