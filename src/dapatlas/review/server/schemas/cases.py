"""A case as it is opened: its layers, structures and findings, and what was said of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from dapatlas.review.outcome import State
from dapatlas.review.server.schemas.common import Millimetres
from dapatlas.review.server.schemas.verdicts import AlsoRead, VerdictBody


class GridBody(BaseModel):
    """Where voxels lie."""

    shape: tuple[int, int, int]
    spacing_mm: Millimetres
    affine: list[list[float]]


class LevelBody(BaseModel):
    """One resolution of a layer."""

    step: int
    url: str
    shape: tuple[int, int, int]
    spacing_mm: Millimetres
    bytes: int


class LayerBody(BaseModel):
    """A volume that can be shown, or why it cannot."""

    name: str
    title: str
    kind: Literal["ct", "labels"]
    levels: list[LevelBody]
    error: str | None


class StructureBody(BaseModel):
    """A structure of a case's map."""

    id: int
    name: str
    voxels: int
    ml: float
    center: tuple[int, int, int]
    center_mm: Millimetres
    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


class FindingBody(BaseModel):
    """Something that a check or a build has to say."""

    model_config = ConfigDict(extra="allow")

    case: str
    severity: Literal["error", "warning", "info"]
    code: str
    message: str
    structure: str
    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None
    source: Literal["check", "build"]
    place_mm: Millimetres | None


class CaseDetail(BaseModel):
    """Everything that a case is opened with."""

    case: str
    subject: str
    sex: Literal["F", "M"] | None
    age_years: float | None
    map_sha256: str
    grid: GridBody | None
    layers: list[LayerBody]
    structures: list[StructureBody]
    findings: list[FindingBody]
    verdict: VerdictBody | None
    adjudication: VerdictBody | None
    also_read_by: list[AlsoRead]
    state: State
