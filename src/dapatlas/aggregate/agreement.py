"""How well experts agree, structure by structure: in one case, and over a cohort."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.claims import LabelMap, Mask
from dapatlas.aggregate.decide import Bench
from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme

RESULT = "result"  # how the merged map is called beside the experts

# An expert is the odd one out of a structure if it overlaps with nobody by more than ODD_DICE while some two others
# overlap by SURE_DICE. Two good segmentations of one organ reach a Dice of 0.8 and more but for the smallest.
ODD_DICE = 0.5
SURE_DICE = 0.75
MIN_VOXELS = 20  # below, Dice says more of the grid than of the experts


@dataclass(frozen=True, slots=True)
class Pair:
    """How two experts, or an expert and the result, agree on a structure, where both of them see.

    Attributes
    ----------
    structure
        Its name in the atlas.
    one, other
        Who is compared.
    dice
        Overlap, 0…1.
    one_ml, other_ml
        Volume of the structure by each.
    """

    structure: str
    one: str
    other: str
    dice: float
    one_ml: float
    other_ml: float

    @property
    def difference_ml(self) -> float:
        """By how much the first one's volume is larger."""
        return self.one_ml - self.other_ml


@dataclass(eq=False)
class Agreement:
    """Counts that agreement is computed from, summed slab by slab.

    Attributes
    ----------
    experts
        Who they are.
    knows
        Which ids each has a word for; shape (experts, 256).
    own
        ``own[a, b, id]``: voxels that a calls id where b sees; b may be the result, the last place.
    both
        ``both[a, b, id]``: voxels that both call id.
    result
        ``result[a, id]``: voxels of the merged map that are id where a sees.
    """

    experts: tuple[str, ...]
    knows: Mask
    own: NDArray[np.int64]
    both: NDArray[np.int64]
    result: NDArray[np.int64]

    @classmethod
    def of(cls, bench: Bench) -> Agreement:
        """Nothing counted yet."""
        n = len(bench.names)
        shape = (n, n + 1, 256)
        return cls(
            bench.names,
            bench.knows,
            np.zeros(shape, np.int64),
            np.zeros(shape, np.int64),
            np.zeros((n, 256), np.int64),
        )

    def add(self, words: LabelMap, sees: Mask | None, ids: LabelMap) -> None:
        """Count the claimed voxels of a slab.

        Parameters
        ----------
        words
            What each expert says, shape (experts, voxels).
        sees
            Whether it sees the voxel, same shape; ``None`` where all see all.
        ids
            The merged map, shape (voxels,).
        """
        n = len(self.experts)
        for a, own in enumerate(words):
            counts = _counts(own)
            for b in range(n):
                if a != b:
                    seen = None if sees is None or sees[b].all() else sees[b]
                    self.own[a, b] += counts if seen is None else _counts(own[seen])
                if a < b:
                    self.both[a, b] += _counts(own[own == words[b]])
            self.own[a, n] += counts
            self.both[a, n] += _counts(own[own == ids])
            seen = None if sees is None or sees[a].all() else sees[a]
            self.result[a] += _counts(ids if seen is None else ids[seen])

    def pairs(self, atlas: LabelScheme, voxel_ml: float) -> Iterator[Pair]:
        """How each two experts who know a structure agree on it, where either finds it in view of both."""
        for a, b in combinations(range(len(self.experts)), 2):
            sizes = self.own[a, b] + self.own[b, a]
            for id_ in np.flatnonzero(self.knows[a] & self.knows[b] & (sizes >= MIN_VOXELS)).tolist():
                yield Pair(
                    atlas[id_].name,
                    self.experts[a],
                    self.experts[b],
                    float(2 * self.both[a, b, id_] / sizes[id_]),
                    float(self.own[a, b, id_] * voxel_ml),
                    float(self.own[b, a, id_] * voxel_ml),
                )

    def with_result(self, atlas: LabelScheme, voxel_ml: float) -> Iterator[Pair]:
        """How each expert agrees with the merged map on each structure that it knows."""
        n = len(self.experts)
        for a in range(n):
            sizes = self.own[a, n] + self.result[a]
            for id_ in np.flatnonzero(self.knows[a] & (sizes >= MIN_VOXELS)).tolist():
                yield Pair(
                    atlas[id_].name,
                    self.experts[a],
                    RESULT,
                    float(2 * self.both[a, n, id_] / sizes[id_]),
                    float(self.own[a, n, id_] * voxel_ml),
                    float(self.result[a, id_] * voxel_ml),
                )


def _counts(words: LabelMap) -> NDArray[np.int64]:
    counts = np.bincount(words, minlength=256)
    counts[0] = 0
    return counts


def odd_ones_out(pairs: Sequence[Pair]) -> dict[str, list[str]]:
    """Structure to the experts who agree with nobody on it while others agree among themselves."""
    found: dict[str, list[str]] = {}
    for structure in dict.fromkeys(pair.structure for pair in pairs):
        own = [pair for pair in pairs if pair.structure == structure]
        if max(pair.dice for pair in own) < SURE_DICE:
            continue
        names = dict.fromkeys(name for pair in own for name in (pair.one, pair.other))
        best = {name: max(pair.dice for pair in own if name in (pair.one, pair.other)) for name in names}
        odd = [name for name in names if best[name] < ODD_DICE]
        if odd:
            found[structure] = odd
    return found


def agreement_findings(pairs: Sequence[Pair], case: str = "") -> list[Finding]:
    """Name the experts who are wrong by all others' account, and the structures on which two stand alone."""
    odd = odd_ones_out(pairs)
    findings = [
        Finding(
            case,
            Severity.WARNING,
            "odd-expert",
            f"{expert} agrees with no other expert on {structure} (Dice at most "
            f"{max(p.dice for p in pairs if p.structure == structure and expert in (p.one, p.other)):.2f}), "
            "while others agree among themselves",
            structure=structure,
            found=expert,
            remedy="look at that expert's map; trust it less, or take `except` in the recipe",
        )
        for structure, experts in odd.items()
        for expert in experts
    ]
    for pair in pairs:
        if pair.dice < ODD_DICE and pair.structure not in odd:
            findings.append(
                Finding(
                    case,
                    Severity.WARNING,
                    "experts-apart",
                    f"{pair.one} and {pair.other} overlap on {pair.structure} by a Dice of {pair.dice:.2f} only "
                    f"({pair.one_ml:.1f} and {pair.other_ml:.1f} ml)",
                    structure=pair.structure,
                    remedy="look at this structure: the map does not say which of them is right",
                )
            )
    return findings


def as_rows(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Pairs as they stand in reports."""
    return [
        {
            "structure": pair.structure,
            "one": pair.one,
            "other": pair.other,
            "dice": round(pair.dice, 4),
            "one_ml": round(pair.one_ml, 3),
            "other_ml": round(pair.other_ml, 3),
        }
        for pair in pairs
    ]
