"""Data sets behind URLs: the same answers as on disk, few bytes fetched, objects whole or not there."""

from __future__ import annotations

import io
import json
import pickle
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hub_server import REPO, Hub, hub_of
from object_store import Wire, s3_server
from small_datasets import CASES, Folder, ct_array, mask_array
from typer.testing import CliRunner, Result

from dapatlas.cli import app
from dapatlas.dataset import Code, Dataset, validate
from dapatlas.dataset.manifest_writing import write_manifest
from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.files import link_file, whole_file, write_text
from dapatlas.findings import Finding
from dapatlas.locations import hidden_folder, is_remote, location, version_of
from dapatlas.phantom import make_cohort
from dapatlas.pipeline.checking import check_dataset
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.previewing import preview_dataset
from dapatlas.pipeline.statistics import dataset_statistics
from dapatlas.volumes import Grid, read_header, read_slice, read_volume, write_label_map, write_volume

fsspec = pytest.importorskip("fsspec", reason="data sets behind URLs need dapatlas[remote]")
pytest.importorskip("upath", reason="data sets behind URLs need dapatlas[remote]")

ATLAS = "s3://bucket/atlas"


class Store:
    """A bucket that is empty at the start of each test, and what went over the wire to it."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    @property
    def direct(self) -> object:
        """The store by another client than ours, past the wire."""
        return fsspec.filesystem(
            "s3", endpoint_url=f"http://127.0.0.1:{self.wire.server}", use_listings_cache=False
        )

    def fill(self, folder: Path, url: str = ATLAS) -> None:
        for path in folder.rglob("*"):
            if path.is_file() and ".dapatlas" not in path.parts:
                self.direct.put_file(str(path), f"{url}/{path.relative_to(folder).as_posix()}")

    def read(self, url: str) -> bytes:
        return self.direct.cat_file(url)

    def names(self) -> list[str]:
        return sorted(name.partition("/")[2] for name in self.direct.find("bucket"))


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    pytest.importorskip("moto.server", reason="the S3 server is moto's")
    s3fs = pytest.importorskip("s3fs", reason="s3:// needs dapatlas[remote]")
    with s3_server(tmp_path_factory.mktemp("moto") / "log") as port:
        wire = Wire(port)
        yield wire
        wire.close()
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def store(wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{wire.port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    store = Store(wire)
    if store.direct.exists("bucket"):
        store.direct.rm("bucket", recursive=True)
    store.direct.mkdir("bucket")
    import_module(
        "dapatlas.remote_path"
    )._small_block.cache_clear()  # blocks of the same files in other tests
    wire.cut_after = None
    wire.forget()
    return store


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two phantoms with noise, so that their files are of some size."""
    folder = tmp_path_factory.mktemp("cohort") / "atlas"
    make_cohort(folder, 2, seed=5, shape=(96, 96, 96), orientations=("LPS", "RAS"), jobs=1)
    shutil.rmtree(folder / "ground_truth")
    return folder


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.nii.gz"))


def elsewhere(findings: list[Finding], folder: Path) -> list[Finding]:
    """The findings as they would be of the same data set behind the URL."""
    return [
        replace(
            each,
            **{
                name: getattr(each, name).replace(str(folder), ATLAS) for name in ("file", "message", "found")
            },
        )
        for each in findings
    ]


def plant_faults(five: Folder) -> None:
    """A copy, an id of no structure, another grid, a file cut short, one that is none, one without its partner."""
    shutil.copy(five.image(CASES[0]), five.image("copy"))
    shutil.copy(five.mask(CASES[0]), five.mask("copy"))
    labels = mask_array(1)
    labels[0, 0, :3] = 11
    five.write(five.mask(CASES[1]), labels)
    five.write(five.mask(CASES[2]), mask_array(2), np.diag([1.0, 1, 1, 1]))
    five.image(CASES[3]).write_bytes(five.image(CASES[3]).read_bytes()[:-300])
    five.mask(CASES[3]).write_text("no volume")
    five.mask(CASES[4]).unlink()
    (five.path / "masks" / "notes.txt").write_text("stray")


class TestTheSameAsOnDisk:
    @pytest.mark.parametrize("deep", [False, True])
    def test_validation_finds_the_same(self, five: Folder, store: Store, deep: bool) -> None:
        write_manifest(five.path, jobs=1)
        plant_faults(five)
        store.fill(five.path)
        local = validate(Dataset(five.path), jobs=1, deep=deep)
        assert {each.code for each in local} >= {
            Code.TRUNCATED_FILE,
            Code.MISSING_MASK,
            Code.MANIFEST_CHANGED,
        }
        assert validate(Dataset(ATLAS), jobs=1, deep=deep) == elsewhere(local, five.path)

    def test_checks_write_the_same_bytes(self, cohort: Path, store: Store, tmp_path: Path) -> None:
        store.fill(cohort)
        check_dataset(Dataset(cohort), tmp_path, jobs=1)
        check_dataset(Dataset(ATLAS), jobs=1)
        reports = [path.relative_to(tmp_path).as_posix() for path in (tmp_path / "reports").rglob("*.json")]
        assert len(reports) == 3
        for name in reports:
            assert store.read(f"{ATLAS}/{name}") == (tmp_path / name).read_bytes()
        assert {each.state for each in check_dataset(Dataset(ATLAS), jobs=1).outcomes} == {"up to date"}

    def test_the_preview_table_has_the_same_bytes(self, cohort: Path, store: Store, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        store.fill(cohort)
        local = preview_dataset(Dataset(cohort), tmp_path, jobs=1)
        remote = preview_dataset(Dataset(ATLAS), jobs=1)
        (ours,), (theirs,) = local.shards, remote.shards
        assert str(theirs) == f"{ATLAS}/data/{ours.name}"
        assert store.read(str(theirs)) == ours.read_bytes()
        again = preview_dataset(Dataset(ATLAS), jobs=1)
        assert not again.written
        assert {case.state for case in again.cases} == {"up to date"}

    def test_statistics_are_the_same(self, cohort: Path, store: Store, tmp_path: Path) -> None:
        store.fill(cohort)
        local = dataset_statistics(Dataset(cohort), tmp_path / "s.html", work=tmp_path, jobs=1)
        dataset_statistics(Dataset(ATLAS), jobs=1)
        assert store.read(f"{ATLAS}/stats.html") == local.report.read_bytes()

    def test_workers_read_by_themselves(self, cohort: Path, store: Store) -> None:
        store.fill(cohort)
        assert (
            validate(Dataset(ATLAS), jobs=2, deep=True) == validate(Dataset(cohort), jobs=1, deep=True) == []
        )

    def test_a_changed_object_is_checked_again_and_no_other(self, cohort: Path, store: Store) -> None:
        store.fill(cohort)
        check_dataset(Dataset(ATLAS), jobs=1)
        name = sorted((cohort / "masks").iterdir())[0].name
        volume = read_volume(cohort / "masks" / name)
        write_label_map(f"{ATLAS}/masks/{name}", np.where(volume.array == 13, 0, volume.array), volume.grid)
        states = [each.state for each in check_dataset(Dataset(ATLAS), jobs=1).outcomes]
        assert states == ["done", "up to date"]


class TestWriting:
    def test_a_new_data_set_is_that_of_the_disk(self, store: Store, tmp_path: Path) -> None:
        ct, labels, grid = ct_array(1), mask_array(1), Grid((12, 10, 8), np.diag([1.0, 2, 3, 1]))
        for where in (tmp_path / "atlas", ATLAS):
            made = Dataset.create(where)
            assert len(made) == 0
            write_volume(made.image_path("a"), ct, grid)
            write_label_map(made.mask_path("a"), labels, grid)
            assert made.write_labels().read_text() == made.scheme.labels_json()
            assert [case.id for case in Dataset(where)] == ["a"]
        for name in ("images/a.nii.gz", "masks/a.nii.gz", "labels.json"):
            assert store.read(f"{ATLAS}/{name}") == (tmp_path / "atlas" / name).read_bytes()
        assert np.array_equal(Dataset(ATLAS)["a"].ct().array, ct)
        assert [found.code for found in validate(Dataset(ATLAS), jobs=1, deep=True)] == [Code.CASE_NAME]

    def test_an_upload_that_breaks_off_leaves_what_was_there(self, store: Store) -> None:
        store.direct.pipe_file("bucket/old.bin", b"old")
        noise = random.Random(0).randbytes(1 << 20)
        store.wire.cut_after = 300_000
        for name in ("old.bin", "new.bin"):
            with (
                pytest.raises(DapatlasError, match=f"s3://bucket/{name}"),
                whole_file(location(f"s3://bucket/{name}")) as scratch,
            ):
                scratch.write_bytes(noise)
        store.wire.cut_after = None
        assert store.names() == ["old.bin"]
        assert store.read("bucket/old.bin") == b"old"

    def test_nothing_is_uploaded_of_what_failed(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), whole_file(location("s3://bucket/x.json")) as scratch:
            scratch.write_text(f"{{{1 / 0}")
        assert store.names() == []

    def test_links_become_copies(self, store: Store, tmp_path: Path) -> None:
        write_text(tmp_path / "a", "local")
        link_file(location("s3://bucket/b"), tmp_path / "a")
        link_file(location("s3://bucket/c"), location("s3://bucket/b"))
        link_file(tmp_path / "d", location("s3://bucket/c"))
        assert store.read("bucket/b") == store.read("bucket/c") == (tmp_path / "d").read_bytes() == b"local"
        assert not (tmp_path / "d").is_symlink()

    def test_there_is_no_other_way_to_write(self, store: Store) -> None:
        with pytest.raises(OSError, match="whole_file"):
            location("s3://bucket/x").open("wb")


class TestHowMuchIsFetched:
    def test_headers_take_two_small_requests_a_file(self, cohort: Path, store: Store) -> None:
        store.fill(cohort)
        validate(Dataset(ATLAS), jobs=1)
        reads = [line for line in store.wire.requests if ".nii.gz" in line]
        assert len(reads) == 2 * 4  # the beginning and the end of two CTs and two maps
        assert store.wire.fetched < 0.1 * bytes_in(cohort)

    def test_a_preview_stops_at_its_slice_and_a_check_reads_once(self, cohort: Path, store: Store) -> None:
        store.fill(cohort)
        total = bytes_in(cohort)
        preview_dataset(Dataset(ATLAS), jobs=1)
        assert (
            store.wire.fetched < 0.85 * total
        )  # of small files; blocks of up to 4 MB come on top of the half
        store.wire.forget()
        check_dataset(Dataset(ATLAS), jobs=1)
        assert store.wire.fetched < 1.1 * total

    def test_an_early_slice_of_a_long_file_costs_little(self, store: Store) -> None:
        noise = np.random.default_rng(0).integers(-1000, 1000, (128, 128, 256), np.int16)
        write_volume("s3://bucket/ct.nii.gz", noise, Grid(noise.shape, np.eye(4)))
        size = version_of(location("s3://bucket/ct.nii.gz"))[0]
        store.wire.forget()
        assert np.array_equal(read_slice("s3://bucket/ct.nii.gz", 2), noise[:, :, 2])
        assert store.wire.fetched < 0.1 * size


class TestWhatGoesWrong:
    def test_a_truncated_object_stops_no_other(self, cohort: Path, store: Store) -> None:
        store.fill(cohort)
        bad = sorted((cohort / "masks").iterdir())[0]
        store.direct.pipe_file(f"{ATLAS}/masks/{bad.name}", bad.read_bytes()[:-100])
        (found,) = validate(Dataset(ATLAS), jobs=1)
        assert (found.code, found.file) == (Code.TRUNCATED_FILE, f"{ATLAS}/masks/{bad.name}")
        outcomes = check_dataset(Dataset(ATLAS), jobs=1).outcomes
        assert [each.state for each in outcomes] == ["failed", "done"]
        assert f"{ATLAS}/masks/{bad.name}: truncated" in outcomes[0].error

    def test_an_object_that_vanishes_stops_no_other(self, cohort: Path, store: Store) -> None:
        store.fill(cohort)
        dataset = Dataset(ATLAS)
        gone = dataset.cases[0].mask_path
        store.direct.rm_file(str(gone))
        (found,) = validate(dataset, jobs=1, deep=True)
        assert (found.severity, found.file) == ("error", str(gone))
        with pytest.raises(BadFileError, match=f"{gone}: no such file"):
            dataset.cases[0].label_map()

    def test_an_object_that_is_replaced_while_it_is_read_is_refused(self, store: Store) -> None:
        first, second = (random.Random(seed).randbytes(200_000) for seed in (0, 1))
        store.direct.pipe_file("bucket/x", first)
        with location("s3://bucket/x").open("rb") as stream:
            assert stream.read(100) == first[:100]
            store.direct.pipe_file("bucket/x", second)
            with pytest.raises(OSError, match=r"s3://bucket/x: .*changed"):
                stream.read()

    def test_no_such_bucket(self, store: Store) -> None:
        for attempt in (Dataset, Dataset.create):
            with pytest.raises(DapatlasError, match=r"s3://nowhere/.*no bucket 'nowhere'"):
                attempt("s3://nowhere/atlas")
        with pytest.raises(DapatlasError, match=r"s3://bucket/nothing is not a folder"):
            Dataset("s3://bucket/nothing")

    def test_nobody_answers(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        with pytest.raises(
            DapatlasError, match=r"s3://bucket/atlas: the store does not answer.*AWS_ENDPOINT_URL"
        ):
            Dataset(ATLAS)
        fsspec.get_filesystem_class("s3").clear_instance_cache()

    def test_no_credentials(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        with pytest.raises(DapatlasError, match=r"s3://bucket/atlas: no credentials: set AWS_ACCESS_KEY_ID"):
            Dataset(ATLAS)
        fsspec.get_filesystem_class("s3").clear_instance_cache()

    def test_urls_that_nobody_knows(self) -> None:
        with pytest.raises(DapatlasError, match="what://x"):
            Dataset("what://x")
        with pytest.raises(DapatlasError, match="lost a slash"):
            Dataset(Path("s3://bucket/atlas"))

    def test_one_run_at_a_time(self, store: Store) -> None:
        out = location(ATLAS)
        with open_journal(out), pytest.raises(DapatlasError, match="another run"), open_journal(out):
            pass


class TestCommandLine:
    def run(self, *arguments: object) -> Result:
        return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})

    def test_urls_reach_the_commands_whole(
        self, cohort: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        store.fill(cohort)
        checked = self.run("validate", ATLAS, "--json")
        assert checked.exit_code == 0, checked.output
        assert json.loads(checked.stdout)["dataset"] == ATLAS
        assert self.run("check", ATLAS, "--jobs", 1).exit_code == 0
        assert self.run("preview", ATLAS, "--out", "s3://bucket/table", "--jobs", 1).exit_code == 0
        assert "table/data/train-00000-of-00001.parquet" in store.names()
        said = self.run("status", ATLAS)
        assert said.exit_code == 0
        journal = hidden_folder(location(ATLAS)) / "journal.sqlite"
        assert f"the journal is on this machine: {journal}" in said.stdout
        assert not (tmp_path / "s3:").exists()


class TestPaths:
    """What a path behind a URL owes its callers, by fsspec's own store in memory."""

    def test_local_paths_stay_as_they_are(self, tmp_path: Path) -> None:
        assert location(tmp_path) is tmp_path
        assert location(str(tmp_path)) == location(tmp_path.as_uri()) == tmp_path
        assert type(location("a/b")) is type(tmp_path)
        assert hidden_folder(tmp_path) == tmp_path / ".dapatlas"
        status = tmp_path.stat()
        assert version_of(tmp_path) == [status.st_size, status.st_mtime_ns]
        assert not any(map(is_remote, (tmp_path, "a/b", "C:/x", "file:///x")))

    def test_any_way_of_reading_gives_the_same_bytes(self) -> None:
        content = random.Random(3).randbytes(150_000)
        fsspec.filesystem("memory").pipe_file("/reading", content)
        path, draw, plain = location("memory://reading"), random.Random(4), io.BytesIO(content)
        assert path.read_bytes() == content
        with path.open("rb") as stream:
            for _ in range(300):
                if draw.random() < 0.5:
                    place, whence = draw.choice([(draw.randrange(160_000), 0), (-draw.randrange(150_000), 2)])
                    assert stream.seek(place, whence) == plain.seek(place, whence)
                count = draw.choice([0, 1, 7, 8192, 50_000])
                assert stream.read(count) == plain.read(count)

    def test_paths_travel_and_compare(self) -> None:
        path = location("memory://atlas") / Path("images", "a.nii.gz")
        again = pickle.loads(pickle.dumps(path))
        assert (again, hash(again), str(again)) == (path, hash(path), "memory://atlas/images/a.nii.gz")
        assert path.relative_to(location("memory://atlas")).as_posix() == "images/a.nii.gz"

    def test_a_marker_for_the_folder_itself_is_no_file_in_it(self, store: Store) -> None:
        for name in ("images/", "images/a.nii.gz"):
            store.direct.pipe_file(f"bucket/{name}", b"")
        assert [path.name for path in location("s3://bucket/images").iterdir()] == ["a.nii.gz"]

    def test_a_plain_file_reads_too(self) -> None:
        folder = location("memory://plain")
        write_volume(folder / "ct.nii", ct_array(2), Grid((12, 10, 8), np.eye(4)))
        assert read_header(str(folder / "ct.nii"))[0].shape == (12, 10, 8)
        assert np.array_equal(read_volume(folder / "ct.nii").array, ct_array(2))
        assert [path.name for path in folder.glob("*.nii")] == ["ct.nii"]
        (folder / "ct.nii").unlink()
        assert not (folder / "ct.nii").exists()
        with pytest.raises(BadFileError, match="memory://plain/ct.nii: no such file"):
            read_header(folder / "ct.nii")

    def test_a_url_that_lost_a_slash_makes_no_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(DapatlasError, match="lost a slash"), open_journal(Path("s3://bucket/atlas")):
            pass
        assert list(tmp_path.iterdir()) == []


class TestHub:
    """``hf://`` by the Hub's own file system, against a stand-in."""

    @pytest.fixture
    def atlas(
        self, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[tuple[Hub, Path]]:
        pytest.importorskip("huggingface_hub", reason="hf:// needs dapatlas[hub]")
        upath = pytest.importorskip("upath")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        with hub_of(cohort) as hub:
            yield hub, location(upath.UPath(f"hf://datasets/{REPO}", endpoint=hub.address, token=False))

    def test_a_data_set_is_read_by_ranges(
        self, atlas: tuple[Hub, Path], cohort: Path, tmp_path: Path
    ) -> None:
        hub, url = atlas
        assert validate(Dataset(url), jobs=1) == []
        assert len(hub.ranges) == 2 * 4 + 1  # of each volume its beginning and its end; labels.json
        assert hub.served < 0.1 * bytes_in(cohort)
        table = preview_dataset(Dataset(url), tmp_path / "remote", jobs=1).shards[0]
        assert table.read_bytes() == preview_dataset(Dataset(cohort), tmp_path, jobs=1).shards[0].read_bytes()

    def test_nothing_is_written_there(self, atlas: tuple[Hub, Path]) -> None:
        for attempt in (check_dataset, preview_dataset):
            with pytest.raises(DapatlasError, match=r"hf://.*dapatlas publish.*--out"):
                attempt(Dataset(atlas[1]), jobs=1)
        with pytest.raises(DapatlasError, match="dapatlas publish"), whole_file(atlas[1] / "x.txt"):
            pass
