"""Is the anatomy where anatomy is? Every rule here is told in world mm: +x right, +y front, +z up."""

from __future__ import annotations

import numpy as np
import pytest
from phantom_cases import coarse, fine, measured, names_in, world
from scipy import ndimage

from dapatlas.labels import Side, dap
from dapatlas.phantom import Phantom

SEXES = ("F", "M")
ONLY = {"F": {"uterus", "uterocervix"}, "M": {"prostate"}}
SPINE = [*(f"C{i}" for i in range(1, 8)), *(f"T{i}" for i in range(1, 13)), *(f"L{i}" for i in range(1, 6))]
SCATTERED = {
    *("unknown_tissue", "muscles", "fat", "skin", "abdominal_tissue", "mediastinal_tissue"),
    *("gonads", "rib_cartilage"),
}

# Volumes of healthy adults, ml; wide enough for both sexes. Where no paper is named, the range is what textbooks give.
PUBLISHED_ML = {
    "liver": (1060, 2000),  # 1281 +- 219: Jasper, J Clin Diagn Res 2019; up to 2 l in large men
    "spleen": (110, 350),  # 198 +- 88: Caglar et al., Folia Morphol 2014
    "kidney_left": (118, 220),  # 177 +- 34 (men), 146 +- 28 (women): Kwon et al., Korean J Nephrol 2008
    "kidney_right": (118, 220),
    "brain": (1050, 1550),
    "pancreas": (40, 120),
    "eyeball_left": (5.5, 9),  # a sphere of 22 to 26 mm
    "eyeball_right": (5.5, 9),
    "gallbladder": (15, 50),
    "heart_myocardium": (65, 170),
    "heart_ventricle_left": (45, 190),
    "thyroid_left": (3, 11),
    "adrenal_gland_left": (1.5, 6),
    "bladder": (50, 400),
    "vertebrae_L3": (35, 80),
}


@pytest.mark.parametrize("sex", SEXES)
def test_a_body_has_every_structure_of_its_sex_and_none_of_the_other(sex: str) -> None:
    expected = {s.name for s in dap() if s.id} - ONLY["M" if sex == "F" else "F"]
    assert names_in(fine(sex)) == expected
    assert names_in(coarse(sex)) == expected


def test_both_sexes_together_have_all_143_ids() -> None:
    assert len(names_in(fine("F")) | names_in(fine("M"))) == 143  # 142 structures and unknown tissue


@pytest.mark.parametrize("sex", SEXES)
def test_left_is_left(sex: str) -> None:
    found = measured(fine(sex))
    sided = [s for s in dap() if s.side is Side.LEFT and s.opposite]
    assert len(sided) >= 37  # the pairs that mirror each other; the heart's chambers may come on top
    for structure in sided:
        left, right = (found[name].centroid_mm[0] for name in (structure.name, structure.opposite))
        assert left < right, structure.name
        if not structure.name.startswith("heart"):
            assert left < 0 < right, structure.name
            assert abs(left + right) < 40, structure.name


@pytest.mark.parametrize("sex", SEXES)
def test_vertebrae_follow_each_other_down_the_spine(sex: str) -> None:
    found = measured(fine(sex))
    heights = [found[f"vertebrae_{level}"].centroid_mm[2] for level in SPINE]
    assert heights == sorted(heights, reverse=True)
    steps = -np.diff(heights)
    assert steps.min() > 10
    assert steps.max() < 45
    assert found["sacrum"].centroid_mm[2] < heights[-1]


@pytest.mark.parametrize("sex", SEXES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_costa_n_begins_at_thoracic_vertebra_13_minus_n(sex: str, side: str) -> None:
    """The scheme counts ribs from below: costa_12 is the anatomical first, at T1."""
    phantom = fine(sex)
    vertebrae = {level: world(phantom, f"vertebrae_{level}") for level in SPINE}
    for n in range(1, 13):
        rib = world(phantom, f"costa_{n}_{side}")
        head = rib[np.argmin(np.abs(rib[:, 0]))]
        gaps = {lv: np.linalg.norm(points - head, axis=1).min() for lv, points in vertebrae.items()}
        assert min(gaps, key=lambda level: gaps[level]) == f"T{13 - n}"
        assert gaps[f"T{13 - n}"] < 6


@pytest.mark.parametrize("side", ["left", "right"])
def test_ribs_lie_above_each_other_everywhere(side: str) -> None:
    found = measured(fine("F"))
    heights = [found[f"costa_{n}_{side}"].centroid_mm[2] for n in range(1, 13)]
    assert heights == sorted(heights)


@pytest.mark.parametrize("sex", SEXES)
@pytest.mark.parametrize("make", [fine, coarse])
def test_every_other_structure_is_one_piece(sex: str, make) -> None:
    phantom: Phantom = make(sex)
    for name, found in measured(phantom).items():
        if name in SCATTERED or name == "background":
            continue
        mask = phantom.label_map[found.box] == found.id
        assert ndimage.label(mask, np.ones((3, 3, 3)))[1] == 1, name


@pytest.mark.parametrize("sex", SEXES)
def test_the_body_is_dense_inside_and_empty_outside(sex: str) -> None:
    phantom = fine(sex)
    body = phantom.label_map != 0
    pieces, count = ndimage.label(~body)
    corner_air = pieces[0, 0, -1]
    enclosed = [i for i in range(1, count + 1) if i != corner_air]
    # Air that is not around the body touches the border of the scan, as between arm and trunk.
    for i in enclosed:
        where = np.argwhere(pieces == i)
        assert (where.min(axis=0) == 0).any() or (where.max(axis=0) == np.array(body.shape) - 1).any()


@pytest.mark.parametrize("sex", SEXES)
def test_skin_is_outermost(sex: str) -> None:
    label_map = fine(sex).label_map
    body = label_map != 0
    inner = ndimage.binary_erosion(body, border_value=1)
    assert (label_map[body & ~inner] == dap()["skin"].id).all()
    assert (label_map == dap()["skin"].id).sum() > 0


@pytest.mark.parametrize("sex", SEXES)
def test_organs_lie_as_the_textbook_says(sex: str) -> None:
    at = {name: np.array(m.centroid_mm) for name, m in measured(fine(sex)).items()}
    x, y, z = range(3)
    assert at["liver"][x] > 30
    assert max(at["stomach"][x], at["spleen"][x]) < -20
    assert at["gallbladder"][z] < at["liver"][z]
    assert at["gallbladder"][x] > 0
    for side in ("left", "right"):
        assert at[f"adrenal_gland_{side}"][z] > at[f"kidney_{side}"][z] + 30
    assert at["kidney_left"][z] > at["kidney_right"][z]
    assert at["trachea"][z] > at["bronchus"][z]
    assert at["esophagus"][y] < at["trachea"][y]
    assert at["lung_upper_lobe_right"][z] > at["lung_middle_lobe_right"][z]
    assert at["lung_middle_lobe_right"][y] > at["lung_lower_lobe_right"][y]
    assert at["lung_upper_lobe_left"][z] > at["lung_lower_lobe_left"][z]
    assert at["heart_ventricle_left"][x] < at["heart_ventricle_right"][x] < at["heart_atrium_right"][x]
    assert at["heart_atrium_left"][y] < at["heart_ventricle_right"][y]
    assert at["thymus"][z] > at["heart"][z]
    assert at["sternum_manubrium"][z] > at["sternum_corpus"][z]
    assert at["brain"][z] > at["nasal_cavity"][z]
    assert at["scapula_left"][y] < at["lung_upper_lobe_left"][y] < at["sternum_corpus"][y]
    assert at["gluteus_maximus_left"][y] < at["hip_left"][y]
    assert at["bladder"][z] < at["vertebrae_L5"][z]
    below = {"M": ("prostate", "bladder"), "F": ("uterocervix", "uterus")}[sex]
    assert at[below[0]][z] < at[below[1]][z]


def test_uterus_lies_above_and_behind_the_bladder() -> None:
    at = measured(fine("F"))
    assert at["uterus"].centroid_mm[2] > at["bladder"].centroid_mm[2]
    assert at["uterus"].centroid_mm[1] < at["bladder"].centroid_mm[1]


@pytest.mark.parametrize("sex", SEXES)
def test_aorta_forks_at_l4_on_the_left_of_the_caval_vein(sex: str) -> None:
    phantom = fine(sex)
    l4 = world(phantom, "vertebrae_L4")[:, 2]
    aorta, cava = world(phantom, "aorta"), world(phantom, "inferior_vena_cava")
    assert l4.min() - 5 < aorta[:, 2].min() < l4.max()
    belly = aorta[:, 2] < l4.max() + 80
    assert aorta[belly, 0].mean() < 0 < cava[:, 0].mean()
    arteries = [world(phantom, f"iliac_artery_{side}")[:, 2].max() for side in ("left", "right")]
    assert all(abs(top - aorta[:, 2].min()) < 25 for top in arteries)


@pytest.mark.parametrize("sex", SEXES)
def test_brain_is_enclosed_by_skull_and_canal_by_the_spine(sex: str) -> None:
    found = measured(fine(sex))
    for inner, outer in (("brain", "skull"),):
        assert all(
            o.start < i.start and i.stop < o.stop
            for i, o in zip(found[inner].box[:2], found[outer].box[:2], strict=True)
        )
    phantom = fine(sex)
    canal, column = world(phantom, "spinal_canal"), world(phantom, "vertebrae_L2")
    level = canal[np.abs(canal[:, 2] - np.median(column[:, 2])) < 2]
    assert column[:, 1].min() < level[:, 1].min()
    assert level[:, 1].max() < column[:, 1].max()


@pytest.mark.parametrize("sex", SEXES)
@pytest.mark.parametrize("name", PUBLISHED_ML)
def test_organs_have_published_sizes(sex: str, name: str) -> None:
    low, high = PUBLISHED_ML[name]
    assert low < measured(fine(sex))[name].ml < high


def test_lungs_hold_litres_and_the_right_one_is_larger() -> None:
    for sex in SEXES:
        found = measured(fine(sex))
        side = {
            s: sum(m.ml for n, m in found.items() if n.startswith("lung") and n.endswith(s))
            for s in ("left", "right")
        }
        assert side["right"] > side["left"]
        assert 2200 < side["left"] + side["right"] < 6000


# HU windows that a radiologist would accept in the portal-venous phase.
HU = {
    "liver": (90, 130),
    "spleen": (100, 140),
    "fat": (-125, -80),
    "muscles": (35, 75),
    "lung_upper_lobe_left": (-900, -750),
    "lung_lower_lobe_right": (-900, -750),
    "aorta": (120, 200),
    "bladder": (-10, 25),
    "brain": (25, 45),
    "kidney_left": (130, 220),
    "vertebrae_L3": (150, 450),
    "femur_left": (200, 700),
    "skull": (400, 1200),
    "trachea": (-1000, -800),
    "nasal_cavity": (-1000, -300),
}


@pytest.mark.parametrize("name", HU)
def test_tissues_have_their_ct_values(name: str) -> None:
    phantom = fine("M")
    low, high = HU[name]
    assert low < phantom.ct[phantom.label_map == dap()[name].id].mean() < high


def test_air_and_a_couch_are_outside_the_body() -> None:
    phantom = fine("F")
    outside = phantom.ct[phantom.label_map == 0]
    assert np.median(outside) == pytest.approx(-1000, abs=5)
    couch = (phantom.ct > -300) & (phantom.label_map == 0)
    behind = phantom.grid.to_world(
        np.argwhere(couch & ~ndimage.binary_dilation(phantom.label_map != 0, iterations=2))
    )
    back_of_body = world(phantom, "skin")[:, 1].min()
    assert len(behind) > 10_000
    assert behind[:, 1].max() < back_of_body + 60
