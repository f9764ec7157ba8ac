"""An expert's proposal in the words of the atlas."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.merge import Claim
from dapatlas.experts import Proposal
from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme, Link, Relation, Side, crosswalk
from dapatlas.volumes import Grid, measure

MIDLINE_NAMES = ("vertebrae_", "spinal_canal", "sacrum")  # what lies on the mid-sagittal plane


def translate(
    proposal: Proposal,
    grid: Grid,
    atlas: LabelScheme,
    *,
    structures: Collection[str] | None = None,
    except_structures: Collection[str] = (),
    choose: Mapping[str, str] | None = None,
    case: str = "",
) -> tuple[Claim, list[Finding]]:
    """Rename a proposal's ids into the atlas's, as the crosswalk between the two schemes says.

    A source structure that the atlas divides goes to the structure that ``choose`` names; else, where the
    atlas divides it into left and right, it is cut along the mid-line of the spine; else nobody claims its
    voxels, and a finding says so.

    Parameters
    ----------
    proposal
        What the expert says, on ``grid``.
    grid
        The CT's grid.
    atlas
        The scheme to speak in.
    structures, except_structures
        Atlas structures to take, all where ``None``, and to leave.
    choose
        Source structure to atlas structure, for those that the atlas divides.
    case
        Case id for the findings.

    Returns
    -------
    claim
        uint8 map in atlas ids; 0 where the expert says nothing that the atlas has a word for.
    findings
        What has no counterpart, what was cut in two, what was left unclaimed.
    """
    links = crosswalk(proposal.scheme, atlas)
    lookup = links.lookup().copy()
    for source, target in (choose or {}).items():
        lookup[proposal.scheme[source].id] = atlas[target].id
    claimed = np.take(lookup, proposal.label_map)
    present = measure(proposal.label_map, grid)
    findings = list(proposal.findings)
    for id_ in present.ids.tolist():
        if id_ == 0 or lookup[id_]:
            continue
        link = links[id_]
        inside = present[id_].box
        region = claimed[inside]
        where = proposal.label_map[inside] == id_
        sides = _left_and_right(link)
        if sides:
            midline = _midline_mm(proposal, grid)
            region[where] = np.where(_is_left(where, inside, grid, midline), sides[0], sides[1])
        findings.append(_explain(link, present[id_].voxels, bool(sides), proposal.expert, case))
    allowed = _allowed(atlas, structures, except_structures)
    return Claim(proposal.expert, np.where(np.take(allowed, claimed), claimed, np.uint8(0))), findings


def _allowed(
    atlas: LabelScheme, structures: Collection[str] | None, except_structures: Collection[str]
) -> NDArray[np.bool_]:
    allowed = np.zeros(256, np.bool_)
    wanted = atlas if structures is None else (atlas[name] for name in structures)
    allowed[[structure.id for structure in wanted]] = True
    allowed[[atlas[name].id for name in except_structures]] = False
    allowed[0] = False
    return allowed


def _left_and_right(link: Link) -> tuple[int, int] | None:
    """Ids of the two halves, where the atlas divides the structure into left and right."""
    if link.relation is not Relation.CONTAINS or len(link.targets) != 2:
        return None
    by_side = {target.side: target for target in link.targets}
    if set(by_side) != {Side.LEFT, Side.RIGHT} or by_side[Side.LEFT].opposite != by_side[Side.RIGHT].name:
        return None
    return by_side[Side.LEFT].id, by_side[Side.RIGHT].id


def _midline_mm(proposal: Proposal, grid: Grid) -> float:
    """World x of the spine's middle, in mm; of the whole proposal's where no spine is in view."""
    found = measure(proposal.label_map, grid)
    names = {id_: proposal.scheme[id_].name for id_ in found.ids.tolist() if id_}
    spine = [id_ for id_, name in names.items() if name.startswith(MIDLINE_NAMES)] or list(names)
    weights = [found[id_].voxels for id_ in spine]
    return float(np.average([found[id_].centroid_mm[0] for id_ in spine], weights=weights))


def _is_left(
    where: NDArray[np.bool_], box: tuple[slice, slice, slice], grid: Grid, midline_mm: float
) -> NDArray[np.bool_]:
    """Which voxels of ``where`` lie on the patient's left; NIfTI world x grows to the right."""
    index = np.argwhere(where) + [side.start for side in box]
    left: NDArray[np.bool_] = grid.to_world(index)[:, 0] < midline_mm
    return left


def _explain(link: Link, voxels: int, split: bool, expert: str, case: str) -> Finding:
    source, targets = link.source.name, " and ".join(target.name for target in link.targets)
    if split:
        message = f"{expert}: {source} was cut into {targets} along the mid-line of the spine"
        return Finding(case, Severity.INFO, "split-by-midline", message, structure=source, voxels=voxels)
    if link.relation is Relation.CONTAINS:
        message = f"{expert}: {source} may be {targets}; left unclaimed"
        remedy = f'name one in the recipe, for example choose = {{ {source} = "{link.targets[0].name}" }}'
        return Finding(
            case, Severity.WARNING, "one-to-many", message, structure=source, voxels=voxels, remedy=remedy
        )
    message = f"{expert}: the atlas has no structure for {source}; left unclaimed"
    return Finding(case, Severity.INFO, "no-counterpart", message, structure=source, voxels=voxels)
