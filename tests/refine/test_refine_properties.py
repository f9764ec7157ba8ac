"""What must hold of any map, however absurd."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dapatlas.labels import Sex, dap
from dapatlas.refine import refine
from dapatlas.volumes import Grid, reorient

SHAPE = (18, 15, 21)
SPACING = (6.0, 7.0, 8.0)

# those that guidelines have most to say of come up more often than one in 144
TELLING = [
    dap()[name].id
    for name in (
        "fat", "muscles", "liver", "kidney_left", "kidney_right", "bladder", "gonads", "colon", "prostate", "uterus",
        "vertebrae_C7", "vertebrae_T1", "vertebrae_T2", "vertebrae_L4", "vertebrae_L5", "sacrum", "costa_12_left",
        "costa_11_left", "costa_11_right", "skin", "heart", "heart_myocardium", "spinal_canal", "bronchus", "brain",
        "lung_upper_lobe_left", "sternum_corpus", "iliac_artery_left", "vertebrae_C1", "eyeball_left", "thyroid_left",
    )
]  # fmt: skip


@st.composite
def absurd_maps(draw: st.DrawFn) -> NDArray[np.uint8]:
    """Boxes of any structures over each other, with single voxels strewn in."""
    labels = np.zeros(SHAPE, np.uint8, order="F")
    ids = st.one_of(st.sampled_from(TELLING), st.sampled_from(dap().ids.tolist()))
    for _ in range(draw(st.integers(1, 14))):
        low = [draw(st.integers(0, n - 1)) for n in SHAPE]
        high = [draw(st.integers(a + 1, min(n, a + 12))) for a, n in zip(low, SHAPE, strict=True)]
        labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = draw(ids)
    for _ in range(draw(st.integers(0, 10))):
        labels[tuple(draw(st.integers(0, n - 1)) for n in SHAPE)] = draw(ids)
    return labels


GRID = Grid.from_spacing(SHAPE, SPACING, "RAS", (-50.0, -40.0, 10.0))


@settings(max_examples=150)
@given(absurd_maps(), st.sampled_from([None, Sex.FEMALE, Sex.MALE]), st.booleans())
def test_refining_again_changes_nothing(labels: NDArray[np.uint8], sex: Sex | None, dense: bool) -> None:
    once, findings = refine(labels, GRID, sex=sex, dense=dense)
    if any(finding.code == "not-settled" for finding in findings):
        pytest.fail("not settled: " + "; ".join(finding.message for finding in findings))
    twice, _ = refine(once, GRID, sex=sex, dense=dense)
    np.testing.assert_array_equal(twice, once)


@settings(max_examples=60)
@given(absurd_maps(), st.sampled_from(["LAS", "LPS", "PIR", "SRA", "ILP"]))
def test_axes_and_directions_of_the_array_do_not_matter(labels: NDArray[np.uint8], codes: str) -> None:
    turned, turned_grid = reorient(labels, GRID, codes)
    expected, _ = reorient(refine(labels, GRID)[0], GRID, codes)
    np.testing.assert_array_equal(refine(turned, turned_grid)[0], expected)


@settings(max_examples=100)
@given(absurd_maps(), st.sampled_from([None, Sex.FEMALE, Sex.MALE]))
def test_findings_account_for_every_voxel(labels: NDArray[np.uint8], sex: Sex | None) -> None:
    refined, findings = refine(labels, GRID, sex=sex)
    assert np.isin(refined, dap().ids).all()
    changes = [finding for finding in findings if finding.expected]
    balance: Counter[str] = Counter()
    for finding in changes:
        balance[finding.found] -= finding.voxels
        balance[finding.expected] += finding.voxels
    for structure in dap():
        gained = int((refined == structure.id).sum()) - int((labels == structure.id).sum())
        assert gained == balance[structure.name], structure.name
    named = np.zeros(SHAPE, bool)
    for finding in changes:
        assert finding.box is not None
        named[tuple(slice(a, b) for a, b in finding.box)] = True
    assert not ((refined != labels) & ~named).any()


def test_the_input_is_left_alone() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:9, 2:9, 2:9] = dap()["liver"].id
    labels[15, 13, 19] = dap()["liver"].id
    before = labels.copy()
    refined, _ = refine(labels, GRID)
    np.testing.assert_array_equal(labels, before)
    assert refined[15, 13, 19] == 0
