"""A folder of a model as nnU-Net v1 leaves it: plans.pkl, fold_*/model_final_checkpoint.model and its .pkl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas.errors import BadFileError
from dapatlas.experts.nnunet.safe_pickle import load_pickle
from dapatlas.experts.nnunet.v1_plans import Layers, channels_of, read_layers, translate_plans

CHECKPOINTS = ("model_final_checkpoint", "model_latest", "model_best")
"""Names of weights, in the order in which they are looked for."""

MIRRORED: Mapping[str, tuple[int, ...]] = {"nnUNetTrainerV2": (0, 1, 2), "nnUNetTrainerV2_noMirroring": ()}
"""Trainers whose network and rules are known, and the axes on which each mirrors."""

_Settings = tuple[dict[str, Any], Layers, str, dict[str, str]]

_STAGE_ARGUMENT = 5  # plans, fold, output folder, data folder, batch Dice, stage, …


@dataclass(frozen=True)
class V1Model:
    """A model of version 1, its weights not yet read.

    Attributes
    ----------
    weights
        Name of the fold to its ``*.model``.
    plans
        In the words of version 2.
    layers
        The network of version 1.
    trainer
        One of :data:`MIRRORED`.
    channels
        Number to name of what the network sees.
    """

    weights: Mapping[str, Path]
    plans: Mapping[str, Any]
    layers: Layers
    trainer: str
    channels: Mapping[str, str]

    @property
    def mirror_axes(self) -> tuple[int, ...]:
        """Axes on which the network was trained to be mirrored."""
        return MIRRORED[self.trainer]


def open_v1(
    folder: Path, *, name: str, checkpoint: str | None = None, as_trainer: str | None = None
) -> V1Model:
    """Open a model of version 1 by the settings beside its weights, as version 1 itself does.

    Parameters
    ----------
    name
        For the data set of the plans.
    checkpoint
        Such as ``model_latest``; None takes the first of :data:`CHECKPOINTS` that is there.
    as_trainer
        Take the weights for those of this trainer; for one that is like it in network and mirroring.

    Raises
    ------
    BadFileError
        No weights, damaged or unsafe files, folds that come from different models, an unknown trainer.
    """
    weights = _weights(folder, checkpoint)
    settings = {fold: _read_settings(path, name, as_trainer) for fold, path in weights.items()}
    first = next(iter(settings))
    for fold, other in settings.items():
        if other != settings[first]:
            raise BadFileError(
                f"{weights[fold]}.pkl: made with other plans or another trainer than {weights[first]}"
            )
    plans, layers, trainer, channels = settings[first]
    _same_network(folder / "plans.pkl", weights[first], layers, trainer)
    return V1Model(weights, plans, layers, trainer, channels)


def _weights(folder: Path, checkpoint: str | None) -> dict[str, Path]:
    """Name of each fold and its weights; version 1 calls the fold of all cases ``all``."""
    names = (checkpoint.removesuffix(".model"),) if checkpoint else CHECKPOINTS
    folds = {
        path.name.removeprefix("fold_"): path
        for path in sorted((*folder.glob("fold_*"), *folder.glob("all")))
    }
    for name in names:
        found = {
            fold: path / f"{name}.model" for fold, path in folds.items() if (path / f"{name}.model").is_file()
        }
        if found and len(found) < len(folds):
            missing = ", ".join(str(folds[fold] / f"{name}.model") for fold in folds.keys() - found.keys())
            raise BadFileError(
                f"{missing}: missing, and other folds have it; copy the whole model, or move the fold away"
            )
        if found:
            return found
    raise BadFileError(
        f"{folder}: no weights of nnU-Net v1 (no fold_*/{' or '.join(f'{name}.model' for name in names)})"
    )


def _read_settings(weights: Path, name: str, as_trainer: str | None) -> _Settings:
    """Read ``*.model.pkl``, and plans.pkl where it has no plans."""
    path = weights.with_name(f"{weights.name}.pkl")
    content = load_pickle(path)
    try:
        trainer, arguments, plans = str(content["name"]), tuple(content["init"]), content.get("plans")
    except (KeyError, TypeError, AttributeError) as error:
        raise BadFileError(f"{path}: not the settings of a trainer of nnU-Net v1 (no {error})") from None
    used = _known_trainer(path, as_trainer or trainer)
    stage = arguments[_STAGE_ARGUMENT] if len(arguments) > _STAGE_ARGUMENT else None
    if plans is None:
        path = weights.parents[1] / "plans.pkl"
        plans = load_pickle(path)
    translated = translate_plans(plans, path, stage=stage, name=name)
    return translated, read_layers(plans, path, stage), used, channels_of(plans)


def _known_trainer(path: Path, trainer: str) -> str:
    """Refuse unknown trainers: shapes of weights don't give away another activation or norm."""
    if trainer not in MIRRORED:
        raise BadFileError(
            f"{path}: made by the trainer {trainer}; known are {', '.join(MIRRORED)}. If it differs from one of them "
            "in training only (data, loss, length), say so: --as-trainer nnUNetTrainerV2"
        )
    return trainer


def _same_network(path: Path, weights: Path, layers: Layers, trainer: str) -> None:
    """Refuse folds that were moved here from another task: the plans of the folder tell."""
    if not path.is_file():
        return
    content = load_pickle(path)
    stages = content.get("plans_per_stage", {}) if isinstance(content, dict) else {}
    described = [read_layers(content, path, stage) for stage in stages]
    if layers not in described:
        classes = ", ".join(str(found.classes) for found in described) or "no"
        raise BadFileError(
            f"{weights}: {trainer} made it for a network of {layers.classes} classes, background included, and {path} "
            f"describes another (of {classes} classes); these are the weights of another task"
        )
