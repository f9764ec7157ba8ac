"""nnU-Net's own planning and preprocessing, with plans that leave room for many classes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dapatlas.errors import BadFileError
from dapatlas.experts.kept import made_from
from dapatlas.experts.nnunet.v2_folder import read_json
from dapatlas.files import write_json
from dapatlas.train.launch import Heard, ask
from dapatlas.train.workspace import Workspace

RECORD = "planned.json"
DEFAULT_GPU_GB = 24.0
DEFAULT_FEATURES = 32  # nnU-Net's own


@dataclass(frozen=True)
class PlanSettings:
    """What the plans are to fit.

    Attributes
    ----------
    gpu_gb
        Memory of the GPU that will train. The patch becomes as large as scores of all classes and feature maps allow.
    features
        Feature maps of the finest stage; fewer make a smaller network and a larger patch.
    spacing_mm
        Of the network's input, along i, j, k reversed as nnU-Net has it; by default the median of the cases.
    jobs
        Processes that resample.
    """

    gpu_gb: float = DEFAULT_GPU_GB
    features: int = DEFAULT_FEATURES
    spacing_mm: tuple[float, float, float] | None = None
    jobs: int = 2


@dataclass(frozen=True)
class Planned:
    """What was planned.

    Attributes
    ----------
    patch, spacing_mm
        Of the network's input, in its own axes.
    batch
        Patches at a time.
    features
        Feature maps of each stage.
    classes
        Outputs, the background among them.
    features_gb, classes_gb, deep_supervision_gb
        What training is expected to take; see :class:`~dapatlas.train.memory.TrainingMemory`.
    made
        Whether it was planned in this run, or stood already.
    """

    patch: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    batch: int
    features: tuple[int, ...]
    classes: int
    features_gb: float
    classes_gb: float
    deep_supervision_gb: float
    made: bool = True

    @property
    def total_gb(self) -> float:
        """What training is expected to take."""
        return self.features_gb + self.classes_gb


def plan(
    workspace: Workspace,
    settings: PlanSettings | None = None,
    *,
    force: bool = False,
    heard: Heard | None = None,
) -> Planned:
    """Measure the cases, plan the network, and resample the cases for it; what is up to date stays.

    Parameters
    ----------
    workspace
        With a raw data set.
    settings
        What the plans are to fit.
    force
        Plan again.
    heard
        Called with ``{"step": name}`` before each of the three.

    Raises
    ------
    DapatlasError
        There is no raw data set, or nnU-Net failed on it; the message names the log.
    """
    settings = settings or PlanSettings()
    cases = _cases(workspace)
    # what dataset.json says counts, not when it was written: preparing writes it every time
    said = {**asdict(settings), "jobs": 0, "dataset": read_json(workspace.raw / "dataset.json")}
    print_ = made_from(cases, said)
    record = workspace.preprocessed / RECORD
    if not force and (stood := _stood(record, print_)) and workspace.plans_file.is_file():
        return _planned(stood, made=False)
    record.unlink(missing_ok=True)
    environment = {"nnUNet_def_n_proc": str(settings.jobs), "nnUNet_n_proc_DA": str(settings.jobs)}
    answer = ask(workspace, "plan", asdict(settings), log="plan.txt", environment=environment, heard=heard)
    write_json(record, {"made_from": print_, "planned": answer})
    return _planned(answer, made=True)


def _cases(workspace: Workspace) -> list[Path]:
    """Every case of the raw data set; BadFileError where there is none."""
    cases = sorted(workspace.raw.glob("labelsTr/*.nii.gz"))
    if not cases:
        raise BadFileError(f"{workspace.raw}: no case in labelsTr; run `dapatlas train prepare` first")
    images = [workspace.raw / "imagesTr" / path.name.replace(".nii.gz", "_0000.nii.gz") for path in cases]
    missing = [str(image) for image in images if not image.is_file()]
    if missing:
        raise BadFileError(
            f"{missing[0]}: missing, as are {len(missing) - 1} others; run `dapatlas train prepare` again"
        )
    return [*cases, *images]


def _stood(record: Path, print_: str) -> dict[str, Any] | None:
    try:
        said = json.loads(record.read_text(encoding="utf-8"))
        return dict(said["planned"]) if said["made_from"] == print_ else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _planned(answer: dict[str, Any], *, made: bool) -> Planned:
    listed = {key: tuple(answer[key]) for key in ("patch", "spacing_mm", "features")}
    return Planned(**{**answer, **listed, "made": made})
