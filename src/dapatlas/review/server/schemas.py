"""What goes over the wire, as models: they check requests and describe answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dapatlas.review.accounts import Role
from dapatlas.review.outcome import State
from dapatlas.review.plan import Order
from dapatlas.review.verdict import MAX_MARKS, MAX_NOTE, MAX_REMARKS, Decision, Kind, MarkKind

MAX_INT = 2**31 - 1

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ReaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Password = Annotated[str, StringConstraints(max_length=1_000)]
CaseId = Annotated[str, StringConstraints(max_length=300)]
Whole = Annotated[int, Field(ge=0, le=MAX_INT, strict=True)]
Point = tuple[Whole, Whole, Whole]
Span = tuple[Whole, Whole]
Box = tuple[Span, Span, Span]
Millimetres = tuple[float, float, float]


class Asked(BaseModel):
    """A request: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class ErrorBody(BaseModel):
    """Why there is no success; some errors carry more."""

    model_config = ConfigDict(extra="allow")

    code: str
    detail: str


class ReaderNow(BaseModel):
    """Who is logged in."""

    name: str
    role: Role


class DatasetNow(BaseModel):
    """What is reviewed."""

    name: str
    cases: int


class Session(BaseModel):
    """Who is logged in, and where."""

    mode: Literal["local", "accounts"]
    reader: ReaderNow | None
    csrf: str | None
    version: str
    dataset: DatasetNow | None


class LoginAsked(Asked):
    """Who wants to come in."""

    name: ReaderName
    password: Password | None = None


class SchemeStructure(BaseModel):
    """A structure of the scheme."""

    id: int
    name: str
    title: str
    color: str
    side: Literal["left", "right"] | None
    region: str


class Scheme(BaseModel):
    """What the numbers of every map mean."""

    name: str
    structures: list[SchemeStructure]


class PlanBody(Asked):
    """Which cases are read, in what order, by how many."""

    order: Order
    sample: Annotated[int, Field(ge=1, le=MAX_INT, strict=True)] | None
    seed: Whole
    readings: Literal[1, 2]


class CaseRow(BaseModel):
    """A case in the queue."""

    case: str
    subject: str
    errors: int
    warnings: int
    remarks: int
    outliers: int
    disagreement: float | None
    state: State
    readings: int
    needed: int
    mine: Decision | Literal["open"] | None
    mine_stale: bool
    claimed_by: str | None


class Cases(BaseModel):
    """The queue."""

    plan: PlanBody
    cases: list[CaseRow]


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


class MarkBody(Asked):
    """What is wrong with one structure."""

    structure: Annotated[str, StringConstraints(max_length=200)]
    kind: MarkKind
    note: Annotated[str, StringConstraints(max_length=MAX_NOTE)] = ""
    point: Point | None = None
    box: Box | None = None


class VerdictAsked(Asked):
    """A verdict to be saved."""

    kind: Kind
    version: Whole
    map_sha256: Digest
    decision: Decision | None
    remarks: Annotated[str, StringConstraints(max_length=MAX_REMARKS)]
    marks: Annotated[list[MarkBody], Field(max_length=MAX_MARKS)]


class AlsoRead(BaseModel):
    """That somebody else read the case, and when; not what they say."""

    reader: str
    saved_at: datetime


class VerdictBody(BaseModel):
    """A verdict as it stands."""

    case: str
    reader: str
    kind: Kind
    version: int
    map_sha256: str
    decision: Decision | None
    remarks: str
    marks: list[MarkBody]
    created_at: datetime
    saved_at: datetime
    stale: bool
    also_read_by: list[AlsoRead]


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


class ClaimBody(BaseModel):
    """Until when the case is the reader's."""

    until: datetime


class ClaimedBody(ErrorBody):
    """Who has the case in hand."""

    by: str
    until: datetime


class ConflictBody(ErrorBody):
    """The verdict that stands instead; ``null`` where there is none."""

    current: VerdictBody | None


class RevisionBody(BaseModel):
    """What a verdict once was."""

    version: int
    reader: str
    at: datetime
    map_sha256: str
    decision: Decision | None
    remarks: str
    marks: list[MarkBody]


class History(BaseModel):
    """All that a verdict ever was."""

    revisions: list[RevisionBody]


class Verdicts(BaseModel):
    """All verdicts on a case."""

    verdicts: list[VerdictBody]


class NextAsked(Asked):
    """Which case next?"""

    kind: Kind = Kind.READING
    after: CaseId | None = None


class NextBody(BaseModel):
    """The next case, and how many wait."""

    case: str | None
    left: int


class ReaderProgressBody(BaseModel):
    """What one reader has done."""

    reader: str
    role: Role | None
    read: int
    approve: int
    remarks: int
    reject: int
    last_at: datetime | None


class PairBody(BaseModel):
    """How two readers agree."""

    readers: tuple[str, str]
    cases: int
    agreement: float
    kappa: float | None


class StructureRateBody(BaseModel):
    """How readers find a structure."""

    structure: str
    read: int
    marked: int
    rate: float
    low: float
    high: float
    kinds: dict[MarkKind, int]


class ProgressBody(BaseModel):
    """How far the review is."""

    states: dict[State, int]
    readers: list[ReaderProgressBody]
    pairs: list[PairBody]
    structures: list[StructureRateBody]
    disagreements: list[str]


class ReaderBody(BaseModel):
    """A reader, as admins see them."""

    name: str
    role: Role
    active: bool
    created_at: datetime
    has_password: bool


class Readers(BaseModel):
    """All readers."""

    readers: list[ReaderBody]


class NewReader(Asked):
    """A reader to be added."""

    name: ReaderName
    role: Role
    password: Password | None = None


class ReaderChange(Asked):
    """What a reader is to become; what is left out stays."""

    role: Role | None = None
    active: Annotated[bool, Field(strict=True)] | None = None
    password: Password | None = None
