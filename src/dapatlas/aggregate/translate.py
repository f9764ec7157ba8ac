"""An expert's proposal in the words of the atlas."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import fastremap
import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.claims import Claim, Slabs
from dapatlas.aggregate.wholes import Wholes
from dapatlas.experts import Proposal
from dapatlas.findings import Finding, Severity
from dapatlas.labels import Absence, LabelScheme, Link, Relation, crosswalk
from dapatlas.volumes import FieldOfView, Grid


def translate(
    proposal: Proposal,
    grid: Grid,
    wholes: Wholes,
    *,
    structures: Collection[str] | None = None,
    except_structures: Collection[str] = (),
    choose: Mapping[str, str] | None = None,
    silence: bool | None = None,
    case: str = "",
) -> tuple[Claim, list[Finding]]:
    """Rename a proposal's ids into the atlas's, as the crosswalk between the two schemes says.

    A source structure that the atlas divides goes to the structure that ``choose`` names; else it gets the id of a
    whole, to be settled when all experts have spoken.

    Parameters
    ----------
    proposal
        What the expert says, on ``grid``.
    grid
        The CT's grid.
    wholes
        Ids for what the atlas divides, and the atlas itself.
    structures, except_structures
        Atlas structures to take, all where ``None``, and to leave.
    choose
        Source structure to atlas structure, for those that the atlas divides.
    silence
        Whether the expert's silence is evidence; as its scheme says where ``None``.
    case
        Case id for the findings.

    Returns
    -------
    claim
        Map in the ids of ``wholes``; 0 where the expert says nothing that the atlas has a word for.
    findings
        What has no counterpart.
    """
    atlas = wholes.atlas
    links = crosswalk(proposal.scheme, atlas)
    leaves = _leaves(atlas, structures, except_structures)
    lookup = _lookup(links.links, wholes, leaves)
    for source, target in (choose or {}).items():
        chosen = atlas[target].id
        lookup[proposal.scheme[source].id] = 0 if chosen in leaves else chosen
    ids, counts = fastremap.unique(proposal.label_map, return_counts=True)
    findings = list(proposal.findings)
    for id_, voxels in zip(ids.tolist(), counts.tolist(), strict=True):
        link = links[id_]
        if id_ and link.relation is Relation.NONE and not wholes.id_of(link.source, ()):
            findings.append(_no_counterpart(link, voxels, proposal.expert, case))
    knows = _knows(links.links, wholes, choose or {}) - leaves
    speaks = proposal.scheme.absent is Absence.TRULY_ABSENT if silence is None else silence
    claim = Claim(
        proposal.expert,
        Slabs.of(proposal.label_map, lookup),
        knows,
        (knows | _parts_of_wholes(links.links, wholes)) - leaves if speaks else frozenset(),
        leaves,
        None if proposal.seen is None else FieldOfView(proposal.seen, grid),
        wholes.unseen,
    )
    return claim, findings


def _lookup(links: Collection[Link], wholes: Wholes, leaves: frozenset[int]) -> NDArray[np.uint8]:
    """Source id to the id of its counterpart, of a whole, of a space, or 0; shape (256,)."""
    lookup = np.zeros(256, np.uint8)
    for link in links:
        if link.relation in (Relation.EQUAL, Relation.PART_OF):
            (target,) = link.targets
            lookup[link.source.id] = 0 if target.id in leaves else target.id
        else:
            id_ = wholes.id_of(link.source, link.targets)
            parts = set(wholes.parts.get(id_, ()))
            # a pair is cut before anything is left; of other wholes nobody knows which part is meant
            wanted = not parts & leaves or (wholes.sides_of(id_) and not parts <= leaves)
            lookup[link.source.id] = id_ if wanted else 0
    return lookup


def _leaves(
    atlas: LabelScheme, structures: Collection[str] | None, except_structures: Collection[str]
) -> frozenset[int]:
    wanted = atlas if structures is None else (atlas[name] for name in structures)
    left = set(atlas.ids.tolist()) - {structure.id for structure in wanted}
    return frozenset(left | {atlas[name].id for name in except_structures} | {0})


def _knows(links: Collection[Link], wholes: Wholes, choose: Mapping[str, str]) -> frozenset[int]:
    """Atlas ids that the scheme has a word for: the same thing, or both halves of it in one."""
    known: set[int] = set()
    for link in links:
        sides = wholes.sides_of(wholes.id_of(link.source, link.targets))
        if link.relation is Relation.EQUAL and link.source.id:
            known.add(link.targets[0].id)
        elif link.relation is Relation.CONTAINS and sides and link.source.name not in choose:
            known.update(sides)
    return frozenset(known)


def _parts_of_wholes(links: Collection[Link], wholes: Wholes) -> frozenset[int]:
    """Parts of what the scheme has a word for: where it says "no lung", there is no lobe either."""
    ids = (wholes.id_of(link.source, link.targets) for link in links if link.relation is Relation.CONTAINS)
    return frozenset(part for id_ in ids for part in wholes.parts.get(id_, ()))


def _no_counterpart(link: Link, voxels: int, expert: str, case: str) -> Finding:
    return Finding(
        case,
        Severity.INFO,
        "no-counterpart",
        f"{expert}: the atlas has no structure for {link.source.name}; left unclaimed",
        structure=link.source.name,
        voxels=voxels,
    )
