"""Building data sets: whole, resumable, and not stopped by one bad case."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from dapatlas.aggregate import Recipe, load_recipe
from dapatlas.dataset import Dataset, validate
from dapatlas.errors import DapatlasError
from dapatlas.labels import crosswalk, dap
from dapatlas.pipeline import build, find_cases

SHAPE, SPACING = (60, 48, 30), (6.0, 6.0, 8.0)
LIVER, SPLEEN, RIB = 5, 1, 103  # TotalSegmentator's ids; 103 is rib_left_12
RECIPE = """
name = "test"
[cts]
files = "ct/{case}.nii.gz"
[[experts]]
name = "ts"
kind = "label-maps"
scheme = "totalsegmentator"
files = "maps/{case}.nii.gz"
"""


def write_case(folder: Path, name: str, liver: slice = slice(18, 28)) -> None:
    """A slab of a body, an ellipse of fat, with liver, spleen and a rib in it."""
    x, y, _ = np.meshgrid(*(np.arange(n) * mm for n, mm in zip(SHAPE, SPACING, strict=True)), indexing="ij")
    body = ((x - 180) / 130) ** 2 + ((y - 144) / 90) ** 2 <= 1
    ct, label_map = np.full(SHAPE, -1000, np.int16), np.zeros(SHAPE, np.uint8)
    noise = np.random.default_rng(list(name.encode())).normal(0, 10, SHAPE)
    ct[body] = (-100 + noise)[body]
    ct[44:46, 22:28, 6:9] = 700
    label_map[liver, 20:30, 5:20] = LIVER
    label_map[36:42, 20:26, 8:16] = SPLEEN
    label_map[44:46, 22:28, 6:9] = RIB
    affine = np.diag([*SPACING, 1.0])
    for kind, array in (("ct", ct), ("maps", label_map)):
        (folder / kind).mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(array, affine), folder / kind / f"{name}.nii.gz")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for first, name in enumerate(("AutoPET_0123456789_00001", "AutoPET_0123456789_00002", "other"), start=16):
        write_case(tmp_path, name, liver=slice(first, 28))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def recipe(work: Path, extra: str = "") -> Recipe:
    (work / "recipe.toml").write_text(RECIPE + extra)
    return load_recipe(work / "recipe.toml")


def states(work: Path, extra: str = "", **options: object) -> dict[str, str]:
    result = build(recipe(work, extra), work / "out", jobs=1, **options)  # type: ignore[arg-type]
    return {case.case: case.state for case in result.cases}


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".dapatlas" not in path.parts and path.name != "recipe.json"
    }


def test_what_is_built_is_a_sound_data_set(work: Path):
    result = build(recipe(work), work / "out", jobs=2)
    assert [case.state for case in result.cases] == ["built"] * 3
    dataset = Dataset(work / "out")
    assert len(dataset) == 3
    assert len(dataset.subjects) == 2
    assert [finding.code for finding in validate(dataset, jobs=1, deep=True)] == ["case-name"]  # "other"
    assert dataset.labels_path.read_text() == dap().labels_json()


def test_experts_keep_their_voxels_under_dap_ids_and_the_body_is_dense(work: Path):
    build(recipe(work), work / "out", jobs=1)
    case = Dataset(work / "out")["other"]
    built, ct = case.label_map().array, case.ct().array
    said = np.asanyarray(nib.load(work / "maps" / "other.nii.gz").dataobj)
    for source, name in ((LIVER, "liver"), (SPLEEN, "spleen"), (RIB, "costa_1_left")):
        assert (case.structure(name) == (said == source)).all()
    assert ((built > 0) == (ct > -400)).all()
    assert {"skin", "fat", "abdominal_tissue"} <= case.volumes().keys()


def test_the_report_counts_what_is_in_the_map_and_the_picture_can_be_looked_at(work: Path):
    build(recipe(work), work / "out", jobs=1)
    report = json.loads((work / "out" / "reports" / "other.json").read_text())
    built = Dataset(work / "out")["other"].label_map().array
    assert {item["id"]: item["voxels"] for item in report["structures"].values()} == {
        id_: int((built == id_).sum()) for id_ in np.unique(built).tolist() if id_
    }
    liver = report["structures"]["liver"]
    assert liver["ml"] == pytest.approx(liver["voxels"] * 6 * 6 * 8 / 1000)
    assert liver["centroid_mm"] == pytest.approx([22.5 * 6, 24.5 * 6, 12 * 8])
    with Image.open(work / "out" / "reports" / "other.png") as picture:
        assert picture.height == 640
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
    assert len(colours) > 100


def test_a_second_run_does_nothing(work: Path):
    assert set(states(work).values()) == {"built"}
    before = snapshot(work / "out")
    assert set(states(work).values()) == {"up to date"}
    assert snapshot(work / "out") == before


def test_only_what_changed_is_built_again(work: Path):
    states(work)
    write_case(work, "other", liver=slice(19, 28))
    assert states(work) == {
        "AutoPET_0123456789_00001": "up to date",
        "AutoPET_0123456789_00002": "up to date",
        "other": "built",
    }
    assert set(states(work, "[tissues]\nskin_mm = 7\n").values()) == {"built"}
    assert set(states(work, "[tissues]\nskin_mm = 7\n", force=True).values()) == {"built"}


def test_another_picture_leaves_the_maps_alone(work: Path):
    states(work)
    masks = snapshot(work / "out" / "masks")
    assert set(states(work, "[picture]\nheight_pixels = 100\n").values()) == {"built"}
    assert snapshot(work / "out" / "masks") == masks
    with Image.open(work / "out" / "reports" / "other.png") as picture:
        assert picture.height == 100


def test_a_lost_output_is_made_again(work: Path):
    states(work)
    before = snapshot(work / "out")
    (work / "out" / "masks" / "other.nii.gz").unlink()
    assert states(work)["other"] == "built"
    assert {name: data for name, (_, data) in snapshot(work / "out").items()} == {
        name: data for name, (_, data) in before.items()
    }


def test_one_bad_case_is_told_and_the_rest_are_built(work: Path):
    path = work / "maps" / "other.nii.gz"
    path.write_bytes(path.read_bytes()[:100])
    result = build(recipe(work), work / "out", jobs=2)
    assert [case.state for case in result.cases] == ["built", "built", "failed"]
    (failed,) = result.failed
    assert str(path) in failed.error
    assert "truncated" in failed.error
    assert not (work / "out" / "masks" / "other.nii.gz").exists()
    write_case(work, "other")
    assert states(work)["other"] == "built"


def test_a_missing_map_fails_its_case_unless_the_expert_is_optional(work: Path):
    (work / "maps" / "other.nii.gz").unlink()
    assert states(work)["other"] == "failed"
    second = '[[experts]]\nname = "more"\nkind = "label-maps"\nscheme = "totalsegmentator"\nfiles = "more/{case}.nii.gz"\nrequired = false\n'
    write_case(work, "other")
    assert states(work, second)["other"] == "built"


def test_jobs_do_not_change_a_byte(work: Path):
    build(recipe(work), work / "one", jobs=1)
    build(recipe(work), work / "two", jobs=2)
    one, two = ({name: data for name, (_, data) in snapshot(work / n).items()} for n in ("one", "two"))
    assert one == two


@pytest.mark.parametrize("link", [True, False])
def test_images_are_linked_or_copied_and_sources_stay_untouched(work: Path, link: bool):
    source = work / "ct" / "other.nii.gz"
    source.chmod(0o444)
    before = (source.stat().st_mode, source.read_bytes())
    text = RECIPE.replace("[cts]", f"[cts]\nlink = {str(link).lower()}")
    (work / "recipe.toml").write_text(text)
    build(load_recipe(work / "recipe.toml"), work / "out", jobs=1)
    image = work / "out" / "images" / "other.nii.gz"
    assert image.is_symlink() == link
    assert image.read_bytes() == source.read_bytes()
    assert (source.stat().st_mode, source.read_bytes()) == before


def test_an_uncompressed_ct_becomes_compressed(work: Path):
    image = nib.load(work / "ct" / "other.nii.gz")
    nib.save(image, work / "plain.nii")
    loaded = load_recipe(
        work / "recipe.toml",
        cts=str(work / "plain.nii"),
        expert_files={"ts": str(work / "maps" / "other.nii.gz")},
    )
    build(loaded, work / "out", jobs=1)
    case = Dataset(work / "out")["plain"]
    assert case.image_path is not None
    assert case.image_path.name == "plain.nii.gz"
    assert validate(Dataset(work / "out"), jobs=1, deep=True)[0].code == "case-name"
    assert (case.ct().array == np.asanyarray(image.dataobj)).all()


def test_cases_of_an_earlier_recipe_stay_and_are_told(work: Path):
    states(work)
    text = RECIPE.replace("[cts]", '[cts]\nonly = ["other"]')
    (work / "recipe.toml").write_text(text)
    result = build(load_recipe(work / "recipe.toml"), work / "out", jobs=1)
    assert [case.case for case in result.cases] == ["other"]
    assert [finding.code for finding in result.findings] == ["not-in-recipe"] * 2
    assert (work / "out" / "masks" / "AutoPET_0123456789_00001.nii.gz").exists()


def test_cases_come_from_any_place_of_the_path(work: Path):
    for name in ("s1", "s2"):
        (work / "tree" / name).mkdir(parents=True)
        (work / "tree" / name / f"{name}_ct.nii.gz").write_bytes(b"")
    (work / "tree" / "s3" / "x").mkdir(parents=True)
    loaded = load_recipe(work / "recipe.toml", cts=str(work / "tree" / "{case}" / "{case}_ct.nii.gz"))
    assert [case.id for case in find_cases(loaded)] == ["s1", "s2"]


def test_no_ct_and_unknown_cases_are_errors(work: Path):
    with pytest.raises(DapatlasError, match=r"no CT found.*nothing"):
        find_cases(load_recipe(work / "recipe.toml", cts=str(work / "nothing" / "{case}.nii.gz")))
    (work / "recipe.toml").write_text(RECIPE.replace("[cts]", '[cts]\nonly = ["othr"]'))
    with pytest.raises(DapatlasError, match="cts.only names othr, but the CTs at .* are AutoPET"):
        find_cases(load_recipe(work / "recipe.toml"))


def said_in_dap(said: np.ndarray) -> dict[str, int]:
    """Voxels of each DAP structure in a TotalSegmentator map, structure by structure."""
    expected: dict[str, int] = {}
    for link in crosswalk("totalsegmentator", "dap"):
        count = int((said == link.source.id).sum())
        if link.source.id and count:
            (target,) = link.targets  # nothing that DAP divides is in view
            expected[target.name] = expected.get(target.name, 0) + count
    return expected


def voxels_of(label_map: np.ndarray, names: dict[str, int]) -> dict[str, int]:
    counts = np.bincount(label_map.ravel(), minlength=256)
    return {name: int(counts[dap()[name].id]) for name in names}


def example_on(real_data: Path) -> Recipe:
    return load_recipe(
        Path(__file__).parents[2] / "examples" / "totalsegmentator.toml",
        cts=str(real_data / "ct.nii.gz"),
        expert_files={"totalsegmentator": str(real_data / "total.nii.gz")},
    )


@pytest.mark.real_data
def test_the_real_ct_becomes_a_dense_map_that_keeps_every_voxel_of_totalsegmentator(
    real_data: Path, tmp_path: Path
):
    loaded = example_on(real_data)
    result = build(loaded.model_copy(update={"refine": None}), tmp_path, jobs=1)
    assert not result.failed
    case = Dataset(tmp_path)["ct"]
    built, ct = case.label_map().array, case.ct().array
    said = np.asanyarray(nib.load(real_data / "total.nii.gz").dataobj)
    assert len(np.unique(said)) - 1 == 61
    expected = said_in_dap(said)
    assert voxels_of(built, expected) == expected
    for tissue in ("skin", "fat", "muscles", "abdominal_tissue"):
        assert case.structure(tissue).sum() > 10_000
    assert -120 < np.median(ct[case.structure("fat")]) < -80
    assert 10 < np.median(ct[case.structure("muscles")]) < 80
    # dense: a solid body without the couch, and no hole in it
    body = built > 0
    assert ct[body].size > 0.5 * (ct > -400).sum()
    from scipy.ndimage import binary_fill_holes, label

    assert (binary_fill_holes(body) == body).all()
    assert label(body, np.ones((3, 3, 3)))[1] == 1
    assert validate(Dataset(tmp_path), jobs=1, deep=True) == [] or {
        f.code for f in validate(Dataset(tmp_path), jobs=1, deep=True)
    } == {"case-name"}


@pytest.mark.real_data
def test_what_the_guidelines_change_in_the_real_map_stands_in_the_report_to_the_voxel(
    real_data: Path, tmp_path: Path
):
    loaded = example_on(real_data)
    assert not build(loaded, tmp_path, jobs=1).failed
    built = Dataset(tmp_path)["ct"].label_map().array
    expected = said_in_dap(np.asanyarray(nib.load(real_data / "total.nii.gz").dataobj))
    before = dict(expected)
    report = json.loads((tmp_path / "reports" / "ct.json").read_text())
    changes = [f for f in report["findings"] if f["expected"] and f["found"]]
    for change in changes:
        for name, sign in ((change["found"], -1), (change["expected"], 1)):
            if name in expected:
                expected[name] += sign * change["voxels"]
    assert voxels_of(built, expected) == expected != before
    # islands and pinholes alone: nothing of TotalSegmentator's that hangs together moves
    assert {change["code"] for change in changes if change["found"] in before} == {"island"}
    assert sum(change["voxels"] for change in changes if change["found"] in before) < 40


@pytest.mark.real_data
def test_binary_masks_of_real_tissues_fill_what_the_organs_leave(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DAPATLAS_SHARED", str(real_data.parents[1]))
    result = build(
        load_recipe(Path(__file__).parents[2] / "examples" / "totalsegmentator_tissues.toml"),
        tmp_path,
        jobs=1,
    )
    assert not result.failed
    case = Dataset(tmp_path)["ct_sm"]
    organs = np.asanyarray(nib.load(real_data / "total_sm.nii.gz").dataobj) > 0
    muscle = np.asanyarray(nib.load(real_data / "tissue_types" / "skeletal_muscle.nii.gz").dataobj) > 0
    assert case.structure("muscles")[muscle & ~organs].all()
