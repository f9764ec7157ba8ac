"""The readers, as admins see and change them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from dapatlas.review.accounts import Role
from dapatlas.review.server.schemas.common import Asked, Password, ReaderName


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
