"""The examples of the page run, one after the other, as they are printed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dapatlas.dataset import Dataset
from dapatlas.loaders.monai import data_list
from dapatlas.pipeline.checking import check_dataset

# Workers are forked, and with them the rule that a warning is an error; coverage warns at the end of one that imports
# nothing of ours anew.
pytestmark = pytest.mark.filterwarnings("ignore::coverage.exceptions.CoverageWarning")

SIZE = re.compile("128, 128, 128|96, 96, 96")
PAGE = Path(__file__).parents[2] / "docs" / "loaders.md"


def test_the_examples_run(atlas: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("blosc2", "torch", "monai", "torchio", "pandas", "dask", "xarray"):
        pytest.importorskip(name)
    check_dataset(atlas, jobs=1)
    one, two = (case.id for case in atlas)
    (folder / "splits").mkdir()
    (folder / "splits" / "splits.json").write_text(json.dumps({"train": [one], "val": [two]}))
    (folder / "subjects.csv").write_text("subject,sex\n00000001aa,M\n00000002bb,F\n")
    monkeypatch.chdir(folder.parent)
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 6
    for block in blocks:
        # patches that fit these small volumes; a page shows what people take
        exec(SIZE.sub("32, 32, 32", block), names)
    assert names["hu"].shape == (2, 1, 32, 32, 32)
    assert names["ids"].shape == (100, 80, 70)  # of the last block
    assert [item["case"] for item in names["parts"]["val"]] == [two]
    assert names["everything"] == data_list(Dataset("DAP_Atlas"))
    assert names["scaled"].shape == names["labels"].shape == (4, 1, 32, 32, 32)
    assert names["mean_dice"] == 1
    assert names["one"]["case"] == one
    assert names["hu_crops"].shape == (4, 1, 32, 32, 32)
    liver_ml = ((80 * 60 * 55) * 0.8 * 0.8 * 2.5) / 1000
    assert names["by_sex"].to_dict() == pytest.approx({"F": liver_ml, "M": liver_ml})
    assert names["slice_hu"].shape == (100, 80)
    assert abs(names["liver_hu"] - 249.5) < 10  # noise from -1000 to 1500 HU
