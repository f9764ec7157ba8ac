"""The codes that checks speak in: stable names, a severity each, what each one means and what to do.

An *error* is what no body can have: the map is wrong there. A *warning* is unusual: somebody should look, for the
patient may be so. *Info* is for the record.
"""

from __future__ import annotations

from enum import StrEnum

from dapatlas.findings import Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


class Code(StrEnum):
    """One thing that can be amiss with an anatomy; scripts may match on its value, which never changes."""

    severity: Severity
    meaning: str
    remedy: str

    def __new__(cls, value: str, severity: Severity, meaning: str, remedy: str = "") -> Code:
        """Member whose value is the code alone; severity, meaning and remedy ride along."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.severity = severity
        member.meaning = meaning
        member.remedy = remedy
        return member

    # sizes
    VOLUME_IMPOSSIBLE = (
        "volume-impossible",
        _ERROR,
        "a structure wholly in view is far smaller or larger than in any adult",
        "look at its outline: leaked into a neighbour, or mostly missed",
    )
    VOLUME_UNUSUAL = (
        "volume-unusual",
        _WARNING,
        "a structure wholly in view is smaller or larger than published reference values",
        "look whether the outline is right; if it is, the organ is unusual",
    )
    RATIO_IMPOSSIBLE = (
        "ratio-impossible",
        _ERROR,
        "two volumes stand in a ratio that no body has",
        "look at both: one holds part of the other, or is mostly missed",
    )
    RATIO_UNUSUAL = (
        "ratio-unusual",
        _WARNING,
        "two volumes (left and right, part and whole) stand in an unusual ratio",
        "look at both outlines",
    )
    COMPOSITION_IMPOSSIBLE = (
        "composition-impossible",
        _ERROR,
        "the body holds shares of fat, muscle or bone that no body has",
        "look at the fillings: muscles, fat, tissues, skin",
    )
    COMPOSITION_UNUSUAL = (
        "composition-unusual",
        _WARNING,
        "the shares of fat, muscle or bone are unusual",
        "look at the fillings: muscles, fat, tissues, skin",
    )
    VOLUME_OUTLIER = (
        "volume-outlier",
        _WARNING,
        "a structure's volume lies far from those of the cohort",
        "look at its outline beside other cases'",
    )

    # densities
    HU_IMPOSSIBLE = (
        "hu-impossible",
        _ERROR,
        "a structure has a density that its tissue never has",
        "look whether the label lies on other tissue, or the CT is not in HU",
    )
    HU_UNUSUAL = (
        "hu-unusual",
        _WARNING,
        "a structure's density is unusual",
        "look whether the label lies partly on other tissue",
    )

    # sexes
    OTHER_SEX = (
        "other-sex",
        _ERROR,
        "a man has an organ that only women have, or a woman one that only men have",
        "refine the map (dapatlas refine, guideline sex), or mend the table of sexes",
    )
    BOTH_SEXES = (
        "both-sexes",
        _ERROR,
        "one map has organs of both sexes",
        "look which one is none; give a table of sexes (--sex-table)",
    )

    # place and order
    VERTEBRA_ORDER = (
        "vertebra-order",
        _ERROR,
        "a vertebra does not lie between its neighbours",
        "relabel the vertebrae (dapatlas refine, guideline spine)",
    )
    ORDER = ("order", _ERROR, "two structures stand the wrong way round", "look at both: one is mislabelled")
    WRONG_SIDE = (
        "wrong-side",
        _ERROR,
        "a left structure lies on the right, or a right one on the left",
        "swap the labels (dapatlas refine, guideline laterality), or mend the orientation",
    )
    SIDES_MIXED = (
        "sides-mixed",
        _WARNING,
        "part of a left or right structure lies well beyond the mid-plane",
        "look at what lies on the other side (dapatlas refine, guideline laterality)",
    )
    NOT_ADJACENT = (
        "not-adjacent",
        _WARNING,
        "two structures that always touch, or nearly so, lie apart",
        "look at what lies between them",
    )
    IMPOSSIBLE_CONTACT = (
        "impossible-contact",
        _ERROR,
        "two structures touch that never do",
        "look where they meet: one is mislabelled there",
    )

    OUT_OF_PLACE = (
        "out-of-place",
        _ERROR,
        "a piece of a structure lies in a part of the body where it never is",
        "look at that piece: it is something else (dapatlas refine, guideline regions)",
    )
    MIRRORED = (
        "mirrored",
        _ERROR,
        "nearly all left structures lie on the right, and the right ones on the left",
        "compare the affine with the original scan's, and the map with its CT",
    )
    SITUS_INVERSUS = (
        "situs-inversus",
        _WARNING,
        "liver, spleen and stomach lie on the other side, but paired structures on theirs",
        "compare the affine with the original scan's; if it is right, this is situs inversus",
    )

    # the cage
    RIB_VERTEBRA = (
        "rib-vertebra",
        _ERROR,
        "a rib starts at another vertebra than its own",
        "count the ribs again (dapatlas refine, guideline ribs)",
    )
    RIB_UNATTACHED = (
        "rib-unattached",
        _WARNING,
        "a rib's head lies far from every thoracic vertebra",
        "look for the missing part at its head",
    )
    RIB_LENGTH = (
        "rib-length",
        _WARNING,
        "a rib is much longer or shorter than its neighbours let expect",
        "look whether it is two ribs in one, or only part of one",
    )
    RIB_SIDES = ("rib-sides", _WARNING, "the ribs of a pair differ much in length", "look at both")
    VERTEBRA_HEIGHT = (
        "vertebra-height",
        _WARNING,
        "a vertebra is much lower or higher than its neighbours let expect",
        "look for a fracture, or for two vertebrae in one",
    )
    VERTEBRA_VOLUME = (
        "vertebra-volume",
        _WARNING,
        "a vertebra is much smaller or larger than its neighbours let expect",
        "look whether it lacks a part or holds one of its neighbour's",
    )

    # vessels
    DIAMETER_IMPOSSIBLE = (
        "diameter-impossible",
        _ERROR,
        "a vessel is narrower or wider than it can be",
        "look at its outline",
    )
    DIAMETER_UNUSUAL = (
        "diameter-unusual",
        _WARNING,
        "a vessel is narrower or wider than published reference values",
        "look whether the outline is right; if it is, think of an aneurysm",
    )

    # completeness
    MISSING = (
        "missing",
        _WARNING,
        "a structure that must lie within the field of view has no voxel",
        "look for it; it may have been removed by surgery",
    )
    MISSING_BETWEEN = (
        "missing-between",
        _ERROR,
        "a vertebra, rib or lobe is missing though those on both sides of it are there",
        "look for it among its neighbours",
    )
    SEVERAL_PIECES = (
        "several-pieces",
        _WARNING,
        "a structure that is one piece in the body lies in several",
        "dapatlas refine (guideline fragments) drops small stray pieces; look at large ones, which it keeps",
    )
    NOT_JUDGED = "not-judged", _INFO, "a check had nothing to go by"

    CASE_UNREADABLE = (
        "case-unreadable",
        _ERROR,
        "a case cannot be read, so it was not checked",
        "`dapatlas validate` tells what is wrong with its files",
    )
    CHECK_FAILED = (
        "check-failed",
        _ERROR,
        "a check itself failed on this case: a fault in dapatlas",
        "report it, with the case if you may",
    )
