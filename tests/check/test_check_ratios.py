"""Ratios: left and right, lobes, chambers."""

from __future__ import annotations

import math

import pytest
from measured_blocks import blocks

from dapatlas.check import ratios
from dapatlas.labels import Sex

LOBES = ("upper_lobe_right", "middle_lobe_right", "lower_lobe_right", "upper_lobe_left", "lower_lobe_left")


def found(*args: object, **kwargs: object) -> list[tuple[str, str]]:
    return [(f.code, f.structure) for f in ratios.check(blocks(*args, **kwargs))]  # type: ignore[arg-type]


def lungs(*litres: float) -> dict[str, float]:
    return {f"lung_{name}": 1000 * part for name, part in zip(LOBES, litres, strict=True)}


def test_equal_kidneys_pass_and_very_unequal_ones_do_not() -> None:
    assert found({"kidney_left": 160.0, "kidney_right": 150.0}) == []
    assert found({"kidney_left": 200.0, "kidney_right": 45.0}) == [("ratio-unusual", "kidney_left")]
    assert found({"kidney_left": 45.0, "kidney_right": 200.0}) == [("ratio-unusual", "kidney_left")]


def test_spread_of_a_ratio_is_that_of_two_independent_volumes() -> None:
    """Adrenals of Wang et al.: their range of 81 people, and the extreme of 81 normal values by simulation: 2.43 sd."""
    case = blocks({"adrenal_gland_left": 4.0, "adrenal_gland_right": 4.0})
    expected = ratios.left_to_right(case, "adrenal_gland_left", "adrenal_gland_right")
    assert expected is not None
    left, right = math.log(5.83 / 2.85) / 2 / 2.43, math.log(6.56 / 2.59) / 2 / 2.43
    width = math.log(expected.usual.high / expected.usual.low)
    assert width == pytest.approx(2 * 3 * math.hypot(left, right), rel=0.02)


def test_a_third_of_a_hip_bone_on_the_other_side_is_impossible() -> None:
    assert found({"hip_left": 320.0, "hip_right": 330.0}) == []
    assert found({"hip_left": 215.0, "hip_right": 435.0}) == [("ratio-impossible", "hip_left")]


def test_what_is_cut_off_has_no_ratio() -> None:
    assert found({"hip_left": 215.0, "hip_right": 435.0}, cut=True) == []


def test_lobes_of_the_volunteers_pass() -> None:
    """Means of Yamada et al. 2020, supine."""
    assert found(lungs(0.895, 0.465, 1.325, 1.155, 1.160), voxel_ml=1.0) == []


def test_lobes_exchanged_in_part_are_found() -> None:
    """Half of the lower lobe labelled as the middle one."""
    names = [name for _, name in found(lungs(0.895, 1.13, 0.66, 1.155, 1.160), voxel_ml=1.0)]
    assert names == ["lung_middle_lobe_right", "lung_lower_lobe_right"]


def test_a_right_lung_that_is_too_small_is_found() -> None:
    assert ("ratio-unusual", "") in found(lungs(0.5, 0.25, 0.7, 1.155, 1.160), voxel_ml=1.0)


def test_ventricles_are_compared() -> None:
    assert found({"heart_ventricle_left": 60.0, "heart_ventricle_right": 70.0}, Sex.MALE) == []
    assert found({"heart_ventricle_left": 60.0, "heart_ventricle_right": 200.0}, Sex.MALE) == [
        ("ratio-unusual", "heart_ventricle_left")
    ]


def test_children_are_not_judged() -> None:
    assert found({"hip_left": 20.0, "hip_right": 80.0}, None, 5) == []
