"""How much memory a prediction takes, told before it starts, and the cuts that make it fit.

The estimate counts the large arrays: the CT and its copies while it is prepared, the window of scores, a network's
activations for one tile. It is meant to be somewhat too high.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from dapatlas.errors import DapatlasError
from dapatlas.experts.nnunet.columns import Layout, layouts, padded_maps
from dapatlas.experts.nnunet.plans import Architecture, Plans
from dapatlas.experts.nnunet.preprocess import Prepared, way_back
from dapatlas.experts.nnunet.spacing import coarse_axis_back, file_axes, network_shape, network_spacing
from dapatlas.experts.nnunet.tiles import Triple, tiling
from dapatlas.extras import needed
from dapatlas.memory import GB, free_gb
from dapatlas.volumes import Grid, reorient

DEFAULT_GB = 10.0  # of host memory, where nothing else is said
DEVICE_GB = 12.0  # of a GPU's
SHARE = 0.9  # of what is free
LIBRARIES_GB = 0.6  # torch, numpy and scipy, loaded
LARGE_FEATURE_MAPS = 6  # as large as the patch, beside the skip connections, while the finest layers work
BLOCK_GB = 0.15  # the blocks whose labels are being found


class NotEnoughMemoryError(DapatlasError):
    """A prediction would not fit in memory."""


@dataclass(frozen=True)
class Need:
    """What a prediction takes.

    Attributes
    ----------
    host_gb, device_gb
        Largest memory of the process, and on the device (0 on the CPU).
    host_limit_gb, device_limit_gb
        What it must keep within.
    layout
        The cuts that were chosen.
    least_tiles
        How many tiles there would be without cuts.
    sums_on
        Where the window of scores lives: the device, or ``cpu``.
    classes
        Of the model.
    tta
        Whether tiles are mirrored.
    """

    host_gb: float
    device_gb: float
    host_limit_gb: float
    device_limit_gb: float
    layout: Layout
    least_tiles: int
    sums_on: str
    classes: int
    tta: bool

    @property
    def fits(self) -> bool:
        """Whether both limits are kept."""
        return self.host_gb <= self.host_limit_gb and self.device_gb <= self.device_limit_gb


def estimate(
    plans: Plans,
    grid: Grid,
    *,
    folds: int = 1,
    tta: bool = False,
    step: float = 0.5,
    device: str = "cpu",
    memory_gb: float | None = None,
) -> Need:
    """Estimate what a CT of this grid will take, from its header alone.

    Parameters
    ----------
    plans
        Of the model.
    grid
        Of the CT; nothing is taken to be cropped.
    folds, tta, step, device, memory_gb
        As :func:`~dapatlas.experts.nnunet.segment.segment` takes them.
    """
    seen = reorient(np.broadcast_to(np.uint8(0), grid.shape), grid, "RAS")[1] if plans.reorients else grid
    i, j, k = (seen.shape[axis] for axis in file_axes(plans))
    spacing = network_spacing(seen, plans)
    shape = network_shape((i, j, k), spacing, plans)
    sizes = _Sizes((i, j, k), shape, coarse_axis_back(spacing, plans))
    return _need(plans, sizes, folds, tta, step, device, memory_gb)


def need_of(
    plans: Plans,
    prepared: Prepared,
    *,
    folds: int = 1,
    tta: bool = False,
    step: float = 0.5,
    device: str = "cpu",
    memory_gb: float | None = None,
) -> Need:
    """Estimate what a prepared CT will take; see :func:`estimate`."""
    sizes = _Sizes(prepared.cropped, prepared.shape, prepared.coarse_back)
    return _need(plans, sizes, folds, tta, step, device, memory_gb)


def require(need: Need) -> None:
    """Stop before a prediction that would not fit.

    Raises
    ------
    NotEnoughMemoryError
        It would not; the message says what to change.
    """
    if need.host_gb > need.host_limit_gb:
        raise NotEnoughMemoryError(
            f"predicting {need.classes} classes would take {need.host_gb:.1f} GB of memory even in the smallest "
            f"pieces, and {need.host_limit_gb:.1f} GB are allowed or free; {_advice(need)}"
        )
    if need.device_gb > need.device_limit_gb:
        raise NotEnoughMemoryError(
            f"predicting {need.classes} classes would take {need.device_gb:.1f} GB on the GPU, and "
            f"{need.device_limit_gb:.1f} GB are free; {_advice(need)}, or use the CPU (device cpu)"
        )


@dataclass(frozen=True)
class _Sizes:
    kept: Triple
    network: Triple
    coarse_back: int | None


def _need(
    plans: Plans, sizes: _Sizes, folds: int, tta: bool, step: float, device: str, memory_gb: float | None
) -> Need:
    cut = tiling(sizes.network, plans.patch, step)
    maps = padded_maps(way_back(sizes.network, sizes.kept, sizes.coarse_back, plans), cut.pad)
    bytes_a_voxel = (plans.classes + 1) * (2 if plans.dialect == "v2" else 4)
    tile_gb = _network_gb(plans, folds, tta)
    padding = 0 if cut.padded == cut.shape else prod(cut.padded)
    volumes_gb = LIBRARIES_GB + (prod(sizes.kept) * 6 + prod(sizes.network) * 4 + padding * 4) / GB
    preparing_gb = LIBRARIES_GB + (prod(sizes.kept) * 24 + prod(sizes.network) * 12) / GB
    on_cpu = device == "cpu"
    host_limit, device_limit = _host_limit(memory_gb), _device_limit(device)
    one_tile_gb = plans.classes * prod(plans.patch) * 4 / GB

    def with_sums(layout: Layout, sums_on: str) -> Need:
        sums = layout.voxels * bytes_a_voxel / GB + BLOCK_GB
        host = volumes_gb + (tile_gb if on_cpu else one_tile_gb) + (sums if sums_on == "cpu" else 0)
        gpu = 0.0 if on_cpu else tile_gb + (0 if sums_on == "cpu" else sums)
        return Need(
            max(host, preparing_gb),
            gpu,
            host_limit,
            device_limit,
            layout,
            cut.count,
            sums_on,
            plans.classes,
            tta,
        )

    found = list(layouts(cut, maps))
    for sums_on in (device, "cpu") if device.startswith("cuda") else ("cpu",):
        for layout in found:
            need = with_sums(layout, sums_on)
            if need.fits:
                return need
    return with_sums(min(found, key=lambda layout: layout.voxels), "cpu")


def _network_gb(plans: Plans, folds: int, tta: bool) -> float:
    """Weights, activations of one tile, and its scores.

    The last layer's output is held twice for a moment, as the CPU's library brings it from its own layout into torch's;
    where tiles are mirrored or folds averaged, those that it is added to come on top.
    """
    voxels = prod(plans.patch)
    scores = plans.classes * voxels * (3 if tta or folds > 1 else 2)
    return (
        scores * 4
        + _activations(plans.architecture, plans.patch) * 4
        + folds * _weights(plans.architecture) * 4
    ) / GB


def _activations(network: Architecture, patch: Triple) -> float:
    """Numbers held at a time: every stage's output for the skip connections, and the finest stages' work."""
    features: list[int] = network.kwargs.get("features_per_stage") or [32]
    strides = network.kwargs.get("strides") or [1] * len(features)
    voxels, held = float(prod(patch)), 0.0
    for count, stride in zip(features, strides, strict=False):
        voxels /= prod(stride) if isinstance(stride, list | tuple) else stride**3
        held += count * voxels
    return held + LARGE_FEATURE_MAPS * features[0] * prod(patch)


def _weights(network: Architecture) -> float:
    """Parameters, roughly: two convolutions of 3×3×3 a stage on the way down, two and a half on the way up."""
    features = network.kwargs.get("features_per_stage") or [32]
    return float(sum(4.5 * 27 * count * count for count in features))


def _host_limit(memory_gb: float | None) -> float:
    free = free_gb()
    most = DEFAULT_GB if memory_gb is None else memory_gb
    return most if free is None else min(most, free * SHARE)


def _device_limit(device: str) -> float:
    if not device.startswith("cuda"):
        return 0.0 if device == "cpu" else DEVICE_GB
    torch = needed("torch", "models", "to predict with a network")
    free_bytes: int = torch.cuda.mem_get_info(device)[0]
    return min(DEVICE_GB, SHARE * free_bytes / GB)


def _advice(need: Need) -> str:
    ways = ["allow more memory (memory_gb) or close other programs"]
    if need.tta:
        ways.append("turn TTA off")
    ways.append("crop the CT to the body first")
    return ", or ".join(ways)
