"""Which guidelines apply, in which order, and their thresholds."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from dapatlas.refine import containment, fragments, laterality, regions, ribs, sex, spine
from dapatlas.refine.containment import ContainmentThresholds
from dapatlas.refine.fragments import FragmentThresholds
from dapatlas.refine.guideline import Guideline, Thresholds
from dapatlas.refine.laterality import LateralityThresholds
from dapatlas.refine.regions import RegionThresholds
from dapatlas.refine.ribs import RibThresholds
from dapatlas.refine.sex import SexThresholds
from dapatlas.refine.spine import SpineThresholds

# In this order by default. Sides come first, for ribs are counted by side; the spine comes before the ribs that are
# counted from it; and all that gives pieces a better name comes before what dissolves stray ones.
GUIDELINES: dict[str, Guideline] = {
    guideline.name: guideline
    for guideline in (
        laterality.GUIDELINE,
        spine.GUIDELINE,
        ribs.GUIDELINE,
        regions.GUIDELINE,
        sex.GUIDELINE,
        fragments.GUIDELINE,
        containment.GUIDELINE,
    )
}


class RefineSettings(Thresholds):
    """The guidelines that apply, in order, and a table of thresholds for each."""

    guidelines: tuple[str, ...] = Field(tuple(GUIDELINES), description="guidelines to apply, in this order")
    laterality: LateralityThresholds = LateralityThresholds()
    spine: SpineThresholds = SpineThresholds()
    ribs: RibThresholds = RibThresholds()
    regions: RegionThresholds = RegionThresholds()
    sex: SexThresholds = SexThresholds()
    fragments: FragmentThresholds = FragmentThresholds()
    containment: ContainmentThresholds = ContainmentThresholds()

    @model_validator(mode="after")
    def _guidelines_exist(self) -> Self:
        for name in self.guidelines:
            if name not in GUIDELINES:
                raise ValueError(f"no guideline is called {name!r}; there are {', '.join(GUIDELINES)}")
        if len(set(self.guidelines)) < len(self.guidelines):
            raise ValueError(f"a guideline is named twice: {', '.join(self.guidelines)}")
        return self

    def thresholds(self, guideline: str) -> Thresholds:
        """The table of one guideline."""
        table: Thresholds = getattr(self, guideline)
        return table
