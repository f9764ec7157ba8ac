"""A trained nnU-Net as an expert: it predicts each CT when it is asked, or reads what it predicted before."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from dapatlas.dataset import Case
from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.experts.expert import Proposal
from dapatlas.experts.kept import Kept, made_from
from dapatlas.experts.nnunet.catalogue import find_model
from dapatlas.experts.nnunet.device import AUTO, KINDS
from dapatlas.experts.nnunet.meaning import Meaning, meaning_of
from dapatlas.experts.nnunet.predictor import PredictionSettings, Predictor
from dapatlas.experts.ready import ReadyExpert, SchemeName, unknown_findings
from dapatlas.labels import load_scheme


class NnunetExpert(ReadyExpert):
    """A folder of a trained nnU-Net v2 model, or one that ``dapatlas models import`` wrote.

    Needs the extra ``models``. It predicts in bounded memory, one CT at a time on a device whatever the number of
    processes.
    """

    kind: Literal["nnunet"] = "nnunet"
    scheme: SchemeName = "dap"
    files: str = Field("", description="where its predictions are kept, with {case}; nowhere when absent")
    model: str = Field(min_length=1, description="folder of the model, or the name of an imported one")
    folds: tuple[str, ...] | None = Field(None, description="folds to average, e.g. [0, 1]; all when absent")
    checkpoint: str | None = Field(None, description="file name of the weights; the final ones when absent")
    tta: bool = Field(False, description="mirror tiles too, where the model was trained so: slower")
    step: float = Field(0.5, gt=0, le=1, description="distance of tiles as a share of the patch")
    device: str = Field(AUTO, description=KINDS)
    memory_gb: float | None = Field(None, gt=0, description="host memory that a prediction may take")
    crop_to_body: bool = Field(False, description="leave the air around the body out")
    names: dict[str, str] = Field(
        default_factory=dict, description='label of the model to structure of the scheme, "" for none'
    )

    @field_validator("folds", mode="before")
    @classmethod
    def _folds_are_words(cls, value: Any) -> Any:
        return tuple(str(fold) for fold in value) if isinstance(value, list | tuple) else value

    @field_validator("files")
    @classmethod
    def _one_file_a_case(cls, value: str) -> str:
        if value and ("{case}" not in value or not value.endswith((".nii.gz", ".nii"))):
            raise ValueError("expected one file a case, such as predictions/{case}.nii.gz")
        return value

    @property
    def settings(self) -> PredictionSettings:
        """Which model, and how it predicts; BadFileError where there is no such model."""
        return PredictionSettings(
            find_model(self.model),
            self.folds,
            self.checkpoint,
            self.tta,
            self.step,
            self.device,
            self.memory_gb,
            self.crop_to_body,
        )

    def path(self, case: Case) -> Path:
        """Where this case's prediction is kept; the model's folder where it is not."""
        return super().path(case) if self.files else Path(self.model)

    def inputs(self, case: Case) -> tuple[Path, ...]:
        """The files of the model; none where it is not there. What it predicted is no input but an outcome."""
        try:
            return self.settings.files()
        except DapatlasError:
            return ()

    def propose(self, case: Case) -> Proposal:
        """Predict the case's CT, unless a kept prediction is up to date.

        Raises
        ------
        DapatlasError
            The model is missing or damaged, its labels are of another scheme, memory is too small, a GPU was asked for
            that is not there, or the CT has another unit; the message names the case.
        """
        try:
            return self._propose(case)
        except DapatlasError as error:
            raise type(error)(f"{case.id}: expert {self.name!r}: {error}") from None

    def _propose(self, case: Case) -> Proposal:
        if case.image_path is None:
            raise BadFileError("the case has no CT to predict")
        meaning = meaning_of(self.settings.model, self.scheme, self.names)
        findings = unknown_findings(
            meaning.unknown, self.name, case, meaning.scheme, self.settings.model / "dataset.json"
        )
        kept = self._kept(case, case.image_path, meaning)
        if kept is not None and kept.is_fresh:
            return Proposal(self.name, load_scheme(self.scheme), kept.read(), findings)
        ct = case.ct()
        label_map = meaning.of(Predictor(self.settings).predict(ct))
        if kept is not None:
            kept.write(label_map, ct.grid, ct.header, {"scheme": self.scheme, **self.settings.as_dict()})
        return Proposal(self.name, load_scheme(self.scheme), label_map, findings)

    def _kept(self, case: Case, image: Path, meaning: Meaning) -> Kept | None:
        if not self.files:
            return None
        settings = {**self.settings.as_dict(), "scheme": self.scheme, "table": _as_list(meaning.table)}
        return Kept(self.path(case), made_from((image, *self.settings.files()), settings))


def _as_list(table: NDArray[np.uint8]) -> list[int]:
    return [int(id_) for id_ in table]
