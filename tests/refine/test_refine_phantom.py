"""Every error that the phantom can plant, in every orientation and field of view, gives way to the truth."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from dapatlas.labels import Sex
from dapatlas.phantom import ErrorKind, FieldOfView, Phantom, PhantomSpec, make_phantom, plant
from dapatlas.refine import refine
from dapatlas.volumes import reorient

ORIENTATIONS = ("LAS", "RAS", "LPS", "PIR")
GRIDS = {"thick slices": ((112, 112, 120), Sex.FEMALE), "near isotropic": ((96, 96, 200), Sex.MALE)}
FIELDS = ("full", "no_head", "head_neck", "thorax", "abdomen", "pelvis")


@cache
def phantom(grid: str, field: str) -> Phantom:
    shape, sex = GRIDS[grid]
    return make_phantom(
        PhantomSpec(
            seed=5, shape=shape, orientation="RAS", sex=sex, field_of_view=FieldOfView(field), noise_hu=0
        )
    )


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("field", FIELDS)
def test_planted_errors_give_way_to_the_truth(orientation: str, grid: str, field: str) -> None:
    made = phantom(grid, field)
    truth, own = reorient(made.label_map, made.grid, orientation)
    sex = made.spec.sex
    planted_kinds = set()
    for kinds in [[kind] for kind in ErrorKind] + [list(ErrorKind)]:
        spoiled, errors = plant(truth, own, kinds, seed=3, skip_impossible=True)
        if not errors:
            continue
        planted_kinds |= {error.kind for error in errors}
        refined, findings = refine(spoiled, own, sex=sex)
        assert (refined == truth).all(), [error.detail for error in errors]
        changed = sum(finding.voxels for finding in findings if finding.expected)
        assert changed == sum(error.voxels for error in errors)  # each voxel once, and no other
    assert len(planted_kinds) >= 2


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("field", [*FIELDS, "no_legs"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_clean_map_stays_as_it_is(grid: str, field: str, seed: int) -> None:
    shape, sex = GRIDS[grid]
    made = make_phantom(
        PhantomSpec(
            seed=seed, shape=shape, sex=sex, arms="up" if seed else "down", field_of_view=field, noise_hu=0
        )
    )
    refined, findings = refine(made.label_map, made.grid, sex=sex)
    np.testing.assert_array_equal(refined, made.label_map)
    assert [finding.message for finding in findings if finding.severity != "info"] == []


def test_a_tilted_and_oblique_patient_is_mended_all_the_same() -> None:
    """The affine turns the body by 10 degrees about two axes: the plane is fitted, not assumed."""
    made = phantom("near isotropic", "full")
    turn = np.eye(4)
    angle = np.deg2rad(10)
    about_z = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    turn[:3, :3] = about_y @ about_z
    oblique = type(made.grid)(made.grid.shape, turn @ made.grid.affine)
    spoiled, errors = plant(made.label_map, oblique, list(ErrorKind), seed=3, skip_impossible=True)
    refined, _ = refine(spoiled, oblique, sex=made.spec.sex)
    assert errors
    np.testing.assert_array_equal(refined, made.label_map)


def test_a_patient_turned_within_the_scan_is_mended_all_the_same() -> None:
    """Sheared, as by a body that lies askew: the mid-line wanders by 40 mm from feet to head."""
    made = phantom("near isotropic", "full")
    truth = np.zeros_like(made.label_map)
    wander_mm = np.linspace(-20, 20, truth.shape[2])
    for k, shift in enumerate(np.rint(wander_mm / made.grid.spacing[0]).astype(int)):
        truth[:, :, k] = np.roll(made.label_map[:, :, k], shift, axis=0)
    spoiled, _ = plant(truth, made.grid, [ErrorKind.SWAPPED_SIDES, ErrorKind.RIBS_MISCOUNTED], seed=4)
    refined, _ = refine(spoiled, made.grid, sex=made.spec.sex)
    # shearing tears corners of thin structures off, so that a few voxels are fragments by themselves
    assert (refined != truth).sum() < 0.0005 * (truth != 0).sum()
    for name in ("kidney", "hip", "femur", "scapula", "clavicula", "humerus"):
        from dapatlas.labels import dap

        left = truth == dap()[f"{name}_left"].id
        assert (refined[left] == dap()[f"{name}_left"].id).mean() > 0.99
