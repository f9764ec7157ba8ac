"""Subjects through the real TorchIO, compared with nibabel."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.stats import chisquare

from dapatlas.dataset import Dataset
from dapatlas.errors import DapatlasError
from dapatlas.loaders.chances import structure_chances

tio = pytest.importorskip("torchio")
torch = pytest.importorskip("torch")

from turned import BLADDER, CASES, LAST, LIVER, SPLEEN, make_turned  # noqa: E402

from dapatlas.loaders.torchio import subjects, subjects_dataset, with_chances  # noqa: E402

IDS = {LIVER, SPLEEN, BLADDER, LAST}


@pytest.fixture
def turned(tmp_path: Path) -> Dataset:
    """Linked files, as `dapatlas build` leaves them."""
    source = make_turned(tmp_path / "source")
    linked = tmp_path / "linked"
    for path in source.glob("*/*.nii.gz"):
        (linked / path.parent.name).mkdir(parents=True, exist_ok=True)
        (linked / path.parent.name / path.name).symlink_to(path)
    return Dataset(linked)


def test_values_affines_and_names_are_those_of_the_files(turned: Dataset):
    found = subjects_dataset(turned)
    assert isinstance(found, tio.SubjectsDataset)
    assert len(found) == 2
    for subject, case in zip(found, turned, strict=True):
        for image, path in ((subject.ct, case.image_path), (subject.labels, case.mask_path)):
            file = nib.load(path)
            assert np.array_equal(image.numpy()[0], np.asarray(file.dataobj))
            assert np.allclose(image.affine, file.affine, atol=1e-6)
        assert isinstance(subject.ct, tio.ScalarImage)
        assert isinstance(subject.labels, tio.LabelMap)
        assert (subject["case"], subject["subject"]) == (case.id, case.subject)


def test_nothing_is_read_before_it_is_asked_for(turned: Dataset):
    turned[0].image_path.resolve().write_bytes(b"no NIfTI")
    broken, sound = subjects(turned)
    assert sound.ct.shape[0] == 1
    with pytest.raises(Exception, match=CASES[0]):
        broken.load()


def test_transforms_turn_and_resample_without_new_ids(turned: Dataset):
    (canonical,) = subjects_dataset(turned, CASES[:1], transform=tio.ToCanonical())
    expected = nib.as_closest_canonical(nib.load(turned[0].mask_path))
    assert np.array_equal(canonical.labels.numpy()[0], np.asarray(expected.dataobj))
    (resampled,) = subjects_dataset(turned, CASES[:1], transform=tio.Resample(1.3))
    assert np.allclose(resampled.labels.spacing, 1.3)
    assert resampled.labels.shape == resampled.ct.shape
    assert {LIVER, SPLEEN} <= set(np.unique(resampled.labels.numpy())) <= {0, *IDS}


def samplers(turned: Dataset) -> list:
    return [
        tio.WeightedSampler(9, "chances"),
        tio.LabelSampler(9, "labels", structure_chances(turned.scheme)),
    ]


@pytest.mark.parametrize("which", [0, 1])
def test_samplers_are_balanced_over_structures(turned: Dataset, which: int):
    """A bladder of one voxel is seen as often as a liver of 12 000."""
    subject = subjects_dataset(turned, transform=with_chances(turned.scheme))[0]
    np.random.seed(1)  # noqa: NPY002  # TorchIO draws from numpy's own state
    torch.manual_seed(1)
    found = Counter(int(patch["labels"].data[0, 4, 4, 4]) for patch in samplers(turned)[which](subject, 240))
    assert set(found) == IDS
    assert chisquare(list(found.values())).pvalue > 0.001


def test_chances_of_a_structure_add_up_to_its_weight(turned: Dataset):
    transform = tio.Compose([tio.ToCanonical(), with_chances(turned.scheme, {"liver": 0.25, "spleen": 0})])
    subject = pickle.loads(pickle.dumps(subjects_dataset(turned, transform=transform)))[
        0
    ]  # as workers get it
    chances, ids = subject["chances"].numpy(), subject.labels.numpy()
    assert np.allclose(subject["chances"].affine, subject.labels.affine)
    for id_, expected in ((0, 0), (LIVER, 0.25), (SPLEEN, 0), (BLADDER, 1), (LAST, 1)):
        assert chances[ids == id_].sum() == pytest.approx(expected, rel=1e-4)
        assert np.ptp(chances[ids == id_]) == 0


def test_a_queue_gives_batches(turned: Dataset):
    scans = subjects_dataset(turned, transform=with_chances(turned.scheme, {"liver": 0}))
    sampler = tio.WeightedSampler(16, "chances")
    queue = tio.Queue(scans, max_length=8, samples_per_volume=4, sampler=sampler, num_workers=0)
    batches = list(tio.SubjectsLoader(queue, batch_size=4))
    assert [tuple(batch["ct"][tio.DATA].shape) for batch in batches] == [(4, 1, 16, 16, 16)] * 2
    assert Counter(case for batch in batches for case in batch["case"]) == dict.fromkeys(CASES, 4)
    centres = {int(id_) for batch in batches for id_ in batch["labels"][tio.DATA][:, 0, 8, 8, 8]}
    assert centres <= IDS - {LIVER}


def test_cases_that_are_none_are_refused(turned: Dataset):
    with pytest.raises(DapatlasError, match=f"did you mean {CASES[0]}"):
        subjects(turned, [CASES[0][:-1] + "3"])
    for case in turned:
        case.image_path.unlink()
    with pytest.raises(DapatlasError, match="no case has both a CT and a label map"):
        subjects_dataset(Dataset(turned.path))
