"""Crosswalks: what the structures of one scheme are called in another.

Every source scheme says how its structures compare with DAP's. From that follow the way back, and, through
DAP, the way between any two schemes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from dapatlas.labels.load import dap, load_scheme
from dapatlas.labels.scheme import MAX_ID, LabelScheme
from dapatlas.labels.structure import Relation, Structure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A relation read from its other end.
INVERSE = {
    Relation.EQUAL: Relation.EQUAL,
    Relation.PART_OF: Relation.CONTAINS,
    Relation.CONTAINS: Relation.PART_OF,
}

# What a relation to a middle structure and one from there on make together. What lies within something that
# lies within a third lies within the third, and so for containing. Nothing follows from the two that are left
# out: two parts of one structure may or may not meet, and so may two structures that contain the same part.
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


@dataclass(frozen=True)
class Crosswalk:
    """The way from one scheme to another, a :class:`Link` for each structure of the source.

    Attributes
    ----------
    source, target
        The two schemes.
    links
        One for each structure of the source, background included, in the order of its ids.
    """

    source: LabelScheme
    target: LabelScheme
    links: tuple[Link, ...]

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
        import numpy as np

        table = np.zeros(MAX_ID + 1, np.uint8)
        for link in self.links:
            if link.relation in (Relation.EQUAL, Relation.PART_OF):
                table[link.source.id] = link.targets[0].id
        return table

    def as_dict(self) -> dict[str, list[str]]:
        """Source name to target names, background left out."""
        return {link.source.name: [t.name for t in link.targets] for link in self.links if link.source.id}


def crosswalk(source: str | LabelScheme, target: str | LabelScheme) -> Crosswalk:
    """The way from one scheme to another.

    To and from DAP it is what the other scheme's data file says. Between two other schemes, structures that
    share a name or alias are equal, unless the files say different things of them; else the way goes through
    DAP, by :data:`COMPOSED`. Where nothing certain follows, such as for two parts of one DAP structure, there
    is no counterpart.

    Raises
    ------
    BadLabelsError
        A scheme of that name is not known.
    """
    one = load_scheme(source) if isinstance(source, str) else source
    other = load_scheme(target) if isinstance(target, str) else target
    return _crosswalk(one, other)


@cache
def _crosswalk(source: LabelScheme, target: LabelScheme) -> Crosswalk:
    links = [_link(structure, source, target) for structure in source]
    uses = Counter(structure.id for link in links for structure in link.targets)
    return Crosswalk(
        source,
        target,
        tuple(
            Link(link.source, link.targets, link.relation, any(uses[t.id] > 1 for t in link.targets))
            for link in links
        ),
    )


def _link(structure: Structure, source: LabelScheme, target: LabelScheme) -> Link:
    if target == dap():
        return Link(structure, tuple(target[name] for name in structure.dap), structure.relation)
    twin = None if source == dap() else _twin(structure, target)
    if twin is not None:
        return Link(structure, (twin,), Relation.EQUAL)
    found = [
        (COMPOSED.get((structure.relation, INVERSE[other.relation])), other)
        for name in structure.dap
        for other in target
        if name in other.dap
    ]
    return _strongest(structure, [(relation, other) for relation, other in found if relation is not None])


def _twin(structure: Structure, target: LabelScheme) -> Structure | None:
    """The structure of the same name or alias, unless it is said to be something else."""
    for name in (structure.name, *structure.aliases):
        if name in target:
            other = target[name]
            alike = (structure.relation, set(structure.dap)) == (other.relation, set(other.dap))
            return other if alike or Relation.NONE in (structure.relation, other.relation) else None
    return None


def _strongest(structure: Structure, found: list[tuple[Relation, Structure]]) -> Link:
    """An equal beats the whole that one lies in, and that beats parts."""
    for relation in (Relation.EQUAL, Relation.PART_OF):
        single = [counterpart for other, counterpart in found if other is relation]
        if single:
            return Link(structure, (single[0],), relation)
    parts = tuple(dict.fromkeys(counterpart for _, counterpart in found))
    return Link(structure, parts, Relation.CONTAINS if parts else Relation.NONE)
