"""An expert's proposal in the words of the atlas."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import fastremap
import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.merge import Claim
from dapatlas.experts import Proposal
from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme, Link, Relation, Side, crosswalk
from dapatlas.volumes import Box, Grid, Measurements, measure, remap

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
    ids, counts = fastremap.unique(proposal.label_map, return_counts=True)
    findings = list(proposal.findings)
    splits: list[tuple[int, int, int]] = []
    for id_, voxels in zip(ids.tolist(), counts.tolist(), strict=True):
        if id_ and not lookup[id_]:
            sides = _left_and_right(links[id_])
            splits += [(id_, *sides)] if sides else []
            findings.append(_explain(links[id_], voxels, bool(sides), proposal.expert, case))
    allowed = _allowed(atlas, structures, except_structures)
    lookup[~allowed[lookup]] = 0
    claimed = remap(proposal.label_map, lookup)
    if splits:
        _split(claimed, splits, proposal, grid, allowed)
    return Claim(proposal.expert, claimed), findings


def _split(
    claimed: NDArray[np.uint8],
    splits: list[tuple[int, int, int]],
    proposal: Proposal,
    grid: Grid,
    allowed: NDArray[np.bool_],
) -> None:
    """Give each structure's voxels to its allowed left and right half, in place; rows are (source, left, right)."""
    found = measure(proposal.label_map, grid)
    midline = _midline_mm(found, proposal.scheme)
    for source, left, right in splits:
        box = found[source].box
        where = proposal.label_map[box] == source
        halves = left * allowed[left], right * allowed[right]
        claimed[box][where] = np.where(_is_left(where, box, grid, midline), *halves)


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


def _midline_mm(found: Measurements, scheme: LabelScheme) -> float:
    """World x of the spine's middle, in mm; of all that is labelled where no spine is in view."""
    labelled = [one for one in found if one.id]
    spine = [one for one in labelled if scheme[one.id].name.startswith(MIDLINE_NAMES)] or labelled
    return float(np.average([one.centroid_mm[0] for one in spine], weights=[one.voxels for one in spine]))


def _is_left(where: NDArray[np.bool_], box: Box, grid: Grid, midline_mm: float) -> NDArray[np.bool_]:
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
