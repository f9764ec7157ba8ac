"""Real TotalSegmentator maps: few changes, each of them true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, label

from dapatlas.labels import Sex, crosswalk, load_scheme
from dapatlas.refine import refine
from dapatlas.volumes import read_label_map, remap

pytestmark = pytest.mark.real_data


@pytest.mark.parametrize(("name", "most"), [("total.nii.gz", 40), ("total_sm.nii.gz", 10)])
def test_little_is_changed_and_what_is_hangs_together(real_data: Path, name: str, most: int) -> None:
    volume = read_label_map(real_data / name)
    scheme = load_scheme("totalsegmentator")
    refined, findings = refine(volume.array, volume.grid, scheme=scheme, sex=Sex.MALE)
    changed = int((refined != volume.array).sum())
    assert 0 < changed <= most
    assert {finding.code for finding in findings if finding.expected} == {"island", "hole"}
    # looked at: two pieces of pancreas with the body between them missed, the only thing for a person to see
    serious = [finding for finding in findings if finding.severity != "info"]
    assert [(finding.code, finding.structure) for finding in serious] == [("second-piece", "pancreas")]
    again, _ = refine(refined, volume.grid, scheme=scheme, sex=Sex.MALE)
    np.testing.assert_array_equal(again, refined)


def test_the_same_is_found_after_the_crosswalk(real_data: Path) -> None:
    volume = read_label_map(real_data / "total.nii.gz")
    lookup = crosswalk("totalsegmentator", "dap").lookup()
    own, _ = refine(volume.array, volume.grid, scheme=load_scheme("totalsegmentator"))
    there, _ = refine(remap(volume.array, lookup), volume.grid)
    np.testing.assert_array_equal(remap(own, lookup), there)


def test_errors_planted_in_a_real_map_are_mended(real_data: Path) -> None:
    """Kidneys exchanged, a side of L3 called L2 (where it stands clear of L2), and liver in the spleen."""
    volume = read_label_map(real_data / "total.nii.gz")
    scheme = load_scheme("totalsegmentator")
    clean, _ = refine(volume.array, volume.grid, scheme=scheme)
    spoiled = clean.copy(order="F")
    left, right = scheme["kidney_left"].id, scheme["kidney_right"].id
    spoiled[clean == left], spoiled[clean == right] = right, left
    third, second = clean == scheme["vertebrae_L3"].id, clean == scheme["vertebrae_L2"].id
    clear = third & ~binary_dilation(second, np.ones((3, 3, 3)))
    clear &= np.arange(clean.shape[0])[:, None, None] > np.quantile(np.argwhere(third)[:, 0], 0.8)
    pieces, _ = label(clear, np.ones((3, 3, 3)))
    spoiled[pieces == np.bincount(pieces.ravel())[1:].argmax() + 1] = scheme["vertebrae_L2"].id
    i, j, k = np.argwhere(clean == scheme["spleen"].id).mean(axis=0).astype(int)
    spoiled[i : i + 2, j : j + 2, k : k + 2] = scheme["liver"].id
    refined, findings = refine(spoiled, volume.grid, scheme=scheme)
    np.testing.assert_array_equal(refined, clean)
    assert {"wrong-side", "vertebra-fragment"} <= {finding.code for finding in findings}
