"""MONAI: lists of files as its dictionary datasets take them, and its own transforms that read them.

The lists are plain dicts, for which MONAI need not be installed; ``read_transforms`` needs it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.dataset import Dataset
from dapatlas.dataset.split_check import SplitCode, check_splits
from dapatlas.dataset.split_files import FOLDER, OURS, read_listed, resolved
from dapatlas.errors import DapatlasError
from dapatlas.extras import needed
from dapatlas.findings import Severity
from dapatlas.labels import LabelScheme
from dapatlas.loaders.chances import structure_chances
from dapatlas.loaders.paired import paired_cases
from dapatlas.loaders.places import places

Item = dict[str, str]

KEYS = ("image", "label")
WINDOW_HU = (-1000.0, 1000.0)  # air to dense bone; what lies beyond is clipped
PLACES = "label_places"  # key under which it is kept where each structure has voxels
MOST_PLACES = 2000  # voxels of a structure that a crop may be centred on, kept in memory with the case


def data_list(dataset: Dataset, cases: Iterable[str] | None = None) -> list[Item]:
    """``image``, ``label``, ``case`` and ``subject`` of each case that has both files.

    Parameters
    ----------
    dataset
        Where the cases are from.
    cases
        Their ids; by default all that have both a CT and a map, by id.

    Raises
    ------
    DapatlasError
        A case is unknown, or lacks a file; or the data set is behind a URL, which MONAI cannot read.
    """
    return [
        {
            "image": str(case.image_path),
            "label": str(case.mask_path),
            "case": case.id,
            "subject": case.subject,
        }
        for case in paired_cases(dataset, cases)
    ]


def split_lists(dataset: Dataset, split: str | Path | None = None, fold: int = 0) -> dict[str, list[Item]]:
    """The lists of a split, by part: ``train``, ``val`` and whatever others it has.

    Parameters
    ----------
    dataset
        Where the cases are from.
    split
        A file or folder that ``dapatlas split --check`` reads; by default the data set's ``splits/splits.json``.
    fold
        Which one of a cross-validation, from 0.

    Raises
    ------
    BadFileError
        The split cannot be read.
    DapatlasError
        The split has an error, such as a subject in two parts or an unknown case; there is no such fold; or a case
        lacks a file.
    """
    path = dataset.path / FOLDER / OURS if split is None else Path(split)
    subject_of = {case.id: case.subject for case in (*dataset.cases, *dataset.unpaired)}
    listed = resolved(read_listed(path), subject_of)
    if not 0 <= fold < len(listed.folds):
        raise DapatlasError(f"{path}: there is no fold {fold}; it has {len(listed.folds)}, counted from 0")
    # a case that is in no part is not trained on: that is for the maker of the split to know, and harms nobody here
    errors = [
        each
        for each in check_splits(listed, subject_of, str(path))
        if each.severity is Severity.ERROR and each.code != SplitCode.CASE_IN_NO_PART
    ]
    if errors:
        more = f" ({len(errors) - 1} more errors)" if len(errors) > 1 else ""
        raise DapatlasError(
            f"{path}: {errors[0].message}{more}; `dapatlas split {dataset.path} --check {path}` lists all"
        )
    return {part: data_list(dataset, names) for part, names in listed.folds[fold].items()}


def class_count(scheme: LabelScheme) -> int:
    """What MONAI calls ``num_classes``: one more than the largest id, 145 for DAP.

    Ids stay what they are. An id that the scheme leaves out (DAP has no 11) is a class without voxels: its channel in
    one-hot form is empty, and its Dice is NaN, which MONAI leaves out of means.
    """
    return scheme.max_id + 1


def read_transforms(
    *,
    axes: str = "RAS",
    spacing_mm: tuple[float, float, float] | None = (1.5, 1.5, 1.5),
    window_hu: tuple[float, float] | None = WINDOW_HU,
) -> list[Any]:
    """MONAI's own transforms that make an item of :func:`data_list` ready; for ``Compose([*..., yours])``.

    ``image`` becomes float32 and ``label`` uint8, both channel first, shape (1, i, j, k), as ``MetaTensor`` with its
    affine (RAS+ mm). Nothing is random: ``CacheDataset`` keeps the result.

    Parameters
    ----------
    axes
        Where i, j and k grow to, as nibabel has it.
    spacing_mm
        Voxel size along these axes; CT linearly, labels by the nearest voxel. ``None`` keeps each case's own.
    window_hu
        HU that become 0 and 1, what lies beyond is clipped; ``None`` keeps HU.

    Raises
    ------
    DapatlasError
        MONAI is not installed.
    """
    monai = needed("monai.transforms", "monai", "to make its transforms")
    torch = needed("torch", "models", "to make tensors")
    steps = [
        _nifti_reader(monai),
        monai.EnsureChannelFirstd(KEYS),
        monai.Orientationd(KEYS, axcodes=axes, labels=None),
    ]
    if spacing_mm is not None:
        steps.append(monai.Spacingd(KEYS, pixdim=spacing_mm, mode=("bilinear", "nearest")))
    if window_hu is not None:
        steps.append(monai.ScaleIntensityRanged("image", *window_hu, b_min=0.0, b_max=1.0, clip=True))
    steps.append(monai.CastToTyped(KEYS, dtype=(torch.float32, torch.uint8)))
    return steps


def _nifti_reader(monai: Any) -> Any:
    with (
        warnings.catch_warnings()
    ):  # MONAI makes its readers of other formats as well, and misses parts for DICOM
        warnings.filterwarnings("ignore", message="NvImgCodecPydicomReader", category=UserWarning)
        return monai.LoadImaged(KEYS, reader="NibabelReader")


def crop_transforms(
    scheme: LabelScheme,
    *,
    size: tuple[int, int, int] = (96, 96, 96),
    crops: int = 4,
    weights: Mapping[str | int, float] | None = None,
) -> list[Any]:
    """MONAI's own transforms that cut random boxes balanced over structures; they follow :func:`read_transforms`.

    Each crop is around a voxel of a structure that is drawn from those in the case, each with the same chance unless
    ``weights`` say otherwise, and is moved into the volume where it sticks out. Smaller volumes are padded with 0,
    which is the lowest HU of the window and background. An item becomes a list of ``crops`` items, as MONAI's loaders
    expect it. Where structures have voxels is found out once a case, before anything random, and so is kept by
    ``CacheDataset``; of large structures 2000 voxels spread over it.

    Parameters
    ----------
    scheme
        What the ids mean.
    size
        Voxels along i, j, k.
    crops
        How many of a case.
    weights
        Structure, by name or id, to its chance relative to the others'. Those that are not named count 1, and
        background 0.

    Raises
    ------
    BadLabelsError
        A weight is of no structure of the scheme.
    DapatlasError
        A weight is negative, or MONAI is not installed.
    """
    monai = needed("monai.transforms", "monai", "to make its transforms")
    classes, chances = class_count(scheme), structure_chances(scheme, weights)
    return [
        monai.SpatialPadd(KEYS, spatial_size=size),
        # what MONAI's ClassesToIndicesd does in a pass a class
        monai.Lambdad("label", partial(_places, classes=classes), overwrite=PLACES),
        monai.RandCropByLabelClassesd(
            KEYS,
            label_key="label",
            spatial_size=size,
            num_classes=classes,
            num_samples=crops,
            ratios=[chances.get(id_, 0.0) for id_ in range(classes)],
            indices_key=PLACES,
            warn=False,  # that a case lacks structures is as it should be
        ),
        monai.DeleteItemsd(PLACES),
    ]


def _places(label: Any, classes: int) -> list[NDArray[np.int64]]:
    return places(label.numpy(), classes, MOST_PLACES)
