"""Structures that an expert does not divide and the atlas does, and spaces that tissue fills.

A map of the atlas has no word for "kidney", "lungs" or "abdominal cavity", but an expert may say no more than that.
Such words get ids of their own, beyond the atlas's, for as long as experts are merged. A whole gives way to its parts:
whoever says "upper lobe of the left lung" is not contradicted by whoever says "lung", but adds to it. A space gives way
to everything.

What no part was found for is settled afterwards: left and right are cut at the mid-sagittal plane (see
:mod:`dapatlas.aggregate.sides`); a lung without lobes goes to the nearest lobe, where any lobe was found.

The atlas itself has one whole, the heart, of which DAP says ``heart_tissue`` for what is none of its chambers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import fastremap
import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import RecipeError
from dapatlas.findings import Finding, Severity
from dapatlas.labels import Container, LabelScheme, Relation, Side, Structure, crosswalk
from dapatlas.volumes import Grid, Measurements, measure, to_nearest

LabelMap = NDArray[np.uint8]

# One chamber alone does not make a heart without chambers its tissue: TotalSegmentator has no chamber but the appendage
# of the left atrium, which is part of that atrium.
MIN_CHAMBERS = 2

HEART = "heart"
HEART_TISSUE = "heart_tissue"
CHAMBERS = (
    "heart_atrium_left", "heart_atrium_right", "heart_ventricle_left", "heart_ventricle_right", "heart_myocardium",
)  # fmt: skip


@dataclass(frozen=True)
class Wholes:
    """The ids that stand for wholes and spaces while experts are merged.

    Attributes
    ----------
    atlas
        The scheme of the maps.
    parts
        Id of a whole to the atlas ids of its parts.
    names
        Id of a whole or a space to how its expert calls it, for findings.
    spaces
        Space to its id.
    unseen
        Id of voxels that an expert did not annotate; 0 where no scheme marks such.
    """

    atlas: LabelScheme
    parts: dict[int, tuple[int, ...]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    spaces: dict[Container, int] = field(default_factory=dict)
    unseen: int = 0

    @classmethod
    def of(cls, schemes: Iterable[LabelScheme], atlas: LabelScheme) -> Wholes:
        """The wholes and spaces that any of the experts' schemes has a word for.

        Raises
        ------
        RecipeError
            They are more than there are ids beyond the atlas's.
        """
        wholes: dict[frozenset[int], tuple[str, tuple[int, ...]]] = {}
        spaces: dict[Container, str] = {}
        unseen = False
        for scheme in schemes:
            for link in crosswalk(scheme, atlas):
                unseen |= link.source.ignored
                if link.source.container is not None:
                    spaces.setdefault(link.source.container, link.source.name)
                elif link.relation is Relation.CONTAINS:
                    parts = tuple(part.id for part in link.targets)
                    wholes.setdefault(frozenset(parts), (link.source.name, parts))
        free = [id_ for id_ in range(255, 0, -1) if id_ not in atlas]
        if len(wholes) + len(spaces) + unseen > len(free):
            raise RecipeError(
                f"the experts' schemes have {len(wholes) + len(spaces)} structures that {atlas.name} divides, and "
                f"{atlas.name} leaves {len(free)} ids for them: use fewer experts, or `choose` and `except`"
            )
        ids = iter(free)
        space_ids = {space: next(ids) for space in sorted(spaces)}
        whole_ids = {parts: next(ids) for parts in sorted(wholes, key=sorted)}
        names = {space_ids[space]: name for space, name in spaces.items()} | {
            whole_ids[key]: name for key, (name, _) in wholes.items()
        }
        parts_of = {whole_ids[key]: parts for key, (_, parts) in wholes.items()}
        return cls(atlas, parts_of, names, space_ids, next(ids) if unseen else 0)

    def id_of(self, source: Structure, targets: Sequence[Structure]) -> int:
        """The id of a source structure that is a whole, a space or a mark of what was not annotated; else 0."""
        if source.ignored:
            return self.unseen
        if source.container is not None:
            return self.spaces.get(source.container, 0)
        parts = frozenset(part.id for part in targets)
        return next((id_ for id_, own in self.parts.items() if frozenset(own) == parts), 0)

    def name(self, id_: int) -> str:
        """How an id is called: the atlas's name, or an expert's word for a whole."""
        return self.names.get(id_) or self.atlas[id_].name

    @cached_property
    def yields(self) -> NDArray[np.bool_]:
        """``yields[a, b]``: who says a is not contradicted by who says b, but told more; shape (256, 256)."""
        table = np.zeros((256, 256), np.bool_)
        for whole, parts in self._all_parts().items():
            table[whole, list(parts)] = True
            for other, theirs in self.parts.items():
                table[whole, other] = set(theirs) < set(parts)
        for space in self.spaces.values():
            table[space, :] = True
            table[space, [0, *self.spaces.values()]] = False
        body = self.spaces.get(Container.BODY, 0)
        for space in self.spaces.values():
            table[body, space] = body not in (0, space)  # the cavities lie within the body
        table[0, :] = False
        return table

    def sides_of(self, whole: int) -> tuple[int, int] | None:
        """Left and right part of a whole that is nothing but a pair."""
        parts = {self.atlas[id_].side: self.atlas[id_] for id_ in self.parts.get(whole, ())}
        if len(self.parts.get(whole, ())) != 2 or set(parts) != {Side.LEFT, Side.RIGHT}:
            return None
        left, right = parts[Side.LEFT], parts[Side.RIGHT]
        return (left.id, right.id) if left.opposite == right.name else None

    def _all_parts(self) -> dict[int, tuple[int, ...]]:
        heart = {HEART, HEART_TISSUE, *CHAMBERS}
        if not all(name in self.atlas for name in heart):
            return self.parts
        own = tuple(self.atlas[name].id for name in (HEART_TISSUE, *CHAMBERS))
        return {**self.parts, self.atlas[HEART].id: own}


def settle_wholes(
    label_map: LabelMap, wholes: Wholes, grid: Grid, case: str = "", *, heart_is_tissue: bool = True
) -> tuple[LabelMap, list[Finding]]:
    """Give what is left of each whole to the nearest of its parts, and the rest of a heart to its tissue.

    Parameters
    ----------
    label_map
        The merged map, with ids of wholes and spaces; changed in place.
    wholes
        What they stand for.
    grid
        Its grid.
    case
        Case id for the findings.
    heart_is_tissue
        Whether what of a heart is none of its chambers is its tissue; not so where an expert says itself what is.

    Returns
    -------
    label_map
        The same array; the ids of spaces are still there.
    findings
        What became what, and which wholes had no part to go to: nobody claims their voxels now.
    """
    present = set(fastremap.unique(label_map).tolist()) if wholes.parts else set()
    remaining = sorted(present & wholes.parts.keys(), key=lambda id_: (len(wholes.parts[id_]), id_))
    found = measure(label_map, grid) if remaining else None
    findings = [_settle(label_map, whole, found, wholes, grid, case) for whole in remaining if found]
    if heart_is_tissue:
        findings += _heart_tissue(label_map, wholes, case)
    return label_map, findings


def _settle(
    label_map: LabelMap, whole: int, found: Measurements, wholes: Wholes, grid: Grid, case: str
) -> Finding:
    name, voxels = wholes.name(whole), found[whole].voxels
    parts = sorted(part for part in wholes.parts[whole] if part in found)
    if not parts:
        label_map[found[whole].box][label_map[found[whole].box] == whole] = 0
        options = [wholes.atlas[part].name for part in wholes.parts[whole]]
        return Finding(
            case,
            Severity.WARNING,
            "one-to-many",
            f"{name} may be {' or '.join(options)}, of which nobody found any; left unclaimed",
            structure=name,
            voxels=voxels,
            remedy=f'name one in the recipe, for example choose = {{ {name} = "{options[0]}" }}',
        )
    boxes = {part: found[part].box for part in parts}
    to_nearest(label_map, whole, found[whole].box, boxes, grid.spacing)
    given = " and ".join(wholes.atlas[part].name for part in parts)
    message = f"{voxels} voxels of {name} that no part was found for went to the nearest of {given}"
    return Finding(case, Severity.INFO, "whole-to-nearest-part", message, structure=name, voxels=voxels)


def _heart_tissue(label_map: LabelMap, wholes: Wholes, case: str) -> list[Finding]:
    """Where the chambers were found, what else was called heart is its tissue."""
    atlas = wholes.atlas
    if not all(name in atlas for name in (HEART, HEART_TISSUE, *CHAMBERS)):
        return []
    heart = label_map == atlas[HEART].id
    voxels = int(np.count_nonzero(heart))
    present = set(fastremap.unique(label_map).tolist()) if voxels else set()
    if len(present & {atlas[name].id for name in CHAMBERS}) < MIN_CHAMBERS:
        return []
    label_map[heart] = atlas[HEART_TISSUE].id
    message = f"{voxels} voxels of heart that are none of its chambers became heart_tissue"
    return [Finding(case, Severity.INFO, "heart-minus-chambers", message, structure=HEART, voxels=voxels)]
