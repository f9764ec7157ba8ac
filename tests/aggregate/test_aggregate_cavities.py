"""The two sides of the wall: drawn trunks of known anatomy, and phantoms."""

from __future__ import annotations

import numpy as np
import pytest

from dapatlas.aggregate import fill_tissues
from dapatlas.labels import Container, dap
from dapatlas.phantom import PhantomSpec, make_phantom
from dapatlas.volumes import Grid

SHAPE, SPACING = (100, 80, 30), (3.0, 3.0, 5.0)
CENTRE = (150.0, 120.0)
AIR, FAT, MUSCLE, BLOOD, BONE = -1000, -100, 50, 120, 400


def ellipse(radii_mm: tuple[float, float], centre: tuple[float, float] = CENTRE) -> np.ndarray:
    x, y = np.meshgrid(np.arange(SHAPE[0]) * SPACING[0], np.arange(SHAPE[1]) * SPACING[1], indexing="ij")
    flat = ((x - centre[0]) / radii_mm[0]) ** 2 + ((y - centre[1]) / radii_mm[1]) ** 2 <= 1
    return np.repeat(flat[:, :, None], SHAPE[2], axis=2)


class Trunk:
    """Skin, 25 mm of fat, a muscular wall of 12 mm, and a cavity of fat with the colon in it."""

    def __init__(self) -> None:
        self.grid = Grid.from_spacing(SHAPE, SPACING, "RAS")
        self.body = ellipse((137, 107))
        self.wall = ellipse((110, 80)) & ~ellipse((98, 68))
        self.cavity = ellipse((98, 68))
        self.ct = np.where(self.body, FAT, AIR).astype(np.int16)
        self.ct[self.wall] = MUSCLE
        self.labels = np.zeros(SHAPE, np.uint8)
        self.claim("colon", ellipse((14, 14), (90, 120)), MUSCLE)

    def claim(self, name: str, where: np.ndarray, hu: int) -> None:
        self.labels[where] = dap()[name].id
        self.ct[where] = hu

    def filled(self, **settings: object) -> np.ndarray:
        return fill_tissues(self.labels, self.ct, self.body, self.grid, dap(), **settings)[0]  # type: ignore[arg-type]

    def is_(self, name: str, **settings: object) -> np.ndarray:
        return self.filled(**settings) == dap()[name].id


@pytest.fixture
def trunk() -> Trunk:
    return Trunk()


def test_fat_is_the_cavitys_inside_the_wall_and_fat_outside(trunk: Trunk):
    subcutaneous = trunk.body & ~ellipse((110, 80)) & ~trunk.is_("skin")
    assert (trunk.is_("abdominal_tissue") == trunk.cavity & (trunk.labels == 0)).all()
    assert (trunk.is_("muscles") == trunk.wall).all()
    assert (trunk.is_("fat") == subcutaneous).all()


def test_a_linea_alba_of_normal_width_keeps_the_fat_of_both_sides_apart(trunk: Trunk):
    gap = np.zeros(SHAPE, bool)
    gap[47:53, 40:] = True  # 18 mm wide, in front
    trunk.ct[trunk.wall & gap] = FAT
    cavity = trunk.is_("abdominal_tissue")
    assert cavity[trunk.cavity & (trunk.labels == 0)].all()
    leak = cavity & ~trunk.cavity
    assert not (leak & ~gap).any()
    assert leak.sum() <= (trunk.wall & gap).sum()  # no farther than the thickness of the wall


def test_fat_between_the_layers_of_the_wall_stays_fat(trunk: Trunk):
    layer = ellipse((107, 77)) & ~ellipse((103, 73))
    layer &= np.indices(SHAPE)[0] > 60
    trunk.ct[layer] = FAT
    assert trunk.is_("fat")[layer].all()


def test_vessels_and_nodes_in_the_cavity_are_its_tissue_and_no_muscle(trunk: Trunk):
    vessel, node = ellipse((6, 6), (170, 120)), ellipse((9, 9), (200, 110))
    trunk.ct[vessel], trunk.ct[node] = BLOOD, MUSCLE
    assert trunk.is_("abdominal_tissue")[vessel | node].all()


def test_gas_in_the_cavity_is_not_its_tissue(trunk: Trunk):
    bubble = ellipse((9, 9), (180, 120))
    trunk.ct[bubble] = -950
    assert trunk.is_("unknown_tissue")[bubble].all()


def test_discs_are_unknown_and_a_gap_wider_than_a_disc_is_not(trunk: Trunk):
    column = ellipse((21, 18), (150, 70))
    for name, start in (("vertebrae_L3", 2), ("vertebrae_L2", 8), ("vertebrae_T11", 20)):
        part = column.copy()
        part[:, :, :start] = part[:, :, start + 4 :] = False
        trunk.claim(name, part, BONE)
    trunk.ct[column & (trunk.labels == 0)] = 80
    unknown = trunk.is_("unknown_tissue")
    assert unknown[50, 23, 6:8].all()  # 10 mm between L3 and L2
    assert not unknown[50, 23, 14:18].any()  # 40 mm between L2 and T11, whose neighbours nobody claims


def test_marrow_of_a_bone_that_nobody_claims_is_no_fat(trunk: Trunk):
    thigh = np.zeros(SHAPE, np.int16) + AIR
    leg, shaft, marrow = ellipse((90, 90)), ellipse((18, 18)), ellipse((9, 9))
    thigh[leg], thigh[shaft], thigh[marrow] = MUSCLE, 700, -60
    filled, _ = fill_tissues(np.zeros(SHAPE, np.uint8), thigh, leg, trunk.grid, dap())
    assert (filled[shaft] == dap()["unknown_tissue"].id).all()


def test_without_organs_no_cavity_is_guessed(trunk: Trunk):
    trunk.labels[:] = 0
    assert not trunk.is_("abdominal_tissue").any()
    assert trunk.is_("fat")[50, 40, 15]


def test_cavities_can_be_left_out(trunk: Trunk):
    assert not trunk.is_("abdominal_tissue", cavities=False).any()


def test_the_diaphragm_parts_mediastinum_from_abdomen(trunk: Trunk):
    level = np.indices(SHAPE)[2]
    chest = level >= 16
    trunk.labels[:], trunk.ct[trunk.cavity] = 0, FAT
    trunk.claim("lung_lower_lobe_left", ellipse((40, 55), (95, 120)) & chest, -850)
    trunk.claim("lung_lower_lobe_right", ellipse((40, 55), (205, 120)) & chest, -850)
    trunk.claim("heart", ellipse((12, 20)) & chest & (level < 26), MUSCLE)
    trunk.claim("liver", ellipse((80, 50)) & (level < 14), MUSCLE)
    between_lungs = (trunk.labels == 0) & ellipse((10, 50)) & (level >= 20)
    below = (trunk.labels == 0) & trunk.cavity & (level < 13)
    assert trunk.is_("mediastinal_tissue")[between_lungs].all()
    assert trunk.is_("abdominal_tissue")[below].all()


def test_the_pelvis_ends_where_its_organs_do(trunk: Trunk):
    trunk.labels[:] = 0
    trunk.claim("bladder", ellipse((30, 30)) & (np.indices(SHAPE)[2] >= 12), 10)
    assert not trunk.is_("abdominal_tissue")[:, :, :12].any()


@pytest.mark.parametrize("noise", [0, 20])
def test_an_expert_s_cavity_replaces_the_guess(trunk: Trunk, noise: int):
    trunk.ct += np.random.default_rng(0).normal(0, noise, SHAPE).astype(np.int16)
    trunk.ct[60, 40, :] = -900  # gas
    shown = ellipse((30, 30), (170, 120))
    abdomen = trunk.is_("abdominal_tissue", containers={Container.ABDOMINAL_CAVITY: shown})
    assert (abdomen == shown & (trunk.labels == 0) & (trunk.ct >= -190)).all()
    both = {Container.ABDOMINAL_CAVITY: shown, Container.MEDIASTINUM: ellipse((12, 12), (170, 120))}
    assert trunk.is_("mediastinal_tissue", containers=both)[57, 40, 3]


def test_one_container_leaves_the_other_cavity_to_geometry(trunk: Trunk):
    shown = ellipse((12, 12), (170, 120))
    filled = trunk.filled(containers={Container.MEDIASTINUM: shown, Container.BODY: trunk.body})
    assert (filled[shown] == dap()["mediastinal_tissue"].id).all()
    rest = trunk.cavity & ~shown & (trunk.labels == 0)
    assert (filled[rest] == dap()["abdominal_tissue"].id).all()


def test_a_container_of_another_shape_is_an_error_that_names_both(trunk: Trunk):
    with pytest.raises(ValueError, match=r"mediastinum has shape \(2, 2, 2\).*\(100, 80, 30\)"):
        trunk.filled(containers={Container.MEDIASTINUM: np.zeros((2, 2, 2), bool)})


TISSUES = ("muscles", "fat", "abdominal_tissue", "mediastinal_tissue", "skin", "unknown_tissue")
FLOORS = {"muscles": 0.96, "fat": 0.97, "abdominal_tissue": 0.91, "mediastinal_tissue": 0.88, "skin": 0.92}


@pytest.mark.parametrize(
    "spec", [PhantomSpec(), PhantomSpec(seed=1, sex="M", arms="up")], ids=["arms down", "arms up"]
)  # type: ignore[arg-type]
def test_a_phantom_s_tissues_are_found_again(spec: PhantomSpec):
    phantom = make_phantom(spec)
    truth = phantom.label_map
    organs = np.where(np.isin(truth, [dap()[name].id for name in TISSUES]), 0, truth).astype(np.uint8)
    filled, _ = fill_tissues(organs, phantom.ct, truth > 0, phantom.grid, dap())
    for name, floor in FLOORS.items():
        ours, theirs = filled == dap()[name].id, truth == dap()[name].id
        assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) > floor, name
