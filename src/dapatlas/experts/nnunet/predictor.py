"""A trained nnU-Net that predicts CT after CT: opened once, its weights kept, one CT at a time on a device."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dapatlas.experts.nnunet.device import AUTO, alone_on, pick_device
from dapatlas.experts.nnunet.memory import estimate, require
from dapatlas.experts.nnunet.model import Model, open_model
from dapatlas.experts.nnunet.preprocess import body_box, prepare
from dapatlas.experts.nnunet.segment import Progress, segment
from dapatlas.experts.nnunet.v2_folder import find_folds
from dapatlas.volumes import Volume


@dataclass(frozen=True)
class PredictionSettings:
    """Which model, and how it predicts.

    Attributes
    ----------
    model
        Folder of a trained nnU-Net v2 model, or of an imported one.
    folds
        Which folds are averaged; all that are there by default.
    checkpoint
        File name of the weights, such as ``checkpoint_best.pth``; the final ones by default.
    tta
        Whether tiles are mirrored too, where the model was trained so: up to eight times the work.
    step
        Largest distance of neighbouring tiles as a share of the patch; over 0, at most 1.
    device
        ``cpu``, ``cuda``, ``cuda:1`` … or ``mps``; ``auto`` is a CUDA GPU where there is one, else the CPU.
    memory_gb
        How much host memory a prediction may take; see :func:`~dapatlas.experts.nnunet.segment.segment`.
    crop_to_body
        Whether the air around the body is left out, which saves time; tiles then lie elsewhere.
    """

    model: Path
    folds: tuple[str, ...] | None = None
    checkpoint: str | None = None
    tta: bool = False
    step: float = 0.5
    device: str = AUTO
    memory_gb: float | None = None
    crop_to_body: bool = False

    def files(self) -> tuple[Path, ...]:
        """Every file of the model that a prediction depends on.

        Raises
        ------
        BadFileError
            There is no such model, or a fold is missing.
        """
        found = find_folds(self.model, self.folds, self.checkpoint)
        return (self.model / "plans.json", self.model / "dataset.json", *found.values())

    def as_dict(self) -> dict[str, Any]:
        """What of it decides the label map, as JSON can hold it; memory and device do not."""
        said = asdict(self) | {"model": str(self.model)}
        return {key: value for key, value in said.items() if key not in ("device", "memory_gb")}


class Predictor:
    """A model in use. Opening it reads its plans; its weights are read with the first CT and kept."""

    def __init__(self, settings: PredictionSettings) -> None:
        self.settings = settings

    @cached_property
    def model(self) -> Model:
        """The model; BadFileError where its folder is damaged, or a fold is missing."""
        said = self.settings
        return open_model(said.model, folds=said.folds, checkpoint=said.checkpoint)

    @cached_property
    def _device(self) -> str:
        return pick_device(self.settings.device)

    @cached_property
    def _networks(self) -> list[Any]:
        return self.model.networks(self._device)

    def predict(self, ct: Volume, progress: Progress | None = None) -> NDArray[Any]:
        """Predict the model's own label numbers on the CT's grid.

        Raises
        ------
        DapatlasError
            The device is not there, memory is too small, the CT has another unit, or the model is damaged.
        """
        said, plans = self.settings, self.model.plans
        choices: dict[str, Any] = {
            "tta": said.tta,
            "step": said.step,
            "device": self._device,
            "memory_gb": said.memory_gb,
        }
        if not said.crop_to_body:  # else the size is known after cropping, and `segment` looks itself
            require(estimate(plans, ct.grid, folds=len(self.model.folds), **choices))
        box = body_box(ct.array, ct.grid) if said.crop_to_body else None
        with alone_on(self._device):
            prepared = prepare(ct.array, ct.grid, plans, box=box)
            return segment(self._networks, prepared, plans, progress=progress, **choices)
