"""One structure of a label scheme, and the words that describe it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Side(StrEnum):
    """The patient's side, not the viewer's."""

    LEFT = "left"
    RIGHT = "right"
    NONE = "none"  # on the mid-line, or of no side


class Sex(StrEnum):
    """Sex in which alone a structure is found; written as DICOM's Patient's Sex (0010,0040) writes it."""

    FEMALE = "F"
    MALE = "M"


class Region(StrEnum):
    """Part of the body that holds most of a structure."""

    HEAD = "head"
    NECK = "neck"
    THORAX = "thorax"
    ABDOMEN = "abdomen"
    PELVIS = "pelvis"
    SPINE = "spine"
    LIMBS = "limbs"
    WHOLE_BODY = "whole_body"


class TissueClass(StrEnum):
    """What kind of thing a structure is; metrics are grouped by it."""

    ORGAN = "organ"
    HEART = "heart"
    LUNG = "lung"
    AIRWAY = "airway"
    VESSEL = "vessel"
    BONE = "bone"
    CARTILAGE = "cartilage"
    MUSCLE = "muscle"
    NERVOUS = "nervous"
    FAT = "fat"
    SKIN = "skin"
    RESIDUAL = "residual"  # what is left where no structure is


class Relation(StrEnum):
    """How a structure of one scheme compares with its counterpart in another."""

    EQUAL = "equal"
    PART_OF = "part_of"  # it lies within its counterpart
    CONTAINS = "contains"  # its counterparts lie within it
    NONE = "none"  # it has no counterpart


class Absence(StrEnum):
    """What it means that a data set or a model gives a voxel no label of a structure that its scheme has."""

    NOT_ANNOTATED = "not_annotated"  # perhaps nobody looked: silence says nothing
    TRULY_ABSENT = "truly_absent"  # every structure of the scheme is labelled wherever it is: silence is a no


class Container(StrEnum):
    """A space that structures lie in and tissue fills; no structure of a dense map itself."""

    BODY = "body"
    ABDOMINAL_CAVITY = "abdominal_cavity"
    MEDIASTINUM = "mediastinum"


class Code(NamedTuple):
    """A SNOMED CT concept, as DICOM codes it: coding scheme designator, code value, code meaning."""

    value: str
    meaning: str
    designator: str = "SCT"


LEFT_MODIFIER = Code("7771000", "Left")
RIGHT_MODIFIER = Code("24028007", "Right")

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Structure:
    """What one voxel value means.

    Attributes
    ----------
    id
        The voxel value.
    name
        Canonical name, as in label files.
    display_name
        Name for people.
    side
        The patient's side.
    opposite
        Canonical name of the same structure on the other side; ``None`` where there is none.
    region, tissue
        Where it lies and what it is.
    sex
        The only sex that has it; ``None`` where both do.
    tubular
        Whether it is long and thin, as vessels and gut are.
    pieces
        Whether it is rightly in several pieces in one body.
    colour
        Red, green, blue, 0…255; the same in every picture and export.
    snomed, snomed_region, snomed_modifier
        SNOMED CT concept; the region that it lies in, where the concept does not say it by itself (tissue,
        in the mediastinum); and the side, of the region where there is one. Each ``None`` where there is none.
    aliases
        Names that this very structure goes by elsewhere.
    dap, relation
        In a source scheme: canonical names of its counterparts in the DAP scheme, and how it compares.
    container
        In a source scheme: the space that it is (or a part of which it is), whose tissue has a name of its own in
        a dense map; ``None`` for all others.
    ignored
        In a source scheme: whether it marks voxels that nobody annotated, so that what else they lack says nothing.
    """

    id: int
    name: str
    display_name: str
    side: Side
    opposite: str | None
    region: Region
    tissue: TissueClass
    sex: Sex | None
    tubular: bool
    pieces: bool
    colour: Colour
    snomed: Code | None
    snomed_region: Code | None
    aliases: tuple[str, ...]
    dap: tuple[str, ...]
    relation: Relation
    container: Container | None = None
    ignored: bool = False

    @property
    def paired(self) -> bool:
        """Whether there is one on each side."""
        return self.opposite is not None

    @property
    def snomed_modifier(self) -> Code | None:
        """The side, as SNOMED CT says it; ``None`` where the concept has no side or says it already."""
        if self.snomed is None or self.side is Side.NONE or self.side in self.snomed.meaning.lower().split():
            return None
        return LEFT_MODIFIER if self.side is Side.LEFT else RIGHT_MODIFIER
