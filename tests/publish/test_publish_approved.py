"""Publishing what readers approved, and nothing that tells of the rest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from stand_in_hub import Hub, running
from typer.testing import CliRunner, Result

from dapatlas.cli.publish import publish
from dapatlas.dataset import Dataset
from dapatlas.dataset.digests import sha256_of
from dapatlas.errors import DapatlasError
from dapatlas.phantom import make_cohort
from dapatlas.pipeline.approved import Approval, approval, approved_view, view_path
from dapatlas.pipeline.carding import make_card
from dapatlas.pipeline.previewing import preview_dataset
from dapatlas.pipeline.reviewing import open_store
from dapatlas.publish.checksums import SUMS

parquet = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("huggingface_hub")
pytest.importorskip("sqlalchemy")

# huggingface_hub 2.4 still hands files to its HTTP client in the old way
pytestmark = pytest.mark.filterwarnings(
    "ignore:Use 'content=<...>' to upload raw bytes/text:DeprecationWarning"
)

app = typer.Typer()
app.command()(publish)
TOKEN = "hf_" + "NotARealTokenButSecret42"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five synthetic cases with all that is published. Not to be written to."""
    folder = tmp_path_factory.mktemp("approved") / "atlas"
    dataset = make_cohort(folder, 5, seed=8, shape=(40, 36, 60))
    for case in dataset.cases[5:]:  # a subject has one study or two
        for path in (case.image_path, case.mask_path):
            assert path is not None
            path.unlink()
    dataset = Dataset(folder)
    ids = [case.id for case in dataset]
    preview_dataset(dataset, shard_mb=0.1, jobs=1)
    (folder / "splits").mkdir()
    folds = [{"train": ids[:3], "val": ids[3:]}]
    ours = {
        "format": "dapatlas splits",
        "version": 1,
        "cases": 5,
        "subjects": 5,
        "folds": folds,
        "balance": {"x": 1},
    }
    (folder / "splits" / "splits.json").write_text(json.dumps(ours))
    (folder / "splits" / "splits_final.json").write_text(json.dumps(folds))
    make_card(Dataset(folder), jobs=1)
    return folder


@pytest.fixture
def atlas(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "atlas"))


@pytest.fixture
def ids(atlas: Path) -> list[str]:
    return [case.id for case in Dataset(atlas)]


def review(atlas: Path, *decisions: str | None, url: str | None = None) -> None:
    """One decision a case, in order; ``None`` leaves it unread, ``stale`` is said of another map."""
    from dapatlas.review.verdict import Content, Decision, Kind

    store = open_store(atlas, url)
    store.add_reader("r-01")
    for case, decision in zip(Dataset(atlas), decisions, strict=False):
        if decision is not None:
            content = Content(Decision("approve" if decision == "stale" else decision))
            assert case.mask_path is not None
            digest = "0" * 64 if decision == "stale" else sha256_of(case.mask_path)
            store.save(case.id, "r-01", Kind.READING, content, digest, 0)
    store.engine.dispose()


def files_of(result: Result) -> set[str]:
    return {file["name"] for file in json.loads(result.stdout)["files"]}


def test_only_approved_cases_go_out_and_nothing_tells_of_the_others(atlas: Path, ids: list[str]):
    review(atlas, "approve", "reject", "remarks", "stale", None)
    out = [ids[0], ids[2]]
    result = run(atlas, "--approved-only", "--dry-run", "--json", "--jobs", 1)
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert {name for name in files_of(result) if name.startswith("masks/")} == {
        f"masks/{case}.nii.gz" for case in out
    }
    assert shown["approved"] == out
    assert shown["not_approved"] == {"rejected": [ids[1]], "stale": [ids[3]], "unread": [ids[4]]}
    whys = {left["why"] for left in shown["left_out"] if left["name"] == "masks"}
    assert whys == {"not approved: rejected", "not approved: stale", "not approved: unread"}
    view = view_path(atlas)
    sent = [view / name for name in files_of(result)]
    for (
        path
    ) in sent:  # an id that is not approved stands in no file that goes out, not even in a picture's name
        content = path.read_bytes()
        assert not any(case.encode() in content for case in ids if case not in out), path
    rows = [
        row
        for path in sorted((view / "data").glob("*.parquet"))
        for row in parquet.read_table(path).to_pylist()
    ]
    assert [row["sample_id"] for row in rows] == out
    whole = [
        row
        for path in sorted((atlas / "data").glob("*.parquet"))
        for row in parquet.read_table(path).to_pylist()
    ]
    assert rows == [row for row in whole if row["sample_id"] in out]
    folds = [{"train": [ids[0], ids[2]], "val": []}]
    assert json.loads((view / "splits/splits_final.json").read_text()) == folds
    ours = json.loads((view / "splits/splits.json").read_text())
    assert (ours["cases"], ours["subjects"], ours["folds"], "balance" in ours) == (2, 2, folds, False)
    card = (view / "README.md").read_text()
    assert "num_examples: 2" in card
    assert "num_examples: 5" in (atlas / "README.md").read_text()


def test_words_say_how_many_were_left_out_and_why(atlas: Path):
    review(atlas, "approve", "reject", "remarks", "stale", None)
    result = run(atlas, "--approved-only", "--dry-run", "--jobs", 1)
    assert "2 of 5 cases are approved; left out: 1 rejected, 1 stale, 1 unread" in result.stdout


def test_nothing_approved_is_an_error_and_nothing_is_made(atlas: Path):
    review(atlas, "reject", "stale")
    result = run(atlas, "--approved-only", "--repo", "my-lab/my-atlas")
    assert isinstance(result.exception, DapatlasError)
    assert "0 of 5 cases are approved; left out: 1 rejected, 1 stale, 3 unread" in str(result.exception)
    assert not view_path(atlas).exists()


def test_without_a_review_the_remedy_is_named(atlas: Path, tmp_path: Path):
    result = run(atlas, "--approved-only", "--dry-run")
    assert isinstance(result.exception, DapatlasError)
    assert "nobody has reviewed" in str(result.exception)
    url = f"sqlite:///{tmp_path}/elsewhere.sqlite"
    review(atlas, "approve", url=url)
    assert run(atlas, "--approved-only", "--dry-run", "--database", url, "--jobs", 1).exit_code == 0


def test_a_second_run_follows_the_review(atlas: Path, ids: list[str]):
    review(atlas, "approve", "approve", "approve")
    arguments = (atlas, "--approved-only", "--dry-run", "--json", "--jobs", 1)
    assert {f"masks/{case}.nii.gz" for case in ids[:3]} <= files_of(run(*arguments))
    mask = Dataset(atlas)[ids[0]].mask_path
    assert mask is not None
    shutil.copy(mask, mask.with_name("copy"))
    mask.unlink()
    mask.with_name("copy").rename(mask)  # the same content, another file
    assert f"masks/{ids[0]}.nii.gz" in files_of(run(*arguments))
    changed = bytearray(mask.read_bytes())
    changed[4] ^= 1  # the time in the gzip header
    mask.write_bytes(changed)
    after = run(*arguments)
    assert f"masks/{ids[0]}.nii.gz" not in files_of(after)
    assert json.loads(after.stdout)["not_approved"]["stale"] == [ids[0]]
    assert "num_examples: 2" in (view_path(atlas) / "README.md").read_text()


def test_a_card_written_by_hand_is_not_passed_off_as_one_of_fewer_cases(atlas: Path):
    review(atlas, "approve")
    (atlas / "README.md").write_text("# 5 cases, each of them approved\n")
    result = run(atlas, "--approved-only", "--dry-run")
    assert isinstance(result.exception, DapatlasError)
    assert "atlas.toml" in str(result.exception)


def test_a_map_that_changes_on_the_way_out_is_noticed(atlas: Path, ids: list[str]):
    review(atlas, "approve")
    allowed = approval(Dataset(atlas))
    allowed.check({f"masks/{ids[0]}.nii.gz": allowed.approved[ids[0]], "README.md": "0" * 64})
    with pytest.raises(DapatlasError, match="nobody has approved it as it is"):
        allowed.check({f"masks/{ids[0]}.nii.gz": "0" * 64})


def test_subjects_are_those_of_the_approved(atlas: Path, ids: list[str]):
    allowed = Approval({ids[1]: "x"}, {"unread": tuple(case for case in ids if case != ids[1])})
    approved_view(Dataset(atlas), allowed, jobs=1)
    head, *rows = (view_path(atlas) / "subjects.csv").read_text().splitlines()
    assert head == (atlas / "subjects.csv").read_text().splitlines()[0]
    assert [row.split(",")[0] for row in rows] == [Dataset(atlas)[ids[1]].subject]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with running(TOKEN) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        yield hub


def test_what_arrives_is_what_was_approved(atlas: Path, ids: list[str], hub: Hub):
    review(atlas, "approve", "reject", "approve", "reject", "reject")
    result = run(atlas, "--approved-only", "--repo", "my-lab/my-atlas", "--json", "--jobs", 1)
    assert result.exit_code == 0, result.output
    content = hub.content("my-lab/my-atlas")
    masks = {name: data for name, data in content.items() if name.startswith("masks/")}
    assert masks == {
        f"masks/{case}.nii.gz": (atlas / f"masks/{case}.nii.gz").read_bytes() for case in (ids[0], ids[2])
    }
    assert not any(case.encode() in data for data in content.values() for case in (ids[1], ids[3], ids[4]))
    assert {line.split("  ")[1] for line in content[SUMS].decode().splitlines()} == set(content) - {
        SUMS,
        ".gitattributes",
    }
    assert run(atlas, "--approved-only", "--verify", "--quiet").exit_code == 0
    (atlas / f"masks/{ids[0]}.nii.gz").write_bytes(b"other")
    assert run(atlas, "--approved-only", "--verify", "--quiet").exit_code == 1
