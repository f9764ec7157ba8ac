"""The models of this computer: where they lie, what each is, and whether it is whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dapatlas.dataset.digests import sha256_of
from dapatlas.errors import BadFileError, DapatlasError, did_you_mean
from dapatlas.experts.nnunet.checkpoint import read_about
from dapatlas.experts.nnunet.convert import RECORD
from dapatlas.experts.nnunet.model import Model, open_model
from dapatlas.experts.nnunet.v2_folder import read_json
from dapatlas.findings import Finding, Severity

VARIABLE = "DAPATLAS_MODELS"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Description:
    """What can be told of a model without running it; millimetres and voxels in network axes.

    Attributes
    ----------
    name, path
        Of its folder.
    nnunet
        ``v1`` or ``v2``: whose rules of prediction hold.
    trainer, configuration, folds
        How it was trained, in nnU-Net's words.
    classes
        What it tells apart, background included.
    channels
        Names of what it is given.
    spacing_mm, patch
        Of the network's input, and of a tile of it.
    mirroring
        Axes on which it may be mirrored; empty: prediction is never mirrored.
    scheme
        Label scheme that its labels are of; empty where it does not say.
    megabytes
        Size of all weights on disk, 10⁶ bytes.
    source
        File or folder that it was imported from; empty where it was not.
    keeps_largest_of
        Labels of which nnU-Net v1 would keep the largest piece only; here this is left to the guidelines.
    """

    name: str
    path: str
    nnunet: str
    trainer: str
    configuration: str
    folds: tuple[str, ...]
    classes: int
    channels: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    patch: tuple[int, int, int]
    mirroring: tuple[int, ...]
    scheme: str
    megabytes: float
    source: str
    keeps_largest_of: tuple[Any, ...]

    def as_dict(self) -> dict[str, Any]:
        """Every field under its own name, ready for JSON."""
        return asdict(self)


def models_folder() -> Path:
    """Where models lie: ``$DAPATLAS_MODELS``, else ``dapatlas/models`` in the user's data folder (XDG)."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "dapatlas" / "models"


def find_models(folder: Path) -> list[Path]:
    """Every model of a folder, by name."""
    return sorted(path.parent for path in folder.glob("*/plans.json") if not path.parent.name.startswith("."))


def find_model(name: str | Path, folder: Path | None = None) -> Path:
    """Give the folder of a model: a path to one, or a name among the models of ``folder``.

    A folder of that name with something else in it, such as the source of an import, does not hide the model.

    Raises
    ------
    BadFileError
        There is no such folder and no such name.
    """
    given, folder = Path(name), folder or models_folder()
    names = [path.name for path in find_models(folder)]
    if (given / "plans.json").is_file():
        return given
    if str(name) in names:
        return folder / name
    if given.is_dir():
        return given
    none = "none was imported yet: `dapatlas models import ZIP_OR_FOLDER`"
    there = f"there are {', '.join(names)}" if names else none
    raise BadFileError(
        f"{name}: no folder, and no model in {folder}; {there}{did_you_mean(str(name), names)}"
    )


def describe(path: Path) -> Description:
    """Read what a model is from its folder.

    Raises
    ------
    BadFileError
        It is not whole.
    """
    model = open_model(path)
    about = read_about(model.checkpoints[0])
    record, plans = _record(path), model.plans
    return Description(
        name=path.absolute().name,
        path=str(path),
        nnunet=plans.dialect,
        trainer=about.trainer,
        configuration=about.configuration,
        folds=model.folds,
        classes=plans.classes,
        channels=tuple(plans.channel_names.values()),
        spacing_mm=plans.spacing_mm,
        patch=plans.patch,
        mirroring=plans.mirror_axes,
        scheme=str(read_json(path / "dataset.json").get("scheme", "")),
        megabytes=round(sum(file.stat().st_size for file in model.checkpoints) / 1e6, 1),
        source=str(record.get("source", "")),
        keeps_largest_of=tuple(record.get("keeps_largest_of", ())),
    )


def _record(path: Path) -> dict[str, Any]:
    return read_json(path / RECORD) if (path / RECORD).is_file() else {}


def verify(path: Path, progress: Progress | None = None) -> list[Finding]:
    """Check that a model is as it was imported, and that every fold's weights load into its network.

    Parameters
    ----------
    progress
        Called as ``progress(done, total)`` over files and folds.

    Returns
    -------
    list of Finding
        ``case`` is the name of the model; nothing where all is well.
    """
    name, files = path.absolute().name, _record(path).get("files", {})
    findings = []
    if not files:
        said = "not imported: no digests to compare"
        findings.append(_finding(name, "no-checksums", path / RECORD, "info", said))
    try:
        model = open_model(path)
    except DapatlasError as error:
        damaged = _finding(name, "model-damaged", path, "error", str(error))
        return [*findings, *_changed(name, path, files), damaged]
    checks = [
        *(partial(_changed, name, path, {place: was}) for place, was in files.items()),
        *(partial(_loads, name, model, fold) for fold in model.folds),
    ]
    for done, check in enumerate(checks):
        if progress:
            progress(done, len(checks))
        findings += check()
    if progress:
        progress(len(checks), len(checks))
    return findings


def _changed(name: str, path: Path, files: dict[str, Any]) -> list[Finding]:
    """Files that are missing or not as they were."""
    found = []
    for place, was in files.items():
        file = path / place
        if not file.is_file():
            found.append(_finding(name, "file-missing", file, "error", f"{place} is missing"))
        elif sha256_of(file) != was.get("sha256"):
            found.append(
                _finding(name, "checksum-differs", file, "error", f"{place} is not as it was imported")
            )
    return found


def _loads(name: str, model: Model, fold: str) -> list[Finding]:
    """Whether the weights of a fold fit the network that the plans describe, and are numbers."""
    file = model.checkpoints[model.folds.index(fold)]
    try:
        network = model.network(fold)
    except BadFileError as error:
        return [_finding(name, "weights-do-not-fit", file, "error", str(error))]
    if not all(bool(weight.isfinite().all()) for weight in network.parameters()):
        return [
            _finding(
                name, "weights-not-finite", file, "error", f"fold {fold} has weights that are no numbers"
            )
        ]
    return []


def _finding(name: str, code: str, file: Path, severity: str, message: str) -> Finding:
    remedy = "import the model again" if severity == "error" else ""
    return Finding(name, Severity(severity), code, message, file=str(file), remedy=remedy)
