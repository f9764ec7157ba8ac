"""The weights of nnU-Net v1, given the names and shapes that ``dynamic_network_architectures`` uses.

Version 1's ``Generic_UNet`` and version 2's ``PlainConvUNet`` are the same network with three differences:

- names: ``conv_blocks_context`` is the encoder, ``conv_blocks_localization`` the decoder, ``tu`` the transposed
  convolutions, ``seg_outputs`` the outputs; the last convolution of the bottom and of each decoder stage sits in a
  block of its own;
- version 1 has no biases in transposed convolutions and outputs: they become zeros;
- version 1's decoder takes its kernels from one stage further down (see :class:`~.v1_plans.Layers`). Where that makes
  1×3×3 and 3×3×3 meet in a stage, the smaller kernel is laid into the middle of a larger one of zeros, which computes
  the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas.errors import BadFileError
from dapatlas.experts.nnunet.checkpoint import load_torch_file, tensors_by_name
from dapatlas.experts.nnunet.v1_plans import Layers
from dapatlas.extras import needed

_VECTORS = {"conv.bias": "conv.bias", "instnorm.weight": "norm.weight", "instnorm.bias": "norm.bias"}
"""What goes with a convolution: one number a channel."""


def read_weights(path: Path, layers: Layers) -> dict[str, Any]:
    """Read ``*.model`` of version 1: weights by the names and in the shapes of version 2, each once.

    Parameters
    ----------
    layers
        Of its plans.

    Raises
    ------
    BadFileError
        The file is missing, truncated or unsafe, or its weights are not those of such a network.
    """
    content = load_torch_file(path)
    if not isinstance(content, Mapping) or "state_dict" not in content:
        raise BadFileError(f"{path}: no checkpoint of nnU-Net v1 (no state_dict)")
    weights = tensors_by_name(content["state_dict"], path)
    _same_classes(weights, layers, path)
    return translate_weights(weights, layers, path)


def _same_classes(weights: Mapping[str, Any], layers: Layers, path: Path) -> None:
    finest = weights.get(f"seg_outputs.{layers.stages - 2}.weight")
    if finest is not None and finest.shape[0] != layers.classes:
        raise BadFileError(
            f"{path}: its weights tell {finest.shape[0]} classes apart, background included, but plans.pkl counts "
            f"{layers.classes}; these are the weights of another task"
        )


def translate_weights(weights: Mapping[str, Any], layers: Layers, path: Path) -> dict[str, Any]:
    """Rename and reshape weights, each given once.

    Raises
    ------
    BadFileError
        A weight is missing, has another shape than the plans say, or is left over.
    """
    left = dict(weights)
    new = {rename.new: _widened(_take(left, rename, path), rename) for rename in _renames(layers)}
    if left:
        raise BadFileError(
            f"{path}: {len(left)} weights have no place in the network of the plans ({', '.join(sorted(left)[:3])}…); "
            "these are the weights of another model, or of another trainer"
        )
    return new | _zero_biases(layers)


@dataclass(frozen=True)
class _Rename:
    """One weight: its name in version 1 and 2, its shape in version 1, and the kernel it must get, if any."""

    old: str
    new: str
    shape: tuple[int, ...]
    kernel: tuple[int, ...] = ()


def _take(left: dict[str, Any], rename: _Rename, path: Path) -> Any:
    value = left.pop(rename.old, None)
    if value is None or tuple(value.shape) != rename.shape:
        found = "is missing" if value is None else f"has shape {tuple(value.shape)}"
        raise BadFileError(
            f"{path}: {rename.old} {found}, expected shape {rename.shape}: the plans beside it are of another model, "
            "or the trainer built another network"
        )
    return value


def _widened(value: Any, rename: _Rename) -> Any:
    """Lay a kernel into the middle of a larger one of zeros."""
    margins = [(after - before) // 2 for after, before in zip(rename.kernel, value.shape[2:], strict=False)]
    if not any(margins):
        return value
    pad = needed("torch.nn.functional", "models", "to translate weights").pad
    return pad(value, [margin for size in reversed(margins) for margin in (size, size)])


def _renames(layers: Layers) -> Iterator[_Rename]:
    """Every weight of version 1."""
    bottom, features = layers.stages - 1, layers.features
    for stage in range(layers.stages):
        channels = layers.in_channels if stage == 0 else features[stage - 1]
        block = _Block(channels, features[stage], layers.kernels[stage], layers.common_kernels[stage])
        old, new = f"conv_blocks_context.{stage}", f"encoder.stages.{stage}.0"
        yield from _renames_of_block(block, _places(old, layers.convolutions, stage == bottom), new)
    for up in range(bottom):
        stage = bottom - 1 - up
        width = features[stage]
        transposed = (features[stage + 1], width, *layers.pools[stage])
        yield _Rename(f"tu.{up}.weight", f"decoder.transpconvs.{up}.weight", transposed)
        block = _Block(2 * width, width, layers.kernels[stage + 1], layers.common_kernels[stage])
        places = _places(f"conv_blocks_localization.{up}", layers.convolutions, True)
        yield from _renames_of_block(block, places, f"decoder.stages.{up}")
        output = (layers.classes, width, 1, 1, 1)
        yield _Rename(f"seg_outputs.{up}.weight", f"decoder.seg_layers.{up}.weight", output)


@dataclass(frozen=True)
class _Block:
    """Convolutions one after another: channels in and out, their kernel, and the kernel they get."""

    channels: int
    width: int
    kernel: tuple[int, ...]
    new_kernel: tuple[int, ...]


def _places(old: str, convolutions: int, split: bool) -> list[str]:
    """Names of a stage's convolutions in version 1; ``split`` where the last sits in a block of its own."""
    if not split:
        return [f"{old}.blocks.{number}" for number in range(convolutions)]
    return [*(f"{old}.0.blocks.{number}" for number in range(convolutions - 1)), f"{old}.1.blocks.0"]


def _renames_of_block(block: _Block, places: list[str], new: str) -> Iterator[_Rename]:
    for number, place in enumerate(places):
        channels = block.channels if number == 0 else block.width
        shape = (block.width, channels, *block.kernel)
        yield _Rename(f"{place}.conv.weight", f"{new}.convs.{number}.conv.weight", shape, block.new_kernel)
        for was, becomes in _VECTORS.items():
            yield _Rename(f"{place}.{was}", f"{new}.convs.{number}.{becomes}", (block.width,))


def _zero_biases(layers: Layers) -> dict[str, Any]:
    torch = needed("torch", "models", "to translate weights")
    biases = {}
    for up in range(layers.stages - 1):
        biases[f"decoder.transpconvs.{up}.bias"] = torch.zeros(layers.features[layers.stages - 2 - up])
        biases[f"decoder.seg_layers.{up}.bias"] = torch.zeros(layers.classes)
    return biases
