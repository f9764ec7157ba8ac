"""Which prediction belongs to which reference: files by name, data sets, and benchmarks as they are downloaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dapatlas.check.benchmark import Benchmark, find_predictions, find_references
from dapatlas.dataset import case_id_of
from dapatlas.dataset.case import MASKS
from dapatlas.dataset.dataset import volume_files
from dapatlas.errors import DapatlasError, first_few


@dataclass(frozen=True, slots=True)
class Pair:
    """A prediction and its reference.

    Attributes
    ----------
    case
        Case id.
    prediction, reference
        Files; the reference may be a folder of masks.
    image
        The CT, where the reference is a folder of masks and needs its grid.
    """

    case: str
    prediction: Path
    reference: Path
    image: Path | None = None


@dataclass(frozen=True, slots=True)
class Pairs:
    """Which predictions belong to which references, and what lacks a partner."""

    pairs: tuple[Pair, ...]
    without_prediction: tuple[str, ...] = ()
    without_reference: tuple[str, ...] = ()


def find_pairs(prediction: Path, reference: Path) -> Pairs:
    """Pair two files whatever their names, or the files of two folders by name.

    Raises
    ------
    DapatlasError
        Something is not there, or no names agree.
    """
    if prediction.is_file() and reference.is_file():
        return Pairs((Pair(_case_of(reference), prediction, reference),))
    predictions, references = _label_maps(prediction), _label_maps(reference)
    if prediction.is_file():  # against the reference of that name, out of a folder
        references = {case: path for case, path in references.items() if case in predictions}
    shared = sorted(predictions.keys() & references.keys())
    if not shared:
        raise DapatlasError(
            f"no label map of {prediction} has the name of one of {reference}: {_few(predictions)} against "
            f"{_few(references)}; expected a prediction and its reference to have one file name"
        )
    return Pairs(
        tuple(Pair(case, predictions[case], references[case]) for case in shared),
        tuple(sorted(references.keys() - predictions.keys())),
        tuple(sorted(predictions.keys() - references.keys())),
    )


def pairs_of(prediction: Path, reference: Path, benchmark: Benchmark | None) -> Pairs:
    """Pair two files or folders, or a folder of predictions with a benchmark's references.

    Raises
    ------
    DapatlasError
        Something is not there, or nothing can be paired.
    """
    if benchmark is None:
        return find_pairs(prediction, reference)
    for folder in (prediction, reference):
        if not folder.is_dir():
            raise DapatlasError(
                f"{folder}: not a folder; expected a folder of predictions and the folder of the benchmark's data set"
            )
    references = find_references(benchmark, reference)
    predictions = find_predictions(benchmark, prediction, references)
    if not predictions:
        names = ", ".join(
            name.replace("{case}", next(iter(references))) for name in benchmark.references.names
        )
        raise DapatlasError(
            f"{prediction}: no prediction of a case of {benchmark.name}; expected NIfTI files named after the cases: "
            f"{_few(references)}{f' (or {names})' if names else ''}"
        )
    masks, image = benchmark.references.kind == "binary-masks", Path(benchmark.references.images).name
    pairs = [
        Pair(case, path, references[case], references[case].parent / image if masks else None)
        for case, path in predictions.items()
    ]
    return Pairs(tuple(pairs), tuple(case for case in references if case not in predictions))


def _label_maps(path: Path) -> dict[str, Path]:
    """Label maps by case: of a data set its ``masks/``, of a folder its files, or the one file."""
    if path.is_file():
        return {_case_of(path): path}
    if not path.is_dir():
        raise DapatlasError(f"{path}: no such file or folder")
    folder = path / MASKS if (path / MASKS).is_dir() else path
    found = {case: paths[0] for case, paths in volume_files(folder).items()}
    if not found:
        raise DapatlasError(f"{path}: no label map (.nii or .nii.gz) in it, nor in a folder masks/ of it")
    return found


def _case_of(path: Path) -> str:
    case = case_id_of(path.name)
    if case is None:
        raise DapatlasError(f"{path}: expected a label map in NIfTI (.nii or .nii.gz)")
    return case


def _few(names: Iterable[str]) -> str:
    return first_few(sorted(names), 3)
