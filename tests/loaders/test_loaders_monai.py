"""Lists and transforms through the real MONAI, compared with nibabel and with what one works out by hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.stats import chisquare

from dapatlas.dataset import Dataset
from dapatlas.errors import BadLabelsError, DapatlasError
from dapatlas.labels import dap

monai = pytest.importorskip("monai")
torch = pytest.importorskip("torch")

from monai.data import CacheDataset, DataLoader  # noqa: E402
from monai.metrics import DiceMetric  # noqa: E402
from monai.transforms import AsDiscrete, Compose  # noqa: E402
from monai.transforms.utils import map_classes_to_indices  # noqa: E402
from turned import BLADDER, CASES, LAST, LIVER, SHAPE, SPLEEN, hu_at, make_turned, turned_map, world_of  # noqa: E402

from dapatlas.loaders import places as places_module  # noqa: E402
from dapatlas.loaders.monai import class_count, crop_transforms, data_list, read_transforms, split_lists  # noqa: E402
from dapatlas.loaders.places import places  # noqa: E402


@pytest.fixture
def turned(tmp_path: Path) -> Dataset:
    return Dataset(make_turned(tmp_path / "turned"))


def test_values_and_places_are_those_of_the_file_turned(turned: Dataset):
    ready = Compose(read_transforms(spacing_mm=None, window_hu=None))(data_list(turned)[0])
    for key, path in (("image", turned[0].image_path), ("label", turned[0].mask_path)):
        canonical = nib.as_closest_canonical(nib.load(path))  # nibabel's own way to RAS
        assert np.array_equal(ready[key][0].numpy(), np.asarray(canonical.dataobj))
        assert np.allclose(ready[key].affine.numpy(), canonical.affine, atol=1e-5)
    assert (ready["image"].dtype, ready["label"].dtype) == (torch.float32, torch.uint8)
    assert (ready["case"], ready["subject"]) == (CASES[0], "00000001aa")


def test_axes_are_those_that_were_asked_for(turned: Dataset):
    ready = Compose(read_transforms(axes="LPI", spacing_mm=None, window_hu=None))(data_list(turned)[0])
    assert nib.aff2axcodes(ready["image"].affine.numpy()) == ("L", "P", "I")
    world = world_of(ready["image"].shape[1:], ready["image"].affine.numpy())
    assert np.allclose(ready["image"][0].numpy(), hu_at(world), atol=0.01)


def test_resampled_hu_are_those_of_the_place_and_labels_of_the_nearest_voxel(turned: Dataset):
    ready = Compose(read_transforms(spacing_mm=(1.1, 1.3, 1.7), window_hu=None))(data_list(turned)[0])
    affine = ready["image"].affine.numpy()
    assert np.allclose(np.diag(affine)[:3], (1.1, 1.3, 1.7))
    world = world_of(ready["image"].shape[1:], affine)
    file = nib.load(turned[0].mask_path)
    index = (world - file.affine[:3, 3]) @ np.linalg.inv(file.affine[:3, :3]).T
    inside = ((index >= 0) & (index <= np.array(SHAPE) - 1)).all(-1)
    assert inside.mean() > 0.9
    # linear interpolation of what is linear in mm is exact
    assert np.allclose(ready["image"][0].numpy()[inside], hu_at(world)[inside], atol=0.1)
    clear = inside & (np.abs(index - np.floor(index) - 0.5) > 0.01).all(-1)  # no tie between two voxels
    near = np.rint(index).astype(int)[clear]
    expected = np.asarray(file.dataobj)[near[:, 0], near[:, 1], near[:, 2]]
    assert np.array_equal(ready["label"][0].numpy()[clear], expected)
    assert set(np.unique(ready["label"])) <= {0, *np.unique(turned_map(0))}


def test_the_window_becomes_0_to_1_and_is_clipped(turned: Dataset):
    raw = Compose(read_transforms(spacing_mm=None, window_hu=None))(data_list(turned)[0])["image"]
    ready = Compose(read_transforms(spacing_mm=None, window_hu=(-90, 110)))(data_list(turned)[0])["image"]
    assert raw.min() < -90
    assert raw.max() > 110
    assert np.allclose(ready.numpy(), np.clip((raw.numpy() + 90) / 200, 0, 1), atol=1e-6)


def drawn(turned: Dataset, weights: dict | None, crops: int) -> Counter:
    """Ids at the centres of crops of a case."""
    steps = [
        *read_transforms(spacing_mm=None),
        *crop_transforms(turned.scheme, size=(9, 9, 9), crops=crops, weights=weights),
    ]
    compose = Compose(steps)
    compose.set_random_state(3)
    items = compose(data_list(turned)[0])
    assert {tuple(item["image"].shape) for item in items} == {(1, 9, 9, 9)}
    assert {tuple(item["label"].shape) for item in items} == {(1, 9, 9, 9)}
    return Counter(int(item["label"][0, 4, 4, 4]) for item in items)


def test_crops_are_balanced_over_structures_of_any_size(turned: Dataset):
    """A bladder of one voxel is seen as often as a liver of 12 000; what the case lacks is never drawn."""
    found = drawn(turned, None, 240)
    assert set(found) == {LIVER, SPLEEN, BLADDER, LAST}
    assert chisquare(list(found.values())).pvalue > 0.001


def test_places_are_those_that_monai_finds(turned: Dataset):
    array = turned_map(0)
    for found, theirs in zip(
        places(array, 145, 1 << 20), map_classes_to_indices(array[None], 145), strict=True
    ):
        assert np.array_equal(found, theirs)


def test_places_of_a_large_structure_are_spread_over_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(places_module, "SLAB", 1000)  # borders between slabs
    array = turned_map(0)
    few = places(array, 145, 50)
    liver = np.flatnonzero(array == LIVER)
    assert np.array_equal(few[LIVER], liver[:: -(-len(liver) // 50)])
    assert np.array_equal(few[BLADDER], np.flatnonzero(array == BLADDER))
    assert len(few[11]) == 0
    with pytest.raises(ValueError, match="below 144, found 144"):
        places(array, 144, 50)


def test_weights_name_structures_and_background(turned: Dataset):
    found = drawn(turned, {"liver": 0, "spleen": 0, BLADDER: 0, "background": 1}, 60)
    assert set(found) == {0, LAST}
    with pytest.raises(BadLabelsError, match="livre"):
        crop_transforms(turned.scheme, weights={"livre": 1})


def test_crops_larger_than_the_volume_are_filled_with_background(turned: Dataset):
    steps = [*read_transforms(spacing_mm=None), *crop_transforms(turned.scheme, size=(96, 96, 96), crops=1)]
    (item,) = Compose(steps)(data_list(turned)[0])
    assert item["image"].shape == item["label"].shape == (1, 96, 96, 96)
    for id_ in (LIVER, SPLEEN, BLADDER, LAST):
        assert int((item["label"] == id_).sum()) == int((turned_map(0) == id_).sum())


def test_a_cached_split_is_read_once_and_cropped_anew(turned: Dataset):
    one, two = CASES
    (turned.path / "splits").mkdir()
    (turned.path / "splits" / "splits.json").write_text(json.dumps({"train": [one], "val": [two]}))
    parts = split_lists(turned)
    steps = [*read_transforms(), *crop_transforms(turned.scheme, size=(16, 16, 16), crops=6)]
    train = CacheDataset(parts["train"], Compose(steps), progress=False)
    val = CacheDataset(parts["val"], Compose(read_transforms()), progress=False)
    for case in turned:  # all is in memory
        case.image_path.unlink()
        case.mask_path.unlink()
    assert val[0]["case"] == two
    first, second = (next(iter(DataLoader(train, batch_size=1))) for _ in range(2))
    assert first["image"].shape == first["label"].shape == (6, 1, 16, 16, 16)
    assert first["case"] == [one] * 6
    assert not torch.equal(first["label"], second["label"])
    assert set(first) == {"image", "label", "case", "subject"}


def test_num_classes_is_one_more_than_the_largest_id():
    """DAP has no 11, and 144 as its last: 145 channels, of which one is always empty."""
    assert class_count(dap()) == 145
    ids = torch.from_numpy(turned_map(0).astype(np.int64))[None]
    one_hot = AsDiscrete(to_onehot=class_count(dap()))(ids)
    assert one_hot.shape == (145, *SHAPE)
    assert torch.equal(one_hot.argmax(0), ids[0])
    assert one_hot[11].sum() == 0
    with pytest.raises(RuntimeError):  # as many classes as DAP has ids are too few
        AsDiscrete(to_onehot=len(dap()) - 1)(ids)


def test_monais_dice_is_nan_for_what_is_absent_and_else_what_one_counts():
    reference = turned_map(0)
    predicted = np.roll(reference, 1, axis=1)
    hot = [
        AsDiscrete(to_onehot=145)(torch.from_numpy(each.astype(np.int64))[None])
        for each in (predicted, reference)
    ]
    metric = DiceMetric(include_background=False, reduction="none")
    found = metric(hot[0][None], hot[1][None])[0]  # class 1 comes first
    for id_ in range(1, 145):
        sizes = int((predicted == id_).sum()) + int((reference == id_).sum())
        if not sizes:
            assert torch.isnan(found[id_ - 1])
            continue
        common = int(((predicted == id_) & (reference == id_)).sum())
        assert float(found[id_ - 1]) == pytest.approx(2 * common / sizes)
    mean = DiceMetric(include_background=False, reduction="mean")
    mean(hot[0][None], hot[1][None])
    assert float(mean.aggregate()) == pytest.approx(float(np.nanmean(found.numpy())))


def test_a_data_set_behind_a_url_is_refused_with_a_remedy():
    pytest.importorskip("upath")
    fsspec = pytest.importorskip("fsspec")
    for name in ("images/a.nii.gz", "masks/a.nii.gz"):
        fsspec.filesystem("memory").pipe(f"/far/{name}", b"x")
    with pytest.raises(DapatlasError, match="this machine alone; copy the data set here"):
        data_list(Dataset("memory://far"))
