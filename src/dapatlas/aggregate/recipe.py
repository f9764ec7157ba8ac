"""Recipes: which CTs, which experts, whom to trust, and what fills the rest of the body.

A recipe is a TOML file. It is checked whole before anything runs;
reading it, and errors that name the line and the key, are :mod:`dapatlas.aggregate.recipe_file`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, model_validator

from dapatlas.aggregate.decide import MAX_EXPERTS, Disagreement
from dapatlas.aggregate.tissues import FAT_HU, MUSCLE_HU
from dapatlas.errors import BadLabelsError
from dapatlas.experts import (
    BinaryMasks,
    DicomSeg,
    LabelMaps,
    NnunetExpert,
    OneHot,
    RtStruct,
    SlicerSegmentation,
    TotalSegmentator,
)
from dapatlas.experts.ready import SchemeName
from dapatlas.labels import LabelScheme, load_scheme
from dapatlas.refine import RefineSettings


class _Table(BaseModel):
    """A table of the recipe: a key that we do not know is an error, not a silent typo."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CtSettings(_Table):
    """``[cts]``: the CTs that become the data set's images."""

    files: str = Field(description="path; {case} stands for the case id, without it there is one case")
    only: tuple[str, ...] | None = Field(None, description="build these case ids and no others")
    link: bool = Field(True, description="link images into the data set; false copies them")


class _ReadyInRecipe(_Table):
    """What a recipe may say about any expert, beside what the expert is."""

    structures: tuple[str, ...] | None = Field(None, description="atlas structures to take; all when absent")
    except_structures: tuple[str, ...] = Field((), alias="except", description="atlas structures not to take")
    required: bool = Field(True, description="whether a case without this expert's files fails")
    choose: dict[str, str] = Field(
        default_factory=dict,
        description="atlas structure to give a source structure to that the atlas splits in several",
    )


class LabelMapsInRecipe(LabelMaps, _ReadyInRecipe):
    """``[[experts]]`` with ``kind = "label-maps"``."""


class BinaryMasksInRecipe(BinaryMasks, _ReadyInRecipe):
    """``[[experts]]`` with ``kind = "binary-masks"``."""


class OneHotInRecipe(OneHot, _ReadyInRecipe):
    """``[[experts]]`` with ``kind = "one-hot"``."""


class SlicerSegmentationInRecipe(SlicerSegmentation, _ReadyInRecipe):
    """``[[experts]]`` with ``kind = "slicer-segmentation"``."""


class DicomSegInRecipe(DicomSeg, _ReadyInRecipe):
    """``[[experts]]`` with ``kind = "dicom-seg"``."""


class RtStructInRecipe(RtStruct, _ReadyInRecipe):
    """``[[experts]]`` with ``kind = "rtstruct"``."""


class NnunetInRecipe(NnunetExpert, _ReadyInRecipe):
    """``[[experts]]`` with ``kind = "nnunet"``."""


class TotalSegmentatorInRecipe(TotalSegmentator, _ReadyInRecipe):
    """``[[experts]]`` with ``kind = "totalsegmentator"``."""


ExpertSettings = Annotated[
    LabelMapsInRecipe
    | BinaryMasksInRecipe
    | OneHotInRecipe
    | SlicerSegmentationInRecipe
    | DicomSegInRecipe
    | RtStructInRecipe
    | NnunetInRecipe
    | TotalSegmentatorInRecipe,
    Field(discriminator="kind"),
]
EXPERT_KINDS: frozenset[str] = frozenset(
    kind.model_fields["kind"].default for kind in get_args(get_args(ExpertSettings)[0])
)


class MergeSettings(_Table):
    """``[merge]``: what to do where experts disagree."""

    disagreement: Disagreement = Field(
        "trust",
        description="trust: the most trusted expert; vote: most experts, trust breaks ties; unknown: unknown_tissue",
    )
    trust: tuple[str, ...] | None = Field(
        None, description="experts, most trusted first; as listed when absent"
    )
    structures: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="another order of trust for single structures"
    )
    weights: dict[str, NonNegativeFloat] = Field(
        default_factory=dict,
        description="what an expert's vote counts, 1 when absent; for disagreement = vote",
    )
    staple: tuple[str, ...] = Field(
        (), description="structures to settle by STAPLE among the experts who know them"
    )
    min_ml: float = Field(0.0, ge=0, description="pieces smaller than this are dropped, all but the largest")
    smooth_mm: float = Field(
        0.0, ge=0, description="standard deviation of the Gaussian that smooths boundaries"
    )


class ProvenanceSettings(_Table):
    """``[provenance]``: what is kept of who decided where, and who disagreed."""

    maps: bool = Field(
        False, description="write provenance/CASE.nii.gz and disagreement/CASE.nii.gz beside the masks"
    )
    picture: bool = Field(True, description="write reports/CASE.provenance.png")


class BodySettings(_Table):
    """``[body]``: how the body is told from air and couch; see :mod:`dapatlas.aggregate.body`."""

    air_hu: float = Field(-400.0, description="what is denser may be body")
    couch_mm: float = Field(12.0, gt=0, description="plates thinner than this are couch, not body")
    min_part_ml: float = Field(50.0, ge=0, description="smaller pieces apart from the body are not body")


class TissueSettings(_Table):
    """``[tissues]``: what voxels become that lie in the body and that no expert claims."""

    skin_mm: float = Field(2.0, ge=0, description="thickness of skin; at least one voxel, 0 for none")
    fat_hu: tuple[float, float] = FAT_HU
    muscle_hu: tuple[float, float] = MUSCLE_HU
    cavities: bool = Field(
        True,
        description="look for the abdominal cavity and the mediastinum, whose tissue has names of its own",
    )

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Self:
        (fat_low, fat_high), (muscle_low, muscle_high) = self.fat_hu, self.muscle_hu
        if not fat_low < fat_high <= muscle_low < muscle_high:
            raise ValueError(
                f"HU ranges must rise and not overlap: found fat_hu {list(self.fat_hu)}, "
                f"muscle_hu {list(self.muscle_hu)}"
            )
        return self


class RefineInRecipe(RefineSettings):
    """``[refine]``: the anatomical guidelines that the built map goes through; see :mod:`dapatlas.refine`."""

    sex_table: Path | None = Field(None, description="CSV with columns subject (or case) and sex")


class PictureSettings(_Table):
    """``[picture]``: the overlay picture of each case."""

    window_hu: tuple[float, float] = (-160.0, 240.0)
    opacity: float = Field(0.5, ge=0, le=1)
    height_pixels: int = Field(640, ge=64, le=4096)


class Recipe(_Table):
    """How an atlas is made from CTs and experts."""

    name: str = Field(min_length=1)
    scheme: SchemeName = "dap"
    cts: CtSettings
    experts: tuple[ExpertSettings, ...] = Field(min_length=1, max_length=MAX_EXPERTS)
    merge: MergeSettings = MergeSettings()
    body: BodySettings = BodySettings()
    tissues: TissueSettings = TissueSettings()
    refine: RefineInRecipe | None = Field(None, description="guidelines; without this table none is applied")
    provenance: ProvenanceSettings = ProvenanceSettings()
    picture: PictureSettings = PictureSettings()

    @property
    def atlas(self) -> LabelScheme:
        """The scheme that the built maps are in."""
        return load_scheme(self.scheme)

    @model_validator(mode="after")
    def _names_hang_together(self) -> Self:
        names = [expert.name for expert in self.experts]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise ValueError(
                    f"experts.{place}.name: two experts are called {name!r}: give each its own name"
                )
        orders = {"merge.trust": self.merge.trust or (), "merge.weights": tuple(self.merge.weights)} | {
            f"merge.structures.{structure}": order for structure, order in self.merge.structures.items()
        }
        for key, order in orders.items():
            for name in order:
                if name not in names:
                    raise ValueError(
                        f"{key}: names the expert {name!r}; the recipe's experts are {', '.join(names)}"
                    )
        self._check_structures()
        return self

    def _check_structures(self) -> None:
        atlas = self.atlas
        for place, expert in enumerate(self.experts):
            source = load_scheme(expert.scheme)
            for key, structures in (
                ("structures", expert.structures or ()),
                ("except", expert.except_structures),
                ("choose", tuple(expert.choose.values())),
            ):
                for structure in structures:
                    _known(atlas, structure, f"experts.{place}.{key}")
            for structure in expert.choose:
                _known(source, structure, f"experts.{place}.choose")
        for structure in self.merge.structures:
            _known(atlas, structure, f"merge.structures.{structure}")
        for structure in self.merge.staple:
            _known(atlas, structure, "merge.staple")
        if self.merge.disagreement == "unknown" and "unknown_tissue" not in atlas:
            raise ValueError(
                f"merge.disagreement: 'unknown' needs a structure unknown_tissue; {atlas.name} has none"
            )


def _known(scheme: LabelScheme, structure: str, where: str) -> None:
    try:
        scheme[structure]
    except BadLabelsError as error:
        raise ValueError(f"{where}: {error}") from None
