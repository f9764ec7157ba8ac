"""The report on a data set, against counts made another way, and on the data sets that are hard."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from dapatlas.cli import app
from dapatlas.dataset import Dataset
from dapatlas.errors import DapatlasError
from dapatlas.labels import dap, load_scheme
from dapatlas.phantom import make_cohort
from dapatlas.pipeline.statistics import dataset_statistics
from dapatlas.publish.cohort_statistics import quantiles
from dapatlas.publish.coronal import coronal_picture
from dapatlas.publish.histograms import histogram
from dapatlas.publish.svg import HuScale, LogScale
from dapatlas.volumes import Grid, reorient

LIVER, SPLEEN = 13, 26


class Page(HTMLParser):
    """The report as a browser sees it: table cells by structure, texts of the cards, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: dict[str, dict[str, str]] = {}
        self.outliers: list[list[str]] = []
        self.cards: dict[str, list[str]] = {}
        self.loads: list[str] = []
        self.links: list[str] = []
        self.images = 0
        self.heads: list[str] = []
        self._table = self._row = self._card = self._cell = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "table":
            self._table = given["id"]
        elif tag == "tr" and self._table == "table-of-structures":
            self._row = given.get("data-structure", "")
            if self._row:
                self.rows[self._row] = {}
        elif tag == "tr":
            self.outliers.append([])
        elif tag == "td" and self._row:
            name = self.heads[len(self.rows[self._row])]
            self.rows[self._row][name] = given.get("data-v", "?")
        elif tag in ("td", "th"):
            self._cell = tag
        elif tag == "img":
            self.images += 1
        self._card = given.get("data-number", self._card)
        self.loads += [given[key] for key in ("src", "srcset", "data", "poster") if key in given]
        if tag == "link":
            self.loads.append(given["href"])
        if tag == "a":
            self.links.append(given["href"])

    def handle_data(self, data: str) -> None:
        if self._cell == "th" and self._table == "table-of-structures":
            self.heads.append(data)
        elif self._cell == "td" and self._table == "outliers":
            self.outliers[-1].append(data)
        if self._card:
            self.cards.setdefault(self._card, []).append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._table = self._row = ""
        if tag in ("td", "th"):
            self._cell = ""
        if tag == "section":
            self._card = ""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["stats", *map(str, arguments)])


def page(path: Path) -> Page:
    return Page(path.read_text("utf-8"))


def write(
    folder: Path, case: str, label_map: np.ndarray[Any, Any], ct: np.ndarray[Any, Any] | None = None
) -> None:
    """A case with voxels of 10 mm, 1 ml each."""
    for name, array in (("masks", label_map), ("images", ct)):
        if array is not None:
            (folder / name).mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(array, np.diag([10, 10, 10, 1])), folder / name / f"{case}.nii.gz")


def with_liver(voxels: int, *, shift: int = 5) -> np.ndarray[Any, Any]:
    """A column of liver; at ``shift`` 0 it starts at the first slice, where the view ends."""
    label_map = np.zeros((4, 4, 400), np.uint8)
    label_map[1, 1, shift : shift + voxels] = LIVER
    return label_map


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four subjects with five studies, in two orientations and fields of view; both sexes."""
    folder = tmp_path_factory.mktemp("stats") / "phantoms"
    make_cohort(
        folder, 4, 3, shape=(96, 96, 96), orientations=("LPS", "ASR"), fields_of_view=("full", "no_head")
    )
    return folder


@pytest.fixture(scope="module")
def report(cohort: Path) -> Path:
    path = cohort / "report.html"
    result = run(cohort, "--out", path, "--jobs", 1, "--quiet")
    assert result.exit_code == 0
    assert result.output == ""
    return path


@pytest.fixture(scope="module")
def counted(cohort: Path) -> dict[str, dict[str, Any]]:
    """Of each case: counts, volumes and HU of every id, by numpy alone."""
    with (cohort / "subjects.csv").open() as stream:
        sexes = {row["subject"]: row["sex"] for row in csv.DictReader(stream)}
    found = {}
    for path in sorted((cohort / "masks").iterdir()):
        case = path.name.removesuffix(".nii.gz")
        mask, ct = nib.load(path), nib.load(cohort / "images" / path.name)
        ids, hu = np.asarray(mask.dataobj).ravel(), np.asarray(ct.dataobj, np.float64).ravel()
        counts = np.bincount(ids, minlength=256)
        ml = counts * np.prod(mask.header.get_zooms()) / 1000
        sums, squares = (np.bincount(ids, weights=hu**power, minlength=256) for power in (1, 2))
        with np.errstate(invalid="ignore"):
            mean = sums / counts
            sd = np.sqrt(squares / counts - mean**2)
        found[case] = {"ml": ml, "mean": mean, "sd": sd, "sex": sexes[case.split("_")[1]]}
    return found


def test_table_holds_what_bincount_says(report: Path, counted: dict[str, dict[str, Any]]) -> None:
    rows, scheme = page(report).rows, dap()
    assert list(rows) == [structure.name for structure in scheme if structure.id]
    for name, row in rows.items():
        id_ = scheme[name].id
        having = [case for case in counted.values() if case["ml"][id_]]
        assert int(row["cases"]) == len(having)
        assert float(row["share"]) == pytest.approx(len(having) / len(counted), rel=1e-5)
        if not having:
            assert row["median ml"] == row["HU"] == ""
            continue
        ml = [case["ml"][id_] for case in having]
        shown = [float(row[key]) for key in ("median ml", "least", "greatest")]
        assert shown == pytest.approx([np.median(ml), min(ml), max(ml)], rel=1e-4)
        assert float(row["HU"]) == pytest.approx(
            np.mean([case["mean"][id_] for case in having]), rel=1e-4, abs=1e-3
        )
        variance = np.mean([case["sd"][id_] ** 2 for case in having])
        assert float(row["sd"]) == pytest.approx(np.sqrt(variance), rel=1e-4, abs=1e-2)
        for heading, sex in (("female", "F"), ("male", "M")):
            own = [case["ml"][id_] for case in having if case["sex"] == sex]
            assert (
                row[heading] == ""
                if not own
                else float(row[heading]) == pytest.approx(np.median(own), rel=1e-4)
            )


def test_headline_numbers(report: Path, counted: dict[str, dict[str, Any]]) -> None:
    cards = page(report).cards
    litres = sum(case["ml"][1:].sum() for case in counted.values()) / 1000
    seen = set().union(
        *(np.flatnonzero(case["ml"][2:]) + 2 for case in counted.values())
    )  # 1 is unknown tissue
    assert cards["cases"][:2] == ["5", "cases"]
    assert cards["subjects"][:2] == ["4", "subjects"]
    assert cards["structures"][:3] == [str(len(seen)), "structures seen", "of 142 in the scheme"]
    assert float(cards["litres"][0]) == pytest.approx(litres, rel=5e-3)
    women = sum(case["sex"] == "F" for case in counted.values())
    assert cards["cases"][2] == f"{women} female, {5 - women} male"


def test_json_agrees_with_the_oracle(cohort: Path, report: Path, counted: dict[str, dict[str, Any]]) -> None:
    result = run(cohort, "--out", cohort / "again.html", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (document["cases"], document["subjects"], document["failed"]) == (5, 4, {})
    assert document["labelled_litres"] == pytest.approx(
        sum(c["ml"][1:].sum() for c in counted.values()) / 1000
    )
    liver = next(row for row in document["per_structure"] if row["structure"] == "liver")
    q1, q3 = np.percentile([case["ml"][LIVER] for case in counted.values()], [25, 75])
    assert (liver["volume_ml"]["q1"], liver["volume_ml"]["q3"]) == pytest.approx((q1, q3))


def test_nothing_is_loaded_from_elsewhere(report: Path) -> None:
    text, seen = report.read_text("utf-8"), page(report)
    assert seen.images == 5
    assert all(source.startswith("data:image/png;base64,") for source in seen.loads)
    addresses = re.findall(r"""(?i)\b(?:https?|ftp|wss?)://[^\s"'<>]+""", text)
    assert addresses
    assert set(addresses) <= set(seen.links)  # there for a click only
    assert not re.search(r"""["'(=]//\w""", text)  # nor addresses that take the page's own protocol
    assert not re.search(r"url\(|@import|<link|<iframe|fetch\(|import\(", text)
    assert "default-src 'none'" in text


def test_same_bytes_for_any_jobs_and_again(cohort: Path, report: Path, tmp_path: Path) -> None:
    run(cohort, "--out", tmp_path / "forced.html", "--jobs", 2, "--force")
    run(cohort, "--out", tmp_path / "kept.html")
    assert (tmp_path / "forced.html").read_bytes() == report.read_bytes()
    assert (tmp_path / "kept.html").read_bytes() == report.read_bytes()


def test_second_run_reads_only_what_is_due(cohort: Path, report: Path, tmp_path: Path) -> None:
    kept = sorted((cohort / ".dapatlas" / "stats").glob("*.json"))
    assert len(kept) == 5
    kept[2].unlink()
    result = dataset_statistics(Dataset(cohort), tmp_path / "r.html", jobs=1)
    assert [outcome.state for outcome in result.outcomes].count("done") == 1
    assert result.outcomes[2].state == "done"
    assert (tmp_path / "r.html").read_bytes() == report.read_bytes()


def test_a_planted_size_is_out_of_line(tmp_path: Path) -> None:
    """Ten cases with 95…104 ml of liver; of the others one is huge, one cut and huge, one tiny, one cut and tiny."""
    for number in range(10):
        write(tmp_path, f"case{number}", with_liver(95 + number))
    write(tmp_path, "huge", with_liver(300))
    write(tmp_path, "huge_and_cut", with_liver(350, shift=0))
    write(tmp_path, "tiny", with_liver(20))
    write(tmp_path, "tiny_and_cut", with_liver(20, shift=0))
    result = run(tmp_path, "--jobs", 1)
    assert result.exit_code == 0
    whole = np.log([*range(95, 105), 300, 20])
    middle = np.median(whole)
    spread = max(1.4826 * np.median(np.abs(whole - middle)), np.log(1.1))
    lines = page(tmp_path / "stats.html").outliers[1:]
    expected = [("tiny", 20), ("huge_and_cut", 350), ("huge", 300)]
    assert [(line[0], float(line[2])) for line in lines] == expected
    for line, (_, ml) in zip(lines, expected, strict=True):
        assert float(line[-1].replace("−", "-")) == pytest.approx((np.log(ml) - middle) / spread, abs=0.051)
    assert "out of line tiny: liver 20 ml, 0.2 × the median" in result.stdout


def test_sexes_are_judged_apart(tmp_path: Path) -> None:
    """A size that is usual in the other sex is out of line in one's own."""
    for number in range(8):
        write(tmp_path, f"w{number}", with_liver(50 + number))
        write(tmp_path, f"m{number}", with_liver(200 + number))
    write(tmp_path, "w8", with_liver(200))
    sexes = [f"{letter}{number},{sex}" for letter, sex in ("wF", "mM") for number in range(9)]
    (tmp_path / "table.csv").write_text("\n".join(["case,sex", *sexes]))
    run(tmp_path, "--sex-table", tmp_path / "table.csv", "--jobs", 1)
    assert [line[0] for line in page(tmp_path / "stats.html").outliers[1:]] == ["w8"]


def test_one_case_without_ct_and_sex(tmp_path: Path) -> None:
    write(tmp_path, "only", with_liver(30))
    result = run(tmp_path, "--jobs", 1)
    assert result.exit_code == 0
    assert "1 case of 1 subject, 1 structures" in result.stdout
    assert "1 case without a CT, hence without HU" in result.stdout
    seen = page(tmp_path / "stats.html")
    assert "HU" not in seen.heads
    assert "female" not in seen.heads
    assert seen.cards["cases"][2] == "1 sex unknown"
    assert "No case has a CT, so HU are left out." in (tmp_path / "stats.html").read_text("utf-8")


def test_unknown_sex_is_a_group_of_its_own(tmp_path: Path) -> None:
    for name, voxels in (("a", 10), ("b", 20), ("c", 40)):
        write(tmp_path, name, with_liver(voxels))
    (tmp_path / "subjects.csv").write_text("subject,sex\na,F\nb,M\n")
    run(tmp_path, "--jobs", 1)
    liver = page(tmp_path / "stats.html").rows["liver"]
    assert (liver["female"], liver["male"], liver["sex unknown"]) == ("10", "20", "40")


def test_some_cases_without_ct_and_hu_that_are_no_numbers(tmp_path: Path) -> None:
    ct = np.full((4, 4, 400), 60, np.float32)
    write(tmp_path, "a", with_liver(30), ct)
    ct[1, 1, 10] = np.nan
    write(tmp_path, "b", with_liver(30), ct)
    write(tmp_path, "c", with_liver(30))
    assert run(tmp_path, "--jobs", 1).exit_code == 0
    assert float(page(tmp_path / "stats.html").rows["liver"]["HU"]) == 60
    assert "1 of 3 cases have no CT" in (tmp_path / "stats.html").read_text("utf-8")


def test_empty_label_map(tmp_path: Path) -> None:
    write(tmp_path, "empty", np.zeros((4, 5, 6), np.uint8), np.zeros((4, 5, 6), np.int16))
    assert run(tmp_path, "--jobs", 1).exit_code == 0
    seen = page(tmp_path / "stats.html")
    assert seen.cards["structures"][0] == "0"
    assert all(row["cases"] == "0" and row["median ml"] == "" for row in seen.rows.values())


def test_a_bad_case_is_named_and_stops_no_other(tmp_path: Path) -> None:
    write(tmp_path, "good", with_liver(30), np.zeros((4, 4, 400), np.int16))
    write(tmp_path, "other_grid", with_liver(30), np.zeros((4, 4, 10), np.int16))
    write(tmp_path, "strange_id", with_liver(30) * 17)
    (tmp_path / "masks" / "torn.nii.gz").write_bytes((tmp_path / "masks" / "good.nii.gz").read_bytes()[:-20])
    result = run(tmp_path, "--jobs", 1)
    assert result.exit_code == 1
    text = (tmp_path / "stats.html").read_text("utf-8")
    assert "3 cases could not be measured" in text
    for case in ("other_grid", "strange_id", "torn"):
        assert f"{case}: " in result.stdout
        assert f"<li>{case}: " in text
    assert page(tmp_path / "stats.html").cards["cases"][0] == "1"


@pytest.mark.parametrize("empty", [True, False])
def test_nothing_to_measure_is_an_error(tmp_path: Path, empty: bool) -> None:
    (tmp_path / "masks").mkdir()
    if not empty:
        (tmp_path / "masks" / "bad.nii.gz").write_bytes(b"no gzip")
    with pytest.raises(DapatlasError, match="no label map in it" if empty else "no case could be measured"):
        dataset_statistics(Dataset(tmp_path), jobs=1)


def test_work_folder_leaves_the_data_set_alone(tmp_path: Path) -> None:
    write(tmp_path / "set", "a", with_liver(3))
    before = sorted((tmp_path / "set").rglob("*"))
    assert (
        run(tmp_path / "set", "--work", tmp_path / "w", "--out", tmp_path / "r.html", "--jobs", 1).exit_code
        == 0
    )
    assert sorted((tmp_path / "set").rglob("*")) == before
    assert (tmp_path / "w" / ".dapatlas" / "stats" / "a.json").is_file()


def test_montage_is_spread_evenly(cohort: Path, report: Path, tmp_path: Path) -> None:
    cases = [case.id for case in Dataset(cohort)]
    run(cohort, "--pictures", 2, "--out", tmp_path / "two.html")
    shown = re.findall(r'alt="coronal picture of ([^"]+)"', (tmp_path / "two.html").read_text("utf-8"))
    assert shown == [cases[0], cases[2]]
    run(cohort, "--pictures", 0, "--out", tmp_path / "none.html")
    assert page(tmp_path / "none.html").images == 0


@pytest.mark.parametrize("codes", ["LPS", "RAS", "ASR", "PIL"])
def test_picture_is_upright_in_any_orientation(codes: str) -> None:
    """Spleen on the patient's left, at the feet: on the right of the picture, at the bottom. Voxels of 3 × 3 × 6 mm."""
    label_map = np.zeros((20, 6, 30), np.uint8)  # LPS
    label_map[15:19, 2:4, 2:6] = SPLEEN
    turned, grid = reorient(label_map, Grid.from_spacing((20, 6, 30), (3, 3, 6), "LPS"), codes)
    picture = np.asarray(coronal_picture(turned, None, grid, dap().palette()).convert("RGB"))
    assert picture.shape == (60, 20, 3)
    expected = np.zeros((60, 20, 3), np.uint8)
    expected[60 - 12 : 60 - 4, 15:19] = dap()["spleen"].colour
    assert np.abs(picture.astype(int) - expected).max() <= 3  # the palette of the file


def test_pictures_are_true_to_scale(cohort: Path, report: Path) -> None:
    for path in sorted((cohort / "masks").iterdir()):
        mask = nib.as_closest_canonical(nib.load(path))
        width, _, height = np.array(mask.shape) * mask.header.get_zooms()
        with Image.open(cohort / ".dapatlas" / "stats" / path.name.replace(".nii.gz", ".png")) as picture:
            assert picture.size == pytest.approx((width / 3, height / 3), abs=0.51)


def test_quantiles_are_numpys() -> None:
    random = np.random.default_rng(0)
    for number in (1, 2, 3, 4, 5, 20, 101):
        values = random.lognormal(size=number).tolist()
        expected = np.percentile(values, [0, 25, 50, 75, 100])
        assert list(quantiles(values).values())[1:] == pytest.approx(expected)


def test_histograms_lose_no_case() -> None:
    random = np.random.default_rng(1)
    for values in (random.normal(1000, 200, 300), np.arange(40.0), [2.5], [0.8, 0.8, 1.5]):
        counts = [int(n) for n in re.findall(r": (\d+) case", histogram(list(map(float, values)), "x"))]
        assert sum(counts) == len(values)


def test_scales() -> None:
    axis = LogScale.around([3.0, 700.0], 0.0, 100.0)
    assert (axis.low, axis.high, axis(2.0), axis(1000.0)) == (2, 1000, 0, 100)
    assert axis(np.sqrt(2000)) == pytest.approx(50)
    assert LogScale.around([0.02, 9000.0], 0.0, 1.0).ticks == [0.1, 1, 10, 100, 1000, 10000]
    assert LogScale.around([1.5, 7.0], 0.0, 1.0).ticks == [1, 2, 5, 10]
    assert LogScale.around([5.0, 5.0], 0.0, 1.0).ticks == [5, 10]
    hu = HuScale(0.0, 100.0)
    places = [hu(value) for value in (-5000, -1050, -900, -75, 0, 50, 400, 1500)]
    assert places[0] == places[1] == 0
    assert places[1:] == sorted(set(places))
    assert places[-1] == 100


@pytest.mark.real_data
def test_totalsegmentator_sample(real_data: Path, tmp_path: Path) -> None:
    for folder, name in (("images", "ct_sm.nii.gz"), ("masks", "total_sm.nii.gz")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "sample.nii.gz").symlink_to(real_data / name)
    result = run(tmp_path, "--scheme", "totalsegmentator", "--jobs", 1)
    assert result.exit_code == 0, result.output
    rows, scheme = page(tmp_path / "stats.html").rows, load_scheme("totalsegmentator")
    mask = nib.load(real_data / "total_sm.nii.gz")
    ids, hu = np.asarray(mask.dataobj).astype(int), np.asarray(nib.load(real_data / "ct_sm.nii.gz").dataobj)
    counts = np.bincount(ids.ravel(), minlength=256)
    for structure in scheme:
        if structure.id and counts[structure.id]:
            ml = counts[structure.id] * abs(np.linalg.det(mask.affine[:3, :3])) / 1000
            assert float(rows[structure.name]["median ml"]) == pytest.approx(ml, rel=1e-4)
            assert float(rows[structure.name]["HU"]) == pytest.approx(
                hu[ids == structure.id].mean(), rel=1e-4, abs=1e-3
            )
    means = [
        float(rows[name]["HU"])
        for name in ("lung_upper_lobe_left", "liver", "vertebrae_L1")
        if rows[name]["HU"]
    ]
    assert means == sorted(means)
