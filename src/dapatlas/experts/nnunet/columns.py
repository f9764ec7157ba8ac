"""The CT in columns: how little of it must be in memory at once, and what that costs.

Tiles go along the first network axis, and only the rows that some open tile still touches are kept. A row spans the
whole cross-section, times all classes; where that is too much, the cross-section is cut into columns that are
predicted one after the other. Tiles on a cut are predicted once for each side. What is computed for a voxel is the
same, in the same order, whatever the cuts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product

import numpy as np

from dapatlas.experts.nnunet.resample_slab import AxisMap
from dapatlas.experts.nnunet.tiles import Tiling, Triple

Maps = tuple[AxisMap, AxisMap, AxisMap]


@dataclass(frozen=True)
class Stretch:
    """What a column is along one of the two axes across.

    Attributes
    ----------
    output
        First and last (exclusive) voxel of the CT's kept part.
    source
        First and last (exclusive) voxel of the padded network grid that the output needs.
    starts
        First voxels of the tiles that touch ``source``.
    """

    output: tuple[int, int]
    source: tuple[int, int]
    starts: tuple[int, ...]

    @property
    def width(self) -> int:
        """Voxels of the network grid."""
        return self.source[1] - self.source[0]


@dataclass(frozen=True)
class Column:
    """A part of the cross-section, the whole way along the first axis."""

    across: tuple[Stretch, Stretch]

    def tiles(self, along: int) -> int:
        """How many tiles are predicted for it, with ``along`` of them along the first axis."""
        first, second = self.across
        return along * len(first.starts) * len(second.starts)

    def voxels(self) -> int:
        """Voxels of one row."""
        first, second = self.across
        return first.width * second.width


@dataclass(frozen=True)
class Layout:
    """A way of cutting the cross-section.

    Attributes
    ----------
    columns
        One after the other.
    rows
        How many rows are kept at a time.
    tiles
        How many tiles are predicted in all.
    """

    columns: tuple[Column, ...]
    rows: int
    tiles: int

    @property
    def voxels(self) -> int:
        """Most voxels kept at a time."""
        return self.rows * max(column.voxels() for column in self.columns)


def kept_rows(cut: Tiling) -> int:
    """Rows that are kept: those of a tile, and one before it to interpolate with."""
    return min(cut.padded[0], cut.patch[0] + 1)


def layouts(cut: Tiling, maps: Maps) -> Iterator[Layout]:
    """Every sensible way of cutting, the one with the fewest tiles first.

    Parameters
    ----------
    maps
        From the padded network grid to the CT's kept part.
    """
    choices = [_choices(axis, cut, maps[axis]) for axis in (1, 2)]
    made = []
    for pair in product(*choices):
        columns = tuple(Column((first, second)) for first, second in product(*pair))
        tiles = sum(column.tiles(len(cut.starts[0])) for column in columns)
        made.append(Layout(columns, kept_rows(cut), tiles))
    yield from sorted(made, key=lambda layout: (layout.tiles, layout.voxels))


def _choices(axis: int, cut: Tiling, axis_map: AxisMap) -> list[tuple[Stretch, ...]]:
    """One stretch, two, three … up to one for each tile, cut at the starts of tiles, as evenly as these allow."""
    starts = cut.starts[axis]
    begin, end = axis_map.source()
    found = {}
    for parts in range(1, len(starts) + 1):
        even = [begin + n * (end - begin) / parts for n in range(1, parts)]
        at = {min(starts, key=partial(_distance, place)) for place in even}
        ends = sorted({0, *(int(np.searchsorted(axis_map.low, start)) for start in at), len(axis_map)})
        found[tuple(ends)] = tuple(
            _stretch(first, last, axis_map, starts, cut.patch[axis]) for first, last in pairwise(ends)
        )
    return list(found.values())


def _distance(place: float, start: int) -> float:
    return abs(start - place)


def _stretch(first: int, last: int, axis_map: AxisMap, starts: tuple[int, ...], patch: int) -> Stretch:
    begin, end = axis_map.part(first, last).source()
    touching = tuple(start for start in starts if start < end and start + patch > begin)
    return Stretch((first, last), (begin, end), touching)


def padded_maps(maps: Maps, pad: Triple) -> Maps:
    """Count a network grid's voxels from the first zero of the padding on."""
    first, second, third = (axis.moved(by) for axis, by in zip(maps, pad, strict=True))
    return first, second, third
