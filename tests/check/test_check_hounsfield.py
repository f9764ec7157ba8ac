"""Density: each tissue in its range, whatever the phase of contrast."""

from __future__ import annotations

import pytest
from measured_blocks import blocks

from dapatlas.check import hounsfield
from dapatlas.phantom.hounsfield import structure_hu


def found(name: str, hu: float, voxels: int = 200) -> list[str]:
    case = blocks({name: voxels * 0.1}, hu={name: hu})
    return [f.code for f in hounsfield.check(case)]


@pytest.mark.parametrize(
    ("name", "hu"),
    [
        ("lung_upper_lobe_left", -850), ("lung_lower_lobe_right", -720), ("trachea", -980), ("fat", -105), ("muscles", 55),
        ("muscles", 0), ("vertebrae_L1", 90), ("vertebrae_L1", 226), ("femur_left", 500), ("liver", 59), ("liver", 110),
        ("spleen", 45), ("spleen", 120), ("kidney_left", 30), ("kidney_left", 230), ("pancreas", -10), ("brain", 36),
        ("aorta", 40), ("aorta", 150), ("aorta", 464), ("heart_ventricle_left", 300), ("thyroid_left", 118),
        ("bladder", 5), ("bladder", 900), ("gallbladder", 10),
    ],
)  # fmt: skip
def test_what_people_have_passes(name: str, hu: float) -> None:
    assert found(name, hu) == []


@pytest.mark.parametrize(
    ("name", "hu", "code"),
    [
        ("lung_upper_lobe_left", 40, "hu-impossible"),
        ("lung_upper_lobe_left", -400, "hu-unusual"),
        ("trachea", 0, "hu-impossible"),
        ("fat", 30, "hu-impossible"),
        ("muscles", -105, "hu-impossible"),
        ("vertebrae_L1", -100, "hu-impossible"),
        ("liver", -5, "hu-unusual"),
        ("liver", -110, "hu-impossible"),
        ("kidney_left", -110, "hu-impossible"),
        ("brain", -1000, "hu-impossible"),
        ("aorta", -110, "hu-impossible"),
        ("prostate", -90, "hu-impossible"),
        ("bladder", -900, "hu-impossible"),
    ],
)
def test_what_nobody_has_is_found(name: str, hu: float, code: str) -> None:
    assert found(name, hu) == [code]


def test_a_ct_that_is_not_in_hu_makes_many_errors() -> None:
    """Raw scanner values are HU + 1024."""
    hu = {"liver": 1084.0, "aorta": 1074.0, "lung_upper_lobe_left": 174.0, "fat": 919.0, "brain": 1060.0}
    case = blocks(dict.fromkeys(hu, 20.0), hu=hu)
    assert [f.code for f in hounsfield.check(case)] == ["hu-impossible"] * 5


def test_a_handful_of_voxels_is_not_judged() -> None:
    assert found("celiac_trunk", -1000, voxels=30) == []


def test_densities_the_phantom_was_given_are_usual() -> None:
    names = [
        "liver",
        "spleen",
        "brain",
        "aorta",
        "lung_upper_lobe_left",
        "thyroid_left",
        "muscles",
        "fat",
        "sacrum",
    ]
    hu = {name: structure_hu(name)[0] for name in names}
    assert list(hounsfield.check(blocks(dict.fromkeys(names, 20.0), hu=hu))) == []


def test_without_a_ct_it_says_so() -> None:
    assert [f.code for f in hounsfield.check(blocks({"liver": 100.0}))] == ["not-judged"]
