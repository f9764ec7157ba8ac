"""The same stages on a real Dask cluster: the same results, and no loss when workers or the scheduler go."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.parallel import WorkerDiedError
from dapatlas.pipeline.cluster import Cluster, ClusterLostError, SlurmJobs, open_cluster
from dapatlas.pipeline.engine import Schedule
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Work, run_stage

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of Dask's own, in its own threads
]


def double(number: int) -> int:
    return 2 * number


def fragile(number: int) -> int:
    """One number takes its worker down every time, another raises."""
    if number == 3:
        os._exit(1)
    if number == 5:
        raise BadFileError("number 5 is bad")
    return number


def slow_copy(work: Work) -> None:
    time.sleep(0.2)
    work.outputs[0].write_text(work.inputs[0].read_text())


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with open_cluster(local=2) as opened:
        yield opened


def test_every_item_is_answered(cluster: Cluster) -> None:
    assert dict(cluster.map(double, range(50))) == {number: 2 * number for number in range(50)}
    assert list(cluster.map(double, [])) == []


def test_a_worker_that_dies_and_an_error_are_answers_of_their_own_items(cluster: Cluster) -> None:
    answers = dict(cluster.map(fragile, range(8)))
    assert {number: answers[number] for number in (0, 1, 2, 4, 6, 7)} == {n: n for n in (0, 1, 2, 4, 6, 7)}
    assert isinstance(answers[3], WorkerDiedError)
    assert "died 3 times under this case, and again when it was alone" in str(answers[3])
    assert isinstance(answers[5], BadFileError)
    assert str(answers[5]) == "number 5 is bad"


@contextmanager
def scheduler_and_workers(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A scheduler and two workers, each a process of its own."""
    dask = str(Path(sys.executable).with_name("dask"))
    scheduler = subprocess.Popen(
        [dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    assert scheduler.stderr is not None
    address = ""
    for line in scheduler.stderr:
        if found := re.search(r"Scheduler at:\s*(tcp://\S+)", line):
            address = found[1]
            break
    workers = [
        subprocess.Popen(
            [dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "10"],
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        )
        for _ in range(2)
    ]
    try:
        yield address, scheduler
    finally:
        for process in (*workers, scheduler):
            process.kill()
        for process in (*workers, scheduler):
            process.wait()
        scheduler.stderr.close()


def test_when_the_scheduler_goes_what_is_done_is_kept_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dapatlas.pipeline.cluster.CONNECT_S", 10.0)
    for number in range(30):
        (tmp_path / f"{number:02}.in").write_text(str(number))
    works = [Work(path.stem, (path,), (path.with_suffix(".out"),)) for path in sorted(tmp_path.glob("*.in"))]
    with scheduler_and_workers(tmp_path) as (address, scheduler):

        def kill_after(done: int, total: int) -> None:
            if done == 5:
                scheduler.send_signal(signal.SIGKILL)

        with (
            open_cluster(address=address) as engine,
            open_journal(tmp_path) as journal,
            pytest.raises(ClusterLostError, match="start the same command again"),
        ):
            run_stage("copy", works, slow_copy, journal, jobs=Schedule(engine), progress=kill_after)
    with open_journal(tmp_path) as journal:
        outcomes = run_stage("copy", works, slow_copy, journal, jobs=2)
    states = [outcome.state for outcome in outcomes]
    assert states.count("up to date") >= 5
    assert set(states) == {"up to date", "done"}
    assert [path.read_text() for path in sorted(tmp_path.glob("*.out"))] == [
        str(number) for number in range(30)
    ]


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dapatlas.pipeline.cluster.CONNECT_S", 1.0)
    with (
        pytest.raises(DapatlasError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9"),
        open_cluster(address="tcp://127.0.0.1:9"),
    ):
        pass


def slurm_partition() -> str | None:
    """The first partition of a Slurm that is up."""
    if shutil.which("sinfo") is None:
        return None
    asked = subprocess.run(
        ["sinfo", "--noheader", "--format", "%R"], capture_output=True, text=True, timeout=20
    )
    return asked.stdout.split()[0] if asked.returncode == 0 and asked.stdout.split() else None


def test_on_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partition = slurm_partition()
    if partition is None:
        pytest.skip("needs a Slurm that answers to sinfo")
    monkeypatch.chdir(tmp_path)  # where Slurm puts the jobs' logs
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    with open_cluster(slurm=SlurmJobs(partition, workers=2, memory_gb=1, walltime="00:05:00")) as engine:
        assert dict(engine.map(double, range(8))) == {number: 2 * number for number in range(8)}


def test_slurms_jobs_ask_for_what_was_asked_for() -> None:
    jobqueue = pytest.importorskip("dask_jobqueue")
    from dapatlas.pipeline.cluster import _slurm_options

    asked = SlurmJobs("gpu", workers=3, memory_gb=6, cores=2, walltime="01:30:00", account="lab")
    with jobqueue.SLURMCluster(**_slurm_options(asked)) as cluster:
        script = cluster.job_script()
    assert re.search(r"^#SBATCH -p gpu$", script, re.M)
    assert re.search(r"^#SBATCH -A lab$", script, re.M)
    assert re.search(r"^#SBATCH -t 01:30:00$", script, re.M)
    assert re.search(r"^#SBATCH --cpus-per-task=2$", script, re.M)
    assert re.search(r"^#SBATCH --mem=6G$", script, re.M)
    assert "--nthreads 1" in script
