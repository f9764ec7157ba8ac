"""A moving window over the scores: tiles go in at the front, finished rows come out at the back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from itertools import combinations
from typing import Any

from dapatlas.errors import DapatlasError
from dapatlas.experts.nnunet.columns import Column
from dapatlas.experts.nnunet.plans import Dialect, Plans
from dapatlas.experts.nnunet.tiles import Triple
from dapatlas.extras import needed

ONE_THREAD = 2**15 - 1
"""Numbers up to which torch does an operation in one thread.

Many small operations, spread over a thread pool here, wait far less than operations that torch spreads over its own
threads, above all where the processors have other work too.
"""
ROWS_AT_ONCE = 16  # rows of a block that a softmax works on


class ScoreError(DapatlasError):
    """A network's scores cannot be used: not of the right shape, or no numbers."""


class Window:
    """Weighted sums of scores over the rows that are open, for one column.

    Row r lies in place r modulo the number of rows kept, so that nothing is moved. Sums are half precision in
    version 2, as nnU-Net's own are, and single precision in version 1.
    """

    def __init__(
        self, plans: Plans, column: Column, rows: int, weights: Any, device: str, pool: Executor
    ) -> None:
        torch = needed("torch", "models", "to predict with a network")
        kind = torch.half if plans.dialect == "v2" else torch.float32
        first, second = column.across
        self._column = column
        self._rows = rows
        self._pool = pool
        self._weights = weights.to(device)
        self._scores = torch.zeros(
            (plans.classes, rows, first.width, second.width), dtype=kind, device=device
        )
        self._counts = torch.zeros((rows, first.width, second.width), dtype=kind, device=device)
        self._end = 0

    def open_rows(self, end: int) -> None:
        """Empty the places of the rows up to ``end``, which tiles are about to touch."""
        for place, _ in _places(self._end, end, self._rows):
            self._scores[:, place] = 0
            self._counts[place] = 0
        self._end = max(end, self._end)

    def add(self, scores: Any, start: Triple) -> None:
        """Add a tile's scores (classes, x, y, z), on the device of the sums; its first voxel is ``start``."""
        patch = self._weights.shape
        (y, y_tile), (z, z_tile) = (
            _overlap(begin, size, stretch.source)
            for begin, size, stretch in zip(start[1:], patch[1:], self._column.across, strict=True)
        )
        pieces = list(_places(start[0], start[0] + patch[0], self._rows))
        for place, rows in pieces:
            self._counts[place, y, z] += self._weights[rows, y_tile, z_tile]
        adds = [
            (
                self._scores[c, place, y, z],
                scores[c, rows, y_tile, z_tile],
                self._weights[rows, y_tile, z_tile],
            )
            for c in range(len(scores))
            for place, rows in pieces
        ]
        list(self._pool.map(_add_weighted, adds))

    def scores(self, rows: tuple[int, int], ys: tuple[int, int], zs: tuple[int, int]) -> Any:
        """Mean scores of a finished block, given in voxels of the padded network grid.

        Raises
        ------
        ScoreError
            Some are infinite or no number.
        """
        torch = needed("torch", "models", "to predict with a network")
        y, z = (
            slice(ends[0] - stretch.source[0], ends[1] - stretch.source[0])
            for ends, stretch in zip((ys, zs), self._column.across, strict=True)
        )
        pieces = [
            self._scores[:, place, y, z] / self._counts[place, y, z]
            for place, _ in _places(*rows, self._rows)
        ]
        block = torch.cat(pieces, 1) if len(pieces) > 1 else pieces[0]
        if not bool(torch.isfinite(block).all()):
            raise ScoreError(
                f"the network's scores around row {rows[0]} are infinite or no numbers; are its weights intact? "
                "(dapatlas models verify)"
            )
        return block


def _add_weighted(add: tuple[Any, Any, Any]) -> None:
    """Add scores times weights to sums, in pieces so small that torch uses this thread alone."""
    torch = needed("torch", "models", "to predict with a network")
    sums, scores, weights = add
    rows = max(1, ONE_THREAD // max(1, sums[0].numel())) if sums.is_cpu else len(sums)
    with torch.inference_mode():
        for start in range(0, len(sums), rows):
            part = slice(start, start + rows)
            sums[part] += scores[part] * weights[part]


def _places(start: int, stop: int, length: int) -> Iterator[tuple[slice, slice]]:
    """Where rows lie in a ring of ``length``, and which of them from ``start`` on, in one piece or two."""
    at = start
    while at < stop:
        place = at % length
        count = min(stop - at, length - place)
        yield slice(place, place + count), slice(at - start, at - start + count)
        at += count


def _overlap(begin: int, size: int, source: tuple[int, int]) -> tuple[slice, slice]:
    """The part of a tile that lies in a column, counted from the column's start and from the tile's."""
    first, last = max(begin, source[0]), min(begin + size, source[1])
    return slice(first - source[0], last - source[0]), slice(first - begin, last - begin)


def tile_scores(networks: Sequence[Any], tile: Any, plans: Plans, *, tta: bool) -> Any:
    """What the networks say about a tile, the mean over networks and mirrored tiles.

    Parameters
    ----------
    networks
        One a fold, on the tile's device.
    tile
        Tensor (1, channels, x, y, z).
    tta
        Mirror the tile along every combination of the axes that the networks know mirrored.

    Returns
    -------
    torch.Tensor
        (classes, x, y, z): logits in version 2, probabilities in version 1.
    """
    axes = [axis + 2 for axis in plans.mirror_axes] if tta else []
    flips = [flip for n in range(1, len(axes) + 1) for flip in combinations(axes, n)]
    total = _mirrored_scores(networks[0], tile, plans, flips)
    for network in networks[1:]:
        total += _mirrored_scores(network, tile, plans, flips)
    return total.div_(len(networks)) if len(networks) > 1 else total


def _mirrored_scores(network: Any, tile: Any, plans: Plans, flips: list[tuple[int, ...]]) -> Any:
    scores = _scores(network, tile, plans)
    for flip in flips:
        _add_flipped(scores, _scores(network, tile.flip(flip), plans), [axis - 2 for axis in flip])
    return scores.div_(len(flips) + 1) if flips else scores


def _scores(network: Any, tile: Any, plans: Plans) -> Any:
    out = network(tile)
    expected = (1, plans.classes, *tile.shape[2:])
    if tuple(out.shape) != expected:
        raise ScoreError(f"the network's output has shape {tuple(out.shape)}, expected {expected}")
    return _softmax(out[0], plans.dialect)


def _softmax(scores: Any, dialect: Dialect) -> Any:
    """Make probabilities of logits in version 1, in place and some rows at a time."""
    if dialect == "v2":
        return scores
    scores = scores.float()
    for start in range(0, scores.shape[1], ROWS_AT_ONCE):
        rows = scores[:, start : start + ROWS_AT_ONCE]
        rows.copy_(rows.softmax(0))
    return scores


def _add_flipped(total: Any, scores: Any, axes: list[int]) -> None:
    for c in range(len(total)):
        total[c] += scores[c].flip(axes)
