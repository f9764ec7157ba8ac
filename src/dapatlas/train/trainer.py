"""nnU-Net's trainer, telling its epochs. It keeps its parent's name, so that nnU-Net itself can use what it trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dapatlas.extras import needed
from dapatlas.train.training import UNTRAINED
from dapatlas.train.workspace import TRAINER

PURPOSE = "to train networks"
PARENTS = {
    TRAINER: "nnunetv2.training.nnUNetTrainer.nnUNetTrainer",
    "nnUNetTrainerNoMirroring": (
        "nnunetv2.training.nnUNetTrainer.variants.data_augmentation.nnUNetTrainerNoMirroring"
    ),
}
Tell = Callable[[Mapping[str, Any]], None]


def make_trainer(name: str, asked: Mapping[str, Any], tell: Tell) -> type[Any]:
    """A subclass of one of nnU-Net's trainers, with its parent's name.

    nnU-Net names the folder of a model, and looks for its trainer, by the name of the class. What is trained differs in
    nothing that prediction needs to know.

    Parameters
    ----------
    name
        Of the parent.
    asked
        The settings; see :class:`~dapatlas.train.training.TrainSettings`.
    tell
        Called with ``{"epoch": …}`` after each.
    """
    parent: Any = getattr(needed(PARENTS[name], "models", PURPOSE), name)

    def on_train_start(self: Any) -> None:
        parent.on_train_start(self)
        if asked["keep_untrained"] and not asked["resume"]:
            self.save_checkpoint(str(Path(self.output_folder) / UNTRAINED))

    def on_epoch_start(self: Any) -> None:
        self.began = time.perf_counter()
        parent.on_epoch_start(self)

    def on_train_epoch_end(self: Any, train_outputs: Sequence[Mapping[str, Any]]) -> None:
        self.told = {"train_loss": _mean(train_outputs)}
        parent.on_train_epoch_end(self, train_outputs)

    def on_validation_epoch_end(self: Any, val_outputs: Sequence[Mapping[str, Any]]) -> None:
        self.told |= {"val_loss": _mean(val_outputs), "dice": pseudo_dice(val_outputs)}
        parent.on_validation_epoch_end(self, val_outputs)

    def on_epoch_end(self: Any) -> None:
        number = self.current_epoch + 1
        parent.on_epoch_end(self)
        tell({"epoch": {"number": number, **self.told, "seconds": time.perf_counter() - self.began}})

    def plot_network_architecture(self: Any) -> None:
        """Leave out: it needs a package that nobody has, and says so at length."""

    overridden = (
        on_train_start,
        on_epoch_start,
        on_train_epoch_end,
        on_validation_epoch_end,
        on_epoch_end,
        plot_network_architecture,
    )
    return type(name, (parent,), {function.__name__: function for function in overridden})


def _mean(outputs: Sequence[Mapping[str, Any]]) -> float:
    return float(np.mean([output["loss"] for output in outputs]))


def pseudo_dice(outputs: Sequence[Mapping[str, Any]]) -> float:
    """Mean Dice of the classes that are in any patch or prediction, from counts over all patches; NaN if none is."""
    hits, extra, missed = (
        np.sum([output[key] for output in outputs], axis=0, dtype=float).reshape(-1)
        for key in ("tp_hard", "fp_hard", "fn_hard")
    )
    total = 2 * hits + extra + missed
    return float((2 * hits[total > 0] / total[total > 0]).mean()) if (total > 0).any() else float("nan")
