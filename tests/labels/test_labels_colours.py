"""Colours: what the eye can tell apart, by the distance in CIE Lab."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from dapatlas.labels import Side, Structure, TissueClass, dap, load_scheme, scheme_names

# About ten times what is just noticeable side by side (2.3, Mahy et al. 1994): still clear in a thin overlay.
MIN_DISTANCE = 20.0


def lab(colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """CIE L*a*b* (white point D65) of an sRGB colour; IEC 61966-2-1 and CIE 15."""
    srgb = np.array(colour) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = (to_xyz @ linear) / to_xyz.sum(axis=1)
    fx, fy, fz = (np.cbrt(t) if t > (6 / 29) ** 3 else t * (29 / 6) ** 2 / 3 + 4 / 29 for t in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


def distance(one: str, other: str) -> float:
    return float(np.linalg.norm(lab(dap()[one].colour) - lab(dap()[other].colour)))


def hue(structure: Structure) -> float:
    """Hue angle in degrees, 0…360: about 40 is red, 100 yellow, 200 cyan, 290 blue."""
    _, a, b = lab(structure.colour)
    return float(np.degrees(np.arctan2(b, a)) % 360)


VERTEBRAE = [
    f"vertebrae_{name}"
    for name in (
        *(f"C{n}" for n in range(1, 8)),
        *(f"T{n}" for n in range(1, 13)),
        *(f"L{n}" for n in range(1, 6)),
    )
]
RIBS = [[f"costa_{n}_{side}" for n in range(1, 13)] for side in ("left", "right")]
GROUPS = {
    "belly": ["liver", "stomach", "duodenum", "small_bowel", "colon", "pancreas", "gallbladder", "spleen"],
    "kidneys": [
        "kidney_left",
        "kidney_right",
        "adrenal_gland_left",
        "adrenal_gland_right",
        "liver",
        "spleen",
    ],
    "pelvis": ["bladder", "prostate", "uterus", "uterocervix", "gonads", "sacrum", "colon", "small_bowel"],
    "heart": [
        *(s.name for s in dap() if s.tissue is TissueClass.HEART),
        "aorta",
        "pulmonary_artery",
        "inferior_vena_cava",
    ],
    "left lung": ["lung_lower_lobe_left", "lung_upper_lobe_left", "bronchus", "aorta", "heart"],
    "right lung": [
        "lung_lower_lobe_right",
        "lung_middle_lobe_right",
        "lung_upper_lobe_right",
        "bronchus",
        "liver",
    ],
    "sternum": [
        "sternum_manubrium",
        "sternum_corpus",
        "rib_cartilage",
        "clavicula_left",
        "clavicula_right",
        "thymus",
    ],
    "hip": [
        "hip_left",
        "sacrum",
        "femur_left",
        "gluteus_maximus_left",
        "gluteus_medius_left",
        "gluteus_minimus_left",
        "iliopsoas_left",
    ],
    "neck": [
        "trachea",
        "esophagus",
        "thyroid_left",
        "artery_common_carotid_left",
        "internal_jugular_vein_left",
    ],
    "head": ["brain", "skull", "eyeball_left", "nasal_cavity", "cheek_left", "muscles", "fat"],
    "back": ["spinal_canal", "autochthon_left", "vertebrae_L3", "muscles", "fat", "skin"],
    "filling": ["unknown_tissue", "muscles", "fat", "abdominal_tissue", "mediastinal_tissue", "skin"],
}


@pytest.mark.parametrize("names", GROUPS.values(), ids=GROUPS)
def test_neighbours_are_told_apart(names: list[str]):
    for one, other in combinations(names, 2):
        if dap()[one].opposite != other:  # these share a hue on purpose
            assert distance(one, other) > MIN_DISTANCE, (one, other)


@pytest.mark.parametrize("chain", [VERTEBRAE, *RIBS], ids=["spine", "left ribs", "right ribs"])
def test_a_vertebra_or_rib_differs_from_the_next_two(chain: list[str]):
    for step in (1, 2):
        for one, other in zip(chain, chain[step:], strict=False):
            assert distance(one, other) > MIN_DISTANCE, (one, other)


def test_left_and_right_share_a_hue_and_left_is_lighter():
    pairs = [(s, dap()[s.opposite]) for s in dap() if s.side is Side.LEFT and s.opposite]
    assert (
        len(pairs) == 39
    )  # 9 organs and muscles, 12 ribs, 5 bones, 2 chambers, 2 lobes, 2 of the face, 7 vessels
    for left, right in pairs:
        assert abs((hue(left) - hue(right) + 180) % 360 - 180) < 4, left.name
        assert 10 < lab(left.colour)[0] - lab(right.colour)[0] < 25, left.name


def test_arteries_are_red_and_veins_are_blue():
    for structure in dap():
        if structure.tissue is TissueClass.VESSEL:
            venous = any(word in structure.name for word in ("vein", "vena", "pulmonary_artery"))
            assert (225 < hue(structure) < 330) if venous else (0 < hue(structure) < 65), structure.name


def test_what_fills_the_space_between_organs_is_pale():
    quiet = ("unknown_tissue", "muscles", "fat", "abdominal_tissue", "mediastinal_tissue", "skin")
    chroma = {name: float(np.hypot(*lab(dap()[name].colour)[1:])) for name in quiet}
    organs = [float(np.hypot(*lab(s.colour)[1:])) for s in dap() if s.tissue is TissueClass.ORGAN]
    assert max(chroma.values()) < np.median(organs)


@pytest.mark.parametrize("name", scheme_names())
def test_no_two_structures_share_a_colour_and_background_is_black(name: str):
    scheme = load_scheme(name)
    assert len({structure.colour for structure in scheme}) == len(scheme)
    assert scheme[0].colour == (0, 0, 0)
    assert [tuple(row) for row in scheme.palette()[scheme.ids].tolist()] == [s.colour for s in scheme]
    unused = sorted(set(range(256)) - set(scheme.ids.tolist()))
    assert not scheme.palette()[unused].any()
