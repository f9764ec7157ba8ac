from __future__ import annotations

import numpy as np
import pytest
from geometry_cases import MM, ball, centre, codes, erase, found, id_of, labels, where
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dapatlas.check import adjacency, contacts
from dapatlas.check.contacts import contact_table
from dapatlas.findings import Severity

SHAPES = st.tuples(*[st.integers(1, 5)] * 3)


@given(SHAPES.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 4))))
def test_contacts_are_those_of_a_plain_count(volume):
    expected = np.zeros((256, 256), np.int64)
    for index in np.ndindex(volume.shape):
        for axis in range(3):
            there = tuple(i + (a == axis) for a, i in enumerate(index))
            if there[axis] < volume.shape[axis] and volume[there] != volume[index]:
                expected[volume[index], volume[there]] += 1
                expected[volume[there], volume[index]] += 1
    assert (contact_table(volume) == expected).all()


def test_memory_order_views_and_slabs_do_not_matter(monkeypatch):
    volume = np.random.default_rng(0).integers(0, 200, (14, 11, 9)).astype(np.uint16)
    expected = contact_table(volume)
    assert expected.sum() > 0
    monkeypatch.setattr(contacts, "SLAB_VOXELS", 200)
    for view in (volume, np.asfortranarray(volume), volume[::-1, :, ::-1], volume.transpose(2, 0, 1)):
        assert (contact_table(view) == expected).all()


def test_a_gallbladder_away_from_the_liver():
    spoiled = labels()
    erase(spoiled, "gallbladder", "abdominal_tissue")
    at = centre(spoiled, "bladder")
    ball(spoiled, "gallbladder", np.add(at, (0, 0, 12)), 2)
    (finding,) = [f for f in found(adjacency, spoiled) if f.code == "not-adjacent"]
    assert finding.structure == "gallbladder"
    assert "over 45 mm" in finding.message


def test_the_distance_told_is_that_of_the_nearest_voxels():
    spoiled = np.zeros((30, 30, 30), np.uint8, order="F")
    spoiled[5:10, 5:25, 5:25] = id_of("liver")
    spoiled[15:20, 10:20, 10:20] = id_of("gallbladder")
    (finding,) = found(adjacency, spoiled)
    assert finding.found == f"{6 * MM:.0f} mm"  # from voxel centre 9 to voxel centre 15
    spoiled[10:13, 5:25, 5:25] = id_of("liver")  # now 18 mm: within the limit and a voxel
    assert found(adjacency, spoiled) == []


def test_what_the_field_of_view_cuts_is_excused():
    spoiled = np.zeros((30, 30, 30), np.uint8, order="F")
    spoiled[5:10, 5:25, 5:25] = id_of("liver")
    spoiled[20:25, 10:20, 10:20] = id_of("gallbladder")
    assert found(adjacency, spoiled)
    spoiled[20:30, 10:20, 10:20] = id_of("gallbladder")  # reaches the right face
    assert found(adjacency, spoiled) == []


@pytest.mark.parametrize(
    ("stray", "host"),
    [
        ("pancreas", "brain"),
        ("bladder", "lung_lower_lobe_left"),
        ("prostate", "liver"),
        ("kidney_left", "liver"),
    ],
)
def test_a_stray_piece_inside_what_it_never_touches(stray, host):
    spoiled = labels("M")
    ball(spoiled, stray, centre(spoiled, host), 1)
    errors = codes(found(adjacency, spoiled), Severity.ERROR)
    assert ("impossible-contact", stray) in errors


def test_vertebrae_and_ribs_whose_numbers_are_far_apart():
    spoiled = labels()
    ball(spoiled, "vertebrae_L4", centre(spoiled, "vertebrae_T8"), 1)
    for stray, host in (("costa_9_left", "costa_3_left"), ("costa_5_right", "costa_5_left")):
        at = np.argwhere(where(spoiled, host))[20:24]  # four voxels of the rib
        spoiled[tuple(at.T)] = id_of(stray)
    messages = " ".join(f.message for f in found(adjacency, spoiled) if f.severity is Severity.ERROR)
    for pair in ("T8 touches vertebrae_L4", "costa_9_left", "costa_5_"):
        assert pair in messages


def test_a_single_face_is_no_contact():
    spoiled = np.zeros((12, 12, 12), np.uint8, order="F")
    spoiled[2:5, 2:5, 2:5] = id_of("brain")
    spoiled[5:8, 4:7, 4:7] = id_of("colon")  # one face in common
    assert found(adjacency, spoiled) == []
    spoiled[5:8, 3:6, 4:7] = id_of("colon")  # two
    assert codes(found(adjacency, spoiled)) == {("impossible-contact", "brain")}
