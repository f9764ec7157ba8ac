"""What becomes of voxels on which experts say different things: pure functions on columns of words.

``words`` has shape (experts, voxels): what each expert says of each voxel, 0 where it says nothing. ``sees``, of the
same shape, is false where a voxel lies beyond an expert's field of view; ``None`` where all see all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.claims import Claim
from dapatlas.aggregate.wholes import Wholes
from dapatlas.labels import Container, LabelScheme

Words = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MAX_EXPERTS = 100  # keeps specialists' ranks below the generalists', and both below those of spaces
CAVITY_RANK, BODY_RANK, NO_RANK = 253, 254, 255
MAX_NESTING = 3  # body, lungs, one lung, lobe: words are made more exact so many times at most

Disagreement = Literal["trust", "vote", "unknown"]


@dataclass(frozen=True, slots=True)
class TrustOrder:
    """Whom to believe: experts by name, most trusted first, for any structure or for single ones."""

    default: tuple[str, ...]
    structures: Mapping[str, tuple[str, ...]]

    def ranks(self, expert: str, scheme: LabelScheme) -> Words:
        """Rank of the expert's word for each id, shape (256,); 0 is trusted most, 255 is no word at all.

        An expert that a structure's own order names outranks, where it claims that structure, everybody
        who is trusted only in general: a specialist beats a generalist inside the structure it knows.
        """
        ranks = np.full(256, MAX_EXPERTS + self.default.index(expert), np.uint8)
        for name, order in self.structures.items():
            if expert in order:
                ranks[scheme[name].id] = order.index(expert)
        ranks[0] = NO_RANK
        return ranks

    def specialises(self, expert: str, scheme: LabelScheme) -> Mask:
        """Ids of the structures whose own order names the expert, shape (256,)."""
        special = np.zeros(256, np.bool_)
        special[[scheme[name].id for name, order in self.structures.items() if expert in order]] = True
        return special


@dataclass(frozen=True, slots=True)
class Bench:
    """The experts of one case as tables over ids, most trusted first.

    Attributes
    ----------
    names
        Who they are.
    ranks
        Whose word for an id is trusted more: lower is better, 255 is no word; shape (experts, 256).
    weights
        What each one's vote counts; shape (experts,).
    knows, denies, specialises
        Whether an expert has a word for an id, whether its silence is evidence, and whether the id's own order of
        trust names it; shape (experts, 256).
    yields
        See :attr:`dapatlas.aggregate.wholes.Wholes.yields`.
    spaces
        Whether an id is a space that tissue fills; shape (256,).
    """

    names: tuple[str, ...]
    ranks: Words
    weights: NDArray[np.float64]
    knows: Mask
    denies: Mask
    specialises: Mask
    yields: Mask
    spaces: Mask

    @classmethod
    def of(
        cls, claims: Sequence[Claim], trust: TrustOrder, wholes: Wholes, weights: Mapping[str, float]
    ) -> Bench:
        """Tables for the experts of these claims."""
        names = tuple(claim.expert for claim in claims)
        ranks = np.stack([trust.ranks(name, wholes.atlas) for name in names])
        spaces = np.zeros(256, np.bool_)
        for space, id_ in wholes.spaces.items():
            ranks[:, id_] = BODY_RANK if space is Container.BODY else CAVITY_RANK
            spaces[id_] = True
        return cls(
            names,
            ranks,
            np.array([weights.get(name, 1.0) for name in names]),
            _member([claim.knows for claim in claims]),
            _member([claim.denies for claim in claims]),
            np.stack([trust.specialises(name, wholes.atlas) for name in names]),
            wholes.yields,
            spaces,
        )

    @property
    def by_trust(self) -> list[int]:
        """Places of the experts, the one trusted most in general first."""
        general = np.where(self.ranks < MAX_EXPERTS, NO_RANK, self.ranks).min(axis=1)
        order: list[int] = np.argsort(general, kind="stable").tolist()
        return order


def _member(sets: Sequence[frozenset[int]]) -> Mask:
    table = np.zeros((len(sets), 256), np.bool_)
    for row, ids in enumerate(sets):
        table[row, sorted(ids)] = True
    return table


def decide(words: Words, sees: Mask | None, bench: Bench, rule: Disagreement, unknown: int) -> Words:
    """One id for each column; 0 where the evidence is that there is nothing.

    First every word is made as exact as anybody makes it (a lung becomes the lobe that another expert says). Then
    what a specialist denies is struck out: it knows the structure, sees the voxel, and does not say it. What is left
    is settled by ``rule``: ``trust`` takes the word of the expert trusted most for what it says, ``vote`` the word
    of most (by weight; silence counts against a word where it is evidence; trust breaks ties), ``unknown`` calls
    voxels with several words ``unknown``.
    """
    exact = _made_exact(words, bench)
    exact = _struck(exact, sees, bench)
    ranks = np.stack([bench.ranks[n][row] for n, row in enumerate(exact)])
    if rule == "vote":
        return _vote(exact, ranks, sees, bench)
    chosen: Words = np.take_along_axis(exact, ranks.argmin(axis=0)[None], axis=0)[0]
    if rule == "unknown":
        several = ((exact != 0) & (exact != chosen)).any(axis=0)
        chosen[several] = unknown
    return chosen


def _made_exact(words: Words, bench: Bench) -> Words:
    """Replace wholes by what the most trusted of those says who says more; a space says nothing beside a word."""
    exact = words.copy()
    is_vague: Mask = np.asarray(bench.yields.any(axis=1))
    for _ in range(MAX_NESTING):
        before = exact.copy()
        for row in range(len(exact)):
            vague = np.flatnonzero(is_vague[before[row]])
            for other in bench.by_trust:
                if other == row or not vague.size:
                    continue
                fits = bench.yields[before[row, vague], before[other, vague]]
                own = vague[fits]
                exact[row, own] = np.where(bench.spaces[before[row, own]], 0, before[other, own])
                vague = vague[~fits]
        if (exact == before).all():
            break
    return exact


def _struck(words: Words, sees: Mask | None, bench: Bench) -> Words:
    """Strike out what an expert denies that is trusted more for that very structure."""
    judges = bench.specialises & bench.denies
    if not judges.any():
        return words
    left = words.copy()
    for judge in range(len(words)):
        if not judges[judge].any():
            continue
        for row in range(len(words)):
            if row == judge:
                continue
            said = words[row]
            struck = judges[judge][said] & (words[judge] != said)
            struck &= bench.ranks[judge][said] < bench.ranks[row][said]
            struck &= ~bench.yields[words[judge], said]
            if sees is not None:
                struck &= sees[judge]
            left[row, struck] = 0
    return left


def _vote(words: Words, ranks: Words, sees: Mask | None, bench: Bench) -> Words:
    """The word with most weight behind it, unless more silence is against it; trust breaks ties."""
    votes = np.zeros(words.shape)
    against = np.zeros(words.shape)
    for row, said in enumerate(words):
        for other, theirs in enumerate(words):
            votes[row] += bench.weights[other] * (theirs == said)
            silent = (theirs == 0) & bench.denies[other][said]
            if sees is not None:
                silent &= sees[other]
            against[row] += bench.weights[other] * silent
    lost = (words == 0) | (against > votes)
    votes[lost] = -1.0
    # the best score, and of equal scores the lowest rank
    tied = votes == votes.max(axis=0)
    best = np.where(tied, ranks, NO_RANK).argmin(axis=0)[None]
    chosen: Words = np.take_along_axis(words, best, axis=0)[0]
    chosen[lost.all(axis=0)] = 0
    return chosen
