"""How well experts agree, and who stands alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from test_aggregate_merge import LIVER, SPLEEN, STOMACH, run

from dapatlas.aggregate import Claim
from dapatlas.aggregate.agreement import MIN_VOXELS, Pair, agreement_findings, odd_ones_out
from dapatlas.labels import dap
from dapatlas.volumes import Grid
from dapatlas.volumes.field_of_view import FieldOfView

KNOWN = frozenset({LIVER, SPLEEN})
SHAPE = (6, 5, 4)
MAPS = hnp.arrays(np.uint8, SHAPE, elements=st.sampled_from([0, LIVER, SPLEEN, STOMACH]))


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@given(st.lists(MAPS, min_size=3, max_size=3))
def test_agreement_is_that_of_the_masks(maps: list[np.ndarray]) -> None:
    made = [Claim.of(name, one, knows=KNOWN) for name, one in zip("abc", maps, strict=True)]
    result = run(made)
    pairs = {(p.one, p.other, p.structure): p for p in result.agreement.pairs(dap(), 0.5)}
    ends = dict(zip("abc", maps, strict=True))
    for one, other in ("ab", "ac", "bc"):
        for id_, name in ((LIVER, "liver"), (SPLEEN, "spleen")):
            pair = pairs.pop((one, other, name), None)
            first, second = ends[one] == id_, ends[other] == id_
            assert (pair is None) == (first.sum() + second.sum() < MIN_VOXELS)
            if pair is None:
                continue
            assert pair.dice == pytest.approx(dice(first, second))
            assert (pair.one_ml, pair.other_ml) == (0.5 * first.sum(), 0.5 * second.sum())
            assert pair.difference_ml == 0.5 * (int(first.sum()) - int(second.sum()))
    assert not pairs  # the stomach is known to none of them
    for pair in result.agreement.with_result(dap(), 0.5):
        id_ = dap()[pair.structure].id
        assert pair.dice == pytest.approx(dice(ends[pair.one] == id_, result.label_map == id_))


def test_only_what_both_see_is_compared() -> None:
    """b sees the upper half alone, and there they are one."""
    grid = Grid.from_spacing(SHAPE, (1, 1, 1))
    half = Grid.from_spacing((6, 5, 2), (1, 1, 1), origin=(0, 0, 2))
    first = np.full(SHAPE, LIVER, np.uint8)
    second = first.copy()
    second[:, :, :2] = 0
    made = [
        Claim.of("a", first, knows=KNOWN),
        Claim.of("b", second, knows=KNOWN, denies=KNOWN, seen=FieldOfView(half, grid)),
    ]
    result = run(made, specialists={"liver": ("b",)})
    (pair,) = result.agreement.pairs(dap(), 1.0)
    assert (pair.dice, pair.one_ml, pair.other_ml) == (1.0, 60.0, 60.0)
    assert (result.label_map == LIVER).all()  # what b does not see it does not deny
    assert not result.dissent.any()


def pair(one: str, other: str, value: float, structure: str = "liver") -> Pair:
    return Pair(structure, one, other, value, 100.0, 50.0)


def test_the_one_who_agrees_with_nobody_is_named() -> None:
    pairs = [pair("a", "b", 0.9), pair("a", "wrong", 0.1), pair("b", "wrong", 0.2)]
    assert odd_ones_out(pairs) == {"liver": ["wrong"]}
    (finding,) = agreement_findings(pairs, "x")
    assert (finding.code, finding.structure, finding.severity) == ("odd-expert", "liver", "warning")
    assert finding.message.startswith("wrong agrees with no other expert on liver (Dice at most 0.20)")


def test_where_nobody_agrees_nobody_is_the_odd_one() -> None:
    pairs = [pair("a", "b", 0.3), pair("a", "c", 0.1), pair("b", "c", 0.6)]
    assert odd_ones_out(pairs) == {}
    assert [finding.code for finding in agreement_findings(pairs)] == ["experts-apart", "experts-apart"]


def test_two_experts_apart_are_reported_and_neither_is_blamed() -> None:
    (finding,) = agreement_findings([pair("a", "b", 0.31)])
    assert finding.code == "experts-apart"
    assert "100.0 and 50.0 ml" in finding.message
