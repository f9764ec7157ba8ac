"""`dapatlas chunks`: built once and ahead, so that training builds nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from dapatlas.cli import app
from dapatlas.dataset import Case, Dataset
from dapatlas.errors import DapatlasError
from dapatlas.loaders.chunked import ABOUT, CT, cache_of, chunked_cases
from dapatlas.pipeline.chunking import chunk_dataset
from dapatlas.pipeline.status import status

pytest.importorskip("blosc2")


def run(*words: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["chunks", *map(str, words)])
    return result.exit_code, result.output


def states(found) -> list[str]:
    return [case.state for case in found.cases]


def test_training_builds_nothing_afterwards(
    atlas: Dataset, folder: Path, oracle, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("torch")
    from dapatlas.loaders.patches import PatchDataset

    code, said = run(folder, "--jobs", "2")
    assert code == 0, said
    assert "2 cases: 2 done" in said
    monkeypatch.setattr(Case, "ct", lambda _: pytest.fail("built again"))
    patches = PatchDataset(atlas, size=(16, 16, 16))
    by_nibabel, box_of = oracle
    for patch in patches:
        ct = by_nibabel(folder, "images", patch["case"])
        expected = box_of(ct, tuple(patch["start"].tolist()), (16, 16, 16), -1024)
        assert np.array_equal(patch["image"][0].numpy(), expected)


def test_what_is_up_to_date_stays_and_what_changed_is_built_anew(atlas: Dataset, folder: Path):
    assert states(chunk_dataset(atlas, jobs=1)) == ["done", "done"]
    assert states(chunk_dataset(atlas, jobs=1)) == ["up to date", "up to date"]
    path = folder / "masks" / f"{atlas[1].id}.nii.gz"
    nib.save(
        nib.Nifti1Image(np.full(atlas[1].label_map().array.shape, 13, np.uint8), nib.load(path).affine), path
    )
    os.utime(path, ns=(1, 1))
    again = chunk_dataset(atlas, jobs=1)
    assert states(again) == ["up to date", "done"]
    (made,) = (cache_of(atlas) / atlas[1].id).iterdir()  # those of the earlier state are gone
    assert again.written_bytes == sum(path.stat().st_size for path in made.iterdir())
    (case,) = chunked_cases([atlas[1]], cache_of(atlas))
    assert case.ids.tolist() == [13]


def test_chunks_that_were_removed_are_built_again(atlas: Dataset):
    chunk_dataset(atlas, jobs=1)
    (about,) = cache_of(atlas).glob(f"{atlas[0].id}/*/{ABOUT}")
    about.unlink()
    for path in about.parent.iterdir():
        path.unlink()
    about.parent.rmdir()
    assert states(chunk_dataset(atlas, jobs=1)) == ["done", "up to date"]


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_broken_case_is_named_and_stops_no_other(atlas: Dataset, folder: Path, damage: str):
    bad = folder / "images" / f"{atlas[0].id}.nii.gz"
    if damage == "cut":
        bad.write_bytes(bad.read_bytes()[:5000])
    else:
        bad.unlink()
        bad.symlink_to(folder / "nowhere.nii.gz")
    code, said = run(folder, "--jobs", "1", "--json")
    assert code == 1
    told = json.loads(said)
    assert [case["state"] for case in told["cases"]] == ["failed", "done"]
    assert bad.name in told["cases"][0]["error"]
    assert len(list(cache_of(atlas).glob(f"*/*/{ABOUT}"))) == 1
    assert [(stage.stage, stage.done, stage.failed) for stage in status(folder).stages] == [("chunks", 1, 1)]


def test_a_folder_of_ones_own_leaves_the_data_set_untouched(atlas: Dataset, folder: Path, tmp_path: Path):
    before = sorted(folder.rglob("*"))
    code, said = run(folder, "--cache", tmp_path / "scratch", "--jobs", "1", "--only", atlas[1].id)
    assert code == 0, said
    assert "1 done, 1 left out" in said
    assert sorted(folder.rglob("*")) == before
    assert [path.parts[-3] for path in (tmp_path / "scratch").glob(f"*/*/{ABOUT}")] == [atlas[1].id]


def test_force_replaces_damaged_chunks(atlas: Dataset):
    chunk_dataset(atlas, jobs=1)
    (path,) = cache_of(atlas).glob(f"{atlas[0].id}/*/{CT}")
    sound = path.read_bytes()
    path.write_bytes(b"")
    assert states(chunk_dataset(atlas, jobs=1)) == ["up to date", "up to date"]  # as far as anyone can see
    assert states(chunk_dataset(atlas, jobs=1, force=True)) == ["done", "done"]
    assert len(path.read_bytes()) == len(sound)


def test_a_case_without_map_is_left_out_and_none_at_all_is_an_error(atlas: Dataset, folder: Path):
    for number, case in enumerate(atlas):
        case.mask_path.unlink()
        fresh = Dataset(folder)
        if number == 0:
            assert states(chunk_dataset(fresh, jobs=1)) == ["done"]
    with pytest.raises(DapatlasError, match="no case has both files"):
        chunk_dataset(fresh, jobs=1)


def test_chunks_behind_a_url_are_refused(atlas: Dataset):
    pytest.importorskip("upath")
    from dapatlas.locations import location

    with pytest.raises(DapatlasError, match="read in place; name a folder"):
        chunk_dataset(atlas, location("memory://chunks"))
