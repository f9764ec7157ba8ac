"""Merging claims: trust, votes, and what is said about disputes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dapatlas.aggregate import Claim, TrustOrder, merge
from dapatlas.labels import dap

LIVER, SPLEEN, STOMACH, UNKNOWN = 13, 26, 7, 1
IDS = st.sampled_from([0, LIVER, SPLEEN, STOMACH])
MAPS = hnp.arrays(np.uint8, (3, 4, 2), elements=IDS)


def claims(*rows: list[int]) -> list[Claim]:
    return [Claim(name, np.array(row, np.uint8)) for name, row in zip("abc", rows, strict=False)]


def merged(rows: list[list[int]], disagreement: str = "trust", **specialists: tuple[str, ...]) -> list[int]:
    trust = TrustOrder(tuple("abc")[: len(rows)], specialists)
    label_map, _ = merge(claims(*rows), trust, dap(), disagreement)  # type: ignore[arg-type]
    return label_map.tolist()


def test_what_one_expert_claims_is_that_experts():
    assert merged([[LIVER, 0, 0], [0, SPLEEN, 0]]) == [LIVER, SPLEEN, 0]


def test_the_expert_trusted_most_wins_a_dispute():
    assert merged([[LIVER], [SPLEEN]]) == [LIVER]
    trust = TrustOrder(("b", "a"), {})
    label_map, _ = merge(claims([LIVER], [SPLEEN]), trust, dap())
    assert label_map.tolist() == [SPLEEN]


def test_a_specialist_beats_a_generalist_inside_the_structure_it_is_trusted_for_and_nowhere_else():
    rows = [[LIVER, LIVER, SPLEEN], [SPLEEN, STOMACH, LIVER]]
    assert merged(rows, spleen=("b",)) == [SPLEEN, LIVER, SPLEEN]


@pytest.mark.parametrize(
    ("column", "winner"),
    [
        ([LIVER, SPLEEN, SPLEEN], SPLEEN),  # two against one
        ([LIVER, SPLEEN, STOMACH], LIVER),  # a tie: trust decides
        ([0, SPLEEN, 0], SPLEEN),  # silence is no vote
        ([LIVER, 0, SPLEEN], LIVER),
    ],
)
def test_a_vote_goes_by_majority_and_trust_breaks_ties(column: list[int], winner: int):
    assert merged([[id_] for id_ in column], "vote") == [winner]


def test_unknown_marks_disputed_voxels_and_leaves_the_others():
    rows = [[LIVER, LIVER, 0, 0], [SPLEEN, LIVER, SPLEEN, 0]]
    assert merged(rows, "unknown") == [UNKNOWN, LIVER, SPLEEN, 0]


def test_every_lost_voxel_is_told_with_claimant_and_winner():
    trust = TrustOrder(("a", "b"), {})
    _, findings = merge(claims([LIVER, LIVER, 0], [SPLEEN, SPLEEN, SPLEEN]), trust, dap(), case="x")
    (finding,) = findings
    assert (finding.case, finding.code, finding.structure, finding.voxels) == (
        "x",
        "experts-disagree",
        "spleen",
        2,
    )
    assert finding.message == "2 voxels that b calls spleen became liver"


@given(st.lists(MAPS, min_size=1, max_size=3), st.sampled_from(["trust", "vote"]))
def test_every_voxel_gets_a_word_that_somebody_said_and_none_is_lost(
    maps: list[np.ndarray], disagreement: str
):
    made = [Claim(name, array) for name, array in zip("abc", maps, strict=False)]
    before = [array.copy() for array in maps]
    result, _ = merge(made, TrustOrder(tuple("abc")[: len(maps)], {}), dap(), disagreement)  # type: ignore[arg-type]
    stacked = np.stack(maps)
    assert ((stacked == result) | ((stacked == 0).all(axis=0) & (result == 0))).any(axis=0).all()
    assert ((result == 0) == (stacked == 0).all(axis=0)).all()
    assert all((a == b).all() for a, b in zip(maps, before, strict=True)), "inputs must not change"


@given(MAPS, MAPS)
def test_findings_count_the_disputed_voxels(first: np.ndarray, second: np.ndarray):
    _, findings = merge([Claim("a", first), Claim("b", second)], TrustOrder(("a", "b"), {}), dap())
    disputed = int(((first != second) & (first != 0) & (second != 0)).sum())
    assert sum(finding.voxels for finding in findings) == disputed
