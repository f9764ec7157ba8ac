"""Plans of nnU-Net v1 in the words of version 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from v1_models import ANISOTROPIC, V1Spec, v1_plans

from dapatlas.errors import BadFileError
from dapatlas.experts.nnunet.v1_plans import read_layers, translate_plans

NEEDS_TORCH = False
PATH = Path("plans.pkl")


def changed(**entries: Any) -> dict[str, Any]:
    return v1_plans(V1Spec()) | entries


def stage_changed(**entries: Any) -> dict[str, Any]:
    plans = v1_plans(V1Spec())
    return plans | {"plans_per_stage": {0: plans["plans_per_stage"][0] | entries}}


def configuration(plans: dict[str, Any], **options: Any) -> dict[str, Any]:
    return translate_plans(plans, PATH, **options)["configurations"]["3d_fullres"]


def test_what_prediction_needs_is_carried_over() -> None:
    spec = V1Spec(spacing=(5.0, 0.7, 0.8), patch=(20, 64, 48), transpose=(2, 0, 1))
    plans = translate_plans(v1_plans(spec), PATH, name="Task901_X")
    found = plans["configurations"]["3d_fullres"]
    assert (found["spacing"], found["patch_size"]) == ([5.0, 0.7, 0.8], [20, 64, 48])
    assert (plans["transpose_forward"], plans["transpose_backward"]) == ([2, 0, 1], [1, 2, 0])
    assert (found["normalization_schemes"], found["use_mask_for_norm"]) == (["CTNormalization"], [False])
    measured = plans["foreground_intensity_properties_per_channel"]["0"]
    assert {key: measured[key] for key in ("mean", "std", "percentile_00_5", "percentile_99_5")} == {
        "mean": 12.5, "std": 310.25, "percentile_00_5": -990.25, "percentile_99_5": 1100.5,
    }  # fmt: skip
    assert plans["dapatlas"] == {"dialect": "v1"}


def test_resampling_is_cubic_there_and_linear_back() -> None:
    found = configuration(v1_plans(V1Spec()))
    there, back = found["resampling_fn_data_kwargs"], found["resampling_fn_probabilities_kwargs"]
    assert (there["order"], there["order_z"], there["force_separate_z"]) == (3, 0, None)
    assert (back["order"], back["order_z"], back["force_separate_z"]) == (1, 0, None)


def test_export_settings_of_the_plans_hold() -> None:
    export = {"force_separate_z": False, "interpolation_order": 0, "interpolation_order_z": 1}
    back = configuration(changed(segmentation_export_params=export))["resampling_fn_probabilities_kwargs"]
    assert (back["order"], back["order_z"], back["force_separate_z"]) == (0, 1, False)


def test_linear_preprocessor() -> None:
    plans = changed(preprocessor_name="GenericPreprocessor_linearResampling")
    assert configuration(plans)["resampling_fn_data_kwargs"]["order"] == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [("CT2", "CT2Normalization"), ("noNorm", "NoNormalization"), ("nonCT", "ZScoreNormalization")],
)
def test_normalisation(old: str, new: str) -> None:
    assert configuration(changed(normalization_schemes={0: old}))["normalization_schemes"] == [new]


def test_channels_double_up_to_320() -> None:
    spec = V1Spec(kernels=((3, 3, 3),) * 6, pools=((2, 2, 2),) * 5, features=32)
    assert read_layers(v1_plans(spec), PATH).features == (32, 64, 128, 256, 320, 320)


def test_kernels_are_wide_enough_for_encoder_and_decoder() -> None:
    """The decoder takes its kernels from one stage further down."""
    sizes = configuration(v1_plans(ANISOTROPIC))["architecture"]["arch_kwargs"]
    assert sizes["kernel_sizes"] == [[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]]
    assert sizes["strides"] == [[1, 1, 1], [1, 2, 2], [1, 2, 2], [2, 2, 2]]


def test_old_plans_count_halvings_only() -> None:
    """Coarse axes join in at the bottom: with 1, 2, 2 halvings the first step leaves the first axis alone."""
    plans = stage_changed(num_pool_per_axis=[1, 2, 2], pool_op_kernel_sizes=None, conv_kernel_sizes=None)
    layers = read_layers(plans, PATH)
    assert layers.pools == ((1, 2, 2), (2, 2, 2))
    assert layers.kernels == ((3, 3, 3),) * 3


def test_transposition_may_be_missing() -> None:
    plans = translate_plans(changed(transpose_forward=None, transpose_backward=None), PATH)
    assert (plans["transpose_forward"], plans["transpose_backward"]) == ([0, 1, 2], [0, 1, 2])


def test_a_stage_must_be_named_where_there_are_two() -> None:
    plans = v1_plans(V1Spec())
    stage = plans["plans_per_stage"][0]
    two = plans | {"plans_per_stage": {0: stage | {"current_spacing": [6, 6, 6]}, 1: stage}}
    assert configuration(two, stage=0)["spacing"] == [6, 6, 6]
    assert configuration(two, stage=1)["spacing"] == [3, 3, 3]
    with pytest.raises(BadFileError, match="stages 0, 1, and the weights are of stage None"):
        translate_plans(two, PATH)


@pytest.mark.parametrize(
    ("plans", "message"),
    [
        (stage_changed(patch_size=[64, 64]), "plans of slices"),
        (stage_changed(conv_kernel_sizes=[[5, 5, 5]] * 3), "of sizes 1 and 3"),
        (stage_changed(conv_kernel_sizes=[[3, 3, 3]] * 2), "expected one more"),
        (changed(preprocessor_name="PreprocessorFor2D"), "the preprocessor PreprocessorFor2D; known are"),
        ({}, r"not the plans of nnU-Net v1 \(KeyError: 'plans_per_stage'\)"),
        ([], "not the plans of nnU-Net v1"),
        (changed(num_classes=None), "not the plans of nnU-Net v1"),
    ],
)
def test_what_cannot_be_used_is_told(plans: Any, message: str) -> None:
    with pytest.raises(BadFileError, match=f"^plans.pkl: .*{message}"):
        translate_plans(plans, PATH)
