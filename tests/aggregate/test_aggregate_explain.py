"""Who supplies what, and what is wrong with a recipe: told from schemes and headers, true of what a build does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dapatlas.aggregate import Recipe, translate
from dapatlas.aggregate.check import check_recipe
from dapatlas.aggregate.explain import explain_recipe
from dapatlas.aggregate.overlap import covered_share, overlap
from dapatlas.aggregate.supply import How, Way, goes_nowhere, supplies
from dapatlas.aggregate.wholes import Wholes
from dapatlas.dataset import Case
from dapatlas.experts import Proposal
from dapatlas.findings import Finding
from dapatlas.labels import dap, load_scheme, scheme_names
from dapatlas.volumes import Grid, resample_labels

SURE = (Way.EQUAL, Way.PART, Way.CHOICE)


def recipe(*experts: dict[str, Any], folder: Path = Path("/nowhere"), **tables: Any) -> Recipe:
    """Experts are label maps in ``folder/NAME/CASE.nii.gz`` unless they say otherwise."""
    told = [
        {"kind": "label-maps", "files": f"{folder}/{expert['name']}/{{case}}.nii.gz", **expert}
        for expert in experts
    ]
    table = {"name": "test", "cts": {"files": f"{folder}/ct/{{case}}.nii.gz"}, "experts": told, **tables}
    return Recipe.model_validate(table)


def one(scheme: str, **keys: Any) -> Any:
    """The settings of one expert."""
    return recipe({"name": "x", "scheme": scheme, **keys}).experts[0]


def test_every_way_that_a_structure_comes_from_an_experts():
    own = supplies(one("totalsegmentator", choose={"sternum": "sternum_corpus"}), dap())
    assert own["liver"] == How(Way.EQUAL, ("liver",))
    # https://github.com/wasserth/TotalSegmentator: ids 2 and 24 are the right kidney and its cysts
    assert own["kidney_right"] == How(Way.EQUAL, ("kidney_right", "kidney_cyst_right"))
    assert own["spinal_canal"] == How(Way.PART, ("spinal_cord",))
    assert own["thyroid_left"] == own["thyroid_right"] == How(Way.SPLIT, ("thyroid_gland",))
    assert own["sternum_corpus"] == How(Way.CHOICE, ("sternum",))
    assert "sternum_manubrium" not in own
    assert "celiac_trunk" not in own
    assert "background" not in own
    vague = supplies(one("totalsegmentator"), dap())
    assert vague["sternum_corpus"] == vague["sternum_manubrium"] == How(Way.WHOLE, ("sternum",))
    assert not vague["sternum_corpus"].finds
    assert supplies(one("dap"), dap()).keys() == {s.name for s in dap() if s.id}


def test_what_the_recipe_leaves_out_is_not_supplied():
    some = supplies(one("totalsegmentator", structures=["liver", "thyroid_left", "sternum_corpus"]), dap())
    # of the sternum nobody knows which part is meant, but a pair is cut before a side is left
    assert some == {"liver": How(Way.EQUAL, ("liver",)), "thyroid_left": How(Way.SPLIT, ("thyroid_gland",))}
    rest = supplies(one("totalsegmentator", **{"except": ["Liver", "sternum_manubrium"]}), dap())
    assert {"liver", "sternum_corpus", "sternum_manubrium"}.isdisjoint(rest)
    assert "liver" in supplies(one("totalsegmentator", structures=["aorta"]), dap(), restricted=False)


@settings(max_examples=12)
@given(data=st.data())
@pytest.mark.parametrize("name", scheme_names())
def test_what_is_told_is_what_translation_does(name: str, data: st.DataObject):
    """A map with one voxel of every id, translated, has just the ids that are promised."""
    scheme, atlas = load_scheme(name), dap()
    names = [structure.name for structure in atlas if structure.id]
    some = data.draw(st.none() | st.lists(st.sampled_from(names), unique=True, min_size=20))
    without = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=40))
    sources = [structure.name for structure in scheme if structure.id and structure.container is None]
    pairs = st.tuples(st.sampled_from(sources or ["none"]), st.sampled_from(names))
    choose = dict(data.draw(st.lists(pairs, max_size=2))) if sources else {}
    expert = one(name, structures=some, choose=choose, **{"except": without})
    wholes = Wholes.of([scheme], atlas)
    label_map = scheme.ids.reshape(-1, 1, 1)
    claim, _ = translate(
        Proposal("x", scheme, label_map),
        Grid.from_spacing(label_map.shape, (1, 1, 1)),
        wholes,
        structures=some,
        except_structures=without,
        choose=choose,
    )
    words = dict(zip(scheme.names, claim.label_map.ravel().tolist(), strict=True))
    told = supplies(expert, atlas)
    claimed = {atlas[id_].name for id_ in words.values() if id_ and id_ in atlas}
    parts = {atlas[part].name for id_ in words.values() if id_ in wholes.parts for part in wholes.parts[id_]}
    assert {name for name, how in told.items() if how.way in SURE} == claimed
    left = {atlas[id_].name for id_ in claim.leaves if id_ in atlas}
    assert told.keys() == (claimed | parts) - left
    silent = {source for source, id_ in words.items() if not id_} - {"background"}
    spaces = {structure.name for structure in scheme if structure.container is not None}
    assert goes_nowhere(expert, atlas, names).keys() == silent - spaces


def test_an_explanation_puts_the_most_trusted_first():
    told = explain_recipe(
        recipe(
            {"name": "whole", "scheme": "abdomenct_1k"},
            {"name": "amos", "scheme": "amos"},
            {"name": "ts", "scheme": "totalsegmentator"},
            merge={"trust": ["ts"], "structures": {"Liver": ["amos"]}, "staple": ["spleen"]},
        )
    )
    rows = {row.structure: row for row in told.rows}
    assert len(rows) == len(dap())
    assert [row.name for row in told.experts] == ["ts", "whole", "amos"]
    assert [supplier.expert for supplier in rows["liver"].suppliers] == ["amos", "ts", "whole"]
    assert [supplier.expert for supplier in rows["pancreas"].suppliers] == ["ts", "whole", "amos"]
    assert rows["spleen"].by_consensus
    assert not rows["liver"].by_consensus
    # AbdomenCT-1K has both kidneys in one: ids 1 liver, 2 kidney, 3 spleen, 4 pancreas
    assert {s.expert: s.how.way for s in rows["kidney_left"].suppliers} == {
        "ts": Way.EQUAL,
        "whole": Way.SPLIT,
        "amos": Way.EQUAL,
    }
    assert told.unsupplied == tuple(row.structure for row in told.rows if not row.found)
    assert "celiac_trunk" in told.unsupplied
    assert told.as_dict()["rows"][dap()["liver"].id - 1]["suppliers"][0]["way"] == "equal"


def test_what_fills_the_rest_is_told():
    rows = {row.structure: row for row in explain_recipe(recipe({"name": "x", "scheme": "amos"})).rows}
    assert "−190…−30 HU" in rows["fat"].filled
    assert "2 mm" in rows["skin"].filled
    assert all(rows[name].found for name in ("background", "unknown_tissue", "abdominal_tissue"))
    bare = explain_recipe(recipe({"name": "x", "scheme": "amos"}, tissues={"skin_mm": 0, "cavities": False}))
    assert {"skin", "abdominal_tissue", "mediastinal_tissue"} <= set(bare.unsupplied)


def test_the_rest_of_a_heart_is_told():
    alone = explain_recipe(recipe({"name": "x", "scheme": "abdomenct_1k"}))
    assert {"heart", "heart_tissue"} <= set(alone.unsupplied)
    both = explain_recipe(
        recipe(
            {"name": "x", "scheme": "totalsegmentator"},
            {"name": "y", "scheme": "totalsegmentator_heartchambers_highres"},
        )
    )
    assert not {"heart", "heart_tissue", "heart_ventricle_left"} & set(both.unsupplied)


def test_what_goes_nowhere_has_a_reason():
    told = explain_recipe(
        recipe({"name": "x", "scheme": "totalsegmentator", "except": ["liver", "sternum_corpus"]})
    )
    nowhere = told.experts[0].nowhere
    assert nowhere["superior_vena_cava"] == "dap has no such structure"
    assert nowhere["liver"] == "liver left out by the recipe"
    assert "of which the recipe leaves out sternum_corpus" in nowhere["sternum"]
    alone = explain_recipe(recipe({"name": "x", "scheme": "totalsegmentator"})).experts[0]
    assert "none of which any expert finds" in alone.nowhere["sternum"]
    helped = recipe(
        {"name": "x", "scheme": "totalsegmentator"},
        {"name": "y", "scheme": "dap", "structures": ["sternum_manubrium"]},
    )
    assert "sternum" not in explain_recipe(helped).experts[0].nowhere


# --- checks


def save(path: Path, grid: Grid) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.zeros(grid.shape, np.uint8), grid.affine), path)


CT = Grid.from_spacing((12, 10, 8), (2, 2, 5), "LPS", (10, 20, 30))


def findings(made: Recipe, folder: Path, *names: str) -> list[Finding]:
    cases = [Case(name, folder / "ct" / f"{name}.nii.gz", None, dap()) for name in names]
    for case in cases:
        if not case.image_path.exists():  # type: ignore[union-attr]
            save(case.image_path, CT)  # type: ignore[arg-type]
    return check_recipe(made, cases)


def codes(found: list[Finding], severity: str | None = None) -> list[tuple[str, str]]:
    return [(f.case, f.code) for f in found if severity in (None, f.severity)]


def test_a_recipe_whose_files_are_in_order_has_no_errors(tmp_path: Path):
    made = recipe({"name": "x", "scheme": "totalsegmentator"}, folder=tmp_path)
    for case in "ab":
        save(tmp_path / "x" / f"{case}.nii.gz", CT)
    assert codes(findings(made, tmp_path, "a", "b")) == [("", "no-supplier")]


def test_missing_and_broken_files_are_errors_before_anything_is_built(tmp_path: Path):
    made = recipe(
        {"name": "x", "scheme": "dap"},
        {"name": "y", "scheme": "amos", "required": False},
        folder=tmp_path,
    )
    for case in "abc":
        save(tmp_path / "x" / f"{case}.nii.gz", CT)
    (tmp_path / "x" / "b.nii.gz").unlink()
    (tmp_path / "x" / "c.nii.gz").write_bytes(b"no such thing")
    save(tmp_path / "y" / "a.nii.gz", CT)
    (tmp_path / "ct").mkdir()
    (tmp_path / "ct" / "d.nii.gz").write_bytes(b"")
    save(tmp_path / "x" / "d.nii.gz", CT)
    found = findings(made, tmp_path, "a", "b", "c", "d")
    assert codes(found, "error") == [("b", "missing-file"), ("c", "unreadable"), ("d", "unreadable")]
    assert found[0].file == str(tmp_path / "x" / "b.nii.gz")
    assert found[0].file in found[0].message
    assert [f.message for f in found if f.code == "optional-missing"] == [
        "expert y: is optional, and has no file for 3 of 4 cases"
    ]


def test_a_case_that_no_optional_expert_knows_is_an_error(tmp_path: Path):
    made = recipe({"name": "x", "scheme": "dap", "required": False}, folder=tmp_path)
    assert codes(findings(made, tmp_path, "a"), "error") == [("a", "no-expert")]


def test_an_expert_must_lie_on_the_ct(tmp_path: Path):
    made = recipe({"name": "x", "scheme": "dap"}, folder=tmp_path)
    shifted = CT.affine.copy()
    shifted[2, 3] += CT.shape[2] * 5 / 2  # up by half the field of view
    away = CT.affine.copy()
    away[0, 3] += 1000
    for case, affine in (("half", shifted), ("none", away), ("same", CT.affine)):
        save(tmp_path / "x" / f"{case}.nii.gz", Grid(CT.shape, affine))
    found = findings(made, tmp_path, "half", "none", "same")
    assert codes(found, "error") == [("none", "outside-ct")]
    assert codes(found, "info") == [("half", "covers-part")]
    assert "about 5" in found[-1].message  # half of eight slices, sampled


def test_masks_of_one_folder_share_a_grid(tmp_path: Path):
    made = recipe(
        {"name": "x", "scheme": "dap", "kind": "binary-masks", "files": f"{tmp_path}/x/{{case}}"},
        folder=tmp_path,
    )
    save(tmp_path / "x" / "a" / "liver.nii.gz", CT)
    save(tmp_path / "x" / "a" / "spleen.nii.gz", Grid.from_spacing((6, 5, 8), (4, 4, 5), "LPS", (10, 20, 30)))
    (error,) = [f for f in findings(made, tmp_path, "a") if f.severity == "error"]
    assert (error.code, error.file) == ("grids-differ", str(tmp_path / "x" / "a" / "spleen.nii.gz"))


def test_headers_of_every_format_are_looked_at(tmp_path: Path):
    sitk = pytest.importorskip("SimpleITK")
    made = recipe(
        {"name": "x", "scheme": "dap", "files": f"{tmp_path}/x/{{case}}.nrrd"},
        {"name": "y", "scheme": "amos", "kind": "one-hot"},
        {"name": "z", "scheme": "amos", "kind": "rtstruct", "files": f"{tmp_path}/z/{{case}}"},
        folder=tmp_path,
    )
    (tmp_path / "x").mkdir()
    image = sitk.Image(4, 4, 4, sitk.sitkUInt8)
    image.SetOrigin((5000.0, 0.0, 0.0))
    sitk.WriteImage(image, str(tmp_path / "x" / "a.nrrd"))
    save(tmp_path / "y" / "a.nii.gz", CT)
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4, 15), np.uint8), CT.affine), tmp_path / "y" / "a.nii.gz")
    (tmp_path / "z" / "a").mkdir(parents=True)
    for name in "12":
        (tmp_path / "z" / "a" / f"{name}.dcm").write_bytes(b"")
    found = [f for f in findings(made, tmp_path, "a") if f.case]
    assert codes(found) == [("a", "outside-ct"), ("a", "several-files"), ("a", "covers-part")]
    assert [f.message.split(":")[0] for f in found] == ["expert x", "expert z", "expert y"]


def test_settings_without_effect_are_warned_of(tmp_path: Path):
    made = recipe(
        {
            "name": "a",
            "scheme": "amos",
            "structures": ["liver", "skull"],
            "choose": {"spleen": "liver"},
        },
        {"name": "b", "scheme": "btcv", "except": ["spleen"]},
        folder=tmp_path,
        merge={"structures": {"liver": ["a", "b"], "skull": ["b"]}, "staple": ["aorta", "liver"]},
        refine={"sex_table": str(tmp_path / "none.csv")},
    )
    texts = [f.message for f in findings(made, tmp_path) if f.code not in ("left-out", "no-supplier")]
    for said in (
        "merge.structures.skull: the expert 'b' never claims skull",
        "expert a: structures: amos has nothing that goes to skull",
        "merge.staple: b alone knows aorta; STAPLE needs two",
        "expert a: choose gives spleen to liver, but amos says it is spleen",
        f"refine.sex_table: there is no file {tmp_path}/none.csv",
    ):
        assert said in texts
    assert len(texts) == 5


def test_what_the_recipe_itself_keeps_out_is_told_apart_from_what_nobody_knows(tmp_path: Path):
    made = recipe({"name": "a", "scheme": "amos", "except": ["liver"]}, folder=tmp_path)
    found = findings(made, tmp_path)
    assert [f.structure for f in found if f.code == "left-out"] == ["liver"]
    (nobody,) = [f for f in found if f.code == "no-supplier"]
    assert "skull" in nobody.message
    assert "liver" not in nobody.message.split()


def test_what_is_kept_out_of_the_same_experts_is_told_in_one_line(tmp_path: Path):
    made = recipe(
        {"name": "a", "scheme": "amos", "except": ["liver", "aorta", "bladder"]},
        # b knows the liver, and no bladder
        {"name": "b", "scheme": "btcv", "structures": ["aorta", "spleen"]},
        folder=tmp_path,
    )
    told = [(f.structure, f.message) for f in findings(made, tmp_path) if f.code == "left-out"]
    assert ("liver", "liver: no expert supplies it, for the recipe leaves it out of a and b") in told
    assert not any("aorta" in message for _, message in told)
    assert [name for name, message in told if message.endswith("out of a")] == ["bladder"]

    made = recipe({"name": "b", "scheme": "btcv", "structures": ["spleen"]}, folder=tmp_path)
    ((structure, message),) = [
        (f.structure, f.message) for f in findings(made, tmp_path) if f.code == "left-out"
    ]
    assert structure == ""
    named = message.split(": no expert supplies them, for the recipe leaves them out of b")[0].split(", ")
    assert {"liver", "aorta", "kidney_left", "kidney_right", "pancreas"} <= set(named)
    assert "spleen" not in named


# --- grids


def random_grid(rng: np.random.Generator) -> Grid:
    affine = np.eye(4)
    turn = Rotation.random(random_state=rng.integers(1 << 30)).as_matrix()
    affine[:3, :3] = turn * rng.uniform(0.5, 3, 3)
    affine[:3, 3] = rng.uniform(-15, 15, 3)
    return Grid(tuple(rng.integers(1, 9, 3).tolist()), affine)


@given(seed=st.integers(0, 10_000))
def test_grids_overlap_just_where_their_points_do(seed: int):
    rng = np.random.default_rng(seed)
    one_grid, other = random_grid(rng), random_grid(rng)
    # many points of each volume: that one of them lies in the other proves that they overlap
    points = [
        grid.to_world(rng.uniform(-0.5, np.array(grid.shape) - 0.5, (4000, 3))) for grid in (one_grid, other)
    ]
    index = [other.to_index(points[0]), one_grid.to_index(points[1])]
    within = [
        ((i > -0.5) & (i < np.array(grid.shape) - 0.5)).all(axis=1).any()
        for i, grid in zip(index, (other, one_grid), strict=True)
    ]
    assert overlap(one_grid, other) == overlap(other, one_grid)
    if any(within):
        assert overlap(one_grid, other)
    if not overlap(one_grid, other):
        assert covered_share(one_grid, other) == covered_share(other, one_grid) == 0
        assert not resample_labels(np.ones(one_grid.shape, np.uint8), one_grid, other).any()


def test_grids_apart_are_seen_to_be_apart():
    grid = Grid.from_spacing((4, 4, 4), (1, 1, 1))
    beside = Grid.from_spacing((4, 4, 4), (1, 1, 1), origin=(4, 0, 0))  # they share a face
    assert not overlap(grid, beside)
    assert overlap(grid, Grid.from_spacing((4, 4, 4), (1, 1, 1), origin=(3.9, 0, 0)))
    turned = np.eye(4)  # a cube on its edge, beyond a corner of the other though their bounding boxes meet
    turned[:3, :3] = Rotation.from_euler("z", 45, degrees=True).as_matrix()
    turned[:3, 3] = (6.0, 3.5, 0)
    assert not overlap(grid, Grid((4, 4, 4), turned))


def test_the_share_covered_is_counted_in_voxels():
    grid = Grid.from_spacing((33, 33, 33), (1, 1, 1))
    assert covered_share(grid, grid) == 1
    lower = Grid.from_spacing((33, 33, 11), (1, 1, 1))
    assert covered_share(grid, lower) == pytest.approx(11 / 33)
    assert covered_share(lower, grid) == 1
