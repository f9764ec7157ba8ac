"""Patches through torch's own DataLoader, compared with what nibabel reads."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare

from dapatlas.dataset import Dataset
from dapatlas.errors import BadLabelsError, DapatlasError

pytest.importorskip("blosc2")
torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader  # noqa: E402

from dapatlas.loaders.patches import PatchDataset  # noqa: E402

# Workers are forked, and with them the rule that a warning is an error; coverage warns at the end of one that imports
# nothing of ours anew.
pytestmark = pytest.mark.filterwarnings("ignore::coverage.exceptions.CoverageWarning")

SIZE = (24, 32, 20)
LIVER, SPLEEN, BLADDER = 13, 26, 20


def loaded(patches: PatchDataset, workers: int, **options) -> list[dict]:
    """All items, one by one."""
    loader = DataLoader(patches, batch_size=None, num_workers=workers, **options)
    return list(loader)


def same(one: list[dict], other: list[dict]) -> bool:
    return len(one) == len(other) and all(
        a["case"] == b["case"]
        and torch.equal(a["start"], b["start"])
        and torch.equal(a["image"], b["image"])
        and torch.equal(a["label"], b["label"])
        for a, b in zip(one, other, strict=True)
    )


def test_a_loader_with_workers_gives_what_nibabel_reads(atlas: Dataset, folder: Path, oracle):
    by_nibabel, box_of = oracle
    patches = PatchDataset(atlas, size=SIZE, patches=8)
    assert isinstance(patches, torch.utils.data.Dataset)
    files = {
        case.id: (by_nibabel(folder, "images", case.id), by_nibabel(folder, "masks", case.id))
        for case in atlas
    }
    seen = 0
    for batch in DataLoader(patches, batch_size=4, num_workers=2, shuffle=True):
        assert batch["image"].shape == (4, 1, *SIZE)
        assert batch["image"].dtype == torch.float32
        assert batch["label"].shape == (4, *SIZE)
        assert batch["label"].dtype == torch.int64
        for n, case in enumerate(batch["case"]):
            start = tuple(batch["start"][n].tolist())
            ct, ids = files[case]
            assert np.array_equal(batch["image"][n, 0].numpy(), box_of(ct, start, SIZE, -1024))
            assert np.array_equal(batch["label"][n].numpy(), box_of(ids, start, SIZE, 0))
            assert batch["label"][n][tuple(n // 2 for n in SIZE)] == batch["structure"][n]
            seen += 1
    assert seen == len(patches) == 16


def test_seed_epoch_and_index_decide_not_workers(atlas: Dataset):
    patches = PatchDataset(atlas, size=SIZE, patches=3, seed=4)
    alone = loaded(patches, 0)
    assert same(alone, loaded(patches, 2))
    assert same(alone, loaded(PatchDataset(atlas, size=SIZE, patches=3, seed=4), 0))
    assert same(alone, loaded(pickle.loads(pickle.dumps(patches)), 0))
    assert not same(alone, loaded(PatchDataset(atlas, size=SIZE, patches=3, seed=5), 0))


def test_persistent_workers_hear_of_the_epoch(atlas: Dataset):
    patches = PatchDataset(atlas, size=SIZE, patches=3)
    loader = DataLoader(patches, batch_size=None, num_workers=2, persistent_workers=True)
    first = list(loader)
    assert same(first, list(loader))
    patches.set_epoch(1)
    second = list(loader)
    assert not same(first, second)
    assert same(second, loaded(patches, 0))


def test_structures_have_the_same_chance_however_large(atlas: Dataset):
    patches = PatchDataset(atlas, size=(1, 1, 1), patches=300)
    drawn = Counter(patches[n]["structure"] for n in range(len(patches)))
    assert set(drawn) == {LIVER, SPLEEN, BLADDER}
    assert chisquare(list(drawn.values())).pvalue > 0.001
    assert Counter(patches[n]["case"] for n in range(len(patches))) == {case.id: 300 for case in atlas}


def test_weights_change_the_chances(atlas: Dataset):
    weights = {"liver": 0, SPLEEN: 3, 0: 1}
    patches = PatchDataset(atlas, size=(1, 1, 1), patches=250, weights=weights)
    drawn = Counter(patches[n]["structure"] for n in range(len(patches)))
    assert set(drawn) == {0, SPLEEN, BLADDER}
    assert chisquare([drawn[0], drawn[SPLEEN], drawn[BLADDER]], [100, 300, 100]).pvalue > 0.001


def test_patches_moved_inside_hold_no_padding(atlas: Dataset):
    patches = PatchDataset(atlas, size=(64, 64, 64), patches=20, weights={"liver": 0}, inside=True)
    for n in range(len(patches)):
        patch = patches[n]
        assert all(0 <= at <= edge - 64 for at, edge in zip(patch["start"], (100, 80, 70), strict=True))
        assert (patch["label"] == patch["structure"]).any()
        assert patch["image"].min() >= -1000
    large = PatchDataset(atlas, size=(64, 96, 64), inside=True)[0]
    assert (large["image"] == -1024).any()


def test_one_part_of_a_split_and_a_transform(atlas: Dataset):
    patches = PatchDataset(atlas, [atlas[1].id], size=SIZE, transform=lambda patch: patch["case"])
    assert [patches[n] for n in range(len(patches))] == [atlas[1].id] * 4
    with pytest.raises(IndexError):
        patches[4]


def test_a_cache_elsewhere_leaves_the_data_set_as_it_was(atlas: Dataset, folder: Path, tmp_path: Path):
    before = sorted(folder.rglob("*"))
    PatchDataset(atlas, size=SIZE, cache=tmp_path / "cache")
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"cases": ["nobody"]}, DapatlasError, "no case 'nobody'"),
        ({"cases": []}, DapatlasError, "found 0 cases"),
        ({"size": (0, 1, 1)}, DapatlasError, "size=\\(0, 1, 1\\)"),
        ({"weights": {"livre": 1}}, BadLabelsError, "livre"),
        ({"weights": {"liver": -1}}, DapatlasError, "weights are 0 or more"),
        ({"weights": {"liver": 0, SPLEEN: 0, BLADDER: 0}}, BadLabelsError, "no patch can be drawn"),
    ],
)
def test_what_makes_no_sense_is_told(atlas: Dataset, options, error, told):
    with pytest.raises(error, match=told):
        PatchDataset(atlas, **{"size": SIZE, **options})
