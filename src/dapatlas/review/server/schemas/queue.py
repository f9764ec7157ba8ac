"""The plan, the queue that follows from it, and the next case."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from dapatlas.review.outcome import State
from dapatlas.review.plan import Order
from dapatlas.review.server.schemas.common import MAX_INT, Asked, CaseId, Whole
from dapatlas.review.verdict import Decision, Kind


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


class NextAsked(Asked):
    """Which case next?"""

    kind: Kind = Kind.READING
    after: CaseId | None = None


class NextBody(BaseModel):
    """The next case, and how many wait."""

    case: str | None
    left: int
