"""Many claims on one CT into one map, with who decided where, who disagreed, and how well they agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.agreement import Agreement
from dapatlas.aggregate.claims import Claim, LabelMap, Mask
from dapatlas.aggregate.consensus import Verdict
from dapatlas.aggregate.decide import Bench, Disagreement, decide
from dapatlas.aggregate.provenance import CONSENSUS, DISPUTED
from dapatlas.aggregate.wholes import Wholes
from dapatlas.findings import Finding, Severity


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of merging.

    Attributes
    ----------
    label_map
        uint8, of the claims' shape, Fortran order; 0 where nobody claims. Wholes and spaces have ids of their own.
    decided
        Who decided each voxel: 1 for the first claim's expert and so on, see :mod:`dapatlas.aggregate.provenance`.
    dissent
        How many experts say otherwise, silence counted where it is evidence.
    agreement
        How well the experts agree, by structure.
    findings
        One for each expert and pair of structures: how many of its voxels became something else.
    """

    label_map: LabelMap
    decided: LabelMap
    dissent: LabelMap
    agreement: Agreement
    findings: tuple[Finding, ...]


@dataclass(eq=False)
class _Lost:
    """How many voxels of what each expert said became what; shape (experts, 256 said, 256 became)."""

    counts: NDArray[np.int64]

    def add(self, row: int, said: LabelMap, became: LabelMap) -> None:
        pairs = np.bincount(said.astype(np.intp) << 8 | became, minlength=1 << 16)
        self.counts[row] += pairs.reshape(256, 256)


@dataclass(frozen=True, slots=True)
class _Slab:
    """What was settled of the voxels of a slab that anybody claims."""

    ids: LabelMap
    decided: LabelMap
    dissent: LabelMap


def merge(
    claims: Sequence[Claim],
    bench: Bench,
    wholes: Wholes,
    disagreement: Disagreement = "trust",
    *,
    verdicts: Sequence[Verdict] = (),
    case: str = "",
) -> Merged:
    """Merge claims into one map, slab by slab.

    A voxel that one expert claims is that expert's, unless silence is evidence against it. Where experts say
    different things :func:`dapatlas.aggregate.decide.decide` settles it.

    Parameters
    ----------
    claims
        At least one; all of one shape.
    bench
        The experts of the claims, in the same order.
    wholes
        What ids beyond the atlas's stand for.
    disagreement
        What to do where two experts give one voxel different ids.
    verdicts
        Structures that were settled by consensus already: where they are, and where they are not.
    case
        Case id for the findings.
    """
    first = claims[0].words
    label_map, decided, dissent = (np.zeros(math.prod(first.shape), np.uint8) for _ in range(3))
    agreement = Agreement.of(bench)
    lost = _Lost(np.zeros((len(claims), 256, 256), np.int64))
    start = 0
    for number in range(len(first)):
        said_of_all, seen_of_all = zip(*(claim.says(number) for claim in claims), strict=True)
        words = np.stack(said_of_all)
        place = slice(start, start + words.shape[1])
        claimed = np.flatnonzero(np.bitwise_or.reduce(words, axis=0))
        if claimed.size:
            said = words[:, claimed]
            sees = _sees(seen_of_all, claimed)
            asked = [verdict.of_slab(first.shape, number * first.thickness, claimed) for verdict in verdicts]
            slab = _settle(said, sees, asked, bench, wholes, disagreement, lost)
            agreement.add(said, sees, slab.ids)
            label_map[place][claimed] = slab.ids
            decided[place][claimed] = slab.decided
            dissent[place][claimed] = slab.dissent
        start = place.stop
    return Merged(
        label_map.reshape(first.shape, order="F"),
        decided.reshape(first.shape, order="F"),
        dissent.reshape(first.shape, order="F"),
        agreement,
        tuple(_disputes(lost, bench, wholes, case)),
    )


def _sees(masks: Sequence[Mask | None], claimed: NDArray[np.intp]) -> Mask | None:
    if all(mask is None for mask in masks):
        return None
    return np.stack([np.ones(len(claimed), np.bool_) if mask is None else mask[claimed] for mask in masks])


def _settle(
    said: LabelMap,
    sees: Mask | None,
    asked: Sequence[tuple[int, Mask, Mask]],
    bench: Bench,
    wholes: Wholes,
    disagreement: Disagreement,
    lost: _Lost,
) -> _Slab:
    """Settle the claimed voxels of a slab; ``said`` has shape (experts, voxels)."""
    words, forced = _with_verdicts(said, asked)
    ids = words.max(axis=0)
    open_ = _open(words, ids, sees, bench, disagreement)
    if open_.any():
        seen = None if sees is None else sees[:, open_]
        unknown = wholes.atlas["unknown_tissue"].id if "unknown_tissue" in wholes.atlas else 0
        ids[open_] = decide(words[:, open_], seen, bench, disagreement, unknown)
    ids = np.where(forced != 0, forced, ids)
    decided = np.zeros(ids.shape, np.uint8)
    dissent = np.zeros(ids.shape, np.uint8)
    best = np.full(ids.shape, 255, np.uint8)
    for row, own in enumerate(said):
        rank = np.where((own == ids) & (own != 0), bench.ranks[row][own], 255)
        decided[rank < best] = row + 1
        best = np.minimum(best, rank)
        others = np.flatnonzero((own != ids) & (own != 0))
        others = others[~bench.yields[own[others], ids[others]] & ~bench.spaces[own[others]]]
        dissent[others] += 1
        lost.add(row, own[others], ids[others])
        silent = (own == 0) & bench.denies[row][ids]
        dissent += silent if sees is None else silent & sees[row]
    decided[(decided == 0) & (ids != 0)] = DISPUTED
    decided[forced != 0] = CONSENSUS
    return _Slab(ids, decided, dissent)


def _with_verdicts(said: LabelMap, asked: Sequence[tuple[int, Mask, Mask]]) -> tuple[LabelMap, LabelMap]:
    """The words without those that a verdict refutes, and the ids that verdicts give (0 for none)."""
    forced = np.zeros(said.shape[1], np.uint8)
    if not asked:
        return said, forced
    words = said.copy()
    for id_, inside, yes in asked:
        words[(words == id_) & (inside & ~yes)] = 0
        forced[yes & (forced == 0)] = id_
    return words, forced


def _open(
    words: LabelMap, top: LabelMap, sees: Mask | None, bench: Bench, disagreement: Disagreement
) -> Mask:
    """Voxels with two different words, or with one word that somebody's silence speaks against."""
    open_ = np.zeros(top.shape, np.bool_)
    for row, own in enumerate(words):
        open_ |= (own != 0) & (own != top)
        evidence = bench.denies[row] if disagreement == "vote" else bench.denies[row] & bench.specialises[row]
        if evidence.any():
            silent = (own == 0) & evidence[top]
            open_ |= silent if sees is None else silent & sees[row]
    return open_


def _disputes(lost: _Lost, bench: Bench, wholes: Wholes, case: str) -> list[Finding]:
    findings = []
    for row, expert in enumerate(bench.names):
        for said, became in np.argwhere(lost.counts[row]).tolist():
            count = int(lost.counts[row, said, became])
            claimed = wholes.name(said)
            given = f"became {wholes.name(became)}" if became else "were left unclaimed: others deny them"
            findings.append(
                Finding(
                    case=case,
                    severity=Severity.INFO,
                    code="experts-disagree",
                    message=f"{count} voxels that {expert} calls {claimed} {given}",
                    structure=claimed,
                    voxels=count,
                )
            )
    return findings
