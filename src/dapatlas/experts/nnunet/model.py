"""A trained nnU-Net: a folder with plans, labels and one set of weights a fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas.experts.nnunet.checkpoint import read_about, read_checkpoint
from dapatlas.experts.nnunet.network import build_network, load_weights
from dapatlas.experts.nnunet.plans import Plans
from dapatlas.experts.nnunet.v2_folder import find_folds, plans_of_folder


@dataclass(frozen=True)
class Model:
    """A model that can be predicted with; its weights are read when asked for.

    Attributes
    ----------
    path
        Its folder.
    plans
        What they say of its input, network and labels.
    folds
        Names of the folds in use, as in the folder ("0" … "4", "all").
    checkpoints
        The file of weights of each fold, in the order of ``folds``.
    """

    path: Path
    plans: Plans
    folds: tuple[str, ...]
    checkpoints: tuple[Path, ...]

    def networks(self, device: str = "cpu") -> list[Any]:
        """Give one ``torch.nn.Module`` a fold, on ``device`` and in evaluation mode.

        Raises
        ------
        BadFileError
            A checkpoint is truncated, unsafe, or its weights don't fit the network that the plans describe.
        """
        return [self.network(fold, device) for fold in self.folds]

    def network(self, fold: str, device: str = "cpu") -> Any:
        """Give the network of one fold; raises as :meth:`networks`."""
        path = self.checkpoints[self.folds.index(fold)]
        network = build_network(self.plans.architecture, self.path / "plans.json")
        load_weights(network, read_checkpoint(path).weights, path)
        return network.to(device).eval()


def open_model(folder: Path, *, folds: Sequence[str] | None = None, checkpoint: str | None = None) -> Model:
    """Open an nnU-Net v2 folder, or one that ``dapatlas models import`` wrote.

    Parameters
    ----------
    folder
        With plans.json, dataset.json and fold_*.
    folds
        Which to use; by default every fold_0, fold_1, … with weights, or fold_all when there is no other.
    checkpoint
        File name of the weights, such as ``checkpoint_best.pth``; by default ``checkpoint_final`` with ``.safetensors``
        or ``.pth``.

    Raises
    ------
    BadFileError
        Something is missing, or it is a model of a kind that cannot be predicted with.
    """
    found = find_folds(folder, folds, checkpoint)
    first = read_about(next(iter(found.values())))
    return Model(folder, plans_of_folder(folder, first), tuple(found), tuple(found.values()))
