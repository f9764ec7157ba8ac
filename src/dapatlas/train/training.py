"""nnU-Net's trainer for one fold: epochs told as they come, a training that was cut off goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.experts.kept import made_from
from dapatlas.files import write_json
from dapatlas.train.launch import ask
from dapatlas.train.planning import RECORD as PLANNED
from dapatlas.train.workspace import Workspace

SPLITS = "splits_final.json"
ALL = "all"  # nnU-Net's name of the fold that holds nothing out
FINAL, LATEST, UNTRAINED = "checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_untrained.pth"
RECORD = "dapatlas.json"
Standing = Literal["none", "finished", "begun", "other"]


@dataclass(frozen=True)
class TrainSettings:
    """How a network is trained.

    Attributes
    ----------
    epochs, steps, validation_steps
        Epochs, and batches of each that train and that validate; nnU-Net's own are 1000, 250 and 50.
    learning_rate
        At the beginning; nnU-Net lets it fall to 0 over the epochs.
    mirroring
        Whether patches are mirrored. Left and right structures become hard to tell apart then.
    device
        ``cpu``, ``cuda``, ``cuda:1`` … or ``mps``; ``auto`` is a CUDA GPU where there is one, else the CPU.
    workers
        Processes that augment patches; 0 does it in between.
    seed
        Of weights and patches; without workers, the same seed gives the same network on the same computer.
    keep_untrained
        Whether ``checkpoint_untrained.pth`` is kept too, to compare with.
    """

    epochs: int = 1000
    steps: int = 250
    validation_steps: int = 50
    learning_rate: float = 0.01
    mirroring: bool = False
    device: str = "cuda"
    workers: int = 4
    seed: int = 0
    keep_untrained: bool = False


@dataclass(frozen=True)
class Epoch:
    """How one epoch went.

    Attributes
    ----------
    number
        From 1 on.
    train_loss, val_loss
        Means over its batches.
    dice
        nnU-Net's pseudo Dice: over patches of held-out cases, mean of the classes that were seen; NaN if none was.
    seconds
        Wall-clock time.
    """

    number: int
    train_loss: float
    val_loss: float
    dice: float
    seconds: float


@dataclass(frozen=True)
class Trained:
    """A trained fold.

    Attributes
    ----------
    model
        The model's folder.
    fold
        Which fold.
    epochs
        Those of this run.
    made
        Whether it was trained in this run, or stood already.
    """

    model: Path
    fold: str
    epochs: tuple[Epoch, ...]
    made: bool


def train(
    workspace: Workspace,
    fold: str,
    settings: TrainSettings | None = None,
    *,
    go_on: bool = False,
    force: bool = False,
    progress: Callable[[Epoch, int], None] | None = None,
) -> Trained:
    """Train one fold. One that is finished stays.

    Parameters
    ----------
    workspace
        With plans.
    fold
        Number of the fold, or ``all`` to hold nothing out.
    settings
        How.
    go_on
        Go on with a training of these settings that was cut off, where it last saved itself.
    force
        Train anew whatever stands.
    progress
        Called with each epoch and how many there will be.

    Raises
    ------
    DapatlasError
        There are no plans or no such fold; a training stands there that was cut off, or is of other settings; a
        GPU was asked for that is not there; nnU-Net failed.
    """
    settings = settings or TrainSettings()
    check_fold(workspace, fold)
    folder = workspace.fold(fold, mirroring=settings.mirroring)
    stands = standing(workspace, fold, settings)
    if stands == "finished" and not force:
        return Trained(folder.parent, fold, (), made=False)
    _refuse_to_overwrite(folder, stands, go_on=go_on, force=force)
    resume = stands == "begun" and not force
    if not resume:
        _clear(folder)
        made = {"made_from": _print(workspace, settings), "settings": asdict(settings)}
        write_json(folder / RECORD, made)
    epochs: list[Epoch] = []

    def heard(said: Mapping[str, Any]) -> None:
        if "epoch" in said:
            epochs.append(Epoch(**said["epoch"]))
            if progress:
                progress(epochs[-1], settings.epochs)

    kind, _, number = settings.device.partition(":")
    ask(
        workspace,
        "train",
        {**asdict(settings), "device": kind, "fold": fold, "resume": resume},
        log=f"fold_{fold}.txt",
        environment={
            "nnUNet_n_proc_DA": str(settings.workers),
            **({"CUDA_VISIBLE_DEVICES": number} if kind == "cuda" and number else {}),
        },
        heard=heard,
    )
    return Trained(folder.parent, fold, tuple(epochs), made=True)


def standing(workspace: Workspace, fold: str, settings: TrainSettings) -> Standing:
    """What stands of a fold's training.

    ``finished`` or ``begun`` with these settings and the plans as they are; ``other`` of different ones; ``none``.
    """
    folder = workspace.fold(fold, mirroring=settings.mirroring)
    final, latest = (folder / FINAL).is_file(), (folder / LATEST).is_file()
    if not (final or latest):
        return "none"
    if _record(folder) != _print(workspace, settings):
        return "other"
    return "finished" if final else "begun"


def _refuse_to_overwrite(folder: Path, stands: Standing, *, go_on: bool, force: bool) -> None:
    if force or stands in ("none", "finished") or (go_on and stands == "begun"):
        return
    what, how = {
        "begun": ("a training was cut off here", "--continue goes on with it, --force begins anew"),
        "other": ("a training of other settings or plans stands here", "--force replaces it"),
    }[stands]
    raise DapatlasError(f"{folder}: {what}; {how}")


def check_fold(workspace: Workspace, fold: str) -> None:
    """Raise BadFileError where there are no plans, or the splits have no such fold."""
    if not workspace.plans_file.is_file():
        raise BadFileError(
            f"{workspace.plans_file}: missing; run `dapatlas train plan {workspace.path}` first"
        )
    folds = read_folds(workspace)
    if fold != ALL and fold not in (str(number) for number in range(len(folds))):
        there = f"0…{len(folds) - 1}" if folds else "none"
        raise BadFileError(
            f"{workspace.preprocessed}: no fold {fold}; there are {there}, and {ALL!r}, which holds nothing out"
        )


def read_folds(workspace: Workspace) -> list[dict[str, list[str]]]:
    """The folds of ``splits_final.json``: cases of ``train`` and ``val``; none where there is no such file."""
    path = workspace.preprocessed / SPLITS
    try:
        return list(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise BadFileError(f"{path}: not readable as nnU-Net's splits ({error})") from None


def _print(workspace: Workspace, settings: TrainSettings) -> str:
    """Of all that decides a network; where and by how many workers it is trained does not.

    Files count by what they say: plans, splits, and the record of what was planned from, cases included.
    """
    files = (workspace.plans_file, workspace.preprocessed / SPLITS, workspace.preprocessed / PLANNED)
    said = asdict(settings)
    decisive = {key: said[key] for key in said if key not in ("device", "workers", "keep_untrained")}
    decisive |= {path.name: path.read_text(encoding="utf-8") for path in files if path.is_file()}
    return made_from((), decisive)


def _record(folder: Path) -> str:
    try:
        return str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["made_from"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _clear(folder: Path) -> None:
    """Take checkpoints away, so that nothing is taken for what is to come."""
    for path in folder.glob("checkpoint_*.pth"):
        path.unlink()
