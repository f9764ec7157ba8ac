"""Files and folders evaluated: pairing, keeping, benchmarks, failures."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from evaluation_folders import LIVER, btcv, dice_of, eaten, folders, phantom

from dapatlas.check.benchmark import load_benchmark
from dapatlas.check.evaluate import EvaluationSettings
from dapatlas.errors import BadLabelsError, DapatlasError
from dapatlas.labels import dap, load_scheme
from dapatlas.pipeline.evaluating import evaluate
from dapatlas.pipeline.evaluation_files import write_page, write_plot, write_scores
from dapatlas.pipeline.evaluation_pairs import find_pairs
from dapatlas.volumes import Grid, write_label_map

DAP = (dap(), dap())
FAST = EvaluationSettings(surface=False)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return folders(tmp_path_factory.mktemp("cohort"))


def test_folders_are_paired_by_name_and_scored_as_by_hand(cohort):
    found = evaluate(*cohort, DAP, FAST, jobs=1)
    assert [case.case for case in found.cases] == ["case_0", "case_1", "case_2"]
    truth = phantom().label_map
    by_hand = [dice_of(eaten(truth, LIVER, number), truth, LIVER) for number in range(3)]
    assert [case["liver"].dice for case in found.cases] == pytest.approx(by_hand)
    document = found.as_dict()
    assert document["structures"]["liver"]["dice"]["mean"] == pytest.approx(np.mean(by_hand))
    assert document["structures"]["spleen"]["dice"]["mean"] == 1
    assert set(document["cases"]) == {"case_0", "case_1", "case_2"}
    assert document["cases"]["case_1"]["structures"]["liver"]["dice"] == pytest.approx(by_hand[1])
    assert {"all", "organ", "bone", "vessel", "muscle"} <= set(document["groups"])
    assert found.complete


def test_workers_give_what_one_process_gives(cohort):
    alone, shared = (evaluate(*cohort, DAP, FAST, jobs=jobs).as_dict() for jobs in (1, 2))
    assert alone == shared


def test_one_pair_of_files_has_plain_numbers(cohort):
    predicted, truth = cohort
    found = evaluate(predicted / "case_2.nii.gz", truth / "masks" / "case_0.nii.gz", DAP, FAST)
    document = found.as_dict()
    assert document["structures"]["liver"]["dice"] == pytest.approx(found.cases[0]["liver"].dice)
    assert document["structures"]["liver"]["dice"] < 1
    assert (
        "surface_dice" not in document["structures"]["liver"]
        or document["structures"]["liver"]["surface_dice"] is None
    )


def test_surface_measures_come_along(cohort):
    predicted, truth = cohort
    settings = EvaluationSettings(structures=("liver", "spleen"), tolerance_mm=1.0)
    found = evaluate(predicted / "case_2.nii.gz", truth / "masks" / "case_2.nii.gz", DAP, settings)
    liver = found.as_dict()["structures"]["liver"]
    assert 0 < liver["surface_dice"] < 1
    assert liver["hd95_mm"] > 0
    assert found.as_dict()["structures"]["spleen"]["hd95_mm"] == 0


def test_a_second_run_reads_what_was_kept_and_scores_what_changed(cohort, tmp_path):
    predicted, truth = folders(tmp_path)
    out = tmp_path / "out"
    first = evaluate(predicted, truth, DAP, FAST, out=out, jobs=1)
    stamps = {path.name: path.stat().st_mtime_ns for path in (out / "cases").iterdir()}
    write_label_map(predicted / "case_1.nii.gz", eaten(phantom().label_map, LIVER, 3), phantom().grid)
    second = evaluate(predicted, truth, DAP, FAST, out=out, jobs=1)
    changed = {
        path.name for path in (out / "cases").iterdir() if path.stat().st_mtime_ns != stamps[path.name]
    }
    assert changed == {"case_1.json"}
    assert second.cases[1]["liver"].dice < first.cases[1]["liver"].dice
    assert repr(second.cases[0]) == repr(first.cases[0])
    assert json.loads((out / "evaluation.json").read_text())["structures"]["liver"]["cases"] == 3


def test_what_lacks_a_partner_is_listed(tmp_path):
    predicted, truth = folders(tmp_path)
    (predicted / "case_0.nii.gz").rename(predicted / "stranger.nii.gz")
    found = evaluate(predicted, truth, DAP, FAST, jobs=1)
    assert found.without_prediction == ("case_0",)
    assert found.without_reference == ("stranger",)
    assert len(found.cases) == 2
    assert not found.complete


def test_one_bad_case_stops_no_other(tmp_path):
    predicted, truth = folders(tmp_path)
    small = np.zeros((4, 4, 4), np.uint8)
    write_label_map(predicted / "case_0.nii.gz", small, Grid.from_spacing(small.shape, (1.0, 1.0, 1.0)))
    (predicted / "case_1.nii.gz").write_bytes(b"no gzip")
    found = evaluate(predicted, truth, DAP, FAST, jobs=1)
    assert [case.case for case in found.cases] == ["case_2"]
    assert "different grids" in found.failed["case_0"]
    assert "case_1.nii.gz" in found.failed["case_1"]
    strange = np.zeros(phantom().label_map.shape, np.uint8)
    strange[0] = 250
    write_label_map(predicted / "case_2.nii.gz", strange, phantom().grid)
    found = evaluate(predicted, truth, DAP, FAST, jobs=1)
    assert found.summary is None
    assert "ids outside the scheme 'dap': 250" in found.failed["case_2"]
    assert found.as_dict()["structures"] == {}


def test_nothing_to_evaluate_is_an_error(cohort, tmp_path):
    predicted, truth = cohort
    (tmp_path / "empty").mkdir()
    with pytest.raises(DapatlasError, match="no label map"):
        find_pairs(tmp_path / "empty", truth)
    with pytest.raises(DapatlasError, match="no such file or folder"):
        find_pairs(predicted, tmp_path / "nowhere")
    write_label_map(tmp_path / "other" / "x.nii.gz", phantom().label_map, phantom().grid)
    with pytest.raises(DapatlasError, match="x against case_0, case_1, case_2"):
        find_pairs(tmp_path / "other", truth)
    with pytest.raises(BadLabelsError, match="did you mean"):
        evaluate(predicted, truth, DAP, EvaluationSettings(structures=("lever",)))
    with pytest.raises(DapatlasError, match="surfaces are not measured"):
        evaluate(predicted, truth, DAP, FAST, other=predicted, metric="surface_dice")


def test_two_predictors_are_compared_on_the_cases_of_both(cohort, tmp_path):
    predicted, truth = cohort
    found = evaluate(truth, truth, DAP, FAST, other=predicted, jobs=1)
    liver = next(line for line in found.comparison.structures if line.structure == "liver")
    assert (liver.n, liver.better, liver.worse) == (3, 2, 0)
    assert liver.mean == 1
    assert liver.p_holm is None  # three pairs are too few
    alone = tmp_path / "alone"
    write_label_map(alone / "case_1.nii.gz", phantom().label_map, phantom().grid)
    found = evaluate(truth, truth, DAP, FAST, other=alone, jobs=1)
    assert found.comparison.cases == 1
    assert found.comparison.without_prediction == ("case_0", "case_2")
    assert not found.complete


def test_btcv_in_the_layout_of_its_download(tmp_path):
    predicted, abdomen = btcv(tmp_path)
    protocol = load_benchmark("btcv")
    found = evaluate(predicted, abdomen, (dap(), load_scheme("btcv")), benchmark=protocol, jobs=1)
    table = found.benchmark
    truth = phantom().label_map
    liver = [dice_of(eaten(truth, LIVER, number), truth, LIVER) for number in (1, 2)]
    rows = {row.name: row.dice.mean for row in table.rows}
    assert len(rows) == 13
    assert rows.pop("liver") == pytest.approx(np.mean(liver))
    assert set(rows.values()) == {1.0}
    assert table.mean == pytest.approx((12 + np.mean(liver)) / 13)
    assert found.as_dict()["benchmark"]["organs"]["liver"]["mean"] == pytest.approx(np.mean(liver))
    (predicted / "img0002.nii.gz").unlink()
    assert evaluate(
        predicted, abdomen, (dap(), load_scheme("btcv")), benchmark=protocol, jobs=1
    ).without_prediction == ("0002",)
    (predicted / "img0001.nii.gz").unlink()
    with pytest.raises(DapatlasError, match=r"named after the cases: 0001, 0002 \(or img0001, label0001\)"):
        evaluate(predicted, abdomen, (dap(), load_scheme("btcv")), benchmark=protocol, jobs=1)


def test_references_that_are_folders_of_masks(tmp_path):
    """The test split of TotalSegmentator: of two cases the one that its table names."""
    from dapatlas.volumes import write_volume

    truth, grid = phantom().label_map, phantom().grid
    root = tmp_path / "dataset"
    for case in ("s0001", "s0002"):
        for name in ("liver", "spleen"):
            write_label_map(
                root / case / "segmentations" / f"{name}.nii.gz",
                (truth == dap()[name].id).astype(np.uint8),
                grid,
            )
        write_volume(root / case / "ct.nii.gz", phantom().ct, grid)
    (root / "meta.csv").write_text("image_id;split\ns0001;test\ns0002;train\n")
    write_label_map(tmp_path / "predicted" / "s0001.nii.gz", eaten(truth, LIVER, 2), grid)
    schemes = (dap(), load_scheme("totalsegmentator"))
    found = evaluate(
        tmp_path / "predicted", root, schemes, FAST, benchmark=load_benchmark("totalsegmentator"), jobs=1
    )
    assert found.complete
    assert {one.structure for one in found.cases[0].scores} == {
        "liver",
        "spleen",
    }  # only what the reference has
    assert found.cases[0]["liver"].dice == pytest.approx(dice_of(eaten(truth, LIVER, 2), truth, LIVER))
    assert "kidney_left" in found.cases[0].invented


def test_files_hold_what_was_scored(cohort, tmp_path):
    predicted, truth = cohort
    found = evaluate(predicted, truth, DAP, FAST, other=truth, jobs=1)
    write_scores(found, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["structure"] == "liver"]
    assert [float(row["dice"]) for row in rows] == pytest.approx([case["liver"].dice for case in found.cases])
    assert {row["hd95_mm"] for row in rows} == {""}
    write_page(found, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    for anchor in ("groups", "chart", "structures", "comparison", "cases"):
        assert f'id="{anchor}"' in page
    assert "src=" not in page
    assert page.count('<tr data-structure="liver"') == 2
    write_plot(found, tmp_path / "plot.svg")
    plot = (tmp_path / "plot.svg").read_text()
    import xml.etree.ElementTree as ET

    assert ET.fromstring(plot).tag == "{http://www.w3.org/2000/svg}svg"
    assert "nan" not in plot.lower().replace("financ", "")
    assert math.isfinite(found.summary.everything.micro_dice)
