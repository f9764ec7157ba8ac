"""A scheme in which maps of two schemes can be compared.

The crosswalk says which structures of the two are equal, and which lie within which. Equal ones are compared as they
are. Where one scheme divides what the other labels as a whole, the parts are merged, on the assumption that they make
up the whole: both lobes of a thyroid are compared with the other's thyroid gland, a kidney and its cyst with a kidney
that includes it. Left out, and told, is what has no counterpart, and what is known only to lie within something larger:
nobody labelled the rest of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadLabelsError
from dapatlas.labels import LabelScheme, Relation, Structure, crosswalk, dap

MAX_IDS = 256

# In dense maps chambers lie on top of the heart, whose own id keeps the rest; what others call heart is all of it.
ON_TOP = {
    "heart": (
        "heart_tissue", "heart_myocardium", "heart_atrium_left", "heart_atrium_right", "heart_ventricle_left",
        "heart_ventricle_right",
    )
}  # fmt: skip

Node = tuple[int, int]  # side (0 the prediction's, 1 the reference's) and id
Table = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Merged:
    """Structures of one scheme that together are one of the other's.

    Attributes
    ----------
    structure
        The whole, as it is called in the common scheme.
    parts
        Canonical names of what was put together.
    scheme
        The scheme that has the parts.
    """

    structure: str
    parts: tuple[str, ...]
    scheme: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A structure that cannot be compared.

    Attributes
    ----------
    structure, scheme
        Its canonical name and its scheme.
    reason
        Why not.
    """

    structure: str
    scheme: str
    reason: str


@dataclass(frozen=True, eq=False)
class CommonScheme:
    """How maps of two schemes are brought to one.

    Attributes
    ----------
    scheme
        In which both are compared; names are the reference's, those of merged structures the whole's.
    prediction, reference
        Tables from the own id to the common one, shape (256,), 0 for what is not compared.
    merged, left_out
        What was done to make them comparable.
    ignored
        Ids of the reference for voxels that nobody annotated.
    same
        Whether both have one scheme, so that nothing is to be done.
    """

    scheme: LabelScheme
    prediction: Table
    reference: Table
    merged: tuple[Merged, ...]
    left_out: tuple[LeftOut, ...]
    ignored: tuple[int, ...] = ()
    same: bool = False


def common_scheme(prediction: LabelScheme, reference: LabelScheme) -> CommonScheme:
    """Find the scheme in which maps of two schemes can be compared.

    Raises
    ------
    BadLabelsError
        They have nothing in common.
    """
    ignored = tuple(structure.id for structure in reference if structure.ignored)
    if prediction == reference:
        table = np.arange(MAX_IDS, dtype=np.uint8)
        table[list(ignored)] = 0
        return CommonScheme(reference, table, table, (), (), ignored, same=not ignored)
    schemes = (prediction, reference)
    groups, left_out = _groups(schemes)
    if not groups:
        raise BadLabelsError(
            f"the schemes {prediction.name!r} and {reference.name!r} have no structure in common; "
            "name the schemes that the maps were made with"
        )
    tables = (np.zeros(MAX_IDS, np.uint8), np.zeros(MAX_IDS, np.uint8))
    structures, merged = [reference[0]], list[Merged]()
    for id_, (whole, nodes) in zip(_ids(groups), groups, strict=True):
        named = _named(whole, schemes, id_, {structure.name for structure in structures})
        structures.append(named)
        for side, own in nodes:
            tables[side][own] = id_
        merged += _merged(named, nodes, schemes)
    ordered = tuple(sorted(structures, key=lambda structure: structure.id))
    name = f"{reference.name} as {prediction.name} has it"
    return CommonScheme(LabelScheme(name, ordered), *tables, tuple(merged), tuple(left_out), ignored)


def _groups(schemes: Sequence[LabelScheme]) -> tuple[list[tuple[Node, list[Node]]], list[LeftOut]]:
    """What is compared with what, each group under its whole; and what is left out."""
    edges = _edges(*schemes)
    groups, left_out = list[tuple[Node, list[Node]]](), list[LeftOut]()
    linked = {node for edge in edges for node in edge}
    for side, scheme in enumerate(schemes):
        lone = [s for s in scheme if s.id and not s.ignored and (side, s.id) not in linked]
        left_out += [
            LeftOut(s.name, scheme.name, f"{schemes[1 - side].name} has no such structure") for s in lone
        ]
    for nodes in _connected(edges):
        found, rest = _resolved(nodes, edges)
        groups += found
        left_out += [_why(node, edges, schemes) for node in rest]
    groups.sort(key=lambda group: (min((id_ for side, id_ in group[1] if side == 1)), group[0]))
    return groups, left_out


def _edges(prediction: LabelScheme, reference: LabelScheme) -> dict[tuple[Node, Node], bool]:
    """Pairs of structures of the two that have to do with each other, and whether they are equal."""
    edges: dict[tuple[Node, Node], bool] = {}
    for side, one, other in ((0, prediction, reference), (1, reference, prediction)):
        for link in crosswalk(one, other):
            for target in link.targets if link.source.id and not link.source.ignored else ():
                if target.id and not target.ignored:
                    ends = sorted(((side, link.source.id), (1 - side, target.id)))
                    pair = (ends[0], ends[1])
                    edges[pair] = edges.get(pair, False) or link.relation is Relation.EQUAL
    for side, dense in enumerate((prediction, reference)):
        _add_what_lies_on_top(edges, side, dense)
    return edges


def _add_what_lies_on_top(edges: dict[tuple[Node, Node], bool], side: int, dense: LabelScheme) -> None:
    """In place: parts that lie on top of a whole belong to it where the other scheme does not tell them apart."""
    if dense != dap():
        return
    for whole, parts in ON_TOP.items():
        equals = [pair for pair, equal in edges.items() if equal and pair[side] == (side, dense[whole].id)]
        own = [(side, dense[part].id) for part in parts]
        if len(equals) != 1 or any(equal and pair[side] in own for pair, equal in edges.items()):
            continue
        all_of_it, theirs = equals[0][side], equals[0][1 - side]
        weaker = [
            pair for pair in edges if pair[side] in own
        ]  # what lies within a part lies within the whole
        ends = [(all_of_it, pair[1 - side]) for pair in weaker] + [(node, theirs) for node in own]
        for pair in weaker:
            del edges[pair]
        edges.update({((end, far) if side == 0 else (far, end)): False for end, far in ends})


def _connected(edges: Iterable[tuple[Node, Node]]) -> list[list[Node]]:
    """Structures that hang together by any way, in order."""
    group_of: dict[Node, set[Node]] = {}
    for one, other in edges:
        joined = group_of.get(one, {one}) | group_of.get(other, {other})
        group_of.update(dict.fromkeys(joined, joined))
    unique = {id(group): sorted(group) for group in group_of.values()}
    return sorted(unique.values())


def _resolved(
    nodes: list[Node], edges: Mapping[tuple[Node, Node], bool]
) -> tuple[list[tuple[Node, list[Node]]], list[Node]]:
    """Groups to compare, each under its whole, and what is left over."""
    sides = [[node for node in nodes if node[0] == side] for side in (0, 1)]
    alone = [side[0] for side in sides if len(side) == 1]
    if len(alone) == 1:  # one on this side, several on the other: its parts
        return [(alone[0], nodes)], []
    own = {pair: is_equal for pair, is_equal in edges.items() if pair[0] in nodes}
    equal = [pair for pair, is_equal in own.items() if is_equal]
    if len(equal) == 1 and all({*pair} & {*equal[0]} for pair in own):  # both have parts of what both have
        return [(equal[0][1], nodes)], []
    once = [pair for pair in equal if sum(bool({*pair} & {*other}) for other in equal) == 1]
    used = {node for pair in once for node in pair}
    return [(pair[1], list(pair)) for pair in once], [node for node in nodes if node not in used]


def _why(node: Node, edges: Iterable[tuple[Node, Node]], schemes: Sequence[LabelScheme]) -> LeftOut:
    side, id_ = node
    other = schemes[1 - side]
    names = ", ".join(other[pair[1 - side][1]].name for pair in edges if pair[side] == node)
    reason = f"it is not the same as {names} of {other.name}: one lies within the other, and nobody labelled the rest"
    return LeftOut(schemes[side][id_].name, schemes[side].name, reason)


def _ids(groups: Iterable[tuple[Node, list[Node]]]) -> list[int]:
    """Common ids: the least that the group has in the reference, which no other group has."""
    return [min(id_ for side, id_ in nodes if side == 1) for _, nodes in groups]


def _named(whole: Node, schemes: Sequence[LabelScheme], id_: int, taken: set[str]) -> Structure:
    side, own = whole
    structure = schemes[side][own]
    name = f"{structure.name} ({schemes[side].name})" if structure.name in taken else structure.name
    return replace(structure, id=id_, name=name, opposite=None, aliases=_other_names(structure))


def _other_names(structure: Structure) -> tuple[str, ...]:
    """Names of the same structure in DAP, so that ``--structures kidney_left`` works in any scheme."""
    same = structure.dap if structure.relation is Relation.EQUAL else ()
    return tuple(dict.fromkeys((*structure.aliases, *same)))


def _merged(named: Structure, nodes: Sequence[Node], schemes: Sequence[LabelScheme]) -> list[Merged]:
    found = []
    for side, scheme in enumerate(schemes):
        parts = tuple(scheme[id_].name for own, id_ in nodes if own == side)
        if len(parts) > 1:
            found.append(Merged(named.name, parts, scheme.name))
    return found


@cache
def cached_common_scheme(prediction: LabelScheme, reference: LabelScheme) -> CommonScheme:
    """:func:`common_scheme`, worked out once for all cases of a process."""
    return common_scheme(prediction, reference)
