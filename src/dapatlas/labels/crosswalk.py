"""Crosswalks: what the structures of one scheme are called in another.

Every source scheme says how its structures compare with DAP's. From that follow the way back, and, through
DAP, the way between any two schemes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from dapatlas.labels.scheme import DAP, LabelScheme, load_scheme
from dapatlas.labels.structure import Relation, Structure

# What a relation to a middle scheme and one from there on make together. What lies within something that
# lies within a third lies within the third; but a part of something that contains others may be any of them.
COMPOSED = {
    (Relation.EQUAL, Relation.EQUAL): Relation.EQUAL,
    (Relation.EQUAL, Relation.PART_OF): Relation.PART_OF,
    (Relation.EQUAL, Relation.CONTAINS): Relation.CONTAINS,
    (Relation.PART_OF, Relation.EQUAL): Relation.PART_OF,
    (Relation.PART_OF, Relation.PART_OF): Relation.PART_OF,
    (Relation.CONTAINS, Relation.EQUAL): Relation.CONTAINS,
    (Relation.CONTAINS, Relation.CONTAINS): Relation.CONTAINS,
}


@dataclass(frozen=True, slots=True)
class Link:
    """One structure's counterparts in another scheme.

    Attributes
    ----------
    source
        The structure.
    targets
        Its counterparts: one where it is equal to or part of it, any number where it contains them.
    relation
        How it compares with them.
    many_to_one
        Whether other structures of the source scheme go to the same target.
    """

    source: Structure
    targets: tuple[Structure, ...]
    relation: Relation
    many_to_one: bool = False


class Crosswalk:
    """The way from one scheme to another, a :class:`Link` for each structure of the source.

    Attributes
    ----------
    source, target
        The two schemes.
    links
        In the order of the source's ids.
    """

    def __init__(self, source: LabelScheme, target: LabelScheme, links: tuple[Link, ...]) -> None:
        self.source, self.target, self.links = source, target, links

    def __iter__(self) -> Iterator[Link]:
        return iter(self.links)

    def __len__(self) -> int:
        return len(self.links)

    def __getitem__(self, key: int | str) -> Link:
        """The link of a source structure, by id or name; raises as :class:`LabelScheme` does."""
        return self._by_id[self.source[key].id]

    @cached_property
    def _by_id(self) -> dict[int, Link]:
        return {link.source.id: link for link in self.links}

    def lookup(self) -> NDArray[np.uint8]:
        """Table from source id to target id, shape (256,), for renaming a whole map at once.

        0 where there is no counterpart, and where there are several: which of them a voxel belongs to, a
        name cannot say.
        """
        table = np.zeros(256, np.uint8)
        for link in self.links:
            if link.relation in (Relation.EQUAL, Relation.PART_OF):
                table[link.source.id] = link.targets[0].id
        return table

    def as_dict(self) -> dict[str, list[str]]:
        """Source name to target names, background left out."""
        return {link.source.name: [t.name for t in link.targets] for link in self.links if link.source.id}


@cache
def crosswalk(source: str | LabelScheme, target: str | LabelScheme) -> Crosswalk:
    """The way from one scheme to another.

    Structures that share a canonical name are equal. Else the way goes through DAP: what is equal to or part
    of a DAP structure is compared with what the target has for that. Where nothing certain follows, such as
    for two parts of one DAP structure, there is no counterpart.

    Raises
    ------
    BadLabelsError
        A scheme of that name is not known.
    """
    one = load_scheme(source) if isinstance(source, str) else source
    other = load_scheme(target) if isinstance(target, str) else target
    links = [_link(structure, one, other) for structure in one]
    counts: dict[int, int] = {}
    for link in links:
        for structure in link.targets:
            counts[structure.id] = counts.get(structure.id, 0) + 1
    return Crosswalk(
        one,
        other,
        tuple(
            Link(link.source, link.targets, link.relation, any(counts[t.id] > 1 for t in link.targets))
            for link in links
        ),
    )


def _link(structure: Structure, source: LabelScheme, target: LabelScheme) -> Link:
    if structure.name in target.names:
        return Link(structure, (target[structure.name],), Relation.EQUAL)
    middles = structure.dap if source.name != DAP else (structure.name,)
    if target.name == DAP:
        return Link(structure, tuple(target[name] for name in middles), structure.relation)
    found: list[tuple[Relation, Structure]] = []
    for middle in middles:
        for relation, counterpart in _from_dap(middle, target):
            composed = COMPOSED.get((structure.relation, relation))
            if composed is not None:
                found.append((composed, counterpart))
    return _strongest(structure, found)


def _from_dap(name: str, target: LabelScheme) -> Iterator[tuple[Relation, Structure]]:
    """How a DAP structure compares with those of a scheme that refer to it: their relation turned round."""
    turned = {
        Relation.EQUAL: Relation.EQUAL,
        Relation.PART_OF: Relation.CONTAINS,
        Relation.CONTAINS: Relation.PART_OF,
    }
    return (
        (turned[other.relation], other) for other in target if name in other.dap and other.relation in turned
    )


def _strongest(structure: Structure, found: list[tuple[Relation, Structure]]) -> Link:
    """An equal beats the whole that one lies in, and that beats parts."""
    for relation in (Relation.EQUAL, Relation.PART_OF):
        single = [counterpart for other, counterpart in found if other is relation]
        if single:
            return Link(structure, (single[0],), relation)
    parts = dict.fromkeys(counterpart for relation, counterpart in found if relation is Relation.CONTAINS)
    return Link(structure, tuple(parts), Relation.CONTAINS if parts else Relation.NONE)
