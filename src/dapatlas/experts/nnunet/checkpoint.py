"""Files of weights, read without running anything that is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from dapatlas.errors import BadFileError
from dapatlas.extras import needed

_PURPOSE = "to read the weights of nnU-Net models"


@dataclass(frozen=True)
class Checkpoint:
    """Weights, and what nnU-Net keeps beside them.

    Attributes
    ----------
    weights
        Name to tensor.
    trainer, configuration
        Names in nnU-Net, such as ``nnUNetTrainer`` and ``3d_fullres``.
    mirror_axes
        Axes on which the network may be mirrored; empty where none.
    """

    weights: Mapping[str, Any]
    trainer: str
    configuration: str
    mirror_axes: tuple[int, ...]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of nnU-Net v2 (``.pth``) or one of ours (``.safetensors``).

    Raises
    ------
    BadFileError
        The file is missing, truncated, no checkpoint of nnU-Net v2, or names code that weights don't need.
    """
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_pth(path)


def read_about(path: Path) -> Checkpoint:
    """Read what stands beside the weights; the weights themselves stay on the disk, or are left out.

    Raises
    ------
    BadFileError
        As for :func:`read_checkpoint`.
    """
    return _read_safetensors(path, with_weights=False) if path.suffix == ".safetensors" else _read_pth(path)


def _read_pth(path: Path) -> Checkpoint:
    content = load_torch_file(path)
    try:
        return Checkpoint(
            tensors_by_name(content["network_weights"], path),
            str(content["trainer_name"]),
            str(content["init_args"]["configuration"]),
            tuple(int(axis) for axis in content.get("inference_allowed_mirroring_axes") or ()),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise BadFileError(
            f"{path}: no checkpoint of nnU-Net v2 (no {error}); for weights of version 1 run: dapatlas models import"
        ) from None


def tensors_by_name(weights: Any, path: Path) -> dict[str, Any]:
    """Give weights as they are, names without what parallel training and compilation put before them.

    Raises
    ------
    BadFileError
        They are no weights.
    """
    is_tensor = needed("torch", "models", _PURPOSE).is_tensor
    if not isinstance(weights, Mapping) or not all(is_tensor(value) for value in weights.values()):
        raise BadFileError(f"{path}: no weights where nnU-Net keeps them; this is the file of something else")
    return {_plain_name(str(name)): value for name, value in weights.items()}


def _plain_name(name: str) -> str:
    for wrapper in ("module.", "_orig_mod."):
        name = name.removeprefix(wrapper)
    return name


def _read_safetensors(path: Path, *, with_weights: bool = True) -> Checkpoint:
    safetensors = needed("safetensors", "models", _PURPOSE)
    needed("safetensors.torch", "models", _PURPOSE)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            names = list(file.keys()) if with_weights else []
            weights = {name: file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise BadFileError(f"{path}: no such file") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise BadFileError(
            f"{path}: not readable as weights ({error}); copy or import the model again"
        ) from None
    axes = about.get("mirror_axes", "")
    return Checkpoint(
        weights,
        about.get("trainer", "nnUNetTrainer"),
        about.get("configuration", "3d_fullres"),
        tuple(int(axis) for axis in axes.split(",") if axis),
    )


def write_safetensors(path: Path, checkpoint: Checkpoint) -> None:
    """Write weights, each once, with what nnU-Net keeps beside them in the header.

    Tensors that are views of one another are not allowed: give each weight under one name.
    """
    save_file = needed("safetensors.torch", "models", "to write weights").save_file
    about = {
        "trainer": checkpoint.trainer,
        "configuration": checkpoint.configuration,
        "mirror_axes": ",".join(str(axis) for axis in checkpoint.mirror_axes),
    }
    tensors = {name: value.contiguous() for name, value in checkpoint.weights.items()}
    save_file(tensors, path, metadata=about)


def load_torch_file(path: Path) -> Any:
    """What ``torch.save`` wrote, with tensors on the CPU and mapped from disk where its format allows.

    Only tensors, plain containers and numpy's numbers are built; a file that asks for anything else is refused.

    Raises
    ------
    BadFileError
        The file is missing, truncated or refused.
    """
    torch = needed("torch", "models", _PURPOSE)
    if not path.is_file():
        raise BadFileError(f"{path}: no such file")
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"  # older files are a bare pickle and cannot be mapped
    try:
        with _numbers_of_numpy_allowed():
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except UnpicklingError as error:
        raise BadFileError(f"{path}: {_refusal(str(error))}") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, IndexError) as error:
        first = str(error).strip().partition("\n")[0]
        raise BadFileError(f"{path}: truncated, or no file of weights ({first}); copy it again") from None


@contextmanager
def _numbers_of_numpy_allowed() -> Iterator[None]:
    """Let checkpoints hold numpy's numbers: nnU-Net keeps its losses in them."""
    torch = needed("torch", "models", _PURPOSE)
    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in ("float64", "float32", "int64", "int32", "bool")]
    names = [(scalar, f"{module}.multiarray.scalar") for module in ("numpy.core", "numpy._core")]
    with torch.serialization.safe_globals([*names, np.dtype, *kinds]):
        yield


def _refusal(message: str) -> str:
    """Say in our words why torch refused a pickle."""
    named = re.search(r"GLOBAL ([\w.]+)", message) or re.search(r"`?([\w.]+)`? was not an allowed", message)
    if named is None:
        return "damaged, or no file of weights; copy it again"
    return (
        f"refused: it asks to run {named.group(1)}, which weights don't need; nothing was run. "
        "Don't use this file unless you know why"
    )
