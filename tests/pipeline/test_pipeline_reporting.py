"""`dapatlas report` from files to the page: what is drawn, what is kept, what happens to bad cases, and comparisons."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from dapatlas.cli import app
from dapatlas.dataset import Dataset
from dapatlas.findings import Finding, Severity
from dapatlas.labels import dap
from dapatlas.phantom import make_cohort
from dapatlas.pipeline.reporting import DatasetReport, report_dataset
from dapatlas.pipeline.reporting_comparison import dice_of
from dapatlas.pipeline.reporting_notes import PICTURED_CASES, read_notes
from dapatlas.pipeline.reporting_pictures import LEAST_A_CASE, Place, wanted_places


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two subjects with planted errors, in two orientations."""
    folder = tmp_path_factory.mktemp("report") / "phantoms"
    make_cohort(
        folder, 2, 3, shape=(64, 64, 96), orientations=("LPS", "ASR"), errors=("swapped_sides",), jobs=1
    )
    return folder


@pytest.fixture
def dataset(cohort: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cohort, tmp_path / "phantoms"))


@pytest.fixture(scope="module")
def made(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> DatasetReport:
    work = tmp_path_factory.mktemp("work")
    return report_dataset(Dataset(cohort), work / "report.html", work=work, jobs=1)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def error(
    case: str, structure: str, box: Any = ((0, 2), (0, 2), (0, 2)), severity: Severity = Severity.ERROR
) -> Finding:
    return Finding(case, severity, "wrong-side", f"{structure} of {case}", structure=structure, box=box)


def data_of(page: Path, name: str) -> Any:
    found = re.search(rf'id="{name}">(.*?)</script>', page.read_text("utf-8"))
    assert found
    return json.loads(found[1])


def test_planted_errors_are_in_the_page_with_pictures(made: DatasetReport) -> None:
    rows = data_of(made.path, "cohort-data")
    assert [case[0] for case in rows["cases"]] == [each.case for each in made.checked.checked]
    assert len(rows["findings"]) == len(made.checked.findings)
    errors = [shown for shown in made.content.findings if shown.finding.severity is Severity.ERROR]
    assert any(shown.finding.code == "wrong-side" for shown in errors)
    placed = [shown for shown in errors if shown.finding.box]
    assert placed
    assert all(shown.picture.startswith("data:image/webp;base64,") for shown in placed)
    assert all(
        not shown.picture for shown in made.content.findings if shown.finding.severity is Severity.INFO
    )


def test_a_second_run_makes_nothing_again_and_gives_the_same_bytes(dataset: Path) -> None:
    first = report_dataset(Dataset(dataset), jobs=1)
    before = first.path.read_bytes()
    again = report_dataset(Dataset(dataset), jobs=2)
    assert {outcome.state for outcome in again.outcomes} == {"up to date"}
    assert {outcome.state for outcome in again.checked.outcomes} == {"up to date"}
    assert again.path.read_bytes() == before
    assert first.path == dataset / "report.html"


def test_a_data_set_is_not_written_to_when_there_is_a_folder_for_work(
    cohort: Path, made: DatasetReport
) -> None:
    assert {path.name for path in cohort.iterdir()} == {
        "atlas.toml", "ground_truth", "ground_truth.json", "images", "labels.json", "masks", "subjects.csv",
    }  # fmt: skip
    assert made.path.is_file()


def test_the_gravest_get_pictures_and_no_case_takes_them_all() -> None:
    many = [error("a", f"costa_{n}_left") for n in range(1, 13)]
    few = [
        error("b", "liver"),
        error("b", "spleen", severity=Severity.WARNING),
        error("c", "liver", severity=Severity.INFO),
    ]
    chosen = wanted_places([*many, *few], 8)
    assert [place.structure for place in chosen["a"]] == [
        f"costa_{n}_left" for n in range(1, LEAST_A_CASE + 1)
    ]
    assert [place.structure for place in chosen["b"]] == ["liver", "spleen"]
    assert "c" not in chosen
    assert sum(map(len, wanted_places(many * 9, 3).values())) == 3
    assert wanted_places(many, 0) == {}
    assert wanted_places([error("a", "", None), error("", "liver")], 9) == {}  # nowhere, and of no case
    assert chosen["a"][0] == Place("costa_1_left", ((0, 2), (0, 2), (0, 2)))


def test_two_findings_of_one_place_share_a_picture() -> None:
    twice = [
        error("a", "liver"),
        Finding("a", Severity.ERROR, "hu-impossible", "", structure="liver", box=((0, 2),) * 3),
    ]
    assert wanted_places(twice, 5) == {"a": (Place("liver", ((0, 2), (0, 2), (0, 2))),)}


def test_without_pictures_nothing_is_read_but_the_checks(dataset: Path) -> None:
    made = report_dataset(Dataset(dataset), pictures=0, jobs=1)
    assert made.outcomes == ()
    assert "<img" not in made.path.read_text("utf-8").split("<script")[0]


def test_a_case_without_a_ct_is_drawn_from_its_labels(dataset: Path) -> None:
    shutil.rmtree(dataset / "images")
    made = report_dataset(Dataset(dataset), jobs=1)
    assert any(shown.picture for shown in made.content.findings)
    assert data_of(made.path, "cohort-data")["hu"] == []


def test_a_bad_case_is_named_and_the_others_are_in_the_report(dataset: Path) -> None:
    bad, good = sorted((dataset / "masks").iterdir())
    bad.write_bytes(b"no gzip")
    result = run(dataset, "--jobs", 1)
    assert result.exit_code == 1
    case = bad.name.removesuffix(".nii.gz")
    text = (dataset / "report.html").read_text("utf-8")
    assert "1 case could not be checked" in text
    cases = data_of(dataset / "report.html", "cohort-data")["cases"]
    assert {row[0]: row[4] for row in cases} == {case: 1, good.name.removesuffix(".nii.gz"): 0}
    assert (
        bad.name
        in data_of(dataset / "report.html", f"case-data-{[row[0] for row in cases].index(case)}")["failed"]
    )


def test_a_data_set_is_the_same_as_itself(dataset: Path) -> None:
    made = report_dataset(Dataset(dataset), other=Dataset(dataset), pictures=0, jobs=1)
    comparison = made.content.comparison
    assert comparison is not None
    assert len(comparison.cases) == 2
    assert comparison.gained == comparison.lost == ()
    for each in comparison.cases:
        assert set(each.dice) == set(each.here_ml)
        assert set(each.dice.values()) == {1.0}
        assert each.here_ml == each.there_ml


def test_a_comparison_finds_what_was_changed_in_whatever_orientation(dataset: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(dataset, tmp_path / "other"))
    path, *_ = sorted((other / "masks").iterdir())
    image: Any = nib.load(path)
    ids = np.asanyarray(image.dataobj).copy()
    liver, spleen = dap()["liver"].id, dap()["spleen"].id
    whole = int((ids == liver).sum())
    some = np.flatnonzero(ids.ravel() == liver)[: whole // 4]
    ids.ravel()[some] = spleen
    changed = nib.Nifti1Image(ids, image.affine)
    nib.save(nib.as_closest_canonical(changed), path)
    (other / "images" / path.name).unlink()  # it has the old orientation
    before = sorted(each for each in other.rglob("*") if each.is_file())

    made = report_dataset(Dataset(dataset), other=Dataset(other), pictures=0, jobs=1)
    comparison = made.content.comparison
    assert comparison is not None
    first, second = comparison.cases
    rest = whole - whole // 4
    assert first.dice["liver"] == pytest.approx(2 * rest / (whole + rest), abs=1e-4)
    assert first.dice["kidney_left"] == 1.0
    assert set(second.dice.values()) == {1.0}
    assert first.there_ml["liver"] / first.here_ml["liver"] == pytest.approx(rest / whole, rel=1e-3)
    assert sorted(each for each in other.rglob("*") if each.is_file()) == before  # it is only read


def test_maps_on_different_grids_get_a_reason_and_no_dice(dataset: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(dataset, tmp_path / "other"))
    path, gone = sorted((other / "masks").iterdir())
    gone.unlink()
    image: Any = nib.load(path)
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj)[:, :, 1:], image.affine), path)
    (other / "images" / path.name).unlink()
    result = run(dataset, "--compare", other, "--pictures", 0, "--jobs", 1, "--json")
    assert json.loads(result.output)["compared"] == 1
    text = (dataset / "report.html").read_text("utf-8")
    assert "the maps lie on different grids, so there is no Dice: shape" in text
    assert "1 case only here" in text


def test_dice_is_that_of_masks_one_by_one() -> None:
    draw = np.random.default_rng(1)
    one, other = (draw.integers(0, 5, (9, 8, 7)).astype(np.uint8) for _ in range(2))
    other[other == 4] = 0
    found = dice_of(one, other)
    assert set(found) == {dap()[id_].name for id_ in range(1, 5)}
    for id_ in range(1, 5):
        a, b = one == id_, other == id_
        assert found[dap()[id_].name] == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()), abs=1e-5)


def test_what_a_build_left_is_shown_and_a_broken_report_counts_as_absent(dataset: Path) -> None:
    from PIL import Image

    one, other = (path.name.removesuffix(".nii.gz") for path in sorted((dataset / "masks").iterdir()))
    reports = dataset / "reports"
    reports.mkdir()
    change = Finding(
        one, Severity.INFO, "wrong-side", "", structure="liver", voxels=5, found="liver", expected="spleen"
    )
    row = {"structure": "liver", "one": "x", "other": "y", "dice": 0.5, "one_ml": 1.0, "other_ml": 2.0}
    report = {"case": one, "findings": [change.as_dict()], "agreement": [row], "agreement_with_result": []}
    (reports / f"{one}.json").write_text(json.dumps(report))
    (reports / f"{other}.json").write_text("{")
    for suffix in (".png", ".refined.png", ".provenance.png"):
        Image.new("RGB", (1600, 800), (200, 30, 30)).save(reports / f"{one}{suffix}")
    made = report_dataset(Dataset(dataset), jobs=1)
    first, second = made.content.cases
    assert first.refined.startswith("data:image/webp")
    assert [caption.split(",")[0] for caption, _ in first.pictures] == [
        "the finished map over the CT",
        "above who decided",
    ]
    assert (second.notes, second.pictures) == ((), ())
    assert made.content.refined
    assert made.content.agreement is not None
    assert made.content.agreement.overlaps[one][0].dice == 0.5
    notes = data_of(made.path, "case-data-0")
    assert notes["changes"] == [["liver", "spleen", 5, "wrong-side"]]


def test_a_picture_of_refine_is_one_of_before_and_after(dataset: Path) -> None:
    case = sorted((dataset / "masks").iterdir())[0].name.removesuffix(".nii.gz")
    (dataset / "reports").mkdir()
    (dataset / "reports" / f"{case}.json").write_text(
        json.dumps({"case": case, "guidelines": ["sex"], "findings": []})
    )
    (dataset / "reports" / f"{case}.png").write_bytes(b"")
    notes = read_notes(dataset, [case])[case]
    assert notes.refined is not None
    assert notes.refined.name == f"{case}.png"
    assert notes.pictures == ()
    assert notes.was_refined
    assert PICTURED_CASES >= 2


def test_the_command_says_what_came_out(dataset: Path) -> None:
    result = run(dataset, "--jobs", 1, "--json", "--pictures", 3)
    numbers = json.loads(result.output)
    assert result.exit_code == 1  # errors were planted
    assert numbers["cases"] == 2
    assert numbers["pictures"] == 3
    assert numbers["bytes"] == (dataset / "report.html").stat().st_size
    assert "2 cases: " in run(dataset, "--jobs", 1, "--pictures", 3).output
    assert run(dataset, "--jobs", 1, "--quiet").output == ""


def test_help_has_examples() -> None:
    assert "--compare DAP_Atlas_before" in run("--help").output


def test_a_folder_without_maps_is_refused(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    result = run(tmp_path)
    assert result.exit_code != 0
    assert "no label map" in str(result.exception)
