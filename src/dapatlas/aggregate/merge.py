"""Many claims on one CT into one dense map, by trust."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme
from dapatlas.volumes import remap

LabelMap = NDArray[np.uint8]
MAX_EXPERTS = 100  # keeps specialists' ranks below the generalists', and both below 255
Disagreement = Literal["trust", "vote", "unknown"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What one expert says, in the atlas's own ids; 0 where it says nothing."""

    expert: str
    label_map: LabelMap


@dataclass(frozen=True, slots=True)
class TrustOrder:
    """Whom to believe: experts by name, most trusted first, for any structure or for single ones."""

    default: tuple[str, ...]
    structures: Mapping[str, tuple[str, ...]]

    def ranks(self, expert: str, scheme: LabelScheme) -> NDArray[np.uint8]:
        """Rank of the expert's word for each id, shape (256,); 0 is trusted most, 255 is no word at all.

        An expert that a structure's own order names outranks, where it claims that structure, everybody
        who is trusted only in general: a specialist beats a generalist inside the structure it knows.
        """
        ranks = np.full(256, MAX_EXPERTS + self.default.index(expert), np.uint8)
        for name, order in self.structures.items():
            if expert in order:
                ranks[scheme[name].id] = order.index(expert)
        ranks[0] = 255
        return ranks


def merge(
    claims: Sequence[Claim],
    trust: TrustOrder,
    scheme: LabelScheme,
    disagreement: Disagreement = "trust",
    case: str = "",
) -> tuple[LabelMap, list[Finding]]:
    """Merge claims into one map; 0 where nobody claims.

    A voxel that one expert claims is that expert's. Where experts disagree, ``trust`` takes the word of
    the one most trusted for the structure *it* claims, ``vote`` the id that most experts give (trust breaks
    ties), ``unknown`` the id of ``unknown_tissue``.

    Parameters
    ----------
    claims
        At least one; all maps of one shape.
    trust
        Must name every claim's expert.
    scheme
        The scheme of the claims' ids.
    disagreement
        What to do where two experts give one voxel different ids.
    case
        Case id for the findings.

    Returns
    -------
    label_map
        uint8, of the claims' shape.
    findings
        One for each pair of structures between which experts disagreed, with the voxels concerned.
    """
    maps = [claim.label_map.ravel(order="F") for claim in claims]
    ranks = [trust.ranks(claim.expert, scheme) for claim in claims]
    merged, best = maps[0].copy(), remap(maps[0], ranks[0])
    disputed = np.zeros(merged.shape, np.bool_)
    for ids, ranking in zip(maps[1:], ranks[1:], strict=True):
        disputed |= (ids != merged) & (ids != 0) & (merged != 0)
        rank = remap(ids, ranking)
        better = rank < best
        np.copyto(merged, ids, where=better)
        np.copyto(best, rank, where=better)
    findings: list[Finding] = []
    places = np.flatnonzero(disputed)
    if places.size:
        words = np.stack([ids[places] for ids in maps])
        if disagreement == "vote":
            ranked = np.stack([ranking[said] for ranking, said in zip(ranks, words, strict=True)])
            merged[places] = _vote(words, ranked)
        elif disagreement == "unknown":
            merged[places] = scheme["unknown_tissue"].id
        findings = _disputes(words, merged[places], [claim.expert for claim in claims], scheme, case)
    return merged.reshape(claims[0].label_map.shape, order="F"), findings


def _vote(words: LabelMap, ranks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The commonest non-zero word in each column; the most trusted among equals. Shapes (experts, voxels)."""
    votes = (words[:, None, :] == words[None, :, :]).sum(axis=1)
    score = np.where(words == 0, -1, votes * 256 - ranks)
    winners: NDArray[np.uint8] = np.take_along_axis(words, score.argmax(axis=0)[None], axis=0)[0]
    return winners


def _disputes(
    words: LabelMap, settled: NDArray[np.uint8], experts: list[str], scheme: LabelScheme, case: str
) -> list[Finding]:
    findings = []
    for expert, said in zip(experts, words, strict=True):
        lost = (said != settled) & (said != 0)
        pairs, counts = np.unique(said[lost].astype(np.uint16) << 8 | settled[lost], return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            claimed, given = scheme[pair >> 8].name, scheme[pair & 255].name
            findings.append(
                Finding(
                    case=case,
                    severity=Severity.INFO,
                    code="experts-disagree",
                    message=f"{count} voxels that {expert} calls {claimed} became {given}",
                    structure=claimed,
                    voxels=count,
                )
            )
    return findings
