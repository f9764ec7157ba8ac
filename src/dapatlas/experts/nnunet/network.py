"""The network that plans describe, and weights put into it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dapatlas.errors import BadFileError, first_few
from dapatlas.experts.nnunet.plans import Architecture
from dapatlas.extras import needed

ARCHITECTURES = ("PlainConvUNet", "ResidualEncoderUNet", "ResidualUNet")
"""Classes of ``dynamic_network_architectures.architectures.unet`` that a model may ask for.

Plans come with the weights, from anywhere: a name in them is looked up in this list and in ``torch.nn``, never imported
as it stands.
"""

_PURPOSE = "to run nnU-Net models"


def build_network(architecture: Architecture, path: Path) -> Any:
    """Build the network (a ``torch.nn.Module``) with weights not yet set and one output, the finest.

    Parameters
    ----------
    path
        The plans that describe it, for errors.

    Raises
    ------
    BadFileError
        The architecture is not one that can be built here, or its settings don't fit it.
    """
    name = architecture.class_name.rpartition(".")[2]
    if name not in ARCHITECTURES:
        raise BadFileError(
            f"{path}: asks for the network {architecture.class_name}; known are {', '.join(ARCHITECTURES)}: "
            "predict with the nnU-Net that trained it, and take its label maps as an expert"
        )
    unets = needed("dynamic_network_architectures.architectures.unet", "models", _PURPOSE)
    settings = {key: _setting(architecture, key, path) for key in architecture.kwargs} | {
        "deep_supervision": False
    }
    try:
        return getattr(unets, name)(
            input_channels=architecture.in_channels, num_classes=architecture.classes, **settings
        )
    except (TypeError, ValueError, AssertionError, IndexError, KeyError) as error:
        raise BadFileError(f"{path}: {name} cannot be built as it is described there: {error}") from None


def _setting(architecture: Architecture, key: str, path: Path) -> Any:
    """One argument of the network; names of layers become the classes of torch they stand for."""
    value = architecture.kwargs[key]
    if key not in architecture.kwargs_to_import or value is None:
        return value
    layer = getattr(needed("torch.nn", "models", _PURPOSE), str(value).rpartition(".")[2], None)
    if not str(value).startswith("torch.nn.") or not isinstance(layer, type):
        raise BadFileError(f"{path}: gives {value!r} for {key}, which is no layer of torch.nn")
    return layer


def load_weights(network: Any, weights: Mapping[str, Any], path: Path) -> None:
    """Copy weights into a network, every one of them and nothing else.

    nnU-Net's networks hold each layer under several names; a checkpoint may have all of them or one.

    Parameters
    ----------
    weights
        Name to tensor, as ``state_dict`` names them.
    path
        Where they come from, for errors.

    Raises
    ------
    BadFileError
        A weight is missing, has another shape than the plans say, or does not belong here.
    """
    torch = needed("torch", "models", _PURPOSE)
    wanted = dict(network.named_parameters()) | dict(network.named_buffers())
    _same_classes(wanted, weights, path)
    problems = [_problem(name, tensor, weights.get(name)) for name, tensor in wanted.items()]
    problems += [f"{name} has no place in it" for name in weights.keys() - network.state_dict().keys()]
    found = [problem for problem in problems if problem]
    if found:
        raise BadFileError(
            f"{path}: the weights don't fit the network that the plans describe: {first_few(found, 3, '; ')}; "
            "these are the weights of another model, or the plans of another"
        )
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(weights[name])


def _problem(name: str, tensor: Any, given: Any | None) -> str | None:
    if given is None:
        return f"{name} is missing"
    if tuple(given.shape) != tuple(tensor.shape):
        return f"{name} has shape {tuple(given.shape)}, expected {tuple(tensor.shape)}"
    return None


def _same_classes(wanted: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> None:
    """Refuse weights with another number of classes, the surest sign of another task's weights."""
    name = max((name for name in wanted if name.startswith("decoder.seg_layers.")), default=None)
    if name is None or name not in given or not given[name].ndim:
        return
    if given[name].shape[0] != wanted[name].shape[0]:
        raise BadFileError(
            f"{path}: its weights tell {given[name].shape[0]} classes apart, background included, but the model's "
            f"dataset.json names {wanted[name].shape[0]}; these are the weights of another task"
        )
