"""The plans of nnU-Net v1, told in the words of version 2.

Version 1 keeps plans in a pickle, ``plans.pkl``, one entry a stage of resolution; they are written again into each
``*.model.pkl``. What of it prediction needs becomes plans.json as version 2 writes it. Some rules of version 1 have no
words there (probabilities are averaged, not logits); for them stands the entry :data:`~.v2_folder.OURS`.

Facts: nnunet 1.7.1, ``nnUNetTrainer.process_plans``, ``nnUNetTrainerV2.initialize_network``, ``Generic_UNet``,
``inference/predict.py`` (``predict_cases``), ``preprocessing/preprocessing.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas.errors import BadFileError
from dapatlas.experts.nnunet.v2_folder import OURS, describe_unet

CONFIGURATION = "3d_fullres"
MOST_FEATURES = 320
"""Channels of a stage double from the finest on, up to this many (version 1, volumes)."""

DATA_ORDERS = {"GenericPreprocessor": 3, "GenericPreprocessor_linearResampling": 1}
"""Spline order in plane with which each known preprocessor resamples the picture; along a coarse axis it is 0."""

SCHEMES = {"CT": "CTNormalization", "CT2": "CT2Normalization", "noNorm": "NoNormalization"}
"""Version 1's names of normalisation; every other name means z-score."""

_RESAMPLE = "resample_data_or_seg_to_shape"


@dataclass(frozen=True)
class Layers:
    """The U-Net of version 1, finest stage first.

    Attributes
    ----------
    kernels
        Of the convolutions of each stage of the encoder. Stage *s* of the decoder has those of stage *s* + 1: version 1
        counts from the bottom there.
    pools
        Strides between stages, one fewer than kernels.
    convolutions
        In a stage.
    features
        Channels of each stage.
    in_channels, classes
        Channels of the input and of the output, background included.
    """

    kernels: tuple[tuple[int, int, int], ...]
    pools: tuple[tuple[int, int, int], ...]
    convolutions: int
    features: tuple[int, ...]
    in_channels: int
    classes: int

    @property
    def stages(self) -> int:
        """Resolutions, the bottom among them."""
        return len(self.kernels)

    @property
    def common_kernels(self) -> tuple[tuple[int, ...], ...]:
        """Kernels wide enough for encoder and decoder alike, for a network that has one size for both."""
        lower = (*self.kernels[1:], self.kernels[-1])
        return tuple(tuple(map(max, here, below)) for here, below in zip(self.kernels, lower, strict=True))


def read_layers(plans: Mapping[str, Any], path: Path, stage: int | None = None) -> Layers:
    """Find the network in the plans.

    Parameters
    ----------
    plans
        Content of plans.pkl.
    path
        Of the file, for errors.
    stage
        Of resolution; None where there is only one.

    Raises
    ------
    BadFileError
        These are no plans of version 1, or of slices, or kernels are of sizes that version 1's padding does not suit.
    """
    try:
        return _layers(plans, stage_of(plans, path, stage)[1], path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no_plans(path, error) from None


def _layers(plans: Mapping[str, Any], stage: Mapping[str, Any], path: Path) -> Layers:
    if len(stage["patch_size"]) != 3:
        raise BadFileError(
            f"{path}: plans of slices; only models of volumes (3d_fullres, 3d_lowres) are supported"
        )
    per_axis = [int(count) for count in stage["num_pool_per_axis"]]
    pools = _triples(stage.get("pool_op_kernel_sizes") or _pools_of_old_plans(per_axis))
    kernels = _triples(stage.get("conv_kernel_sizes") or [[3, 3, 3]] * (len(pools) + 1))
    if len(kernels) != len(pools) + 1 or any(size not in (1, 3) for kernel in kernels for size in kernel):
        raise BadFileError(
            f"{path}: kernels {kernels} with strides {pools}; expected one more, of sizes 1 and 3"
        )
    first = int(plans["base_num_features"])
    return Layers(
        kernels,
        pools,
        int(plans.get("conv_per_stage", 2)),
        tuple(min(first * 2**step, MOST_FEATURES) for step in range(len(kernels))),
        int(plans["num_modalities"]),
        int(plans["num_classes"]) + 1,
    )


def _pools_of_old_plans(per_axis: Sequence[int]) -> list[list[int]]:
    """Strides where plans only count how often each axis is halved: coarse axes join in last."""
    most = max(per_axis)
    return [[2 if most - count <= step else 1 for count in per_axis] for step in range(most)]


def _triples(values: Sequence[Sequence[Any]]) -> tuple[tuple[int, int, int], ...]:
    return tuple((int(a), int(b), int(c)) for a, b, c in values)


def stage_of(plans: Mapping[str, Any], path: Path, stage: int | None = None) -> tuple[int, Mapping[str, Any]]:
    """Pick a stage of resolution; version 1 numbers them from the coarsest.

    Raises
    ------
    BadFileError
        There is no such stage, or several and none was named.
    """
    stages: Mapping[int, Mapping[str, Any]] = plans["plans_per_stage"]
    number = next(iter(stages)) if stage is None and len(stages) == 1 else stage
    if number is None or number not in stages:
        raise BadFileError(
            f"{path}: plans for the stages {', '.join(map(str, stages))}, and the weights are of stage {number}"
        )
    return int(number), stages[number]


def translate_plans(
    plans: Mapping[str, Any], path: Path, *, stage: int | None = None, name: str = "imported"
) -> dict[str, Any]:
    """Write the plans of version 1 as version 2's plans.json.

    Parameters
    ----------
    plans, path, stage
        As for :func:`read_layers`.
    name
        Of the data set.

    Raises
    ------
    BadFileError
        These are no plans of version 1, or they ask for something unknown.
    """
    layers = read_layers(plans, path, stage)
    try:
        _, resolution = stage_of(plans, path, stage)
        return {
            "dataset_name": name,
            "plans_name": "nnUNetPlansv2.1",
            "image_reader_writer": "SimpleITKIO",
            "transpose_forward": _axes(plans, "transpose_forward"),
            "transpose_backward": _axes(plans, "transpose_backward"),
            "foreground_intensity_properties_per_channel": _intensities(plans),
            "configurations": {CONFIGURATION: _configuration(plans, resolution, layers, path)},
            OURS: {"dialect": "v1"},
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no_plans(path, error) from None


def channels_of(plans: Mapping[str, Any]) -> dict[str, str]:
    """Number to name of the channels, such as "0" to "CT"."""
    given = plans.get("modalities") or {}
    return {str(i): str(given.get(i, "CT")) for i in range(int(plans["num_modalities"]))}


def _axes(plans: Mapping[str, Any], key: str) -> list[int]:
    given = plans.get(key)
    return [0, 1, 2] if given is None else [int(axis) for axis in given]


def _configuration(
    plans: Mapping[str, Any], resolution: Mapping[str, Any], layers: Layers, path: Path
) -> dict[str, Any]:
    preprocessor = plans.get("preprocessor_name") or "GenericPreprocessor"
    if preprocessor not in DATA_ORDERS:
        raise BadFileError(
            f"{path}: asks for the preprocessor {preprocessor}; known are {', '.join(DATA_ORDERS)}"
        )
    back = plans.get("segmentation_export_params") or {}
    channels = range(layers.in_channels)
    return {
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": int(resolution["batch_size"]),
        "patch_size": [int(voxels) for voxels in resolution["patch_size"]],
        "spacing": [float(step) for step in resolution["current_spacing"]],
        "normalization_schemes": [
            SCHEMES.get(str(_of_channel(plans["normalization_schemes"], i)), "ZScoreNormalization")
            for i in channels
        ],
        "use_mask_for_norm": [bool(_of_channel(plans["use_mask_for_norm"], i)) for i in channels],
        "resampling_fn_data": _RESAMPLE,
        "resampling_fn_data_kwargs": _resampling(DATA_ORDERS[preprocessor], 0, None),
        "resampling_fn_probabilities": _RESAMPLE,
        "resampling_fn_probabilities_kwargs": _resampling(
            int(back.get("interpolation_order", 1)),
            int(back.get("interpolation_order_z", 0)),
            back.get("force_separate_z"),
        ),
        "architecture": describe_unet("PlainConvUNet", _sizes(layers)),
    }


def _of_channel(values: Any, channel: int) -> Any:
    """Version 1 keeps what it knows of channels in dictionaries or lists."""
    return values[channel]


def _resampling(order: int, order_z: int, separate: bool | None) -> dict[str, Any]:
    return {"is_seg": False, "order": order, "order_z": order_z, "force_separate_z": separate}


def _sizes(layers: Layers) -> dict[str, Any]:
    return {
        "features_per_stage": list(layers.features),
        "kernel_sizes": [list(kernel) for kernel in layers.common_kernels],
        "strides": [[1, 1, 1], *(list(pool) for pool in layers.pools)],
        "n_conv_per_stage": [layers.convolutions] * layers.stages,
        "n_conv_per_stage_decoder": [layers.convolutions] * (layers.stages - 1),
    }


def _intensities(plans: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """What was measured in the foreground of the training cases; only CT is measured."""
    measured = plans["dataset_properties"].get("intensityproperties") or {}
    words = {
        "mean": "mean", "sd": "std", "mn": "min", "mx": "max", "median": "median",
        "percentile_00_5": "percentile_00_5", "percentile_99_5": "percentile_99_5",
    }  # fmt: skip
    return {
        str(channel): {new: float(values[old]) for old, new in words.items() if old in values}
        for channel, values in measured.items()
    }


def _no_plans(path: Path, error: Exception) -> BadFileError:
    return BadFileError(f"{path}: not the plans of nnU-Net v1 ({type(error).__name__}: {error})")
