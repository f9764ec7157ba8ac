"""STAPLE among experts of one structure."""

from __future__ import annotations

import numpy as np
import pytest
from test_aggregate_merge import EVERYTHING, LIVER, SPLEEN

from dapatlas.aggregate import Bench, Claim, TrustOrder, Wholes, claims, merge
from dapatlas.aggregate.consensus import staple
from dapatlas.aggregate.provenance import CONSENSUS
from dapatlas.labels import dap

sitk = pytest.importorskip("SimpleITK", reason="STAPLE needs SimpleITK: pip install 'dapatlas[itk]'")
SHAPE = (24, 22, 20)


def ball(centre: tuple[int, int, int], radius: float) -> np.ndarray:
    axes = [np.arange(n) - c for n, c in zip(SHAPE, centre, strict=True)]
    return axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2 <= radius**2


def experts() -> dict[str, np.ndarray]:
    """Three who find the same ball, each with a few faults of its own, and one who finds it elsewhere."""
    random = np.random.default_rng(1)
    maps = {}
    for name in "abc":
        ball_here = ball((12, 11, 10), 6)
        faults = (random.random(SHAPE) < 0.05) & ball((12, 11, 10), 7)
        maps[name] = np.where(ball_here ^ faults, LIVER, 0).astype(np.uint8)
    maps["wrong"] = np.where(ball((14, 13, 12), 6), LIVER, 0).astype(np.uint8)
    return maps


def claims_of(maps: dict[str, np.ndarray], **more: object) -> list[Claim]:
    return [Claim.of(name, one, knows=EVERYTHING, **more) for name, one in maps.items()]


def test_the_verdict_is_simpleitks_over_the_whole_volume() -> None:
    maps = experts()
    verdict, (finding,) = staple(claims_of(maps), "liver", dap(), "x")
    assert verdict is not None
    found = np.zeros(SHAPE, bool)
    found[verdict.box] = verdict.yes
    assert (found != ball((12, 11, 10), 6)).sum() < 0.04 * found.sum()
    i, j, k = verdict.box
    images = [sitk.GetImageFromArray((one[i, j, k] == LIVER).astype(np.uint8)) for one in maps.values()]
    oracle = sitk.GetArrayFromImage(sitk.STAPLE(images, 1.0)) >= 0.5
    np.testing.assert_array_equal(verdict.yes, oracle)
    assert finding.code == "settled-by-staple"
    assert "wrong sensitivity 0." in finding.message


@pytest.mark.parametrize("slab_voxels", [1 << 22, 1000])
def test_the_verdict_overrides_words_and_refuses_them(
    slab_voxels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "SLAB_VOXELS", slab_voxels)
    maps = experts()
    maps["a"][ball((12, 11, 10), 2)] = SPLEEN  # the most trusted expert is alone with this
    made = claims_of(maps)
    verdict, _ = staple(made, "liver", dap())
    assert verdict is not None
    wholes = Wholes(dap())
    bench = Bench.of(made, TrustOrder(tuple(maps), {}), wholes, {})
    merged = merge(made, bench, wholes, verdicts=[verdict])
    where = np.zeros(SHAPE, bool)
    where[verdict.box] = verdict.yes
    np.testing.assert_array_equal(merged.label_map == LIVER, where)
    np.testing.assert_array_equal(merged.decided == CONSENSUS, where)
    assert where[12, 11, 10]


def test_without_two_who_know_it_there_is_no_verdict() -> None:
    maps = experts()
    made = [
        Claim.of("a", maps["a"], knows=EVERYTHING),
        Claim.of("b", maps["b"], knows=frozenset({SPLEEN})),
    ]
    verdict, (finding,) = staple(made, "liver", dap())
    assert verdict is None
    assert finding.code == "no-consensus"
    assert staple(made, "spleen", dap()) == (None, [])
