from __future__ import annotations

import numpy as np
import pytest
from geometry_cases import MM, case_of, codes, erase, found, id_of, labels, where
from scipy.ndimage import binary_dilation, binary_erosion

from dapatlas.check import vessels
from dapatlas.check.cross_sections import cross_sections
from dapatlas.check.geometry import geometry
from dapatlas.check.measured_case import Patient
from dapatlas.findings import Severity
from dapatlas.labels import Sex
from dapatlas.volumes import Grid


def cylinder(radius: float, tilt: float, spacing: tuple[float, float, float]) -> np.ndarray:
    """A tube whose axis leans by ``tilt`` degrees to the right."""
    x, y, z = (np.arange(n) * s for n, s in zip((80, 60, 20), spacing, strict=True))
    slope = np.tan(np.radians(tilt))
    across = (x[:, None, None] - x[-1] / 2 - slope * (z - z[-1] / 2)) * np.cos(np.radians(tilt))
    return np.hypot(across, y[:, None] - y[-1] / 2) <= radius


@pytest.mark.parametrize("tilt", [0, 30, 45])
@pytest.mark.parametrize("radius", [5.0, 9.0, 15.0])
def test_a_tube_has_its_own_diameter_however_it_is_cut(radius, tilt):
    spacing = (1.0, 1.0, 2.0)
    sections = cross_sections(cylinder(radius, tilt, spacing), (0, 0, 0), spacing)
    widths = [one.minor_mm for one in sections[5:15]]
    assert np.median(widths) == pytest.approx(2 * radius, rel=0.05)


def test_coarse_voxels_do_not_bias_the_diameter():
    spacing = (4.0, 4.0, 4.0)
    sections = cross_sections(cylinder(12.0, 0, spacing), (0, 0, 0), spacing)
    assert np.median([one.minor_mm for one in sections]) == pytest.approx(24.0, rel=0.08)


def test_pieces_in_a_slice_are_told_apart():
    mask = np.zeros((30, 30, 2), np.bool_)
    mask[5:10, 4:9, :] = True
    mask[5:10, 20:25, :1] = True
    sections = cross_sections(mask, (0, 100, 7), (2.0, 2.0, 3.0))
    assert [(one.z_mm, one.others) for one in sections] == [(21.0, 1), (21.0, 1), (24.0, 0)]
    assert sorted(one.y_mm for one in sections[:2]) == [212.0, 244.0]


def spoiled_aorta(grow: int):
    spoiled = labels("M")
    own = where(spoiled, "aorta")
    low = np.flatnonzero(where(spoiled, "vertebrae_L2").any(axis=(0, 1)))[-1]
    flat = np.ones((3, 3, 1), np.bool_)
    changed = (
        binary_dilation(own, flat, iterations=grow)
        if grow > 0
        else binary_erosion(own, flat, iterations=-grow)
    )
    changed[:, :, low:] = own[:, :, low:]
    bones = np.isin(spoiled, [id_of(f"vertebrae_L{n}") for n in range(1, 6)])
    erase(spoiled, "aorta", "abdominal_tissue")
    spoiled[changed & ~bones] = id_of("aorta")
    return spoiled


def test_an_aneurysm_of_the_abdominal_aorta():
    (finding,) = found(vessels, spoiled_aorta(3), patient=Patient(Sex.MALE))
    assert (finding.code, finding.structure) == ("diameter-unusual", "aorta")
    assert "infrarenal" in finding.message
    # drawn 18 mm wide, and three voxels more on each side, but for where the spine lies
    assert 18 + 3 * MM <= float(finding.found.removesuffix(" mm")) <= 18 + 6 * MM + MM


@pytest.mark.parametrize(
    ("width", "code"),
    [(4.0, "diameter-impossible"), (12.0, ""), (19.0, ""), (26.0, ""), (45.0, "diameter-unusual"), (130.0, "diameter-impossible")],
)  # fmt: skip
def test_what_is_usual_and_what_is_possible(width, code):
    rows = [row for row in geometry().vessels if row.segment == "infrarenal" and row.sex is Sex.MALE]
    case = case_of(np.zeros((4, 4, 4), np.uint8), Grid.from_spacing((4, 4, 4), (1.0, 1.0, 1.0)))
    assert [f.code for f in vessels._judge(case, rows, width)] == [code] * bool(code)


def test_a_collapsed_vena_cava_is_usual_and_a_wide_one_is_not():
    rows = [row for row in geometry().vessels if row.segment == "renal"]
    case = case_of(np.zeros((4, 4, 4), np.uint8), Grid.from_spacing((4, 4, 4), (1.0, 1.0, 1.0)))
    assert list(vessels._judge(case, rows, 2.0)) == []
    assert [f.code for f in vessels._judge(case, rows, 30.0)] == ["diameter-unusual"]


def test_limits_follow_from_what_was_published():
    rows = [row for row in geometry().vessels if row.segment == "infrarenal" and row.sex is Sex.MALE]
    assert rows[0].spread == pytest.approx(3.0 / 1.349)
    assert rows[0].middle == 19.0
    row = next(row for row in geometry().vessels if row.segment == "ascending" and row.sex is Sex.FEMALE)
    # a circle of 724 mm²
    assert 2 * np.sqrt(row.middle / np.pi) == pytest.approx(30.4, abs=0.05)


@pytest.mark.parametrize(("age", "n"), [(None, 4), (30.0, 1), (54.9, 1), (55.0, 1), (90.0, 1)])
def test_rows_by_age(age, n):
    rows = [row for row in geometry().vessels if row.segment == "ascending"]
    assert sum(row.holds_for(Patient(Sex.MALE, age)) for row in rows) == n


def test_children_are_not_judged():
    assert found(vessels, spoiled_aorta(3), patient=Patient(Sex.MALE, 9.0)) == []


def test_a_stretch_that_is_hardly_in_view_is_not_judged():
    spoiled = spoiled_aorta(3)
    bottom = np.flatnonzero(where(spoiled, "vertebrae_L2").any(axis=(0, 1)))[0]
    assert codes(found(vessels, spoiled[:, :, bottom:]), Severity.WARNING) == set()
