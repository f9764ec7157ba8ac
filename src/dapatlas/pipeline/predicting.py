"""`dapatlas predict`: a trained nnU-Net over a CT, a folder of CTs, or the CTs of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dapatlas.dataset.case import IMAGES
from dapatlas.dataset.dataset import volume_files
from dapatlas.dataset.names import SUFFIXES, case_id_of
from dapatlas.errors import DapatlasError
from dapatlas.experts.nnunet.device import pick_device
from dapatlas.experts.nnunet.meaning import Meaning, meaning_of, scheme_of_model
from dapatlas.experts.nnunet.predictor import PredictionSettings, Predictor
from dapatlas.experts.nnunet.v2_folder import labels_of, read_json
from dapatlas.files import write_json
from dapatlas.pipeline.engine import Jobs, Processes, Schedule, schedule_of
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Outcome, Progress, Work, run_stage
from dapatlas.volumes import read_volume, write_label_map

STAGE = "predict"
NNUNET_CHANNEL = "_0000"  # nnU-Net's images are named after case and channel
OWN = "model"  # instead of the name of a scheme: the model's own numbers

Tiles = Callable[[str, int, int], None]
"""Told the case, how many of its tiles are done, and of how many."""


@dataclass(frozen=True)
class Target:
    """In which numbers maps are written.

    Attributes
    ----------
    scheme
        Name of one of our schemes; ``None`` for the model's own numbers.
    names
        Label of the model to structure of the scheme; see :func:`~dapatlas.experts.nnunet.meaning.meaning_of`.
    """

    scheme: str | None = None
    names: Mapping[str, str] | None = None


def predict_cases(
    settings: PredictionSettings,
    source: Path,
    out: Path,
    target: Target | None = None,
    *,
    only: tuple[str, ...] = (),
    jobs: Jobs = None,
    force: bool = False,
    progress: Progress | None = None,
    tiles: Tiles | None = None,
) -> list[Outcome[None]]:
    """Predict, and write ``out/CASE.nii.gz`` with a ``labels.json`` beside; what is up to date stays.

    Cases are predicted one after the other in this process, unless a number of processes or a cluster is asked for:
    each takes the whole device, and the weights are read once. One that fails stops no other.

    Parameters
    ----------
    settings
        The model, and how it predicts.
    source
        A CT in NIfTI, a folder of such, or a data set (a folder with ``images/``).
    out
        Folder of the label maps; where ``source`` is a file, also a file name.
    target
        In which numbers; of the scheme that the model says it is of by default, else its own.
    only
        Case ids; all by default.
    jobs
        Worker processes, 1 when ``None``; or a schedule.
    force
        Predict again what is up to date.
    progress
        Called with how many cases are done, and of how many.
    tiles
        Called within a case, where cases are predicted in this process.

    Raises
    ------
    DapatlasError
        There is no model or no CT, the device is not there, or the model's labels are not of the scheme.
    """
    files = settings.files()
    schedule = _schedule(jobs)
    if isinstance(schedule.engine, Processes):
        pick_device(settings.device)
    meaning = _meaning(settings.model, target or Target())
    cases = find_cts(source, only or schedule.only)
    folder, single = _target_file(source, out)
    works = [
        Work(
            case,
            (path, *files),
            (single or folder / f"{case}{SUFFIXES[0]}",),
            {**settings.as_dict(), "table": None if meaning is None else meaning.table.tolist()},
        )
        for case, path in cases.items()
    ]
    do = partial(
        _predict,
        predictor=Predictor(settings),
        meaning=meaning,
        tiles=tiles if schedule.engine == Processes(1) else None,
    )
    with open_journal(folder) as journal:
        _write_labels(folder, settings.model, meaning)
        return run_stage(STAGE, works, do, journal, jobs=schedule, force=force, progress=progress)


def _schedule(jobs: Jobs) -> Schedule:
    """One process where nothing else is asked for."""
    schedule = schedule_of(jobs)
    return replace(schedule, engine=Processes(1)) if schedule.engine == Processes() else schedule


def find_cts(source: Path, only: tuple[str, ...] = ()) -> dict[str, Path]:
    """Case id to CT, in the order of ids; nnU-Net's ``CASE_0000.nii.gz`` is the case ``CASE``.

    Raises
    ------
    DapatlasError
        There is none, or none of a wanted id, or two of one id.
    """
    if source.is_file():
        case = case_id_of(source.name)
        if case is None:
            raise DapatlasError(f"{source}: expected a CT in NIfTI (.nii or .nii.gz)")
        return {case.removesuffix(NNUNET_CHANNEL): source}
    folder = source / IMAGES if (source / IMAGES).is_dir() else source
    found: dict[str, Path] = {}
    for name, paths in sorted(volume_files(folder).items()):
        case = name.removesuffix(NNUNET_CHANNEL)
        if case in found:
            raise DapatlasError(f"{folder}: {found[case].name} and {paths[0].name} are both the case {case}")
        found[case] = paths[0]
    missing = [case for case in only if case not in found]
    if missing or not found:
        what = f"no case {', '.join(missing)}" if missing else "no CT (.nii or .nii.gz)"
        raise DapatlasError(f"{folder}: {what}; expected CTs as NIfTI in it, or in a folder {IMAGES}/ of it")
    return {case: path for case, path in found.items() if not only or case in only}


def _meaning(model: Path, target: Target) -> Meaning | None:
    scheme = target.scheme or scheme_of_model(model)
    return None if scheme in (None, OWN) else meaning_of(model, str(scheme), target.names)


def _target_file(source: Path, out: Path) -> tuple[Path, Path | None]:
    """The folder of the outcome and, where a single file is asked for, its path."""
    if not out.name.endswith(SUFFIXES):
        return out, None
    if not source.is_file():
        raise DapatlasError(f"{out}: a file, but {source} is a folder; give a folder for its label maps")
    return out.parent, out


def _write_labels(folder: Path, model: Path, meaning: Meaning | None) -> None:
    """What the numbers mean, as data sets have it."""
    if meaning is not None:
        names = {str(structure.id): structure.name for structure in meaning.scheme}
    else:
        path = model / "dataset.json"
        names = {str(number): name for name, number in labels_of(read_json(path), path).items()}
    write_json(folder / "labels.json", names)


def _predict(work: Work, predictor: Predictor, meaning: Meaning | None, tiles: Tiles | None) -> None:
    image, (target,) = work.inputs[0], work.outputs
    ct = read_volume(image)
    told = partial(tiles, work.case) if tiles else None
    label_map = predictor.predict(ct, told)
    write_label_map(target, label_map if meaning is None else meaning.of(label_map), ct.grid, ct.header)
