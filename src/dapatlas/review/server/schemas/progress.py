"""How far the review is, and how readers agree."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from dapatlas.review.accounts import Role
from dapatlas.review.outcome import State
from dapatlas.review.verdict import MarkKind


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
