"""Verdicts as they are sent and answered; claims and conflicts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from dapatlas.review.server.schemas.common import Asked, Box, Digest, ErrorBody, Point, Whole
from dapatlas.review.verdict import MAX_MARKS, MAX_NOTE, MAX_REMARKS, Decision, Kind, MarkKind


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
