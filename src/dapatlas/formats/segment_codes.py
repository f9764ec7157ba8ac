"""Which structure of a scheme a coded segment is, and which codes a structure is written with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from dapatlas.extras import needed
from dapatlas.formats.dicom import EXTRA
from dapatlas.labels import LabelScheme, Side, Structure, TissueClass
from dapatlas.labels.structure import LEFT_MODIFIER, RIGHT_MODIFIER, Code

SIDES = {Side.LEFT: LEFT_MODIFIER, Side.RIGHT: RIGHT_MODIFIER}
# DICOM PS3.16, CID 7150 "Segmentation Property Category"
ANATOMICAL_STRUCTURE = Code("123037004", "Anatomical Structure")
TISSUE = Code("85756007", "Tissue")


class SegmentCodes(NamedTuple):
    """The terms that DICOM and 3D Slicer want of a segment.

    Attributes
    ----------
    category, kind
        Property category and property type.
    kind_modifier
        Side of the property type.
    region, region_modifier
        Anatomic region, and its side.
    """

    category: Code
    kind: Code
    kind_modifier: Code | None
    region: Code | None
    region_modifier: Code | None


def codes_of(structure: Structure) -> SegmentCodes:
    """The terms of a structure; one that SNOMED CT has no concept for is "tissue", and its name says the rest."""
    category = TISSUE if structure.tissue in (TissueClass.FAT, TissueClass.RESIDUAL) else ANATOMICAL_STRUCTURE
    side, region = structure.snomed_modifier, structure.snomed_region
    if region is not None:
        return SegmentCodes(category, structure.snomed or TISSUE, None, region, side)
    return SegmentCodes(category, structure.snomed or TISSUE, side, None, None)


def structure_of(segment: Any, scheme: LabelScheme) -> Structure | None:
    """The structure that an item of the Segment Sequence means; ``None`` where it is none of the scheme's.

    Its label is looked up first, among names, display names and aliases. Else its property type must be the
    structure's SNOMED CT concept, its modifier the side, and its anatomic region that of a structure that has one
    (tissue, in the mediastinum). Structures that are mere remainders are not found by code: "tissue" is what
    programs write that know no better.
    """
    label = str(segment.get("SegmentLabel", ""))
    if label in scheme:
        return scheme[label]
    kind = _first(segment, "SegmentedPropertyTypeCodeSequence")
    region = _first(segment, "AnatomicRegionSequence")
    if kind is None:
        return None
    sides = _sides(
        [
            *kind.get("SegmentedPropertyTypeModifierCodeSequence", ()),
            *(() if region is None else region.get("AnatomicRegionModifierSequence", ())),
        ]
    )
    fitting = [
        structure
        for structure in scheme
        if structure.tissue is not TissueClass.RESIDUAL
        and _is(kind, structure.snomed)
        and (structure.snomed_region is None or _is(region, structure.snomed_region))
        and _same_side(structure, sides)
    ]
    closest = [structure for structure in fitting if structure.snomed_region is not None] or fitting
    return closest[0] if len(closest) == 1 else None


def _first(item: Any, keyword: str) -> Any:
    sequence: Any = item.get(keyword) or ()
    return sequence[0] if len(sequence) else None


def _is(item: Any, code: Code | None) -> bool:
    """Whether a code sequence's item is a concept; pydicom knows what SNOMED's older names (SRT) stand for."""
    if item is None or code is None:
        return False
    concept = needed("pydicom.sr.coding", EXTRA, "to compare codes").Code
    value = item.get("CodeValue") or item.get("LongCodeValue") or ""
    designator = str(item.get("CodingSchemeDesignator", ""))
    return bool(concept(str(value), designator, "") == concept(code.value, code.designator, code.meaning))


def _sides(modifiers: Iterable[Any]) -> set[Side]:
    return {side for item in modifiers for side, code in SIDES.items() if _is(item, code)}


def _same_side(structure: Structure, sides: set[Side]) -> bool:
    if structure.side is Side.NONE or len(sides) > 1:
        return not sides
    says_it_already = structure.snomed_modifier is None
    return sides == {structure.side} or (says_it_already and not sides)
