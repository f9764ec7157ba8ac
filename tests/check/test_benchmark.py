"""Benchmarks as data: what files say, and where references are."""

from __future__ import annotations

from pathlib import Path

import pytest
from score_cases import cohort

from dapatlas.check.benchmark import (
    BadBenchmarkError,
    benchmark_names,
    find_predictions,
    find_references,
    load_benchmark,
    parse_benchmark,
)
from dapatlas.check.benchmark_table import benchmark_table, organs_in_common
from dapatlas.check.common_scheme import common_scheme
from dapatlas.check.evaluate import EvaluatedCase
from dapatlas.check.summary import summarise
from dapatlas.errors import DapatlasError
from dapatlas.labels import dap, load_scheme


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


@pytest.mark.parametrize("name", benchmark_names())
def test_every_benchmark_is_cited_and_its_organs_are_known(name):
    found = load_benchmark(name)
    assert found.name == name
    assert len(set(found.organs)) == len(found.organs)
    assert all(organ in found.label_scheme for organ in found.organs)
    for row in found.published:
        assert row.how
        assert row.citation
        assert row.source
        if row.dice:  # a slip in copying would move the mean away from what the source states
            assert set(row.dice) == set(found.organs)
            assert sum(row.dice.values()) / len(row.dice) == pytest.approx(row.mean_dice, abs=0.015)
    assert organs_in_common(found, common_scheme(dap(), found.label_scheme))


def test_btcv_has_its_13_organs_and_the_papers_number():
    btcv = load_benchmark("btcv")
    assert set(btcv.organs) == set(load_scheme("btcv").names) - {"background"}
    (paper,) = [row for row in btcv.published if "2307.13375" in row.citation]
    assert paper.mean_dice == 85
    names = organs_in_common(btcv, common_scheme(dap(), load_scheme("btcv")))
    assert list(names) == list(btcv.organs)


def test_an_unknown_benchmark_and_a_bad_file_are_errors():
    with pytest.raises(BadBenchmarkError, match=r"did you mean btcv\?"):
        load_benchmark("btvc")
    with pytest.raises(BadBenchmarkError, match=r"benchmark mine: title: is missing"):
        parse_benchmark({"name": "mine"}, "mine")
    table = load_benchmark("segthor").model_dump() | {"organs": ("esophagus", "lung_of_mars")}
    with pytest.raises(BadBenchmarkError, match="segthor has no lung_of_mars"):
        parse_benchmark(table, "mine")


@pytest.mark.parametrize("inside", ["", "RawData", "RawData/Training", "RawData/Training/label"])
def test_btcv_is_found_from_any_folder_of_the_download(tmp_path, inside):
    touch(
        tmp_path,
        *(f"RawData/Training/label/label{n:04d}.nii.gz" for n in (1, 2, 40)),
        "RawData/Training/img/img0001.nii.gz",
    )
    found = find_references(load_benchmark("btcv"), tmp_path / inside)
    assert list(found) == ["0001", "0002", "0040"]
    assert found["0002"].name == "label0002.nii.gz"


def test_other_layouts(tmp_path):
    touch(
        tmp_path / "segthor",
        "train/Patient_01/GT.nii.gz",
        "train/Patient_01/Patient_01.nii.gz",
        "train/Patient_02/GT.nii.gz",
    )
    assert list(find_references(load_benchmark("segthor"), tmp_path / "segthor")) == [
        "Patient_01",
        "Patient_02",
    ]
    touch(
        tmp_path / "verse",
        "derivatives/sub-verse004/sub-verse004_dir-iso_seg-vert_msk.nii.gz",
        "derivatives/sub-verse004/sub-verse004_dir-sag_seg-vert_msk.nii.gz",
    )
    assert list(find_references(load_benchmark("verse"), tmp_path / "verse")) == [
        "sub-verse004_dir-iso",
        "sub-verse004_dir-sag",
    ]
    touch(tmp_path / "amos", "labelsVa/amos_0008.nii.gz", "labelsTr/amos_0001.nii.gz")
    assert list(find_references(load_benchmark("amos"), tmp_path / "amos")) == ["amos_0008"]


def test_the_split_table_says_which_cases_count(tmp_path):
    total = load_benchmark("totalsegmentator")
    for case in ("s0001", "s0002", "s0003"):
        (tmp_path / case / "segmentations").mkdir(parents=True)
    with pytest.raises(DapatlasError, match=r"meta\.csv: missing"):
        find_references(total, tmp_path)
    (tmp_path / "meta.csv").write_text("image_id;age;split\ns0001;60;train\ns0002;;test\ns0003;50;val\n")
    assert list(find_references(total, tmp_path)) == ["s0002"]
    (tmp_path / "meta.csv").write_text("image_id;age\ns0001;60\n")
    with pytest.raises(DapatlasError, match="expected columns image_id and split, found image_id, age"):
        find_references(total, tmp_path)


def test_an_empty_folder_is_an_error_that_says_the_layout(tmp_path):
    with pytest.raises(DapatlasError, match=r"expected RawData/Training/label/label\{case\}\.nii\.gz"):
        find_references(load_benchmark("btcv"), tmp_path)


def test_predictions_go_by_the_case_its_image_or_its_label(tmp_path):
    btcv = load_benchmark("btcv")
    touch(tmp_path, "0001.nii.gz", "img0002.nii.gz", "label0003.nii", "img0099.nii.gz", "notes.txt")
    found = find_predictions(btcv, tmp_path, ["0001", "0002", "0003", "0004"])
    assert {case: path.name for case, path in found.items()} == {
        "0001": "0001.nii.gz",
        "0002": "img0002.nii.gz",
        "0003": "label0003.nii",
    }
    touch(tmp_path, "img0001.nii.gz")
    with pytest.raises(DapatlasError, match="case 0001 has 2 predictions"):
        find_predictions(btcv, tmp_path, ["0001"])


def test_the_table_holds_the_mean_of_organ_means_and_what_was_published():
    btcv = load_benchmark("btcv")
    common = common_scheme(dap(), load_scheme("btcv"))
    cases = [
        EvaluatedCase(
            case.case,
            tuple(
                type(s)(**{k: getattr(s, k) for k in s.__slots__} | {"id": common.scheme[s.structure].id})
                for s in case.scores
            ),
        )
        for case in cohort({"liver": [0.9, 0.95], "spleen": [0.8, float("nan")]})
    ]
    table = benchmark_table(btcv, common, summarise(cases, common.scheme), 2)
    assert table.mean == pytest.approx(((0.9 + 0.95) / 2 + 0.8) / 2)
    rows = {row.name: row for row in table.rows}
    assert rows["aorta"].dice is None
    unetr = next(row for row in btcv.published if row.method.startswith("UNETR"))
    assert rows["liver"].published(unetr) == pytest.approx(0.9507)
    assert table.published_mean(unetr) == pytest.approx(0.7496)
    assert table.as_dict()["published"][0]["mean_dice"] == 0.85


def test_where_structures_are_left_out_the_published_mean_is_over_the_same_ones():
    table = load_benchmark("totalsegmentator").model_dump() | {"organs": ("liver", "brain", "spleen")}
    row = {"method": "them", "mean_dice": 70, "dice": {"liver": 90, "brain": 40, "spleen": 80}}
    row |= {"how": "on other cases", "citation": "Somebody 2020", "source": "table 1, page 2"}
    ours = parse_benchmark(table | {"published": (row, row | {"dice": {}})}, "mine")
    found = benchmark_table(
        ours, common_scheme(load_scheme("btcv"), load_scheme("totalsegmentator")), None, 0
    )
    assert [line.name for line in found.rows] == ["liver", "spleen"]
    assert found.left_out == ("brain",)
    assert found.published_mean(ours.published[0]) == pytest.approx(0.85)
    assert found.published_mean(ours.published[1]) == pytest.approx(0.7)  # nothing better is known
