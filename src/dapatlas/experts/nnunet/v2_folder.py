"""A folder of a model as nnU-Net v2 leaves it: plans.json, dataset.json, fold_*/checkpoint_final.pth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dapatlas.errors import BadFileError
from dapatlas.experts.nnunet.checkpoint import Checkpoint
from dapatlas.experts.nnunet.plans import Architecture, Intensity, Plans, Resampling, ResamplingRule, Scheme

CHECKPOINTS = ("checkpoint_final.safetensors", "checkpoint_final.pth")
"""Names of weights, in the order in which they are looked for."""

OURS = "dapatlas"
"""Key of plans.json under which a translated model says what nnU-Net v2's plans cannot."""

SCHEMES: dict[str, Scheme] = {
    "CTNormalization": "CT",
    "ZScoreNormalization": "zscore",
    "NoNormalization": "noNorm",
    "RescaleTo01Normalization": "rescale01",
    "RGBTo01Normalization": "RGB",
}
PREPROCESSORS = ("DefaultPreprocessor",)
RESAMPLERS = ("resample_data_or_seg_to_shape",)  # the rule that preprocess.py follows
READERS = ("SimpleITKIO", "NibabelIO", "NibabelIOWithReorient")


def find_folds(folder: Path, folds: Sequence[str] | None, checkpoint: str | None) -> dict[str, Path]:
    """Find the weights of each fold.

    Parameters
    ----------
    folds
        Names; None takes every numbered fold with weights, or ``all`` where there is none.
    checkpoint
        File name; None takes the first of :data:`CHECKPOINTS` that is there.

    Raises
    ------
    BadFileError
        There is no such folder, it holds no weights, or a fold that was asked for is missing.
    """
    if not folder.is_dir():
        raise BadFileError(f"{folder}: no such folder; expected a trained nnU-Net v2 model")
    names = (checkpoint,) if checkpoint else CHECKPOINTS
    there = {path.name.removeprefix("fold_"): path for path in sorted(folder.glob("fold_*")) if path.is_dir()}
    with_weights = {fold: file for fold, path in there.items() if (file := _first_file(path, names))}
    if folds is None:
        wanted = [fold for fold in with_weights if fold.isdigit()] or list(with_weights)
    else:
        wanted = list(dict.fromkeys(str(fold).removeprefix("fold_") for fold in folds))
    missing = [fold for fold in wanted if fold not in with_weights]
    if missing or not wanted:
        raise BadFileError(_no_weights(folder, missing, with_weights, there, names))
    return {fold: with_weights[fold] for fold in wanted}


def _first_file(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _no_weights(
    folder: Path,
    missing: list[str],
    found: Mapping[str, Path],
    there: Mapping[str, Path],
    names: Sequence[str],
) -> str:
    """Say which weights are not there, and what is."""
    if found:
        return f"{folder}: no weights for fold {', '.join(missing)}; there are folds {', '.join(found)}"
    if any(folder.rglob("*.model.pkl")):
        return f"{folder}: a model of nnU-Net v1; translate it first: dapatlas models import {folder}"
    seen = sorted({file.name for path in there.values() for file in path.glob("*.pth")})
    other = f"; there is {', '.join(seen)}: name it as the checkpoint" if seen else ""
    return f"{folder}: no trained model (no fold_*/{' or '.join(names)}){other}"


def plans_of_folder(folder: Path, checkpoint: Checkpoint) -> Plans:
    """Read plans.json and dataset.json of a model.

    Parameters
    ----------
    checkpoint
        Of any fold; it names the configuration and the axes of mirroring.

    Raises
    ------
    BadFileError
        A file is missing or damaged, or the model is of a kind that is not supported; the message says which.
    """
    path = folder / "plans.json"
    plans, dataset = read_json(path), read_json(folder / "dataset.json")
    try:
        return _plans(plans, dataset, checkpoint, path)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BadFileError(
            f"{path}: not the plans of an nnU-Net v2 model ({type(error).__name__}: {error})"
        ) from None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises
    ------
    BadFileError
        It is missing, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadFileError(f"{path}: missing; a trained nnU-Net v2 model has it beside its folds") from None
    except (OSError, ValueError) as error:
        raise BadFileError(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(content, dict):
        raise BadFileError(f"{path}: holds a {type(content).__name__}, expected an object")
    return content


def _plans(plans: Mapping[str, Any], dataset: Mapping[str, Any], checkpoint: Checkpoint, path: Path) -> Plans:
    configuration = resolve_configuration(plans, checkpoint.configuration, path)
    _refuse_unsupported(configuration, checkpoint.configuration, plans, path)
    labels = labels_of(dataset, path.with_name("dataset.json"))
    channels = dataset.get("channel_names") or dataset["modality"]
    return Plans(
        dialect=plans.get(OURS, {}).get("dialect", "v2"),
        spacing_mm=_three(configuration["spacing"], float),
        patch=_three(configuration["patch_size"], int),
        transpose_forward=_three(plans["transpose_forward"], int),
        transpose_backward=_three(plans["transpose_backward"], int),
        intensities=_intensities(plans, configuration, path),
        mirror_axes=checkpoint.mirror_axes,
        labels=labels,
        architecture=_architecture(configuration, len(channels), len(labels)),
        resampling=_resampling(configuration),
        channel_names={str(key): str(name) for key, name in channels.items()},
        image_reader=plans.get("image_reader_writer", "SimpleITKIO"),
    )


def resolve_configuration(plans: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    """One configuration, with what it inherits from others filled in.

    Raises
    ------
    BadFileError
        It is not there, or inherits from what is not, or from itself.
    """
    all_of_them = plans["configurations"]
    seen: list[str] = []
    merged: dict[str, Any] = {}
    current: str | None = name
    while current is not None:
        if current not in all_of_them or current in seen:
            raise BadFileError(f"{path}: no configuration {current!r}; there are {', '.join(all_of_them)}")
        seen.append(current)
        merged = dict(all_of_them[current]) | merged
        current = all_of_them[current].get("inherits_from")
    return merged


def _refuse_unsupported(
    configuration: Mapping[str, Any], name: str, plans: Mapping[str, Any], path: Path
) -> None:
    if len(configuration["patch_size"]) != 3:
        raise BadFileError(
            f"{path}: {name} is a model of slices; only models of volumes (3d_…) are supported"
        )
    if configuration.get("previous_stage"):
        raise BadFileError(
            f"{path}: {name} is the second stage of a cascade; only models that see the CT alone are supported "
            "(3d_fullres, 3d_lowres)"
        )
    for kind, found, known in (
        ("preprocessor", configuration.get("preprocessor_name", PREPROCESSORS[0]), PREPROCESSORS),
        ("image reader", plans.get("image_reader_writer", READERS[0]), READERS),
        *(
            ("resampling", configuration.get(f"resampling_fn_{what}", RESAMPLERS[0]), RESAMPLERS)
            for what in ("data", "probabilities")
        ),
    ):
        if found not in known:
            raise BadFileError(f"{path}: asks for the {kind} {found}; known are {', '.join(known)}")


def labels_of(dataset: Mapping[str, Any], path: Path) -> dict[str, int]:
    """Names and ids of a model's dataset.json, in the order of ids; the ignore label is left out.

    Raises
    ------
    BadFileError
        It is a model of overlapping regions, or ids are not 0, 1, 2, …
    """
    named = {str(name): value for name, value in dataset["labels"].items() if name != "ignore"}
    regions = [name for name, value in named.items() if isinstance(value, list) and len(value) != 1]
    if regions or dataset.get("regions_class_order"):
        raise BadFileError(
            f"{path}: a model of overlapping regions ({', '.join(regions[:3])}); an atlas needs one label a voxel: "
            "train with plain labels"
        )
    ids = {name: int(value[0] if isinstance(value, list) else value) for name, value in named.items()}
    if sorted(ids.values()) != list(range(len(ids))):
        raise BadFileError(f"{path}: labels have the ids {sorted(ids.values())[:9]}…, expected 0, 1, 2, …")
    return dict(sorted(ids.items(), key=lambda item: item[1]))


def _intensities(
    plans: Mapping[str, Any], configuration: Mapping[str, Any], path: Path
) -> tuple[Intensity, ...]:
    key = "foreground_intensity_properties_per_channel"
    measured = plans.get(key) or plans.get("foreground_intensity_properties_by_modality") or {}
    schemes = configuration["normalization_schemes"]
    masks = configuration["use_mask_for_norm"]
    return tuple(
        _intensity(schemes[i], measured.get(str(i), {}), bool(masks[i]), path) for i in range(len(schemes))
    )


def _intensity(scheme: str, measured: Mapping[str, float], use_mask: bool, path: Path) -> Intensity:
    known: dict[str, Scheme] = SCHEMES | {"CT2Normalization": "CT2"}  # version 1 only
    if scheme not in known:
        raise BadFileError(f"{path}: asks for the normalisation {scheme}; known are {', '.join(SCHEMES)}")
    keys = ("mean", "std", "percentile_00_5", "percentile_99_5")
    if known[scheme] in ("CT", "CT2") and any(key not in measured for key in keys):
        raise BadFileError(
            f"{path}: {scheme} needs {', '.join(keys)} of the training cases, and they are not there"
        )
    mean, sd, low, high = (float(measured.get(key, float("nan"))) for key in keys)
    return Intensity(known[scheme], mean, sd, low, high, use_mask)


def _resampling(configuration: Mapping[str, Any]) -> Resampling:
    return Resampling(_rule(configuration, "data", 3), _rule(configuration, "probabilities", 1))


def _rule(configuration: Mapping[str, Any], what: str, order: int) -> ResamplingRule:
    settings = configuration.get(f"resampling_fn_{what}_kwargs", {})
    return ResamplingRule(
        int(settings.get("order", order)), int(settings.get("order_z", 0)), settings.get("force_separate_z")
    )


def _architecture(configuration: Mapping[str, Any], channels: int, classes: int) -> Architecture:
    described = configuration.get("architecture") or _architecture_of_2023(configuration)
    return Architecture(
        str(described["network_class_name"]),
        dict(described["arch_kwargs"]),
        tuple(described["_kw_requires_import"]),
        channels,
        classes,
    )


def _architecture_of_2023(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the network of plans from before nnU-Net 2.4, which give its sizes only."""
    convolutions = configuration["n_conv_per_stage_encoder"]
    plain = configuration["UNet_class_name"] == "PlainConvUNet"
    first, most = configuration["UNet_base_num_features"], configuration["unet_max_num_features"]
    return describe_unet(
        configuration["UNet_class_name"],
        {
            "features_per_stage": [min(first * 2**stage, most) for stage in range(len(convolutions))],
            "kernel_sizes": configuration["conv_kernel_sizes"],
            "strides": configuration["pool_op_kernel_sizes"],
            "n_conv_per_stage" if plain else "n_blocks_per_stage": convolutions,
            "n_conv_per_stage_decoder": configuration["n_conv_per_stage_decoder"],
        },
    )


def describe_unet(name: str, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """nnU-Net's usual U-Net of volumes (instance norm, leaky ReLU, biases), in the words of plans.json."""
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{name}",
        "arch_kwargs": {
            "n_stages": len(sizes["features_per_stage"]),
            **sizes,
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def _three(values: Sequence[Any], kind: type[Any]) -> tuple[Any, Any, Any]:
    first, second, third = values
    return kind(first), kind(second), kind(third)
