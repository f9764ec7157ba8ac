"""Volumes: what is usual passes, what is unusual or impossible is told, what is cut off is not judged."""

from __future__ import annotations

import pytest
from measured_blocks import blocks

from dapatlas.check import volumes
from dapatlas.findings import Severity
from dapatlas.labels import Sex


def codes(*args: object, **kwargs: object) -> list[str]:
    return [f.code for f in volumes.check(blocks(*args, **kwargs))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ml", "expected"),
    [
        (1500, []),
        (2900, []),  # within a quarter of the heaviest man's, 2584 g
        (4000, ["volume-unusual"]),
        (8000, ["volume-impossible"]),
        (400, ["volume-unusual"]),
        (60, ["volume-impossible"]),
    ],
)
def test_livers(ml: float, expected: list[str]) -> None:
    assert codes({"liver": ml}, Sex.MALE, voxel_ml=1.0) == expected


def test_what_is_cut_off_is_not_judged() -> None:
    assert codes({"liver": 60.0}, Sex.MALE, cut=True) == []


def test_a_finding_tells_the_range_its_source_and_where() -> None:
    (found,) = volumes.check(blocks({"kidney_left": 500.0}, Sex.FEMALE, voxel_ml=0.5))
    assert (found.severity, found.structure, found.voxels) == (Severity.WARNING, "kidney_left", 1000)
    assert "41.9 ml to 326 ml" in found.expected
    assert "Molina" in found.expected
    assert found.found == "500 ml"
    assert found.box is not None


def test_disease_makes_no_size_of_a_spleen_impossible() -> None:
    assert codes({"spleen": 5000.0}, voxel_ml=1.0) == ["volume-unusual"]


def test_sex_decides_where_it_is_known() -> None:
    """Testes have 35 g, ovaries 11 g (ICRP 89)."""
    assert codes({"gonads": 4.0}, Sex.MALE) == ["volume-unusual"]
    assert codes({"gonads": 4.0}, Sex.FEMALE) == []
    assert codes({"gonads": 4.0}) == []


def test_age_decides_where_it_is_known() -> None:
    """110 ml is much for a man of 60 without symptoms, but men with symptoms have it; below 45 nothing is known."""
    assert codes({"prostate": 300.0}, Sex.MALE, 60) == ["volume-unusual"]
    assert codes({"prostate": 110.0}, Sex.MALE, 60) == []
    assert codes({"prostate": 300.0}, Sex.MALE, 30) == []


def test_children_are_not_judged() -> None:
    assert codes({"liver": 400.0}, Sex.MALE, 5) == ["not-judged"]


def test_lungs_are_judged_together_and_only_if_all_lobes_are_there() -> None:
    lobes = {f"lung_{name}": 100.0 for name in ("lower_lobe_left", "upper_lobe_left", "lower_lobe_right")}
    assert codes(lobes, voxel_ml=0.5) == []
    lobes |= {"lung_middle_lobe_right": 50.0, "lung_upper_lobe_right": 100.0}
    assert codes(lobes, voxel_ml=0.5) == ["volume-unusual"]
