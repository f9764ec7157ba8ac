"""From an expert's words into the atlas's."""

from __future__ import annotations

import numpy as np
import pytest

from dapatlas.aggregate import translate
from dapatlas.experts import Proposal
from dapatlas.labels import dap, load_scheme
from dapatlas.volumes import Grid, reorient

TS = load_scheme("totalsegmentator")
SHAPE = (20, 10, 12)
GRID = Grid.from_spacing(SHAPE, (2, 2, 2), "RAS", (-13, 0, 0))  # mid-line, x = 0, between i = 6 and i = 7


def proposal(**structures: tuple[slice, slice, slice]) -> Proposal:
    label_map = np.zeros(SHAPE, np.uint8, order="F")
    for name, place in structures.items():
        label_map[place] = TS[name].id
    return Proposal("ts", TS, label_map)


def box(i: slice, j: int = 5, k: int = 5) -> tuple[slice, slice, slice]:
    return i, slice(j, j + 2), slice(k, k + 2)


SPINE = box(slice(5, 9), j=1)  # x = -3 … 3


def ids(*names: str) -> set[int]:
    return {0, *(dap()[name].id for name in names)}


def test_ids_become_the_atlass():
    claim, findings = translate(proposal(liver=box(slice(10, 14)), rib_left_12=box(slice(0, 2))), GRID, dap())
    assert set(np.unique(claim.label_map)) == ids("liver", "costa_1_left")
    assert (claim.label_map[10:14, 5:7, 5:7] == dap()["liver"].id).all()
    assert findings == []


def test_several_structures_may_become_one():
    said = proposal(sacrum=box(slice(5, 7)), vertebrae_S1=box(slice(7, 9)))
    claim, _ = translate(said, GRID, dap())
    assert (claim.label_map == dap()["sacrum"].id).sum() == (said.label_map > 0).sum()


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR"])
def test_what_the_atlas_divides_by_side_is_cut_at_the_spine_in_any_orientation(codes: str):
    said = proposal(thyroid_gland=box(slice(2, 14)), vertebrae_C7=SPINE)
    turned, grid = reorient(said.label_map, GRID, codes)
    claim, findings = translate(Proposal("ts", TS, turned), grid, dap(), case="x")
    back, _ = reorient(claim.label_map, grid, "RAS")
    left, right = dap()["thyroid_left"].id, dap()["thyroid_right"].id
    assert (back[2:7, 5:7, 5:7] == left).all()  # x < 0 is the patient's left
    assert (back[7:14, 5:7, 5:7] == right).all()
    (finding,) = findings
    assert (finding.case, finding.code, finding.structure, finding.voxels) == (
        "x",
        "split-by-midline",
        "thyroid_gland",
        48,
    )


def test_only_the_half_that_is_wanted_is_taken():
    said = proposal(thyroid_gland=box(slice(2, 14)), vertebrae_C7=SPINE)
    claim, _ = translate(said, GRID, dap(), structures=["thyroid_left"])
    assert set(np.unique(claim.label_map)) == ids("thyroid_left")


def test_what_the_atlas_divides_otherwise_needs_a_choice():
    said = proposal(sternum=box(slice(5, 9)))
    claim, (finding,) = translate(said, GRID, dap())
    assert not claim.label_map.any()
    assert (finding.code, finding.severity, finding.voxels) == ("one-to-many", "warning", 16)
    assert 'choose = { sternum = "sternum_manubrium" }' in finding.remedy
    claim, findings = translate(said, GRID, dap(), choose={"sternum": "sternum_corpus"})
    assert set(np.unique(claim.label_map)) == ids("sternum_corpus")
    assert findings == []


def test_what_the_atlas_does_not_have_is_left_and_told():
    claim, (finding,) = translate(proposal(superior_vena_cava=box(slice(5, 9))), GRID, dap())
    assert not claim.label_map.any()
    assert finding.code == "no-counterpart"


def test_an_expert_can_be_asked_for_some_structures_or_all_but_some():
    said = proposal(liver=box(slice(10, 14)), spleen=box(slice(0, 4)))
    for options, name in (({"structures": ["liver"]}, "liver"), ({"except_structures": ["liver"]}, "spleen")):
        claim, _ = translate(said, GRID, dap(), **options)  # type: ignore[arg-type]
        assert set(np.unique(claim.label_map)) == ids(name)


def test_the_proposal_is_not_changed():
    said = proposal(thyroid_gland=box(slice(2, 14)), vertebrae_C7=SPINE)
    before = said.label_map.copy()
    translate(said, GRID, dap())
    assert (said.label_map == before).all()
