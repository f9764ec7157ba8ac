"""Who is logged in, on which data set, and what the numbers of its maps mean."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from dapatlas.review.accounts import Role
from dapatlas.review.server.schemas.common import Asked, Password, ReaderName


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
