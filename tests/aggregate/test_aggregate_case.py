"""A whole case through a recipe: what its options do to the map that comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from dapatlas.aggregate import Aggregate, Recipe, aggregate
from dapatlas.aggregate.provenance import CONSENSUS, SMOOTHED, TISSUES
from dapatlas.dataset import Case
from dapatlas.errors import DapatlasError
from dapatlas.labels import Sex, crosswalk, dap, load_scheme
from dapatlas.phantom import Phantom, PhantomSpec, make_phantom
from dapatlas.volumes import read_volume, remap, write_label_map, write_volume

LIVER = dap()["liver"].id
ORGANS = {
    "kind": "label-maps",
    "name": "organs",
    "scheme": "totalsegmentator",
    "files": "organs/{case}.nii.gz",
}


@pytest.fixture(scope="module")
def body() -> Phantom:
    return make_phantom(
        PhantomSpec(seed=2, shape=(72, 72, 60), sex=Sex.MALE, field_of_view="abdomen", noise_hu=5)
    )


@pytest.fixture
def folder(body: Phantom, tmp_path: Path) -> Path:
    """The CT, and TotalSegmentator's words for the truth."""
    for name in ("ct", "organs", "regions", "outline"):
        (tmp_path / name).mkdir()
    write_volume(tmp_path / "ct" / "c.nii.gz", body.ct, body.grid)
    write_label_map(tmp_path / "organs" / "c.nii.gz", in_words_of("totalsegmentator", body), body.grid)
    return tmp_path


def in_words_of(scheme: str, body: Phantom) -> np.ndarray:
    return remap(body.label_map, crosswalk("dap", scheme).lookup())


def built(folder: Path, *experts: dict[str, Any], **tables: Any) -> Aggregate:
    experts_here = [expert | {"files": str(folder / expert["files"])} for expert in experts]
    for expert in experts_here:
        if expert["scheme"] == "totalsegmentator":
            expert["choose"] = {"sternum": "sternum_corpus"}
    recipe = Recipe.model_validate(
        {"name": "test", "cts": {"files": str(folder / "ct/c.nii.gz")}, "experts": experts_here, **tables}
    )
    case = Case("c", folder / "ct" / "c.nii.gz", None, recipe.atlas)
    return aggregate(case, read_volume(folder / "ct" / "c.nii.gz"), recipe)


def faces(mask: np.ndarray) -> int:
    """How many voxel faces a mask has towards what is not in it."""
    return sum(int(np.count_nonzero(np.diff(mask.astype(np.int8), axis=axis))) for axis in range(3))


def codes(made: Aggregate) -> set[str]:
    return {finding.code for finding in made.findings}


def test_an_experts_body_is_the_body(body: Phantom, folder: Path) -> None:
    """One voxel wider all round than the CT shows."""
    scheme = load_scheme("totalsegmentator_body")
    wide = binary_dilation(body.label_map != 0, np.ones((3, 3, 1)))
    outline = np.where(wide, scheme["body_trunc"].id, 0).astype(np.uint8)
    write_label_map(folder / "outline" / "c.nii.gz", outline, body.grid)
    expert = {"kind": "label-maps", "name": "body", "scheme": scheme.name, "files": "outline/{case}.nii.gz"}
    made = built(folder, ORGANS, expert)
    np.testing.assert_array_equal(made.label_map != 0, wide)
    assert "outside-body" not in codes(made)
    decided = made.provenance.decided.inflated()
    assert (decided[made.label_map == dap()["skin"].id] == TISSUES).all()  # of a space, not of its expert


def test_an_experts_cavity_replaces_the_one_that_is_guessed(body: Phantom, folder: Path) -> None:
    """A cavity that is a box around the bowel: what nobody claims in it is its tissue, and nothing else is."""
    scheme = load_scheme("saros_body_regions")
    bowel = np.argwhere(body.label_map == dap()["small_bowel"].id)
    cavity = np.zeros(body.label_map.shape, bool)
    cavity[tuple(slice(a, b + 1) for a, b in zip(bowel.min(0), bowel.max(0), strict=True))] = True
    cavity &= body.label_map != 0
    regions = np.where(cavity, scheme["abdominal_cavity"].id, 0).astype(np.uint8)
    write_label_map(folder / "regions" / "c.nii.gz", regions, body.grid)
    expert = {
        "kind": "label-maps",
        "name": "regions",
        "scheme": scheme.name,
        "files": "regions/{case}.nii.gz",
    }
    made = built(folder, ORGANS, expert)
    tissue = made.label_map == dap()["abdominal_tissue"].id
    claimed = in_words_of("totalsegmentator", body) != 0
    assert tissue.sum() > 100
    assert not (tissue & ~cavity).any()
    left = cavity & ~claimed & ~tissue
    assert (body.ct[left] < -190).all()  # gas
    assert set(np.unique(made.label_map)) <= set(dap().ids.tolist())


def test_staple_settles_what_the_recipe_names(body: Phantom, folder: Path) -> None:
    pytest.importorskip("SimpleITK", reason="STAPLE needs SimpleITK: pip install 'dapatlas[itk]'")
    others = []
    for number, shift in enumerate((1, -1)):
        name = f"other{number}"
        (folder / name).mkdir()
        moved = np.roll(in_words_of("amos", body), shift, axis=0)
        write_label_map(folder / name / "c.nii.gz", moved, body.grid)
        others.append(
            {"kind": "label-maps", "name": name, "scheme": "amos", "files": f"{name}/{{case}}.nii.gz"}
        )
    made = built(folder, ORGANS, *others, merge={"staple": ["liver"]})
    assert "settled-by-staple" in codes(made)
    decided = made.provenance.decided.inflated()
    liver, truth = made.label_map == LIVER, body.label_map == LIVER
    np.testing.assert_array_equal(decided == CONSENSUS, liver)
    assert 2 * (liver & truth).sum() / (liver.sum() + truth.sum()) > 0.97
    one = np.roll(truth, 1, axis=0)
    assert (liver != truth).sum() < 0.5 * (one != truth).sum()


def test_small_pieces_and_ragged_borders_go_where_the_recipe_asks(body: Phantom, folder: Path) -> None:
    scheme = load_scheme("totalsegmentator")
    words = in_words_of("totalsegmentator", body)
    liver = words == scheme["liver"].id
    random = np.random.default_rng(0)
    ragged = binary_dilation(liver) & ~liver & (words == 0) & (random.random(words.shape) < 0.3)
    words[ragged] = scheme["liver"].id
    i, j, k = np.argwhere(words == scheme["spleen"].id).mean(0).astype(int)
    words[i, j, k] = scheme["liver"].id  # in the spleen, far from the liver
    write_label_map(folder / "organs" / "c.nii.gz", words, body.grid)
    plain = built(folder, ORGANS)
    tidy = built(folder, ORGANS, merge={"min_ml": 1.0, "smooth_mm": 10.0})
    assert plain.label_map[i, j, k] == LIVER
    assert tidy.label_map[i, j, k] != LIVER
    assert {"small-pieces", "smoothed"} <= codes(tidy)
    assert not {"small-pieces", "smoothed"} & codes(plain)
    assert faces(tidy.label_map == LIVER) < 0.8 * faces(plain.label_map == LIVER)
    assert (tidy.provenance.decided.inflated() == SMOOTHED).any()


def test_a_case_that_no_expert_has_a_file_for_is_named(body: Phantom, folder: Path) -> None:
    absent = ORGANS | {"files": "nowhere/{case}.nii.gz", "required": False}
    with pytest.raises(DapatlasError, match="c: no expert of the recipe has a file for this case"):
        built(folder, absent)
