"""From a prepared CT to a label map, in memory that does not grow with the number of classes times the CT."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import DapatlasError
from dapatlas.experts.nnunet.columns import Column, Maps, padded_maps
from dapatlas.experts.nnunet.device import pick_device
from dapatlas.experts.nnunet.memory import need_of, require
from dapatlas.experts.nnunet.model import Model
from dapatlas.experts.nnunet.plans import Plans
from dapatlas.experts.nnunet.preprocess import Prepared
from dapatlas.experts.nnunet.resample_slab import winners
from dapatlas.experts.nnunet.tiles import Tiling, Triple, tile_weights, tiling
from dapatlas.experts.nnunet.window import Window, tile_scores
from dapatlas.extras import needed

Ends = tuple[int, int]
Progress = Callable[[int, int], None]
"""Told how many tiles are done, and how many there are."""

BLOCK = (12, 48, 48)
"""Voxels of a block whose labels are found in one go: few enough for one thread, as blocks are spread over threads
(see :data:`~dapatlas.experts.nnunet.window.ONE_THREAD`)."""


@dataclass(frozen=True, eq=False)
class _Run:
    """What stays the same for all columns of one CT."""

    networks: Sequence[Any]
    data: Any  # tensor (channels, x, y, z), padded
    plans: Plans
    cut: Tiling
    maps: Maps
    weights: Any
    tta: bool
    device: str
    sums_on: str
    rows: int
    pool: ThreadPoolExecutor


def segment(
    model_or_networks: Model | Sequence[Any],
    prepared: Prepared,
    plans: Plans,
    *,
    tta: bool,
    step: float = 0.5,
    device: str = "cpu",
    memory_gb: float | None = None,
    progress: Progress | None = None,
) -> NDArray[Any]:
    """Predict a label map.

    Parameters
    ----------
    model_or_networks
        A model, or its networks, one a fold, whose scores are averaged.
    prepared
        What :func:`~dapatlas.experts.nnunet.preprocess.prepare` made of the CT, by the same plans.
    tta
        Mirror tiles too, along all axes that the model was trained to be mirrored on; 2, 4 or 8 times the work.
    step
        Largest distance of neighbouring tiles as a share of the patch.
    device
        ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    memory_gb
        How much host memory this may take, the CT included; by default as much as there is, but at most
        :data:`~dapatlas.experts.nnunet.memory.DEFAULT_GB`. Less memory costs time: tiles on cuts are predicted twice.
    progress
        Called after every tile.

    Returns
    -------
    numpy.ndarray
        The model's ids on the CT's own grid, in Fortran order; uint8 where they fit, else uint16. With one fold it
        is nnU-Net's own label map, but for about a voxel in a million where two scores lie within the rounding of
        half precision, in which nnU-Net v2 keeps them. Folds are averaged before that rounding, nnU-Net's after it.

    Raises
    ------
    DapatlasError
        The device is not there, memory is too small, or the model cannot be mirrored.
    """
    torch = needed("torch", "models", "to predict with a network")
    device = pick_device(device)
    if tta and not plans.mirror_axes:
        raise DapatlasError(
            "the model was not trained with mirrored tiles, so that mirroring (TTA) would harm it; turn TTA off"
        )
    need = need_of(plans, prepared, folds=_folds(model_or_networks), tta=tta, step=step, device=device,
                   memory_gb=memory_gb)  # fmt: skip
    require(need)
    networks = (
        model_or_networks.networks(device) if isinstance(model_or_networks, Model) else model_or_networks
    )
    cut = tiling(prepared.shape, plans.patch, step)
    maps = padded_maps(prepared.way_back(plans), cut.pad)
    weights = torch.from_numpy(tile_weights(plans.patch, plans.dialect, cut.count).copy())
    data = torch.from_numpy(_padded(prepared.data, cut))
    labels, kept = prepared.empty_map(plans)
    tell = _Counter(progress, need.layout.tiles)
    threads = torch.get_num_threads() if need.sums_on == "cpu" else 1
    with torch.inference_mode(), _precision(torch, device), ThreadPoolExecutor(threads) as pool:
        run = _Run(
            networks, data, plans, cut, maps, weights, tta, device, need.sums_on, need.layout.rows, pool
        )
        for column in need.layout.columns:
            _predict_column(run, column, kept, tell)
    return labels


def _folds(model_or_networks: Model | Sequence[Any]) -> int:
    return len(model_or_networks.folds if isinstance(model_or_networks, Model) else model_or_networks)


def _precision(torch: Any, device: str) -> AbstractContextManager[Any]:
    """Mixed precision on CUDA, as both versions of nnU-Net have it; full precision elsewhere."""
    return torch.autocast("cuda") if device.startswith("cuda") else nullcontext()


def _padded(data: NDArray[np.float32], cut: Tiling) -> NDArray[np.float32]:
    if cut.padded == cut.shape:
        return data
    ends = [(p, m - n - p) for n, m, p in zip(cut.shape, cut.padded, cut.pad, strict=True)]
    return np.pad(data, [(0, 0), *ends])


class _Counter:
    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def __call__(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, self._total)


def _predict_column(run: _Run, column: Column, kept: NDArray[Any], tell: Callable[[], None]) -> None:
    """Send the tiles of a column through the networks, row by row of tiles, and write what is finished."""
    window = Window(run.plans, column, run.rows, run.weights, run.sums_on, run.pool)
    starts, patch = run.cut.starts[0], run.cut.patch
    across = [stretch.starts for stretch in column.across]
    written = 0
    for n, x in enumerate(starts):
        window.open_rows(x + patch[0])
        for y, z in product(*across):
            _predict_tile(run, window, (x, y, z))
            tell()
        finished = starts[n + 1] if n + 1 < len(starts) else run.cut.padded[0]
        stop = int(np.searchsorted(run.maps[0].high, finished))
        _write_rows(run, window, column, (written, stop), kept)
        written = stop


def _predict_tile(run: _Run, window: Window, start: Triple) -> None:
    """Predict one tile; its scores are gone when this returns, before those of the next one are made."""
    place = tuple(slice(begin, begin + size) for begin, size in zip(start, run.cut.patch, strict=True))
    tile = run.data[(slice(None), *place)].contiguous()[None].to(run.device)
    window.add(tile_scores(run.networks, tile, run.plans, tta=run.tta).to(run.sums_on), start)


def _write_rows(run: _Run, window: Window, column: Column, rows: tuple[int, int], kept: NDArray[Any]) -> None:
    """Find and write the labels of finished output rows, block by block."""
    first, second = (stretch.output for stretch in column.across)
    blocks = product(*(_blocks(ends, size) for ends, size in zip((rows, first, second), BLOCK, strict=True)))
    for _ in run.pool.map(lambda block: _write_block(run, window, block, kept), blocks):
        pass  # errors of the threads are raised here


def _write_block(run: _Run, window: Window, block: tuple[Ends, ...], kept: NDArray[Any]) -> None:
    torch = needed("torch", "models", "to predict with a network")
    x, y, z = (axis.part(*ends) for axis, ends in zip(run.maps, block, strict=True))
    own = (x.moved(-x.source()[0]), y.moved(-y.source()[0]), z.moved(-z.source()[0]))
    with torch.inference_mode():  # holds for one thread
        scores = window.scores(x.source(), y.source(), z.source())
        found = winners(scores, own, as_half=run.plans.dialect == "v2")
    kept[tuple(slice(*ends) for ends in block)] = found.cpu().numpy()


def _blocks(ends: Ends, size: int) -> Iterator[Ends]:
    for start in range(*ends, size):
        yield start, min(start + size, ends[1])
