"""Models of nnU-Net v1 as its trainer saves them, written by hand, and its network, worked out step by step.

Both follow nnunet 1.7.1 (`NetworkTrainer.save_checkpoint`, `Generic_UNet`), and neither uses it or code under test.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

EPSILON, SLOPE = 1e-5, 1e-2  # of instance norm and leaky ReLU in version 1

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class V1Spec:
    """Kernels and pools from the finest stage on; a decoder stage has the kernel of the stage below it."""

    kernels: tuple[Triple, ...] = ((3, 3, 3), (3, 3, 3), (3, 3, 3))
    pools: tuple[Triple, ...] = ((2, 2, 2), (2, 2, 2))
    classes: int = 3
    features: int = 4
    convolutions: int = 2
    folds: tuple[str, ...] = ("fold_0",)
    trainer: str = "nnUNetTrainerV2"
    checkpoint: str = "model_final_checkpoint"
    transpose: Triple = (0, 1, 2)
    spacing: tuple[float, float, float] = (3.0, 3.0, 3.0)
    patch: Triple = (16, 16, 16)

    def width(self, stage: int) -> int:
        return min(self.features * 2**stage, 320)


ANISOTROPIC = V1Spec(
    kernels=((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3)), pools=((1, 2, 2), (1, 2, 2), (2, 2, 2))
)


def v1_plans(spec: V1Spec) -> dict[str, Any]:
    """`plans.pkl`, with the types that version 1 uses."""
    foreground = OrderedDict(
        mean=np.float64(12.5), sd=np.float64(310.25), median=9.0, mn=-1024.0, mx=3000.0,
        percentile_00_5=np.float64(-990.25), percentile_99_5=np.float32(1100.5),
    )  # fmt: skip
    stage = {
        "batch_size": 2,
        "num_pool_per_axis": np.count_nonzero(np.array(spec.pools) == 2, axis=0).tolist(),
        "patch_size": np.array(spec.patch),
        "current_spacing": np.array(spec.spacing),
        "pool_op_kernel_sizes": [list(pool) for pool in spec.pools],
        "conv_kernel_sizes": [list(kernel) for kernel in spec.kernels],
        "do_dummy_2D_data_aug": np.bool_(False),
    }
    return {
        "num_modalities": 1,
        "modalities": {0: "CT"},
        "normalization_schemes": OrderedDict({0: "CT"}),
        "use_mask_for_norm": OrderedDict({0: False}),
        "dataset_properties": {"intensityproperties": OrderedDict({0: foreground}), "all_sizes": [(9, 9, 9)]},
        "num_classes": spec.classes - 1,
        "all_classes": list(range(1, spec.classes)),
        "base_num_features": spec.features,
        "transpose_forward": list(spec.transpose),
        "transpose_backward": np.argsort(spec.transpose).tolist(),
        "plans_per_stage": {0: stage},
        "preprocessor_name": "GenericPreprocessor",
        "conv_per_stage": spec.convolutions,
    }


def v1_state(spec: V1Spec, seed: int = 0) -> OrderedDict[str, Any]:
    """Random weights under the names of `Generic_UNet`."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    return OrderedDict(
        (name, torch.randn(shape, generator=generator) * (0.3 if len(shape) > 1 else 0.5))
        for name, shape in _shapes(spec)
    )


def _shapes(spec: V1Spec) -> Iterator[tuple[str, tuple[int, ...]]]:
    bottom = len(spec.pools)
    for stage in range(bottom + 1):
        into = 1 if stage == 0 else spec.width(stage - 1)
        names = places(f"conv_blocks_context.{stage}", spec, split=stage == bottom)
        yield from _convolutions(names, into, spec.width(stage), spec.kernels[stage])
    for up, stage in enumerate(reversed(range(bottom))):
        width = spec.width(stage)
        names = places(f"conv_blocks_localization.{up}", spec, split=True)
        yield from _convolutions(names, 2 * width, width, spec.kernels[stage + 1])
        yield f"tu.{up}.weight", (spec.width(stage + 1), width, *spec.pools[stage])
        yield f"seg_outputs.{up}.weight", (spec.classes, width, 1, 1, 1)


def places(name: str, spec: V1Spec, *, split: bool) -> list[str]:
    """Names of the convolutions of a stage."""
    if not split:
        return [f"{name}.blocks.{i}" for i in range(spec.convolutions)]
    return [f"{name}.0.blocks.{i}" for i in range(spec.convolutions - 1)] + [f"{name}.1.blocks.0"]


def _convolutions(
    names: list[str], into: int, width: int, kernel: Triple
) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name in names:
        yield f"{name}.conv.weight", (width, into, *kernel)
        for vector in ("conv.bias", "instnorm.weight", "instnorm.bias"):
            yield f"{name}.{vector}", (width,)
        into = width


def v1_forward(state: dict[str, Any], spec: V1Spec, x: Any) -> Any:
    """Logits of version 1's network, layer by layer."""
    from torch import cat
    from torch.nn.functional import conv3d, conv_transpose3d, instance_norm, leaky_relu

    def convolve(x: Any, names: list[str], pool: Triple) -> Any:
        for name in names:
            kernel = state[f"{name}.conv.weight"]
            padding = [1 if size == 3 else 0 for size in kernel.shape[2:]]
            x = conv3d(x, kernel, state[f"{name}.conv.bias"], pool, padding)
            norm = state[f"{name}.instnorm.weight"], state[f"{name}.instnorm.bias"]
            x = leaky_relu(instance_norm(x, None, None, *norm, eps=EPSILON), SLOPE)
            pool = (1, 1, 1)
        return x

    bottom, skips = len(spec.pools), []
    for stage in range(bottom + 1):
        names = places(f"conv_blocks_context.{stage}", spec, split=stage == bottom)
        x = convolve(x, names, (1, 1, 1) if stage == 0 else spec.pools[stage - 1])
        skips.append(x)
    for up, stage in enumerate(reversed(range(bottom))):
        x = conv_transpose3d(x, state[f"tu.{up}.weight"], stride=spec.pools[stage])
        names = places(f"conv_blocks_localization.{up}", spec, split=True)
        x = convolve(cat((x, skips[stage]), dim=1), names, (1, 1, 1))
    return conv3d(x, state[f"seg_outputs.{bottom - 1}.weight"])


def write_v1_model(folder: Path, spec: V1Spec) -> Path:
    """A folder of results of version 1."""
    folder.mkdir(parents=True)
    write_pickle(folder / "plans.pkl", v1_plans(spec))
    for number, fold in enumerate(spec.folds):
        write_v1_fold(folder / fold, spec, number)
    return folder


def write_v1_fold(folder: Path, spec: V1Spec, seed: int = 0) -> None:
    """Weights and settings of a fold, with numpy's numbers among the losses, as after training."""
    import torch

    folder.mkdir(exist_ok=True)
    content = {
        "epoch": 1000,
        "state_dict": v1_state(spec, seed),
        "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 1e-5, "momentum": 0.99}]},
        "lr_scheduler_state_dict": None,
        "plot_stuff": ([np.float64(-0.5)], [np.float32(0.1)], [], [np.float64(0.9)]),
        "best_stuff": (None, None, np.float64(0.9)),
    }
    path = folder / f"{spec.checkpoint}.model"
    torch.save(content, path)
    settings = OrderedDict(
        init=("/work/plans.pkl", 0, "/results", "/preprocessed", True, 0, True, False, True),
        name=spec.trainer,
    )
    settings["class"] = f"<class 'nnunet.training.network_training.{spec.trainer}.{spec.trainer}'>"
    settings["plans"] = v1_plans(spec)
    write_pickle(path.with_name(f"{path.name}.pkl"), settings)


def write_pickle(path: Path, content: Any, protocol: int = 4) -> None:
    path.write_bytes(pickle.dumps(content, protocol))
