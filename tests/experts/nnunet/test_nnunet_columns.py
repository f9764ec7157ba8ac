"""Columns: they share out the CT without gaps, each with all tiles that touch it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from dapatlas.experts.nnunet.columns import kept_rows, layouts, padded_maps
from dapatlas.experts.nnunet.resample_slab import axis_map
from dapatlas.experts.nnunet.tiles import tiling

CASES = [((40, 90, 70), (50, 120, 70)), ((30, 64, 64), (30, 64, 64)), ((20, 20, 200), (70, 9, 333))]


@pytest.mark.parametrize(("inner", "outer"), CASES)
def test_columns_share_out_every_voxel_once(inner: tuple[int, ...], outer: tuple[int, ...]) -> None:
    cut = tiling((inner[0], inner[1], inner[2]), (32, 32, 32))
    first, second, third = (axis_map(n, m, 1) for n, m in zip(inner, outer, strict=True))
    maps = padded_maps((first, second, third), cut.pad)
    found = list(layouts(cut, maps))
    assert len(found) >= 1
    for layout in found:
        counts = np.zeros(outer[1:], int)
        for column in layout.columns:
            (y0, y1), (z0, z1) = (stretch.output for stretch in column.across)
            counts[y0:y1, z0:z1] += 1
            for axis, stretch in enumerate(column.across, 1):
                begin, end = stretch.source
                part = maps[axis].part(*stretch.output)
                assert begin <= part.low.min()
                assert part.high.max() < end
                assert stretch.starts == tuple(s for s in cut.starts[axis] if s < end and s + 32 > begin)
        assert (counts == 1).all()


def test_the_first_way_of_cutting_is_none_at_all_and_later_ones_keep_less() -> None:
    cut = tiling((160, 160, 160), (32, 32, 32))
    same = axis_map(160, 160, 1)
    found = list(layouts(cut, (same, same, same)))
    assert len(found[0].columns) == 1
    assert found[0].tiles == cut.count == 9**3
    assert found[0].voxels == 33 * 160 * 160
    assert min(layout.voxels for layout in found) <= 33 * 32 * 32
    assert [layout.tiles for layout in found] == sorted(layout.tiles for layout in found)


def test_halves_that_meet_at_a_tiles_start_share_one_row_of_tiles() -> None:
    # 512 voxels, tiles of 128 at 0, 64 … 384: seven; the halves need those at 0 … 192 and at 192 … 384
    cut = tiling((128, 512, 128), (128, 128, 128))
    same, wide = axis_map(128, 128, 1), axis_map(512, 512, 1)
    halves = next(layout for layout in layouts(cut, (same, wide, same)) if len(layout.columns) == 2)
    assert [len(column.across[0].starts) for column in halves.columns] == [4, 4]
    assert halves.tiles == 8


@pytest.mark.parametrize("length", [10, 32, 33, 100])
def test_rows_kept_are_a_tiles_and_one_more(length: int) -> None:
    cut = tiling((length, 32, 32), (32, 32, 32))
    assert kept_rows(cut) == {10: 32, 32: 32, 33: 33, 100: 33}[length]


def test_ways_of_cutting_cover_both_axes() -> None:
    cut = tiling((64, 64, 64), (32, 32, 32))
    same = axis_map(64, 64, 1)
    parts = {
        tuple(len({column.across[axis].output for column in layout.columns}) for axis in (0, 1))
        for layout in layouts(cut, (same, same, same))
    }
    assert parts == set(product((1, 2, 3), (1, 2, 3)))
