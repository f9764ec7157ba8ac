from __future__ import annotations

import numpy as np
import pytest
from geometry_cases import (
    ball,
    case_of,
    centre,
    codes,
    erase,
    exchange,
    found,
    id_of,
    labels,
    phantom,
    rename,
    where,
)

from dapatlas.check import adjacency, completeness, laterality, order, ribs, vertebrae, vessels
from dapatlas.check.measured_case import Patient
from dapatlas.findings import Severity
from dapatlas.labels import Sex, crosswalk
from dapatlas.phantom import ErrorKind, FieldOfView, PhantomSpec, make_phantom, plant
from dapatlas.volumes import read_label_map, remap, reorient

CHECKS = (order, ribs, vertebrae, vessels, completeness, adjacency, laterality)


@pytest.mark.parametrize(("sex", "field_of_view"), [*zip("FMFMFMF", FieldOfView, strict=True)])
def test_nothing_is_found_in_a_clean_body_however_much_of_it_is_in_view(sex, field_of_view):
    body = phantom(sex, field_of_view)
    case = case_of(body.label_map, body.grid, Patient(Sex(sex)))
    assert [f for check in CHECKS for f in check.check(case)] == []


@pytest.mark.parametrize("orientation", ["PIR", "SAL"])
def test_the_orientation_of_the_file_does_not_matter(orientation):
    body = phantom()
    spoiled = labels()
    exchange(spoiled, "vertebrae_T8", "vertebrae_T9")
    exchange(spoiled, "kidney_left", "kidney_right")
    expected = [
        (f.code, f.structure, f.message) for check in CHECKS for f in found(check, spoiled, grid=body.grid)
    ]
    view, grid = reorient(spoiled, body.grid, orientation)
    case = case_of(np.asfortranarray(view), grid)
    turned = [f for check in CHECKS for f in check.check(case)]
    assert [(f.code, f.structure, f.message) for f in turned] == expected
    assert expected
    for finding in turned:  # its box, in the file's own axes, holds what it is about
        if finding.structure:
            inside = np.asfortranarray(view)[tuple(slice(*side) for side in finding.box)]
            assert (inside == id_of(finding.structure)).any()


def test_thick_slices_and_raised_arms():
    spec = PhantomSpec(seed=8, sex=Sex.MALE, shape=(128, 128, 128), arms="up", noise_hu=0)
    body = make_phantom(spec)
    case = case_of(body.label_map, body.grid, Patient(Sex.MALE))
    assert [f for check in CHECKS for f in check.check(case)] == []


PLANTED = {
    ErrorKind.SWAPPED_SIDES: (laterality, {"wrong-side", "sides-mixed"}),
    ErrorKind.VERTEBRA_FRAGMENT: (completeness, {"several-pieces"}),
    ErrorKind.STRAY_ISLANDS: (completeness, {"several-pieces"}),
    ErrorKind.RIBS_MISCOUNTED: (ribs, {"rib-vertebra"}),
    ErrorKind.COLON_IN_HEAD: (order, {"out-of-place"}),
}


@pytest.mark.parametrize("kind", list(PLANTED))
@pytest.mark.parametrize("seed", [0, 1])
def test_every_planted_fault_is_found_by_the_check_that_should(kind, seed):
    body = phantom()
    spoiled, (error,) = plant(body.label_map, body.grid, [kind], seed)
    check, expected = PLANTED[kind]
    findings = found(check, spoiled, grid=body.grid)
    hit = [f for f in findings if f.code in expected]
    assert hit
    if kind is not ErrorKind.RIBS_MISCOUNTED:
        assert {f.structure for f in hit} <= {*error.structures}


@pytest.mark.parametrize(("above", "below"), [("C3", "C4"), ("T6", "T7"), ("L4", "L5")])
def test_two_vertebrae_that_changed_places(above, below):
    spoiled = labels()
    exchange(spoiled, f"vertebrae_{above}", f"vertebrae_{below}")
    findings = [f for f in found(order, spoiled) if f.code == "vertebra-order"]
    assert len(findings) == 1  # one of the two is enough to put in its place
    assert findings[0].severity is Severity.ERROR
    assert findings[0].structure in (f"vertebrae_{above}", f"vertebrae_{below}")


def test_a_vertebra_far_from_its_place_is_the_one_told_of():
    spoiled = labels()
    exchange(spoiled, "vertebrae_C4", "vertebrae_L3")
    names = {f.structure for f in found(order, spoiled) if f.code == "vertebra-order"}
    assert names == {"vertebrae_C4", "vertebrae_L3"}


def test_kidney_above_its_adrenal():
    spoiled = labels()
    exchange(spoiled, "kidney_left", "adrenal_gland_left")
    assert ("order", "adrenal_gland_left") in codes(found(order, spoiled), Severity.ERROR)


def test_lobes_upside_down():
    spoiled = labels()
    exchange(spoiled, "lung_upper_lobe_right", "lung_lower_lobe_right")
    assert ("order", "lung_upper_lobe_right") in codes(found(order, spoiled), Severity.ERROR)


def test_vena_cava_on_the_left_is_a_rare_variant():
    spoiled = labels()
    exchange(spoiled, "inferior_vena_cava", "aorta")
    (finding,) = [
        f for f in found(order, spoiled) if f.structure == "inferior_vena_cava" and f.code == "order"
    ]
    assert finding.severity is Severity.WARNING


def test_centres_are_not_judged_where_the_field_of_view_cuts_the_lower_one():
    spoiled = labels()
    bottom = centre(spoiled, "liver")[2]
    scan = spoiled[:, :, bottom:]  # cuts the liver in the middle: what is left of it lies higher than it does
    assert not [f for f in found(order, scan) if f.structure == "heart_myocardium"]


def test_a_piece_in_a_part_of_the_body_where_it_never_is():
    spoiled = labels()
    ball(spoiled, "small_bowel", centre(spoiled, "nasal_cavity"), 2)
    ball(spoiled, "eyeball_left", centre(spoiled, "sacrum"), 2)
    errors = codes(found(order, spoiled), Severity.ERROR)
    assert {("out-of-place", "small_bowel"), ("out-of-place", "eyeball_left")} <= errors


def test_a_limit_holds_where_its_own_vertebra_is_not_in_view():
    spoiled = labels()
    bottom = centre(spoiled, "vertebrae_C4")[2]
    ball(spoiled, "colon", centre(spoiled, "brain"), 2)
    assert ("out-of-place", "colon") in codes(found(order, spoiled[:, :, bottom:]), Severity.ERROR)


def test_without_vertebrae_limits_are_not_judged():
    spoiled = labels()
    for name in [f"vertebrae_{r}{n}" for r, k in (("C", 7), ("T", 12), ("L", 5)) for n in range(1, k + 1)]:
        erase(spoiled, name)
    assert found(order, spoiled) == []


def test_ends_cut_by_empty_slices_as_by_the_field_of_view():
    spoiled = labels()
    top = centre(spoiled, "liver")[2]
    spoiled[:, :, top:] = 0  # as a scan padded with empty slices has it
    case = case_of(spoiled)
    assert case.cut_by("liver") == ()
    assert order.ends_cut(case, "liver") == {"top"}


def test_the_skull_below_the_atlas():
    spoiled = labels()
    rename(spoiled, vertebrae_C1="skull", skull="vertebrae_C1")
    assert ("order", "skull") in codes(found(order, spoiled), Severity.ERROR)
    assert where(spoiled, "skull").any()


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["total", "total_sm"])
def test_a_real_map_lacks_the_neck_of_the_pancreas_and_nothing_else(real_data, name):
    # looked at slice by slice: head and tail are labelled, what lies before the mesenteric vessels is not
    volume = read_label_map(real_data / f"{name}.nii.gz")
    mapped = remap(volume.array, crosswalk("totalsegmentator", "dap").lookup())
    case = case_of(mapped, volume.grid)
    findings = [f for check in CHECKS for f in check.check(case)]
    assert codes(findings) == {("several-pieces", "pancreas")}
    assert findings[0].severity is Severity.WARNING
