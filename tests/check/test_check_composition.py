"""Shares of muscle, fat and bone."""

from __future__ import annotations

import pytest
from measured_blocks import blocks

from dapatlas.check import composition
from dapatlas.labels import Sex

SPINE = {f"vertebrae_L{n}": 60.0 for n in range(1, 6)}


def found(
    muscles: float, fat: float, bone: float, rest: float, sex: Sex | None = Sex.MALE
) -> list[tuple[str, str]]:
    parts = {"muscles": muscles, "fat": fat, "femur_left": bone - 300, "unknown_tissue": rest, **SPINE}
    found = composition.check(blocks(parts, sex, voxel_ml=10.0))
    return [(f.code, f.message.split(" ")[2]) for f in found]


def test_reference_persons_pass() -> None:
    """Masses of ICRP 89 in g: muscle, adipose tissue, skeleton, and the rest of 73 and 60 kg."""
    assert found(29_000, 18_200, 10_500, 15_300) == []
    assert found(17_500, 22_500, 7_800, 12_200, Sex.FEMALE) == []


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            (1_000, 50_000, 8_000, 14_000),
            [("composition-impossible", "muscle"), ("composition-unusual", "fat")],
        ),
        (
            (50_000, 1_000, 9_000, 10_000),
            [("composition-unusual", "muscle"), ("composition-impossible", "fat")],
        ),
        ((29_000, 18_000, 800, 15_000), [("composition-impossible", "bone")]),
        ((24_000, 15_000, 24_500, 9_500), [("composition-unusual", "bone")]),
    ],
)
def test_bodies_that_nobody_has_are_found(parts: tuple[float, ...], expected: list[tuple[str, str]]) -> None:
    assert found(*parts) == expected  # type: ignore[arg-type]


def test_a_view_without_the_lumbar_spine_is_not_judged() -> None:
    case = blocks({"muscles": 1000.0, "fat": 10.0, "vertebrae_L1": 60.0})
    assert [f.code for f in composition.check(case)] == ["not-judged"]


def test_a_map_without_fillings_says_nothing_of_them() -> None:
    assert list(composition.check(blocks({"liver": 3000.0, "femur_left": 400.0, **SPINE}))) == []
