"""Each guideline on errors planted by hand, and on anatomy that only looks like an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from spoiled_body import Body, id_of

from dapatlas.errors import BadLabelsError, GridMismatchError
from dapatlas.labels import Sex, crosswalk, dap, load_scheme
from dapatlas.refine import GUIDELINES, RefineSettings, refine
from dapatlas.refine.landmarks import VERTEBRAE, fit_mid_plane
from dapatlas.volumes import Grid, remap, write_label_map

MakeBody = Callable[..., Body]


def codes(findings: list) -> set[str]:
    return {finding.code for finding in findings}


# --- laterality ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outliers", [0, 4])
def test_the_plane_goes_through_its_points_whatever_a_few_of_them_say(outliers: int) -> None:
    """Points on x = 12 + 0.05 y - 0.08 z, shaken by 1 mm; some of them 60 mm off."""
    random = np.random.default_rng(0)
    y, z = random.uniform(0, 150, 26), np.linspace(0, 600, 26)
    x = 12 + 0.05 * y - 0.08 * z + random.normal(0, 1, 26)
    x[random.choice(26, outliers, replace=False)] += 60
    plane = fit_mid_plane(np.stack([x, y, z], axis=1))
    corners = np.array([[12 + 0.05 * b - 0.08 * c, b, c] for b in (0, 150) for c in (0, 600)])
    assert np.abs(plane.right_mm(corners)).max() < 3
    assert plane.right_mm([[200.0, 0, 0]])[0] > 0  # the patient's right is positive


def test_a_short_stretch_of_spine_leaves_the_plane_upright() -> None:
    """Three vertebrae in line cannot say how the plane turns about that line."""
    plane = fit_mid_plane(np.array([[100.0, 50, 0], [100.4, 50.2, 30], [99.8, 50.1, 60]]))
    assert abs(plane.slope_y) < 0.01
    assert plane.spread_mm < 1


def test_a_structure_that_runs_over_the_plane_is_cut_there(body: MakeBody) -> None:
    """Both kidneys under one label, joined by a bridge in front of the spine."""
    spoiled = body()
    spoiled.rename("kidney_right", "kidney_left")
    (i, j, k) = spoiled.points("kidney_left").mean(axis=0).round().astype(int)
    i_right = int(spoiled.points("kidney_right")[:, 0].mean())
    bridge = np.zeros(spoiled.truth.shape, bool)
    bridge[i:i_right, j + 12 : j + 15, k - 1 : k + 2] = True
    bridge[i - 1 : i + 2, j : j + 15, k - 1 : k + 2] = bridge[
        i_right - 1 : i_right + 2, j : j + 15, k - 1 : k + 2
    ] = True
    spoiled.labels[bridge] = id_of("kidney_left")
    refined, findings = spoiled.refined()
    assert "wrong-side-part" in codes(findings)
    middle = spoiled.grid.to_index([[0.0, 0, 0]])[0, 0]
    here = np.arange(spoiled.truth.shape[0])[:, None, None]
    kidney = np.isin(spoiled.labels, [id_of("kidney_left")])
    sure_right, sure_left = kidney & (here > middle + 2), kidney & (here < middle - 2)
    assert (refined[sure_right] == id_of("kidney_right")).all()
    assert (refined[sure_left] == id_of("kidney_left")).all()


def test_a_mirrored_scan_is_reported_and_left_alone(body: MakeBody) -> None:
    mirrored = body()
    mirrored.labels = np.asfortranarray(mirrored.truth[::-1])
    mirrored.assert_untouched("liver-on-left")


def test_without_a_liver_reversed_sides_all_over_are_reported(body: MakeBody) -> None:
    mirrored = body()
    chest_up = slice(int(mirrored.points("vertebrae_T4")[:, 2].mean()), None)
    mirrored.crop(chest_up)
    mirrored.labels = np.asfortranarray(mirrored.truth[::-1])
    _, findings = mirrored.refined()
    assert "sides-reversed" in codes(findings)
    assert not codes(findings) & {"wrong-side", "wrong-side-part"}


def test_iliac_vessels_may_cross_above_the_sacrum(body: MakeBody) -> None:
    """The left vein starts right of the plane; only below the top of the sacrum it must be on its side."""
    crossing = body()
    top = crossing.points("sacrum")[:, 2].max()
    vein = crossing.points("iliac_vena_left")
    upper = vein[vein[:, 2] >= top]
    shift = round(25 / crossing.grid.spacing[0])
    for i, j, k in upper:
        crossing.labels[i : i + shift, j, k] = id_of("iliac_vena_left")
    _, findings = crossing.refined()
    assert len(upper)
    assert not codes(findings) & {"wrong-side", "wrong-side-part"}


def test_the_left_brachiocephalic_vein_may_cross(body: MakeBody) -> None:
    crossing = body()
    i, j, k = crossing.points("vein_brachiocephalic_left").mean(axis=0).astype(int)
    shift = round(60 / crossing.grid.spacing[0])
    crossing.labels[i : i + shift, j, k] = id_of("vein_brachiocephalic_left")
    _, findings = crossing.refined()
    assert not [f for f in findings if f.code.startswith("wrong-side") and f.structure.startswith("vein")]


# --- spine --------------------------------------------------------------------------------------------------


def shift_vertebrae(body: Body, names: list[str], by: int) -> None:
    for name in names:
        body.rename(name, VERTEBRAE[VERTEBRAE.index(name) + by])


def test_a_run_that_is_off_by_one_is_renumbered_where_sacrum_and_ribs_agree(body: MakeBody) -> None:
    """The head is out of view, and C4 to T6 are called one too high, so that T6 is missing."""
    spoiled = body()
    cut = int(spoiled.points("vertebrae_C3")[:, 2].mean())
    spoiled.crop(slice(None, cut))
    spoiled.rename("vertebrae_C3", "muscles")
    spoiled.truth = spoiled.labels.copy(order="F")
    shift_vertebrae(spoiled, list(VERTEBRAE[3 : VERTEBRAE.index("vertebrae_T6") + 1]), -1)
    spoiled.assert_mended("vertebra-renumbered")


def test_an_exchange_of_two_vertebrae_is_put_right(body: MakeBody) -> None:
    spoiled = body()
    spoiled.rename("vertebrae_L2", "vertebrae_L3")
    spoiled.rename("vertebrae_L3", "vertebrae_L2")
    spoiled.assert_mended("vertebra-renumbered")


def test_without_agreement_the_numbers_stay(body: MakeBody) -> None:
    """Vertebrae and ribs of the upper body are off together: either they or the lower ones may be right."""
    spoiled = body()
    upper = VERTEBRAE.index("vertebrae_T9") + 1
    shift_vertebrae(spoiled, list(VERTEBRAE[1:upper]), -1)
    for side in ("left", "right"):
        for number in range(4, 13):  # anatomical 1 to 9, called one too high
            spoiled.rename(f"costa_{number}_{side}", f"costa_{min(12, number + 1)}_{side}")
    refined, findings = spoiled.refined()
    assert "spine-order" in codes(findings)
    assert "vertebra-renumbered" not in codes(findings)
    same = np.isin(spoiled.labels, [id_of(name) for name in VERTEBRAE])
    np.testing.assert_array_equal(refined[same], spoiled.labels[same])


def test_a_sacralised_l5_is_anatomy_not_an_error(body: MakeBody) -> None:
    variant = body()
    variant.rename("vertebrae_L5", "sacrum")
    _, findings = variant.refined()
    assert "transitional-anatomy" in codes(findings)
    assert "vertebra-renumbered" not in codes(findings)


def test_crumbs_of_vertebrae_become_what_surrounds_them(body: MakeBody) -> None:
    spoiled = body()
    i, j, k = spoiled.deep_inside("liver")
    spoiled.labels[i, j, k] = id_of("vertebrae_T5")
    spoiled.assert_mended("vertebra-crumb")


# --- ribs ---------------------------------------------------------------------------------------------------


def test_two_ribs_that_ran_into_one_are_separated(body: MakeBody) -> None:
    spoiled = body()
    spoiled.rename("costa_7_right", "costa_8_right")
    upper, lower = spoiled.points("costa_8_right"), spoiled.points("costa_7_right")
    side = upper[upper[:, 0].argmax()]  # a bridge down where both are farthest out
    below = lower[np.abs(lower[:, :2] - side[:2]).sum(axis=1).argmin()]
    for step in np.linspace(0, 1, 60):
        spoiled.labels[tuple(np.rint(side + step * (below - side)).astype(int))] = id_of("costa_8_right")
    refined, findings = spoiled.refined()
    assert "ribs-separated" in codes(findings)
    for name in ("costa_7_right", "costa_8_right"):
        assert (refined[spoiled.where(name)] == id_of(name)).mean() > 0.97


def test_the_far_half_of_a_rib_under_its_neighbours_name_is_joined(body: MakeBody) -> None:
    spoiled = body()
    rib = spoiled.points("costa_6_left")
    front = rib[rib[:, 1] > np.quantile(rib[:, 1], 0.6)]
    spoiled.labels[tuple(front.T)] = id_of("costa_5_left")
    spoiled.assert_mended("rib-joined")


def test_a_rib_that_broke_off_its_head_is_not_taken_for_the_rib_it_touches(body: MakeBody) -> None:
    """As coarse maps have it: the neck is gone, and further out the rib touches the next one."""
    broken = body()
    rib, above = broken.points("costa_6_left"), broken.points("costa_7_left")
    spine = broken.points("vertebrae_T7")[:, :2].mean(axis=0)
    away = np.linalg.norm((rib[:, :2] - spine) * broken.grid.spacing[:2], axis=1)
    neck = rib[(away > 25) & (away < 50)]  # mm
    broken.labels[tuple(neck.T)] = id_of("muscles")
    outer = rib[away.argmax()]  # a bridge up to the next rib, where both are farthest out
    over = above[np.abs(above[:, :2] - outer[:2]).sum(axis=1).argmin()]
    for step in np.linspace(0, 0.9, 60):
        broken.labels[tuple(np.rint(outer + step * (over - outer)).astype(int))] = id_of("costa_6_left")
    refined, findings = broken.refined()
    assert "rib-joined" not in codes(findings)
    assert (refined[tuple(rib.T)] == id_of("costa_6_left")).mean() > 0.85


def test_a_broken_rib_keeps_both_its_pieces(body: MakeBody) -> None:
    broken = body()
    rib = broken.points("costa_6_left")
    gap = rib[np.abs(rib[:, 1] - np.quantile(rib[:, 1], 0.5)) < 1]
    broken.labels[tuple(gap.T)] = id_of("muscles")
    broken.assert_untouched()


def test_ribs_without_a_thoracic_vertebra_are_left(body: MakeBody) -> None:
    cut = body()
    for name in VERTEBRAE:
        cut.rename(name, "unknown_tissue")
    cut.rename("costa_5_left", "costa_6_left")
    _, findings = cut.refined(settings=RefineSettings(guidelines=("ribs",)))
    assert codes(findings) == {"ribs-not-applicable"}


@pytest.mark.parametrize("missed", [("vertebrae_T6",), ("vertebrae_T2", "vertebrae_T9")])
def test_ribs_of_a_vertebra_that_was_missed_keep_their_numbers(
    body: MakeBody, missed: tuple[str, ...]
) -> None:
    gap = body()
    for name in missed:
        gap.rename(name, "muscles")
    refined, _ = gap.refined()
    ribs = np.isin(gap.labels, [id_of(name) for name in dap().names if name.startswith("costa_")])
    np.testing.assert_array_equal(refined[ribs], gap.labels[ribs])


def test_miscounted_ribs_are_renumbered_beside_a_vertebra_that_was_missed(body: MakeBody) -> None:
    spoiled = body()
    spoiled.rename("vertebrae_T6", "muscles")
    truth = spoiled.labels.copy()
    for number in range(2, 12):
        spoiled.rename(f"costa_{number}_left", f"costa_{number - 1}_left")
    spoiled.rename("costa_1_left", "muscles")
    refined, _ = spoiled.refined()
    for number in range(3, 11):  # anatomical 3 to 10; that of T6 is costa_7
        rib = truth == id_of(f"costa_{number}_left")
        assert (refined[rib] == id_of(f"costa_{number}_left")).mean() > 0.95, number


def test_a_missing_rib_is_reported(body: MakeBody) -> None:
    eleven = body()
    eleven.rename("costa_1_left", "muscles")
    eleven.assert_untouched("rib-count")


# --- regions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("truth", "mistaken_for"),
    [
        ("eyeball_left", "gonads"),
        ("eyeball_right", "gonads"),
        ("nasal_cavity", "colon"),
        ("nasal_cavity", "small_bowel"),
        ("cheek_left", "thyroid_left"),
        ("gallbladder", "bladder"),
    ],
)
def test_lookalikes_get_their_names_back(body: MakeBody, truth: str, mistaken_for: str) -> None:
    spoiled = body()
    spoiled.rename(truth, mistaken_for)
    spoiled.assert_mended("renamed-by-region")


def test_a_trachea_is_no_bronchus_above_the_lungs(body: MakeBody) -> None:
    spoiled = body()
    lungs = [spoiled.points(name)[:, 2].max() for name in ("lung_upper_lobe_left", "lung_upper_lobe_right")]
    above = spoiled.where("trachea") & (np.arange(spoiled.truth.shape[2]) > max(lungs))
    assert above.any()
    spoiled.labels[above] = id_of("bronchus")
    spoiled.assert_mended("bronchus-above-lungs")


def test_brain_in_the_belly_becomes_what_it_lies_in(body: MakeBody) -> None:
    spoiled = body()
    i, j, k = spoiled.deep_inside("liver")
    ball = spoiled.ball((i, j, k), 8) & spoiled.where("liver")
    spoiled.labels[spoiled.where("brain")] = id_of("unknown_tissue")  # the real one is not in view
    spoiled.labels[ball] = id_of("brain")
    refined, findings = spoiled.refined()
    assert "impossible-place" in codes(findings)
    assert (refined[ball] == id_of("liver")).all()


# --- sex ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sex", "organs"), [(Sex.MALE, {"uterus", "uterocervix"}), (Sex.FEMALE, {"prostate"})]
)
def test_only_organs_of_the_other_sex_go(body: MakeBody, sex: Sex, organs: set[str]) -> None:
    woman = body(Sex.FEMALE)
    i, j, _ = woman.points("bladder").mean(axis=0).astype(int)
    low = woman.points("bladder")[:, 2].min()
    woman.labels[i - 2 : i + 3, j - 2 : j + 3, low - 4 : low - 1] = id_of("prostate")
    refined, _ = woman.refined(sex=sex)
    left = {name for name in ("uterus", "uterocervix", "prostate") if (refined == id_of(name)).any()}
    assert left == {"uterus", "uterocervix", "prostate"} - organs


def test_an_unknown_sex_changes_nothing_and_is_said(body: MakeBody) -> None:
    woman = body(Sex.FEMALE)
    refined, findings = woman.refined(sex=None, sex_doubt="two tables differ")
    np.testing.assert_array_equal(refined, woman.truth)
    (finding,) = [finding for finding in findings if finding.code == "sex-unknown"]
    assert finding.severity == "warning"
    assert "two tables differ" in finding.message


# --- fragments ----------------------------------------------------------------------------------------------


def test_a_second_piece_that_is_no_crumb_is_kept_and_reported(body: MakeBody) -> None:
    """A femur broken in the middle."""
    broken = body()
    femur = broken.points("femur_left")
    gap = femur[np.abs(femur[:, 2] - np.median(femur[:, 2])) < 1]
    broken.labels[tuple(gap.T)] = id_of("muscles")
    broken.labels[:, :, 0] = 0  # else both pieces might go on beyond the field of view
    _, findings = broken.refined()
    assert "second-piece" in codes(findings)
    assert not [
        finding for finding in findings if finding.code == "island" and finding.structure == "femur_left"
    ]


def test_small_holes_are_filled_and_large_ones_reported(body: MakeBody) -> None:
    holed = body()
    i, j, k = holed.deep_inside("liver")
    small, large = holed.ball((i + 7, j, k), 6), holed.ball((i - 1, j, k), 13)
    assert holed.where("liver")[small | large].all()
    holed.labels[small] = id_of("fat")
    holed.labels[large] = id_of("abdominal_tissue")
    refined, findings = holed.refined()
    assert {"hole", "large-hole"} <= codes(findings)
    assert (refined[small] == id_of("liver")).all()
    assert (refined[large] == id_of("abdominal_tissue")).all()


def test_a_dense_map_has_no_background_inside(body: MakeBody) -> None:
    holed = body()
    i, j, k = holed.deep_inside("liver")
    holed.labels[i - 1 : i + 2, j, k] = 0
    holed.assert_mended("background-hole")


def test_a_sparse_map_stays_sparse() -> None:
    """Where only organs are labelled, what goes leaves background, and gaps between organs are not filled."""
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[5:35, 5:35, 5:35] = id_of("liver")
    labels[8:32, 8:32, 8:32] = 0  # a shell: what is inside is not known
    labels[37, 37, 37] = id_of("liver")
    refined, findings = refine(labels, Grid.from_spacing((40, 40, 40), (3, 3, 3)))
    assert refined[37, 37, 37] == 0
    assert refined[20, 20, 20] == 0
    assert {"island", "large-hole"} <= codes(findings)


# --- containment --------------------------------------------------------------------------------------------


def test_skin_inside_the_body_becomes_what_surrounds_it(body: MakeBody) -> None:
    spoiled = body()
    i, j, k = spoiled.deep_inside("spleen")
    spoiled.labels[spoiled.ball((i, j, k), 5)] = id_of("skin")
    refined, findings = spoiled.refined()
    assert codes(findings) & {"skin-inside", "hole"}
    np.testing.assert_array_equal(refined, spoiled.truth)


def test_what_hangs_in_the_air_goes_unless_it_is_a_limb(body: MakeBody) -> None:
    spoiled = body()
    spoiled.labels[1:4, 2:5, 60:64] = id_of("muscles")
    spoiled.assert_mended("outside-body")


def test_parts_of_the_heart_keep_together(body: MakeBody) -> None:
    spoiled = body()
    i, j, k = spoiled.deep_inside("liver")
    spoiled.labels[spoiled.ball((i, j, k), 7)] = id_of("heart_tissue")
    spoiled.assert_mended("off-the-heart")


def test_a_canal_outside_the_column_goes(body: MakeBody) -> None:
    spoiled = body()
    i, j, k = spoiled.deep_inside("kidney_left")
    spoiled.labels[spoiled.ball((i, j, k), 6)] = id_of("spinal_canal")
    refined, _ = spoiled.refined()
    np.testing.assert_array_equal(refined, spoiled.truth)


def test_a_prostate_above_the_bladder_is_reported(body: MakeBody) -> None:
    odd = body(Sex.MALE)
    odd.rename("prostate", "muscles")
    top = odd.points("bladder")[:, 2].max()
    i, j = odd.points("bladder")[:, :2].mean(axis=0).astype(int)
    odd.labels[i - 2 : i + 3, j - 2 : j + 3, top + 1 : top + 4] = id_of("prostate")
    _, findings = odd.refined()
    assert "prostate-above-bladder" in codes(findings)


# --- the whole ----------------------------------------------------------------------------------------------


def test_guidelines_are_switchable_and_ordered(body: MakeBody) -> None:
    spoiled = body()
    spoiled.rename("femur_left", "femur_right")
    refined, findings = spoiled.refined(settings=RefineSettings(guidelines=("spine", "ribs")))
    np.testing.assert_array_equal(refined, spoiled.labels)
    assert not findings
    with pytest.raises(ValueError, match="no guideline is called 'spin'"):
        RefineSettings(guidelines=("spin",))
    with pytest.raises(ValueError, match="twice"):
        RefineSettings(guidelines=("spine", "spine"))


def test_every_threshold_says_what_it_is() -> None:
    for name, guideline in GUIDELINES.items():
        assert guideline.name == name
        for threshold, about in guideline.thresholds.model_fields.items():
            assert about.description, f"{name}.{threshold}"


def test_thresholds_decide(body: MakeBody) -> None:
    """A margin wider than the body lets everything be where it is."""
    spoiled = body()
    spoiled.rename("kidney_left", "kidney_right")
    wide = RefineSettings.model_validate({"guidelines": ["laterality"], "laterality": {"margin_mm": 300}})
    refined, _ = spoiled.refined(settings=wide)
    np.testing.assert_array_equal(refined, spoiled.labels)


def test_maps_in_another_scheme_are_refined_in_their_own_words(body: MakeBody) -> None:
    whole = body()
    scheme = load_scheme("totalsegmentator")
    there = crosswalk("dap", scheme).lookup()
    truth = remap(whole.truth, there)
    spoiled = truth.copy(order="F")
    left, right = scheme["hip_left"].id, scheme["hip_right"].id
    spoiled[truth == left], spoiled[truth == right] = right, left
    refined, findings = refine(spoiled, whole.grid, scheme=scheme)
    np.testing.assert_array_equal(refined, truth)
    assert "wrong-side" in codes(findings)


def test_bad_input_is_named(body: MakeBody) -> None:
    whole = body()
    with pytest.raises(BadLabelsError, match="does not have: 11"):
        refine(np.full((4, 4, 4), 11, np.uint8), Grid.from_spacing((4, 4, 4), (1, 1, 1)))
    with pytest.raises(BadLabelsError, match="integers"):
        refine(np.ones((4, 4, 4), np.float32), Grid.from_spacing((4, 4, 4), (1, 1, 1)))  # type: ignore[arg-type]
    with pytest.raises(GridMismatchError, match="shape"):
        refine(whole.truth[1:], whole.grid)
    empty, findings = refine(np.zeros((4, 4, 4), np.uint8), Grid.from_spacing((4, 4, 4), (1, 1, 1)))
    assert not empty.any()
    assert codes(findings) == {"empty-map"}


def test_one_slice_is_enough_not_to_fail(body: MakeBody) -> None:
    whole = body()
    k = int(whole.points("liver")[:, 2].mean())
    slab = np.asfortranarray(whole.truth[:, :, k : k + 1])
    refined, _ = refine(slab, Grid(slab.shape, whole.grid.affine), sex=Sex.FEMALE)
    assert (refined != slab).mean() < 0.001


def test_ids_are_those_of_the_scheme_whatever_the_integer_type(body: MakeBody) -> None:
    whole = body()
    for dtype in (np.int16, np.int64):
        refined, _ = refine(whole.truth.astype(dtype), whole.grid, sex=Sex.FEMALE)
        assert refined.dtype == np.uint8
        assert set(np.unique(refined)) <= set(dap().ids.tolist())


def test_the_documented_python_runs(body: MakeBody, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block of docs/refine.md, on a file of the name it uses."""
    page = (Path(__file__).parents[2] / "docs" / "refine.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    spoiled = body()
    spoiled.rename("kidney_left", "kidney_right")
    write_label_map(tmp_path / "prediction.nii.gz", spoiled.labels, spoiled.grid)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(block, names)
    np.testing.assert_array_equal(names["clean"], spoiled.truth)
