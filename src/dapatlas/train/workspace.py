"""The folder of a training: what nnU-Net v2 asks for in environment variables, in one place.

``nnUNet_raw/DatasetNNN_NAME`` holds images and labels, ``nnUNet_preprocessed`` plans and resampled cases,
``nnUNet_results`` networks, and ``logs`` what nnU-Net said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.experts.nnunet.v2_folder import read_json

RAW, PREPROCESSED, RESULTS, LOGS = "nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results", "logs"
PLANS, CONFIGURATION = "nnUNetPlans", "3d_fullres"
TRAINER, TRAINER_WITHOUT_MIRRORING = "nnUNetTrainer", "nnUNetTrainerNoMirroring"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
MAX_NUMBER = 999  # nnU-Net's ids have three digits


@dataclass(frozen=True)
class Workspace:
    """Where a training lives.

    Attributes
    ----------
    path
        Its folder.
    dataset
        Name of the data set as nnU-Net wants it, e.g. ``Dataset701_atlas``.
    """

    path: Path
    dataset: str

    @classmethod
    def named(cls, path: Path, number: int, name: str) -> Workspace:
        """A workspace for a data set of this number and name; nothing is made yet.

        Raises
        ------
        DapatlasError
            nnU-Net cannot have such a number or name, or the folder is another data set's.
        """
        if not 1 <= number <= MAX_NUMBER or not NAME.fullmatch(name):
            raise DapatlasError(
                f"nnU-Net numbers data sets 1…{MAX_NUMBER} and names them with letters, digits, '-' and '_'; found "
                f"{number} and {name!r}"
            )
        made = cls(path, f"Dataset{number:03d}_{name}")
        others = [found for found in datasets(path) if found != made.dataset]
        if others:
            raise DapatlasError(
                f"{path}: holds {others[0]} already; choose another folder for {made.dataset}"
            )
        return made

    @property
    def number(self) -> int:
        """nnU-Net's id of the data set."""
        return int(self.dataset[len("Dataset") :].partition("_")[0])

    @property
    def raw(self) -> Path:
        """Images, labels and dataset.json."""
        return self.path / RAW / self.dataset

    @property
    def preprocessed(self) -> Path:
        """Fingerprint, plans, splits and resampled cases."""
        return self.path / PREPROCESSED / self.dataset

    @property
    def plans_file(self) -> Path:
        """nnU-Net's plans."""
        return self.preprocessed / f"{PLANS}.json"

    def model(self, *, mirroring: bool) -> Path:
        """The folder of the trained model, as ``dapatlas predict --model`` takes it."""
        trainer = TRAINER if mirroring else TRAINER_WITHOUT_MIRRORING
        return self.path / RESULTS / self.dataset / f"{trainer}__{PLANS}__{CONFIGURATION}"

    def fold(self, fold: str, *, mirroring: bool) -> Path:
        """The folder of one fold of the model."""
        return self.model(mirroring=mirroring) / f"fold_{fold}"

    def labels(self) -> dict[str, int]:
        """Names and numbers of the labels that are trained, the ignore label among them."""
        named = read_json(self.raw / "dataset.json").get("labels", {})
        return {str(name): int(number) for name, number in named.items()}

    def environment(self) -> dict[str, str]:
        """nnU-Net's environment variables."""
        return {name: str((self.path / name).resolve()) for name in (RAW, PREPROCESSED, RESULTS)}


def open_workspace(path: Path) -> Workspace:
    """The workspace that ``dapatlas train prepare`` made.

    Raises
    ------
    BadFileError
        There is none, or it holds several data sets.
    """
    found = datasets(path)
    if len(found) != 1:
        raise BadFileError(
            f"{path}: expected one data set in {RAW}, found {', '.join(found) or 'none'}; make it by "
            "`dapatlas train prepare DATASET --out WORK`"
        )
    return Workspace(path, found[0])


def datasets(path: Path) -> list[str]:
    """Names of the data sets that a folder holds in nnU-Net's layout."""
    found = (path / RAW).glob("Dataset[0-9][0-9][0-9]_*/dataset.json")
    return sorted(file.parent.name for file in found)
