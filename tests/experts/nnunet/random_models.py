"""Model folders in nnU-Net v2's form with random weights, and what nnunetv2's own predictor makes of them."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.experts.nnunet.plans import Architecture, Dialect, Intensity, Plans, Resampling, ResamplingRule
from dapatlas.experts.nnunet.spacing import network_spacing
from dapatlas.volumes import Grid

INTENSITIES = {"mean": 60.0, "std": 180.0, "percentile_00_5": -900.0, "percentile_99_5": 700.0}


def random_model(
    folder: Path,
    *,
    spacing: Sequence[float] = (2.0, 1.5, 1.5),
    patch: Sequence[int] = (16, 24, 16),
    classes: int = 5,
    transpose: Sequence[int] = (0, 1, 2),
    mirror: Sequence[int] | None = (0, 1, 2),
    folds: int = 1,
) -> Path:
    """Write a folder that nnunetv2 can predict with: a small U-Net whose weights spread the classes well."""
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    architecture = {
        "n_stages": 2,
        "features_per_stage": [8, 16],
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[3, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [2, 2, 2]],
        "n_conv_per_stage": [1, 1],
        "n_conv_per_stage_decoder": [1],
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    _write(folder, architecture, spacing, patch, classes, transpose)
    kwargs = architecture | {
        "conv_op": torch.nn.Conv3d,
        "norm_op": torch.nn.InstanceNorm3d,
        "nonlin": torch.nn.LeakyReLU,
    }
    for fold in range(folds):
        torch.manual_seed(7 + fold)
        network = PlainConvUNet(input_channels=1, num_classes=classes, deep_supervision=True, **kwargs)
        with torch.no_grad():
            for layer in network.decoder.seg_layers:
                layer.weight *= 20
        (folder / f"fold_{fold}").mkdir()
        torch.save(
            {
                "network_weights": network.state_dict(),
                "trainer_name": "nnUNetTrainer",
                "init_args": {"configuration": "3d_fullres", "fold": fold},
                "inference_allowed_mirroring_axes": tuple(mirror) if mirror else None,
            },
            folder / f"fold_{fold}" / "checkpoint_final.pth",
        )
    return folder


def _write(
    folder: Path,
    architecture: dict[str, Any],
    spacing: Sequence[float],
    patch: Sequence[int],
    classes: int,
    transpose: Sequence[int],
) -> None:
    folder.mkdir(parents=True)
    resample = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch),
        "spacing": list(spacing),
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resample,
        "resampling_fn_seg_kwargs": resample | {"is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": resample | {"order": 1},
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": architecture,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }
    plans = {
        "dataset_name": "Dataset999_Random",
        "plans_name": "nnUNetPlans",
        "transpose_forward": list(transpose),
        "transpose_backward": np.argsort(transpose).tolist(),
        "image_reader_writer": "SimpleITKIO",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": INTENSITIES},
        "configurations": {"3d_fullres": configuration},
    }
    labels = {"background": 0} | {f"structure {i}": i for i in range(1, classes)}
    dataset = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))


def nnunet_predictor(folder: Path, *, tta: bool, folds: Sequence[int] = (0,)) -> Any:
    """Give nnunetv2's own predictor on the CPU, silenced."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    with contextlib.redirect_stdout(io.StringIO()):
        predictor = nnUNetPredictor(use_mirroring=tta, device=torch.device("cpu"), allow_tqdm=False)
        predictor.initialize_from_trained_model_folder(str(folder), tuple(folds), "checkpoint_final.pth")
    return predictor


def nnunet_input(ct: NDArray[Any], grid: Grid, plans: Plans) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Array and properties as nnunetv2's readers give them for a file with this CT."""
    spacing = network_spacing(grid, plans)
    back = plans.transpose_backward
    return ct.transpose(2, 1, 0)[None].astype(np.float32), {"spacing": [spacing[a] for a in back]}


def nnunet_labels(predictor: Any, ct: NDArray[Any], grid: Grid, plans: Plans) -> NDArray[Any]:
    """Give the label map of nnunetv2's predictor, in the file's axes."""
    image, properties = nnunet_input(ct, grid, plans)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return predictor.predict_single_npy_array(image, properties).transpose(2, 1, 0)


def noisy_ct(shape: Sequence[int], seed: int = 0) -> NDArray[np.int16]:
    """A CT with smooth blobs from air to bone, of no meaning."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.5)
    return np.asfortranarray((noise / noise.std() * 500 - 100).clip(-1024, 2000).astype(np.int16))


def bare_plans(
    dialect: Dialect,
    *,
    spacing: Sequence[float] = (1.5, 1.5, 1.5),
    patch: Sequence[int] = (16, 16, 16),
    transpose: Sequence[int] = (0, 1, 2),
    classes: int = 5,
    mirror: Sequence[int] = (0, 1, 2),
) -> Plans:
    """Plans without a folder, for networks made in the test."""
    back = np.argsort(transpose).tolist()
    return Plans(
        dialect=dialect,
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
        patch=(patch[0], patch[1], patch[2]),
        transpose_forward=(transpose[0], transpose[1], transpose[2]),
        transpose_backward=(back[0], back[1], back[2]),
        intensities=(Intensity("CT", 60.0, 180.0, -900.0, 700.0),),
        mirror_axes=tuple(mirror),
        labels={f"structure {i}" if i else "background": i for i in range(classes)},
        architecture=Architecture("", {"features_per_stage": [4], "strides": [1]}, (), 1, classes),
        resampling=Resampling(ResamplingRule(3, 0), ResamplingRule(1, 0)),
        channel_names={"0": "CT"},
    )
