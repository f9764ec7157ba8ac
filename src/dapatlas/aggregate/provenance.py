"""Who decided each voxel of a map, as a map of small numbers.

0 is the background; 1, 2, … are the recipe's experts in their order; the rest are below.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.claims import LabelMap, Slabs

DISPUTED = 249  # experts disagree, and the recipe calls that unknown
CONSENSUS = 250  # several experts together, by STAPLE
SMOOTHED = 251  # changed when boundaries were smoothed
TISSUES = 252  # filled from HU and place: nobody claimed it
GUIDELINES = 253  # changed by the anatomical guidelines

OTHERS = {
    DISPUTED: "nobody: experts disagree",
    CONSENSUS: "consensus of experts (STAPLE)",
    SMOOTHED: "smoothing of boundaries",
    TISSUES: "tissue by HU and place",
    GUIDELINES: "anatomical guidelines",
}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who decided each voxel of a case, and how many disagree.

    Attributes
    ----------
    decided
        Numbers as above, kept deflated: whoever needs them all at once inflates them.
    dissent
        How many experts say otherwise of each voxel.
    """

    decided: Slabs
    dissent: Slabs

    def filled(self, label_map: LabelMap) -> Provenance:
        """What nobody decided and ``label_map`` labels was filled; what it does not label was decided by nobody."""

        def rule(decided: LabelMap, ids: LabelMap) -> LabelMap:
            decided = np.where((decided == 0) & (ids != 0), np.uint8(TISSUES), decided)
            return np.where(ids == 0, np.uint8(0), decided)

        return replace(self, decided=self.decided.rewritten(rule, label_map))

    def refined(self, before: LabelMap, after: LabelMap) -> Provenance:
        """What changed between two maps of the CT's shape was decided by the guidelines."""

        def rule(decided: LabelMap, was: LabelMap, became: LabelMap) -> LabelMap:
            return np.where(was != became, np.uint8(GUIDELINES), decided)

        return replace(self, decided=self.decided.rewritten(rule, before, after))


def legend(experts: Sequence[str]) -> dict[int, str]:
    """What each number of a provenance map stands for, 0 excepted."""
    return dict(enumerate(experts, 1)) | OTHERS


# Okabe and Ito's colours, which the colour-blind tell apart; more experts than these get hues in between.
COLOURS = (
    (86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66), (0, 114, 178), (213, 94, 0),
)  # fmt: skip
OTHER_COLOURS = {
    DISPUTED: (255, 0, 0),
    CONSENSUS: (255, 255, 255),
    SMOOTHED: (150, 110, 255),
    TISSUES: (110, 110, 110),
    GUIDELINES: (255, 60, 160),
}
GOLDEN_RATIO = 0.618


def palette(experts: int) -> NDArray[np.uint8]:
    """Red, green, blue of each number of a provenance map, shape (256, 3)."""
    colours = np.zeros((256, 3), np.uint8)
    for number in range(1, experts + 1):
        if number <= len(COLOURS):
            colours[number] = COLOURS[number - 1]
        else:
            colours[number] = [
                round(255 * c) for c in colorsys.hsv_to_rgb(number * GOLDEN_RATIO % 1, 0.6, 0.9)
            ]
    for number, colour in OTHER_COLOURS.items():
        colours[number] = colour
    return colours


def dissent_palette() -> NDArray[np.uint8]:
    """From yellow, where one expert says otherwise, to red, where four or more do; shape (256, 3)."""
    colours = np.zeros((256, 3), np.uint8)
    colours[1:] = [255, 0, 0]
    colours[1:4] = [[255, 230, 80], [255, 160, 40], [255, 90, 20]]
    return colours
