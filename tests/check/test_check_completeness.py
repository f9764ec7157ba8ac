from __future__ import annotations

import numpy as np
import pytest
from geometry_cases import (
    ball,
    centre,
    codes,
    erase,
    extent,
    found,
    id_of,
    labels,
    rename,
    where,
)

from dapatlas.check import completeness
from dapatlas.check.measured_case import Patient
from dapatlas.findings import Severity
from dapatlas.labels import Sex


def test_a_vertebra_that_was_missed_leaves_a_gap():
    spoiled = labels()
    erase(spoiled, "vertebrae_T7")
    (finding,) = [f for f in found(completeness, spoiled) if f.code == "missing-between"]
    assert finding.severity is Severity.ERROR
    assert "vertebrae_T7 missing between vertebrae_T6 and vertebrae_T8" in finding.message


def test_two_that_were_missed_are_both_named():
    spoiled = labels()
    erase(spoiled, "vertebrae_L2")
    erase(spoiled, "vertebrae_L3")
    (finding,) = [f for f in found(completeness, spoiled) if f.code == "missing-between"]
    assert "vertebrae_L2, vertebrae_L3" in finding.message


def test_a_number_that_is_left_out_without_a_gap_is_a_warning():
    spoiled = labels()
    names = ["L1", "L2", "L3", "L4"]  # T12 is followed by L2
    erase(spoiled, "vertebrae_L5", "sacrum")
    rename(
        spoiled,
        **{f"vertebrae_{a}": f"vertebrae_{b}" for a, b in zip(names, [*names[1:], "L5"], strict=True)},
    )
    (finding,) = [f for f in found(completeness, spoiled) if f.code == "missing-between"]
    assert finding.severity is Severity.WARNING
    assert "no vertebrae_L1: vertebrae_L2 follows vertebrae_T12 without a gap" in finding.message


def test_ribs_that_are_missing():
    spoiled = labels()
    erase(spoiled, "costa_7_left")  # rib 6
    erase(spoiled, "costa_1_right")  # rib 12
    assert codes(found(completeness, spoiled)) == {("missing-between", ""), ("missing", "")}
    messages = " ".join(f.message for f in found(completeness, spoiled))
    assert "costa_7_left, rib 6, is missing though those above and below it are there" in messages
    assert "costa_1_right, rib 12, is missing though vertebrae_T12 is wholly in view" in messages


@pytest.mark.parametrize(
    "name", ["liver", "spleen", "kidney_left", "pancreas", "aorta", "heart_myocardium", "trachea", "brain", "bladder", "sacrum", "skull",
             "lung_middle_lobe_right", "hip_right", "sternum_corpus", "spinal_canal", "artery_common_carotid_left"],
)  # fmt: skip
def test_what_is_missing_from_a_whole_body_is_told(name):
    spoiled = labels()
    erase(spoiled, name)
    assert f"no {name}, though" in " ".join(f.message for f in found(completeness, spoiled))


def test_what_lies_beyond_the_field_of_view_is_excused():
    body = labels()
    for name, top, bottom in (
        ("liver", "vertebrae_L2", ""),
        ("bladder", "", "vertebrae_L3"),
        ("heart_myocardium", "vertebrae_T11", ""),
    ):
        spoiled = body.copy(order="F")
        erase(spoiled, name)
        high = extent(body, top, 2)[1] - 1 if top else body.shape[2]
        low = extent(body, bottom, 2)[0] + 1 if bottom else 0
        scan = spoiled[:, :, low:high]
        assert name not in " ".join(f.message for f in found(completeness, scan))


def test_men_have_a_prostate():
    spoiled = labels("M")
    erase(spoiled, "prostate")
    told = "no prostate"
    assert told in " ".join(f.message for f in found(completeness, spoiled, patient=Patient(Sex.MALE)))
    assert told not in " ".join(f.message for f in found(completeness, spoiled))
    assert told not in " ".join(f.message for f in found(completeness, spoiled, patient=Patient(Sex.FEMALE)))


def test_a_second_liver():
    spoiled = labels()
    at = np.add(centre(spoiled, "bladder"), (0, 0, 6))
    low = where(spoiled, "liver").sum()
    radius = int(np.ceil((0.4 * low * 3 / 4 / np.pi) ** (1 / 3)))
    ball(spoiled, "liver", at, radius)
    (finding,) = [
        f for f in found(completeness, spoiled) if f.code == "several-pieces" and f.structure == "liver"
    ]
    assert finding.severity is Severity.ERROR
    assert "a second one" in finding.message
    box = tuple(slice(*side) for side in finding.box)
    assert spoiled[tuple(at)] == id_of("liver")
    assert all(side.start <= a < side.stop for side, a in zip(box, at, strict=True))


def test_a_small_stray_piece_is_a_warning_and_a_crumb_nothing():
    spoiled = labels()
    at = centre(spoiled, "bladder")
    spoiled[at[0], at[1], at[2]] = id_of("spleen")
    assert "spleen" not in {f.structure for f in found(completeness, spoiled)}
    spoiled[at[0] : at[0] + 2, at[1] : at[1] + 2, at[2]] = id_of("spleen")
    (finding,) = [f for f in found(completeness, spoiled) if f.structure == "spleen"]
    assert (finding.code, finding.severity) == ("several-pieces", Severity.WARNING)
    assert finding.box == ((at[0], at[0] + 2), (at[1], at[1] + 2), (at[2], at[2] + 1))


def test_gaps_of_tubes_and_pieces_that_the_field_of_view_cuts_are_no_strays():
    spoiled = labels()
    k = sum(extent(spoiled, "esophagus", 2)) // 2
    spoiled[:, :, k : k + 2][where(spoiled, "esophagus")[:, :, k : k + 2]] = id_of("mediastinal_tissue")
    legs = labels()[:, :, : extent(spoiled, "femur_left", 2)[0] + 3]
    arch = np.zeros((20, 20, 20), np.uint8, order="F")
    arch[2:6, 5:15, :4] = arch[12:18, 5:15, :4] = id_of("hip_left")
    for scan in (spoiled, legs, arch):
        assert "several-pieces" not in {f.code for f in found(completeness, scan)}
