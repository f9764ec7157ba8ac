from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from phantom_cases import along, coarse, fine, names_in, world

from dapatlas.errors import DapatlasError
from dapatlas.labels import dap
from dapatlas.phantom import FieldOfView, Phantom, PhantomSpec, make_phantom
from dapatlas.volumes import reorient

SMALL = {"shape": (48, 48, 72), "seed": 3}


def digest(phantom: Phantom) -> str:
    data = (
        phantom.ct.tobytes(order="F") + phantom.label_map.tobytes(order="F") + phantom.grid.affine.tobytes()
    )
    return hashlib.sha256(data).hexdigest()


def test_same_specification_gives_the_same_bytes_in_another_process() -> None:
    script = (
        "import sys; sys.path.insert(0, 'tests/phantom'); import test_phantom_spec as t;"
        "print(t.digest(t.make_phantom(t.PhantomSpec(**t.SMALL))))"
    )
    root = __file__.split("/tests/")[0]
    run = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == digest(make_phantom(PhantomSpec(**SMALL)))


def test_another_seed_gives_another_body_and_another_noise() -> None:
    first = make_phantom(PhantomSpec(**SMALL))
    second = make_phantom(PhantomSpec(**{**SMALL, "seed": 4}))
    assert not np.array_equal(first.label_map, second.label_map)
    assert not np.array_equal(first.ct, second.ct)


def test_two_studies_show_one_person_on_two_days() -> None:
    first = make_phantom(PhantomSpec(**SMALL))
    second = make_phantom(PhantomSpec(**SMALL, study=1))
    a, b = (p.spec.subject() for p in (first, second))
    assert (a.scale, a.fat) == (b.scale, b.fat)
    assert (a.bladder, a.offset) != (b.bladder, b.offset)
    assert not np.array_equal(first.ct, second.ct)


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "PIR", "SLA"])
def test_an_orientation_is_the_same_phantom_reoriented(orientation: str) -> None:
    reference, turned = coarse("M"), coarse("M", orientation)
    assert turned.grid.orientation == orientation
    for name in ("label_map", "ct"):
        view, grid = reorient(getattr(turned, name), turned.grid, "LPS")
        assert np.array_equal(view, getattr(reference, name))
        assert grid.is_close(reference.grid)


def test_arrays_have_the_kinds_that_files_have() -> None:
    phantom = coarse("F")
    assert (phantom.ct.dtype, phantom.label_map.dtype) == (np.int16, np.uint8)
    assert phantom.ct.shape == phantom.label_map.shape == phantom.grid.shape
    assert phantom.ct.flags.f_contiguous
    assert phantom.label_map.flags.f_contiguous


def test_without_a_spacing_the_whole_body_fits_the_shape() -> None:
    phantom = make_phantom(PhantomSpec(seed=1, sex="M", shape=(64, 64, 64), orientation="PIR"))
    assert phantom.grid.spacing == pytest.approx((410 / 64, 975 / 64, 410 / 64))
    assert phantom.grid.shape == (64, 64, 64)
    assert not phantom.label_map[:, 0].any()  # first slice in I direction: air above the crown
    assert phantom.label_map[:, -1].any()  # the thighs go on below


def test_a_finer_grid_shows_the_same_anatomy() -> None:
    coarse_grid, fine_grid = ((40, 40, 60), 9.0), ((120, 120, 180), 3.0)
    maps = [
        make_phantom(
            PhantomSpec(seed=2, shape=s, spacing=(mm, mm, mm), orientation="RAS", noise_hu=0)
        ).label_map
        for s, mm in (coarse_grid, fine_grid)
    ]
    fine_map = maps[1][1::3, 1::3, 1::3]  # the middle of 3 x 3 x 3 voxels is the middle of a coarse voxel
    unclear = np.isin(maps[0], (0, dap()["skin"].id)) | np.isin(fine_map, (0, dap()["skin"].id))
    same = (maps[0] == fine_map)[~unclear]
    assert len(same) > 10_000
    assert same.mean() > 0.95  # thin structures are held together in coarse grids


EXPECTED_VIEW = {
    # field of view: structures wholly out of view, structures at least partly in view
    "no_head": ({"skull", "brain", "vertebrae_C3"}, {"vertebrae_C7", "lung_upper_lobe_left", "femur_left"}),
    "no_legs": (set(), {"brain", "hip_left", "bladder", "vertebrae_L5"}),
    "head_neck": ({"liver", "vertebrae_T8", "hip_left"}, {"brain", "vertebrae_C1", "vertebrae_T1"}),
    "thorax": ({"brain", "bladder", "hip_left"}, {"heart_ventricle_left", "vertebrae_T5", "costa_12_left"}),
    "abdomen": ({"brain", "bladder", "vertebrae_T1", "femur_left"}, {"liver", "kidney_left", "vertebrae_L3"}),
    "pelvis": ({"liver", "spleen", "vertebrae_T12"}, {"bladder", "femur_left", "hip_right", "sacrum"}),
}


@pytest.mark.parametrize("field_of_view", EXPECTED_VIEW)
def test_a_field_of_view_is_a_crop_of_the_full_scan(field_of_view: str) -> None:
    full, part = coarse("M", "RAS"), coarse("M", "RAS", field_of_view)
    start = round(float(full.grid.to_index(part.grid.to_world((0, 0, 0)))[2]))
    stop = start + part.grid.shape[2]
    assert part.grid.shape[2] < full.grid.shape[2]
    assert np.array_equal(part.label_map, full.label_map[:, :, start:stop])
    assert np.array_equal(part.ct, full.ct[:, :, start:stop])
    gone, seen = EXPECTED_VIEW[field_of_view]
    assert not names_in(part) & gone
    assert seen <= names_in(part)


def test_no_legs_cuts_the_thighs_but_not_the_hips() -> None:
    full, part = coarse("M", "RAS"), coarse("M", "RAS", "no_legs")
    assert len(world(part, "hip_left")) == len(world(full, "hip_left"))
    assert len(world(part, "femur_left")) < 0.8 * len(world(full, "femur_left"))


def test_fields_of_view_are_all_documented_by_a_test() -> None:
    assert {view.value for view in FieldOfView} == {"full", *EXPECTED_VIEW}


def test_raised_arms_lie_beside_the_head() -> None:
    down = coarse("F", "RAS")
    up = make_phantom(
        PhantomSpec(seed=5, sex="F", shape=(68, 68, 162), spacing=(6, 6, 6), orientation="RAS", arms="up")
    )
    chin = world(up, "skull")[:, 2].min()
    assert world(up, "humerus_left")[:, 2].mean() > chin > world(down, "humerus_left")[:, 2].mean()


def test_arms_fit_the_width_of_the_scan() -> None:
    for seed in range(3):
        grid = PhantomSpec(
            seed=seed, sex="M", shape=(82, 82, 49), spacing=(5, 5, 20), orientation="RAS", noise_hu=0
        )
        label_map = make_phantom(grid).label_map
        assert not label_map[[0, -1]].any()
        assert not label_map[:, [0, -1]].any()


def test_noise_can_be_left_out() -> None:
    phantom = make_phantom(PhantomSpec(**SMALL, noise_hu=0))
    brain = phantom.ct[phantom.label_map == dap()["brain"].id]
    assert len(np.unique(brain)) < 20  # one tissue, but for blur at its edge
    noisy = make_phantom(PhantomSpec(**SMALL, noise_hu=20))
    assert noisy.ct[noisy.label_map == dap()["liver"].id].std() == pytest.approx(21, abs=5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"orientation": "LLS"}, "one letter each"),
        ({"orientation": "XYZ"}, "one letter each"),
        ({"shape": (4, 64, 64)}, "too small"),
        ({"spacing": (1.0, 0.0, 1.0)}, "positive"),
        ({"field_of_view": "toes"}, "'no_head'"),
        ({"sex": "X"}, "'F'"),
        ({"arms": "akimbo"}, "'up'"),
        ({"seed": -1}, "negative"),
    ],
)
def test_a_specification_that_cannot_be_says_what_can(wrong: dict, said: str) -> None:
    with pytest.raises(DapatlasError, match=said):
        PhantomSpec(**wrong)


def test_a_field_of_view_outside_of_a_short_grid_says_so() -> None:
    with pytest.raises(DapatlasError, match="pelvis"):
        make_phantom(PhantomSpec(shape=(40, 40, 20), spacing=(10, 10, 10), field_of_view="pelvis"))


def test_a_short_grid_hangs_from_the_crown() -> None:
    phantom = make_phantom(PhantomSpec(shape=along("LPS", (40, 40, 20)), spacing=(10, 10, 10)))
    assert "brain" in names_in(phantom)
    assert "liver" not in names_in(phantom)


def test_the_default_is_a_woman_of_128_voxels_cubed() -> None:
    spec = PhantomSpec()
    assert (spec.shape, spec.sex, spec.field_of_view) == ((128, 128, 128), "F", FieldOfView.FULL)
    assert fine("F").spec.orientation == "RAS"
