"""What stands of a training, and what becomes of it; nnU-Net's process is played by a function."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.train import TrainSettings, Workspace, launch, train, training
from dapatlas.train import plan as plan_it
from dapatlas.train.planning import PlanSettings
from dapatlas.train.training import FINAL, LATEST, standing

SETTINGS = TrainSettings(epochs=3, device="cpu")
EPOCH = {"train_loss": 1.0, "val_loss": 1.5, "dice": 0.25, "seconds": 2.0}


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    made = Workspace.named(tmp_path / "work", 7, "small")
    made.preprocessed.mkdir(parents=True)
    made.plans_file.write_text("{}")
    (made.preprocessed / "splits_final.json").write_text(json.dumps([{"train": ["a"], "val": ["b"]}] * 2))
    return made


@pytest.fixture
def nnunet(monkeypatch: pytest.MonkeyPatch, work: Workspace) -> SimpleNamespace:
    """Trains at once, or dies after its second epoch."""
    said = SimpleNamespace(asked=[], environment=[], dies=False)

    def ask(workspace, what, settings, *, log, environment=None, heard=None):
        said.asked.append(settings)
        said.environment.append(environment)
        folder = workspace.fold(settings["fold"], mirroring=settings["mirroring"])
        for number in range(2 if settings["resume"] else 1, settings["epochs"] + 1):
            heard({"epoch": {"number": number, **EPOCH}})
            (folder / LATEST).touch()
            if said.dies and number == 2:
                raise DapatlasError("train: the process was killed")
        (folder / LATEST).unlink()
        (folder / FINAL).touch()
        return {}

    monkeypatch.setattr(training, "ask", ask)
    return said


def test_epochs_are_told_and_a_finished_fold_stays(work: Workspace, nnunet: SimpleNamespace):
    told: list[tuple[int, int]] = []
    trained = train(work, "0", SETTINGS, progress=lambda epoch, total: told.append((epoch.number, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert trained.made
    assert trained.model.name == "nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres"
    assert [epoch.dice for epoch in trained.epochs] == [0.25] * 3
    assert not train(work, "0", SETTINGS).made
    assert len(nnunet.asked) == 1


def test_a_training_that_was_cut_off_goes_on_when_told_to(work: Workspace, nnunet: SimpleNamespace):
    nnunet.dies = True
    with pytest.raises(DapatlasError, match="killed"):
        train(work, "0", SETTINGS)
    assert standing(work, "0", SETTINGS) == "begun"
    with pytest.raises(DapatlasError, match="cut off here; --continue goes on with it, --force begins anew"):
        train(work, "0", SETTINGS)
    nnunet.dies = False
    train(work, "0", SETTINGS, go_on=True)
    assert [asked["resume"] for asked in nnunet.asked] == [False, True]
    assert standing(work, "0", SETTINGS) == "finished"


def test_a_training_of_other_settings_or_plans_is_not_replaced_by_mistake(
    work: Workspace, nnunet: SimpleNamespace
):
    train(work, "0", SETTINGS)
    longer = TrainSettings(epochs=5, device="cpu")
    for go_on in (False, True):
        with pytest.raises(DapatlasError, match="of other settings or plans stands here; --force"):
            train(work, "0", longer, go_on=go_on)
    assert train(work, "0", longer, force=True).made
    # where it is trained makes no other network
    assert standing(work, "0", TrainSettings(epochs=5, device="cuda", workers=8)) == "finished"
    work.plans_file.write_text('{"patch": 1}')
    assert standing(work, "0", longer) == "other"
    assert standing(work, "1", longer) == "none"


def test_a_second_gpu_is_chosen_by_what_the_process_sees(work: Workspace, nnunet: SimpleNamespace):
    train(work, "0", TrainSettings(epochs=1, device="cuda:1", workers=3))
    assert nnunet.asked[0]["device"] == "cuda"
    assert nnunet.environment[0] == {"nnUNet_n_proc_DA": "3", "CUDA_VISIBLE_DEVICES": "1"}


def test_a_missing_fold_or_plan_is_told(work: Workspace):
    with pytest.raises(BadFileError, match="no fold 5; there are 0…1, and 'all'"):
        train(work, "5", SETTINGS)
    work.plans_file.unlink()
    with pytest.raises(BadFileError, match="run `dapatlas train plan"):
        train(work, "0", SETTINGS)
    with pytest.raises(BadFileError, match="run `dapatlas train prepare`"):
        plan_it(work, PlanSettings())


def child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    """Has another program run in place of nnU-Net's process."""
    program = tmp_path / "child"
    program.write_text(f"#!{sys.executable}\nimport os, sys, json, signal\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(launch.sys, "executable", str(program))


def test_the_process_gets_nnunets_variables_and_its_words_go_to_a_log(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("nnUNet_raw", "/the/users/own")
    child(
        monkeypatch,
        tmp_path,
        'print("nnU-Net says hello")\n'
        'print("@dapatlas", json.dumps({"step": "planning"}))\n'
        'print("@dapatlas", json.dumps({"answer": {"raw": os.environ["nnUNet_raw"], "more": os.environ["MORE"]}}))',
    )
    heard: list[object] = []
    answer = launch.ask(work, "plan", {}, log="plan.txt", environment={"MORE": "1"}, heard=heard.append)
    assert answer == {"raw": str((work.path / "nnUNet_raw").resolve()), "more": "1"}
    assert heard == [{"step": "planning"}]
    assert "nnU-Net says hello" in (work.path / "logs" / "plan.txt").read_text()


@pytest.mark.parametrize(
    ("script", "story"),
    [
        (
            'print("Traceback"); print("ValueError: bad plans"); sys.exit(1)',
            r"(?s)plan: .*bad plans.*whole log: .*plan.txt",
        ),
        ('print("@dapatlas", json.dumps({"error": "no GPU here"})); sys.exit(2)', r"^plan: no GPU here\n"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed, most likely because the memory ran out"),
        ("sys.exit(3)", "exit status 3 and no word"),
        ("pass", "exit status 0 and no word"),
    ],
)
def test_why_it_failed_is_repeated(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, story: str
):
    child(monkeypatch, tmp_path, script)
    with pytest.raises(DapatlasError, match=story):
        launch.ask(work, "plan", {}, log="plan.txt")


def test_nnunets_process_ends_when_nobody_waits_for_it_any_more():
    inner = "from dapatlas.train.child import end_with_parent; import time; end_with_parent(0.05); print(1, flush=True); time.sleep(60)"
    outer = (
        "import subprocess, sys; "
        f"inner = subprocess.Popen([sys.executable, '-c', {inner!r}], stdout=subprocess.PIPE); "
        "inner.stdout.readline(); print(inner.pid)"
    )
    done = subprocess.run([sys.executable, "-c", outer], capture_output=True, text=True, check=True)
    status = Path(f"/proc/{int(done.stdout)}/status")
    deadline = time.monotonic() + 20
    while status.exists() and "State:\tZ" not in status.read_text():  # a zombie has ended, too
        assert time.monotonic() < deadline
        time.sleep(0.05)
