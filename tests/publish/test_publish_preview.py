"""The preview table: what its pictures show, what its files hold, and what a second run does."""

from __future__ import annotations

import json
import shutil
from io import BytesIO
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from dapatlas.cli import app
from dapatlas.dataset import Case, Dataset
from dapatlas.errors import BadFileError, BadLabelsError, DapatlasError, GridMismatchError
from dapatlas.labels import dap, load_scheme
from dapatlas.phantom import make_cohort
from dapatlas.publish.preview import FEATURES, preview_row
from dapatlas.publish.shards import arrow_schema, plan_shards, shards_of
from dapatlas.volumes import Grid, write_volume

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

RUN = CliRunner()
LIVER, SPLEEN = 13, 26
ORIENTATIONS = [
    "".join(codes) for axes in permutations(("RL", "AP", "SI")) for codes in product(*axes)
]  # all 48


def write_case(folder: Path, ct: np.ndarray, labels: np.ndarray, grid: Grid, case: str = "case") -> Case:
    image, mask = folder / "images" / f"{case}.nii.gz", folder / "masks" / f"{case}.nii.gz"
    for path, array in ((image, ct), (mask, labels)):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(path, array, grid)
    return Case(case, image, mask, dap())


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(png)))


def noisy(shape: tuple[int, int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    ct = draw.integers(-400, 500, shape).astype(np.int16)
    return ct, draw.choice(np.array([0, 1, LIVER, SPLEEN, 144], np.uint8), shape)


def grey_of(hu: np.ndarray) -> np.ndarray:
    """A window of -160…240 HU written down a second time, in whole numbers of 400ths."""
    return np.clip(np.rint((hu.astype(np.float64) + 160) * 255 / 400), 0, 255).astype(np.uint8)


class TestPictures:
    def test_the_slice_is_upright_in_every_orientation(self, tmp_path: Path) -> None:
        """One body in 48 array orientations, turned by nibabel: one row, the one that RAS gives by hand."""
        ct, labels = noisy((9, 7, 6))
        ras = nib.Nifti1Image(ct, np.diag([2.0, 2, 5, 1])), nib.Nifti1Image(labels, np.diag([2.0, 2, 5, 1]))
        rows = set()
        for codes in ORIENTATIONS:
            turn = nib.orientations.axcodes2ornt(codes)
            case = Case("case", tmp_path / "ct.nii", tmp_path / "map.nii", dap())
            for image, path in zip(ras, (case.image_path, case.mask_path), strict=True):
                turned = image.as_reoriented(
                    nib.orientations.ornt_transform(nib.orientations.io_orientation(image.affine), turn)
                )
                nib.save(turned, path)
                assert "".join(nib.aff2axcodes(nib.load(path).affine)) == codes
            rows.add(preview_row(case))
        assert len(rows) == 1
        (row,) = rows
        assert row.num_slices == 6
        # RAS seen from the feet, front up: first row is the front-most, first column the patient's right
        np.testing.assert_array_equal(pixels(row.ct_middle_slice), grey_of(ct[::-1, ::-1, 3].T))
        np.testing.assert_array_equal(pixels(row.mask_middle_slice), labels[::-1, ::-1, 3].T)

    def test_left_is_on_the_right_and_front_is_up(self, tmp_path: Path) -> None:
        grid = Grid.from_spacing((10, 12, 3), (1, 1, 3), "LPS")
        labels = np.zeros(grid.shape, np.uint8)
        labels[8:, 1:3] = SPLEEN  # LPS: i grows to the left, j to the back
        row = preview_row(write_case(tmp_path, np.zeros(grid.shape, np.int16), labels, grid))
        rows, columns = np.nonzero(pixels(row.mask_middle_slice))
        assert rows.max() < 6
        assert columns.min() >= 5

    def test_mask_pixels_are_ids_and_the_palette_is_the_schemes(self, tmp_path: Path) -> None:
        ct, labels = noisy((16, 12, 5))
        row = preview_row(write_case(tmp_path, ct, labels, Grid.from_spacing((16, 12, 5), (1, 1, 1), "LPS")))
        picture = Image.open(BytesIO(row.mask_middle_slice))
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), labels[:, :, 2].T)
        shown = np.asarray(picture.convert("RGB"))
        for label in (1, LIVER, SPLEEN, 144):
            assert (shown[label == labels[:, :, 2].T] == dap()[label].colour).all()

    def test_the_overlay_mixes_colours_and_grey_and_leaves_background_alone(self, tmp_path: Path) -> None:
        ct, labels = noisy((16, 12, 5))
        row = preview_row(write_case(tmp_path, ct, labels, Grid.from_spacing((16, 12, 5), (1, 1, 1), "LPS")))
        overlay = pixels(row.overlay_middle_slice).astype(int)
        grey, ids = grey_of(ct[:, :, 2].T).astype(int), labels[:, :, 2].T
        assert overlay.shape == (12, 16, 3)
        assert (overlay[ids == 0] == grey[ids == 0][:, None]).all()
        liver = ids == LIVER
        mixed = (grey[liver][:, None] + np.array(dap()[LIVER].colour)) / 2
        assert np.abs(overlay[liver] - mixed).max() <= 0.5

    @pytest.mark.parametrize("orientation", ["LPS", "SLP", "PIR"])
    def test_pixels_are_square(self, tmp_path: Path, orientation: str) -> None:
        """2 mm from left to right, 1 mm from front to back: every column twice."""
        mm = {"L": 2.0, "R": 2.0, "A": 1.0, "P": 1.0, "S": 4.0, "I": 4.0}
        counts = {"L": 5, "R": 5, "A": 8, "P": 8, "S": 7, "I": 7}
        lps_ct, lps_labels = noisy((5, 8, 7))
        lps = Grid.from_spacing((5, 8, 7), (2, 1, 4), "LPS")
        grid = Grid.from_spacing(
            tuple(counts[code] for code in orientation), tuple(mm[code] for code in orientation), orientation
        )
        turn = nib.orientations.ornt_transform(
            nib.orientations.io_orientation(lps.affine), nib.orientations.io_orientation(grid.affine)
        )
        ct, labels = (nib.orientations.apply_orientation(array, turn) for array in (lps_ct, lps_labels))
        row = preview_row(write_case(tmp_path, ct, labels, grid))
        assert pixels(row.ct_middle_slice).shape == (8, 10)
        expected = lps_labels[:, :, 3].T.repeat(2, axis=1)
        np.testing.assert_array_equal(pixels(row.mask_middle_slice), expected)

    def test_a_ct_of_fractions_with_nan_is_air_there(self, tmp_path: Path) -> None:
        grid = Grid.from_spacing((4, 4, 3), (1, 1, 1), "LPS")
        ct = np.full(grid.shape, 40.0, np.float32)
        ct[0, 0] = np.nan
        row = preview_row(write_case(tmp_path, ct, np.zeros(grid.shape, np.uint8), grid))
        assert pixels(row.ct_middle_slice)[0].tolist() == [0, 128, 128, 128]

    def test_absurd_voxels_do_not_fill_the_memory(self, tmp_path: Path) -> None:
        grid = Grid.from_spacing((6, 6, 3), (1e-3, 9.0, 1), "LPS")
        row = preview_row(write_case(tmp_path, *noisy((6, 6, 3)), grid))
        assert pixels(row.ct_middle_slice).shape == (4096, 1)


class TestReading:
    def test_nothing_beyond_the_middle_is_read(self, tmp_path: Path) -> None:
        """Files of noise, so that bytes of the file go with slices; cut in the last third, then before the middle."""
        case = write_case(tmp_path, *noisy((64, 64, 40)), Grid.from_spacing((64, 64, 40), (1, 1, 1), "LPS"))
        whole = preview_row(case)
        for path in (case.image_path, case.mask_path):
            kept = path.read_bytes()
            path.write_bytes(kept[: len(kept) * 2 // 3])
        assert preview_row(case) == whole
        case.image_path.write_bytes(case.image_path.read_bytes()[: len(kept) // 2])
        with pytest.raises(BadFileError, match="truncated"):
            preview_row(case)

    def test_a_grid_of_its_own_is_refused(self, tmp_path: Path) -> None:
        case = write_case(tmp_path, *noisy((8, 8, 6)), Grid.from_spacing((8, 8, 6), (1, 1, 1), "LPS"))
        other = Grid.from_spacing((8, 8, 5), (1, 1, 1), "LPS")
        write_volume(case.mask_path, np.zeros(other.shape, np.uint8), other)
        with pytest.raises(GridMismatchError, match=r"case case: .*shape \(8, 8, 6\) against \(8, 8, 5\)"):
            preview_row(case)

    @pytest.mark.parametrize("strange", [11, 145, 300])
    def test_an_id_outside_the_scheme_is_refused(self, tmp_path: Path, strange: int) -> None:
        labels = np.zeros((8, 8, 6), np.uint16)
        labels[2, 2, 3] = strange
        case = write_case(
            tmp_path, noisy((8, 8, 6))[0], labels, Grid.from_spacing((8, 8, 6), (1, 1, 1), "LPS")
        )
        with pytest.raises(BadLabelsError, match=rf"outside the scheme 'dap': {strange};"):
            preview_row(case)

    @pytest.mark.real_data
    def test_a_real_case_shows_the_liver_on_the_left_of_the_picture(self, real_data: Path) -> None:
        scheme = load_scheme("totalsegmentator")
        case = Case("s", real_data / "ct_sm.nii.gz", real_data / "total_sm.nii.gz", scheme)
        row = preview_row(case)
        loaded = nib.as_closest_canonical(nib.load(case.image_path))
        assert row.num_slices == loaded.shape[2]
        middle = loaded.get_fdata()[:, :, loaded.shape[2] // 2]
        np.testing.assert_array_equal(pixels(row.ct_middle_slice), grey_of(middle[::-1, ::-1].T))
        mask = pixels(row.mask_middle_slice)
        centres = {
            name: np.argwhere(mask == scheme[name].id).mean(axis=0)
            for name in ("liver", "spleen", "autochthon_left")
        }
        assert centres["liver"][1] < centres["spleen"][1]
        assert centres["autochthon_left"][0] > centres["liver"][0]  # back muscles lie below


NAMES = ["AutoPET_0123456789_00042", "AutoPET_abc_12345", "patient 7", "s.8"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four synthetic cases in as many orientations, under names with leading zeros and without subject or study."""
    folder = tmp_path_factory.mktemp("cohort")
    orientations = ("LPS", "PIR", "RSA", "RAI")
    made = make_cohort(folder, 3, seed=3, shape=(96, 96, 96), orientations=orientations)
    for case, name in zip(made.cases, NAMES, strict=True):
        case.image_path.rename(made.image_path(name))
        case.mask_path.rename(made.mask_path(name))
    return folder


def run(*arguments: str | Path, exit_code: int = 0) -> dict:
    answer = RUN.invoke(app, ["preview", *map(str, arguments), "--json"])
    assert answer.exit_code == exit_code, answer.output
    return json.loads(answer.stdout)


def states(result: dict) -> dict[str, str]:
    return {case["case"]: case["state"] for case in result["cases"]}


@pytest.fixture(scope="module")
def out(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cohort's table."""
    out = tmp_path_factory.mktemp("out")
    assert set(states(run(cohort, "--out", out, "--jobs", "2")).values()) == {"done"}
    return out


class TestTable:
    def test_rows_are_the_cases_in_name_order(self, cohort: Path, out: Path) -> None:
        rows = pq.read_table(out / "data" / "train-00000-of-00001.parquet").to_pylist()
        assert [row["sample_id"] for row in rows] == NAMES
        assert [row["subject_id"] for row in rows] == ["0123456789", "abc", "patient 7", "s.8"]
        assert [row["study_uid_last5"] for row in rows] == ["00042", "12345", "", ""]
        for row, case in zip(rows, Dataset(cohort), strict=True):
            canonical = nib.as_closest_canonical(nib.load(case.mask_path))
            assert row["num_slices"] == canonical.shape[2]
            expected = np.asarray(canonical.dataobj)[::-1, ::-1, canonical.shape[2] // 2].T
            np.testing.assert_array_equal(pixels(row["mask_middle_slice"]["bytes"]), expected)

    def test_columns_are_the_reference_cards(self, out: Path, reference: Path) -> None:
        yaml = pytest.importorskip("yaml")
        card = yaml.safe_load((reference / "dataset_card.md").read_text().split("---\n")[1])
        features = [(feature["name"], feature["dtype"]) for feature in card["dataset_info"]["features"]]
        assert list(FEATURES) == features

    @pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning"
    )  # of datasets and its parts
    def test_datasets_loads_it_with_images_that_decode(
        self, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        datasets = pytest.importorskip("datasets")
        declared = datasets.Features(
            {
                name: datasets.Image() if dtype == "image" else datasets.Value(dtype)
                for name, dtype in FEATURES
            }
        )
        # what datasets itself would write
        assert arrow_schema().equals(declared.arrow_schema, check_metadata=True)
        loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path))
        assert list(loaded) == ["train"]
        assert loaded["train"].features == declared
        assert list(loaded["train"].features) == [name for name, _ in FEATURES]
        row = loaded["train"][1]
        assert (row["sample_id"], row["num_slices"]) == ("AutoPET_abc_12345", 96)
        modes = [row[f"{kind}_middle_slice"].mode for kind in ("ct", "mask", "overlay")]
        assert modes == ["L", "P", "RGB"]
        assert set(np.unique(row["mask_middle_slice"])) <= set(dap().ids.tolist())

    @pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning"
    )  # of datasets and its parts
    def test_a_data_set_is_its_own_preview_folder(
        self, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        datasets = pytest.importorskip("datasets")
        folder = tmp_path / "atlas"
        shutil.copytree(cohort, folder)
        run(folder, "--jobs", "1", "--shard-mb", "0.03")
        loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"), split="train")
        assert loaded["sample_id"][:] == NAMES

    def test_any_number_of_jobs_and_any_run_give_the_same_bytes(
        self, cohort: Path, out: Path, tmp_path: Path
    ) -> None:
        run(cohort, "--out", tmp_path, "--jobs", "1")
        name = "data/train-00000-of-00001.parquet"
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()

    def test_a_second_run_writes_nothing(
        self, cohort: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
        monkeypatch.chdir(cohort.parent)  # from elsewhere, too
        result = run(cohort.name, "--out", out)
        assert set(states(result).values()) == {"up to date"}
        assert not result["written"]
        assert {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")} == before

    def test_without_json_it_says_where_the_table_is(self, cohort: Path, out: Path) -> None:
        answer = RUN.invoke(app, ["preview", str(cohort), "--out", str(out)])
        assert "4 cases: 4 up to date" in answer.output
        assert "train-00000-of-00001.parquet" in answer.output
        assert not RUN.invoke(app, ["preview", str(cohort), "--out", str(out), "-q"]).output


class TestRuns:
    @pytest.fixture
    def atlas(self, tmp_path: Path) -> Path:
        """Four small cases."""
        grid = Grid.from_spacing((24, 20, 9), (1, 1, 3), "LPS")
        for number in range(4):
            write_case(
                tmp_path / "atlas", *noisy(grid.shape, number), grid, f"AutoPET_s{number}_0000{number}"
            )
        return tmp_path / "atlas"

    def table(self, atlas: Path) -> list[str]:
        return [
            name
            for path in shards_of(atlas / "data")
            for name in pq.read_table(path, columns=["sample_id"]).column(0).to_pylist()
        ]

    def test_bad_cases_are_named_and_the_others_go_on(self, atlas: Path) -> None:
        ids = [f"AutoPET_s{n}_0000{n}" for n in range(4)]
        (atlas / "masks" / f"{ids[0]}.nii.gz").unlink()
        (atlas / "images" / f"{ids[1]}.nii.gz").unlink()
        (atlas / "images" / f"{ids[2]}.nii.gz").write_bytes(b"nothing")
        result = run(atlas, "--jobs", "1", exit_code=1)
        errors = [case["error"] for case in result["cases"]]
        assert f"case {ids[0]} has no label map: expected {atlas}/masks/{ids[0]}.nii.gz" == errors[0]
        assert f"case {ids[1]} has no CT: expected {atlas}/images/{ids[1]}.nii.gz" == errors[1]
        assert "not a NIfTI file" in errors[2]
        assert list(states(result).values()) == ["failed"] * 3 + ["done"]
        assert self.table(atlas) == [ids[3]]
        answer = RUN.invoke(app, ["preview", str(atlas), "--jobs", "1"])
        assert answer.exit_code == 1
        assert ids[2] in answer.output
        assert "1 up to date, 3 failed" in answer.output

    def test_a_changed_case_is_done_again_alone(self, atlas: Path) -> None:
        run(atlas, "--jobs", "1")
        mask = atlas / "masks" / "AutoPET_s2_00002.nii.gz"
        write_volume(
            mask, np.full((24, 20, 9), LIVER, np.uint8), Grid.from_spacing((24, 20, 9), (1, 1, 3), "LPS")
        )
        result = run(atlas, "--jobs", "1")
        assert [case for case, state in states(result).items() if state == "done"] == ["AutoPET_s2_00002"]
        assert result["written"]
        (row,) = [
            row
            for row in pq.read_table(atlas / "data" / "train-00000-of-00001.parquet").to_pylist()
            if row["sample_id"] == "AutoPET_s2_00002"
        ]
        assert (pixels(row["mask_middle_slice"]["bytes"]) == LIVER).all()
        assert set(states(run(atlas, "--jobs", "1", "--force")).values()) == {"done"}

    def test_shards_of_another_size_replace_those_of_before(self, atlas: Path) -> None:
        other = atlas / "data" / "train-notes.txt"
        first = run(atlas, "--jobs", "1", "--shard-mb", "0.001")
        other.write_text("not ours")
        assert [Path(shard["file"]).name for shard in first["shards"]] == [
            f"train-0000{n}-of-00004.parquet" for n in range(4)
        ]
        everything = self.table(atlas)
        assert everything == sorted(everything)
        assert len(everything) == 4
        run(atlas, "--jobs", "1")
        assert sorted(path.name for path in (atlas / "data").iterdir()) == [
            "train-00000-of-00001.parquet",
            "train-notes.txt",
        ]
        assert self.table(atlas) == everything

    def test_a_shard_that_was_lost_or_changed_is_made_again(self, atlas: Path) -> None:
        run(atlas, "--jobs", "1")
        shard = atlas / "data" / "train-00000-of-00001.parquet"
        bytes_before = shard.read_bytes()
        for spoil in (shard.unlink, lambda: shard.write_bytes(b"PAR1")):
            spoil()
            result = run(atlas, "--jobs", "1")
            assert set(states(result).values()) == {"up to date"}
            assert shard.read_bytes() == bytes_before

    def test_no_case_at_all_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        answer = RUN.invoke(app, ["preview", str(tmp_path)])
        assert isinstance(answer.exception, DapatlasError)
        assert "no case in it" in str(answer.exception)

    def test_no_good_case_gives_no_table(self, atlas: Path) -> None:
        for path in (atlas / "masks").iterdir():
            path.unlink()
        answer = RUN.invoke(app, ["preview", str(atlas), "--jobs", "1"])
        assert answer.exit_code == 1
        assert "no table was written" in answer.output
        assert not (atlas / "data").exists()


@given(st.lists(st.integers(1, 100), max_size=30), st.integers(1, 150))
def test_shards_hold_all_rows_in_order_and_are_as_full_as_they_may_be(sizes: list[int], limit: int) -> None:
    runs = plan_shards(sizes, limit)
    assert [place for run_ in runs for place in run_] == list(range(len(sizes)))
    held = [sum(sizes[place] for place in run_) for run_ in runs]
    for total, run_ in zip(held, runs, strict=True):
        assert total <= limit or len(run_) == 1
    for total, following in zip(held, runs[1:], strict=False):
        assert total + sizes[following[0]] > limit
