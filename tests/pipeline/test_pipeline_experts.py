"""Experts in several schemes, grids and layouts on one real CT, one of them wrong on purpose."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dapatlas.aggregate import load_recipe
from dapatlas.dataset import Dataset
from dapatlas.labels import crosswalk, dap
from dapatlas.pipeline import BuildResult, build
from dapatlas.volumes import read_label_map, remap

pytestmark = pytest.mark.real_data
EXAMPLES = Path(__file__).parents[2] / "examples"
DISPLACED = ("liver", "spleen", "kidney_left", "kidney_right", "pancreas")


@pytest.fixture(scope="module")
def four(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[BuildResult, Path]:
    pytest.importorskip("SimpleITK", reason="the NRRD expert needs SimpleITK: pip install 'dapatlas[itk]'")
    folder = tmp_path_factory.mktemp("four")
    spec = importlib.util.spec_from_file_location("make_four_experts", EXAMPLES / "make_four_experts.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    maker.make(folder, real_data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAPATLAS_SHARED", str(real_data.parents[1]))
        patch.setenv("FOUR", str(folder))
        recipe = load_recipe(EXAMPLES / "four_experts.toml")
    return build(recipe, folder / "atlas", jobs=1), folder / "atlas"


def test_the_case_is_built_and_near_to_what_the_right_ones_say(
    four: tuple[BuildResult, Path], real_data: Path
) -> None:
    result, out = four
    assert not result.failed
    built = Dataset(out)["ct"].label_map().array
    said = remap(
        read_label_map(real_data / "total.nii.gz").array, crosswalk("totalsegmentator", "dap").lookup()
    )
    for name in ("liver", "spleen", "kidney_left", "kidney_right", "stomach", "aorta", "bladder", "hip_left"):
        one, other = built == dap()[name].id, said == dap()[name].id
        assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.9, name


def test_the_wrong_one_is_outvoted_and_named(four: tuple[BuildResult, Path]) -> None:
    result, out = four
    assert result.agreement is not None
    experts = {expert.expert: expert for expert in result.agreement.experts}
    assert next(iter(experts)) == "wrong"
    assert set(DISPLACED) - {"liver"} <= set(experts["wrong"].alone_on) <= set(DISPLACED)
    assert all(expert.alone == 0 for name, expert in experts.items() if name != "wrong")
    assert experts["wrong"].with_result < 0.7
    assert min(e.with_result for name, e in experts.items() if name != "wrong") > 0.8
    page = (out / "reports" / "agreement.md").read_text()
    assert "| wrong |" in page
    # where it is alone against three (or two, below the third's field of view) it decides nothing
    report = json.loads((out / "reports" / "ct.json").read_text())
    assert report["decided"].get("wrong", 0) < 0.002
    odd = {(f["structure"], f["found"]) for f in report["findings"] if f["code"] == "odd-expert"}
    assert {expert for _, expert in odd} == {"wrong"}


def test_provenance_says_who_decided_and_how_many_disagree(four: tuple[BuildResult, Path]) -> None:
    _, out = four
    built = read_label_map(out / "masks" / "ct.nii.gz")
    decided = read_label_map(out / "provenance" / "ct.nii.gz")
    dissent = read_label_map(out / "disagreement" / "ct.nii.gz")
    assert decided.grid.is_close(built.grid)
    legend = json.loads((out / "provenance" / "legend.json").read_text())
    assert [legend[str(n)] for n in range(1, 5)] == ["totalsegmentator", "amos", "btcv", "wrong"]
    assert ((decided.array == 0) == (built.array == 0)).all()
    # what only TotalSegmentator knows it decided, but for what the guidelines changed
    hips = np.isin(built.array, [dap()["hip_left"].id, dap()["hip_right"].id])
    assert {legend[str(n)] for n in np.unique(decided.array[hips])} <= {
        "totalsegmentator",
        "anatomical guidelines",
    }
    assert (decided.array[built.array == dap()["skin"].id] == 252).all()
    assert 0 < (dissent.array > 0).mean() < 0.1
    assert dissent.array.max() <= 3
    with Image.open(out / "reports" / "ct.provenance.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24)}
    assert len(colours) > 100


def test_all_that_was_translated_is_told(four: tuple[BuildResult, Path]) -> None:
    _, out = four
    findings = json.loads((out / "reports" / "ct.json").read_text())["findings"]
    codes = {finding["code"] for finding in findings}
    assert {"resampled", "experts-disagree", "split-by-midline", "odd-expert"} <= codes
    (cut,) = [f for f in findings if f["code"] == "split-by-midline" and "wrong" in f["message"]]
    assert cut["message"] == (
        "wrong: kidney was cut into kidney_left and kidney_right at the mid-sagittal plane through the spine "
        "of totalsegmentator"
    )
