"""Taking in a trained model: a ZIP or folder of nnU-Net v1 or v2 becomes one folder in a known form.

The folder is laid out as nnU-Net v2's (plans.json, dataset.json, fold_*), with weights as safetensors, which hold
numbers only, and ``import.json``: where it came from, and a digest of every file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dapatlas.dataset.digests import sha256_of
from dapatlas.errors import BadFileError
from dapatlas.experts.nnunet.checkpoint import Checkpoint, read_checkpoint, write_safetensors
from dapatlas.experts.nnunet.model import open_model
from dapatlas.experts.nnunet.names_of_labels import named_by_file, named_by_scheme, numbered
from dapatlas.experts.nnunet.network import build_network, load_weights
from dapatlas.experts.nnunet.plans import Architecture
from dapatlas.experts.nnunet.source import Source, find_source
from dapatlas.experts.nnunet.unpack import unpacked
from dapatlas.experts.nnunet.v1_folder import V1Model, open_v1
from dapatlas.experts.nnunet.v1_plans import CONFIGURATION
from dapatlas.experts.nnunet.v1_weights import read_weights
from dapatlas.experts.nnunet.v2_folder import CHECKPOINTS, plans_of_folder, read_json
from dapatlas.files import whole_folder, write_json

RECORD = "import.json"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImportSettings:
    """What a user may have to say about a model.

    Attributes
    ----------
    name
        Of the new folder; by default the task's or data set's, as the source names it.
    labels
        JSON file with the names of its labels.
    scheme
        Label scheme of ours that its labels are the ids of.
    checkpoint
        Which weights, such as ``model_latest`` or ``checkpoint_best``; by default the final ones.
    as_trainer
        Trainer of version 1 that its own trainer is like in network and mirroring.
    inside
        Which model, where the source holds several: part of its path.
    force
        Replace a model of that name.
    """

    name: str | None = None
    labels: Path | None = None
    scheme: str | None = None
    checkpoint: str | None = None
    as_trainer: str | None = None
    inside: str | None = None
    force: bool = False


def import_model(
    source: Path, to: Path, settings: ImportSettings | None = None, progress: Progress | None = None
) -> Path:
    """Convert a trained nnU-Net once; give the folder of the model, ``to``/name.

    The folder appears whole or not at all.

    Parameters
    ----------
    source
        ZIP or folder.
    to
        Folder of models; made if need be.
    progress
        Called as ``progress(done, total)`` over folds.

    Raises
    ------
    BadFileError
        The source is damaged, unsafe or not supported, or a model of that name is there already.
    BadLabelsError
        The scheme does not fit the model.
    """
    settings = settings or ImportSettings()
    to.mkdir(parents=True, exist_ok=True)
    with unpacked(source, to) as folder:
        found = find_source(folder, source, settings.inside)
        found = replace(found, name=_safe_name(settings.name or found.name))
        target = to / found.name
        if target.exists() and not settings.force:
            raise BadFileError(
                f"{target}: there is a model of that name; give another --name, or replace it: --force"
            )
        with whole_folder(target) as scratch:
            record = _convert(found, scratch, settings, progress or (lambda done, total: None))
            write_json(scratch / RECORD, _record(source, found, scratch, record))
    return target


def _safe_name(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or "\\" in name:
        raise BadFileError(f"{name!r} cannot be the name of a model: it becomes that of a folder")
    return name


def _convert(source: Source, out: Path, settings: ImportSettings, progress: Progress) -> dict[str, Any]:
    if source.dialect == "v1":
        model = open_v1(
            source.folder, name=source.name, checkpoint=settings.checkpoint, as_trainer=settings.as_trainer
        )
        return _convert_v1(model, source, out, settings, progress)
    return _convert_v2(source, out, settings, progress)


def _convert_v1(
    model: V1Model, source: Source, out: Path, settings: ImportSettings, progress: Progress
) -> dict[str, Any]:
    write_json(out / "plans.json", dict(model.plans))
    names = _names(model.layers.classes, source, settings)
    write_json(
        out / "dataset.json", {"channel_names": dict(model.channels), **names, "file_ending": ".nii.gz"}
    )
    for done, (fold, path) in enumerate(model.weights.items()):
        progress(done, len(model.weights))
        weights = read_weights(path, model.layers)
        checkpoint = Checkpoint(weights, model.trainer, CONFIGURATION, model.mirror_axes)
        _write_fold(checkpoint, plans_of_folder(out, checkpoint).architecture, out / f"fold_{fold}", path)
    progress(len(model.weights), len(model.weights))
    return {"trainer": model.trainer, "checkpoint": next(iter(model.weights.values())).name}


def _convert_v2(source: Source, out: Path, settings: ImportSettings, progress: Progress) -> dict[str, Any]:
    model = open_model(source.folder, checkpoint=_file_name(settings.checkpoint))
    dataset = read_json(source.folder / "dataset.json")
    if settings.labels or settings.scheme:
        dataset |= _names(model.plans.classes, source, settings)
    write_json(out / "plans.json", read_json(source.folder / "plans.json"))
    write_json(out / "dataset.json", dataset)
    for done, (fold, path) in enumerate(zip(model.folds, model.checkpoints, strict=True)):
        progress(done, len(model.folds))
        checkpoint = read_checkpoint(path)
        _write_fold(checkpoint, model.plans.architecture, out / f"fold_{fold}", path)
    progress(len(model.folds), len(model.folds))
    return {"trainer": checkpoint.trainer, "checkpoint": model.checkpoints[0].name}


def _file_name(checkpoint: str | None) -> str | None:
    """``checkpoint_best`` and ``checkpoint_best.pth`` are the same."""
    return checkpoint if checkpoint is None or "." in checkpoint else f"{checkpoint}.pth"


def _names(classes: int, source: Source, settings: ImportSettings) -> dict[str, Any]:
    """Names of the labels: by the user's file or scheme, by the source's dataset.json, or numbered."""
    if settings.scheme:
        return named_by_scheme(settings.scheme, classes)
    path = settings.labels or source.dataset_json
    return named_by_file(path, classes) if path else numbered(classes)


def _write_fold(checkpoint: Checkpoint, architecture: Architecture, folder: Path, source: Path) -> None:
    """Put the weights through the network, which proves that they fit, and write each of them once."""
    network = build_network(architecture, folder.parent / "plans.json")
    load_weights(network, checkpoint.weights, source)
    weights = dict(network.named_parameters()) | dict(network.named_buffers())
    folder.mkdir()
    path = folder / CHECKPOINTS[0]
    write_safetensors(
        path, replace(checkpoint, weights={name: value.detach() for name, value in weights.items()})
    )


def _record(source: Path, found: Source, folder: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "format": 1,
        "source": source.name,
        "inside": found.inside,
        "nnunet": found.dialect,
        **about,
        "keeps_largest_of": found.keeps_largest_of,
        "files": {
            path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
            for path in files
        },
    }
