from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from geometry_cases import MM, case_of, codes, extent, found, id_of, labels, phantom, rename, where

from dapatlas.check import vertebrae
from dapatlas.findings import Severity
from dapatlas.phantom.anatomy_spine import vertebra
from dapatlas.refine.landmarks import VERTEBRAE, Column, column
from dapatlas.volumes import Grid


def spine_of_blocks(
    heights: dict[str, int], spacing: tuple[float, float, float] = (2.0, 2.0, 1.0)
) -> np.ndarray:
    """Bodies with an arch and a canal behind, one under the other, three slices of disc between."""
    total = sum(heights.values()) + 4 * len(heights) + 4
    volume = np.zeros((40, 40, total), np.uint8, order="F")
    top = total - 3
    for name, height in heights.items():
        block = slice(top - height, top)
        volume[12:28, 20:34, block] = id_of(f"vertebrae_{name}")
        volume[14:26, 5:20, block.start + 2 : block.stop - 2] = id_of(f"vertebrae_{name}")
        top -= height + 4
    volume[17:23, 12:19, :] = id_of("spinal_canal")
    return volume


LUMBAR = {"T12": 24, "L1": 26, "L2": 27, "L3": 28, "L4": 28, "L5": 27}


def blocks(heights):
    volume = spine_of_blocks(heights)
    return found(vertebrae, volume, grid=Grid.from_spacing(volume.shape, (2.0, 2.0, 1.0)))


def test_bodies_are_as_high_as_they_were_made():
    volume = spine_of_blocks(LUMBAR)
    case = case_of(volume, Grid.from_spacing(volume.shape, (2.0, 2.0, 1.0)))
    spine = column(case.thinned.anatomy)
    for name, height in LUMBAR.items():
        found_mm = vertebrae.body_height_mm(case, spine, VERTEBRAE.index(f"vertebrae_{name}"))
        assert found_mm == pytest.approx(height, abs=0.01)


def test_a_leaning_column_is_measured_along_itself():
    case = case_of(phantom().label_map, phantom().grid)
    n = VERTEBRAE.index("vertebrae_T6")
    spine = column(case.thinned.anatomy)
    (x, y, z), (_, _, z_below) = spine.pieces[n - 1].centre_mm, spine.pieces[n + 1].centre_mm
    leaning = replace(spine.pieces[n - 1], centre_mm=(x, y + (z - z_below), z))  # by 45 degrees, about
    tilted = Column({**spine.pieces, n - 1: leaning})
    ratio = vertebrae.body_height_mm(case, tilted, n) / vertebrae.body_height_mm(case, spine, n)
    assert ratio == pytest.approx(np.sqrt(0.5), abs=0.08)


def test_phantom_bodies_have_the_heights_that_were_drawn():
    case = case_of(phantom().label_map, phantom().grid)
    spine = column(case.thinned.anatomy)
    for name in ("T9", "T12", "L3"):
        drawn = vertebra(name)
        measured = vertebrae.body_height_mm(case, spine, VERTEBRAE.index(f"vertebrae_{name}"))
        assert measured == pytest.approx(0.965 * (drawn.top - drawn.bottom - 2 * drawn.disc), abs=MM)


def test_a_smooth_column_says_nothing():
    assert blocks(LUMBAR) == []


def test_a_collapsed_vertebra_is_low():
    (finding,) = [f for f in blocks({**LUMBAR, "L2": 15}) if f.code == "vertebra-height"]
    assert (finding.structure, finding.severity) == ("vertebrae_L2", Severity.WARNING)
    assert finding.found == f"{15 / np.sqrt(26 * 28):.2f} times"


def test_a_fifth_less_is_the_limit():
    assert blocks({**LUMBAR, "L2": 22}) == []  # 0.815 times
    assert codes(blocks({**LUMBAR, "L2": 19}))  # 0.70 times


def test_two_vertebrae_in_one_are_high_and_large():
    names = codes(blocks({**LUMBAR, "L2": 57}))
    assert {("vertebra-height", "vertebrae_L2"), ("vertebra-volume", "vertebrae_L2")} <= names


def test_half_a_vertebra_is_small():
    spoiled = labels()
    half = where(spoiled, "vertebrae_L3")
    low, high = extent(spoiled, "vertebrae_L3", 0)
    half[: (low + high) // 2] = False
    spoiled[half] = id_of("muscles")
    assert ("vertebra-volume", "vertebrae_L3") in codes(found(vertebrae, spoiled))


def test_ends_of_the_column_and_cut_vertebrae_are_not_judged():
    assert blocks({"L1": 26, "L2": 12}) == []
    assert blocks({"L1": 26, "L2": 14, "L3": 28})
    volume = spine_of_blocks({"L1": 26, "L2": 14, "L3": 28})
    cut = volume[:, :, extent(volume, "vertebrae_L3", 2)[0] + 1 :]  # L3 reaches the lowest slice
    assert found(vertebrae, cut, grid=Grid.from_spacing(cut.shape, (2.0, 2.0, 1.0))) == []


def test_a_column_numbered_from_below():
    spoiled = labels()
    rename(spoiled, **dict(zip(VERTEBRAE, reversed(VERTEBRAE), strict=True)))
    told = [f for f in found(vertebrae, spoiled) if not f.structure]
    assert len(told) == 2
    assert all("no larger" in f.message for f in told)


def test_without_a_canal_the_front_of_the_vertebra_is_measured():
    volume = spine_of_blocks(LUMBAR)
    volume[volume == id_of("spinal_canal")] = 0
    case = case_of(volume, Grid.from_spacing(volume.shape, (2.0, 2.0, 1.0)))
    height = vertebrae.body_height_mm(case, column(case.thinned.anatomy), VERTEBRAE.index("vertebrae_L2"))
    assert height == pytest.approx(27, abs=0.01)
