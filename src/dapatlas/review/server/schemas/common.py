"""What requests and answers of every kind share: their base, and the types of their fields."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MAX_INT = 2**31 - 1

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ReaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Password = Annotated[str, StringConstraints(max_length=1_000)]
CaseId = Annotated[str, StringConstraints(max_length=300)]
Whole = Annotated[int, Field(ge=0, le=MAX_INT, strict=True)]
Point = tuple[Whole, Whole, Whole]  # a voxel: i, j, k of the map
Span = tuple[Whole, Whole]
Box = tuple[Span, Span, Span]  # start and stop along i, j, k of the map, stop exclusive
Millimetres = tuple[float, float, float]


class Asked(BaseModel):
    """A request: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class ErrorBody(BaseModel):
    """Why there is no success; some errors carry more."""

    model_config = ConfigDict(extra="allow")

    code: str
    detail: str
