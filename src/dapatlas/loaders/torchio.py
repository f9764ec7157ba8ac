"""TorchIO: its own subjects and data set, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.dataset import Dataset
from dapatlas.errors import DapatlasError
from dapatlas.extras import needed
from dapatlas.labels import LabelScheme
from dapatlas.labels.scheme import MAX_ID
from dapatlas.loaders.chances import structure_chances
from dapatlas.loaders.paired import paired_cases

CHANCES = "chances"  # name of the image that ``torchio.WeightedSampler`` is given


def subjects(dataset: Dataset, cases: Iterable[str] | None = None) -> list[Any]:
    """A ``torchio.Subject`` a case; no volume is read before it is asked for.

    Each has ``ct``, a ``ScalarImage`` in HU, and ``labels``, a ``LabelMap`` of ids, which TorchIO resamples by
    the nearest voxel; and ``case`` and ``subject``, the id and who was scanned.

    Parameters
    ----------
    dataset
        Where the cases are from.
    cases
        Their ids, such as one part of a split; by default all that have both a CT and a map, by id.

    Raises
    ------
    DapatlasError
        A case is unknown or lacks a file, the data set is behind a URL, or TorchIO is not installed.
    """
    torchio = needed("torchio", "torchio", "to make its subjects")
    return [
        torchio.Subject(
            ct=torchio.ScalarImage(case.image_path),
            labels=torchio.LabelMap(case.mask_path),
            case=case.id,
            subject=case.subject,
        )
        for case in paired_cases(dataset, cases)
    ]


def subjects_dataset(
    dataset: Dataset, cases: Iterable[str] | None = None, *, transform: Callable[[Any], Any] | None = None
) -> Any:
    """A ``torchio.SubjectsDataset``, for TorchIO's loaders, queues and samplers.

    For patches balanced over structures, put :func:`with_chances` last in the transform, and sample by what it adds.

    Parameters
    ----------
    dataset, cases
        As :func:`subjects` takes them; at least one case.
    transform
        TorchIO's, applied to each subject when it is read.

    Raises
    ------
    DapatlasError
        As :func:`subjects`; or there is no case.
    """
    torchio = needed("torchio", "torchio", "to make its subjects")
    found = subjects(dataset, cases)
    if not found:
        raise DapatlasError(
            f"{dataset.path}: no case has both a CT and a label map; TorchIO wants at least one"
        )
    return torchio.SubjectsDataset(found, transform=transform)


def with_chances(
    scheme: LabelScheme, weights: Mapping[str | int, float] | None = None
) -> Callable[[Any], Any]:
    """A transform that adds an image ``chances``, by which ``torchio.WeightedSampler`` draws structure by structure.

    Each structure that a subject has is drawn with the same chance, unless ``weights`` say otherwise, and each of its
    voxels. It stands last in a ``torchio.Compose``: what turns or scales images would do it with this one too.
    TorchIO's ``LabelSampler`` draws alike, but passes over the volume once an id.

    Parameters
    ----------
    scheme
        What the ids mean.
    weights
        Structure, by name or id, to its chance relative to the others'. Those that are not named count 1, and
        background 0.

    Raises
    ------
    BadLabelsError
        A weight is of no structure of the scheme.
    DapatlasError
        A weight is negative or not finite.
    """
    table = np.zeros(MAX_ID + 1)
    for id_, chance in structure_chances(scheme, weights).items():
        table[id_] = chance
    return partial(_add_chances, table=table)


def _add_chances(subject: Any, table: NDArray[np.float64]) -> Any:
    torchio = needed("torchio", "torchio", "to make its images")
    labels = subject["labels"]
    ids = labels.numpy()
    counts = np.bincount(ids.ravel(), minlength=len(table))
    of_a_voxel = (table / np.maximum(counts, 1)).astype(np.float32)
    subject.add_image(torchio.ScalarImage(tensor=of_a_voxel[ids], affine=labels.affine), CHANCES)
    return subject
