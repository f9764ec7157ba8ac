"""The tables of a review.

Names of decisions, kinds and roles are kept as text: a new one needs no migration.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

ADJUDICATION_SLOT = "adjudication"


class UtcTime(TypeDecorator[datetime]):
    """A moment: aware, in UTC, to the microsecond; SQLite keeps it without its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Only moments that say their zone go in."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """And they come out in UTC."""
        if value is None:
            return None
        moment: datetime = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return moment


class Table(DeclarativeBase):
    """What all tables share: constraints have names, so that migrations can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcTime, dict[str, Any]: JSON, str: String}  # noqa: RUF012


class ReaderRow(Table):
    """Who reads; ``key`` is the name in lower case, which no two share."""

    __tablename__ = "readers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password_hash: Mapped[str | None]
    active: Mapped[bool]
    created_at: Mapped[datetime]


class LoginRow(Table):
    """Who is logged in; ``id`` is the digest of the token that the browser keeps."""

    __tablename__ = "logins"

    id: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[int] = mapped_column(ForeignKey("readers.id"), index=True)
    csrf: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    reader: Mapped[ReaderRow] = relationship(lazy="joined", innerjoin=True)


class VerdictRow(Table):
    """The verdicts as they stand; a slot holds one: each reader has one, the adjudication another."""

    __tablename__ = "verdicts"
    __table_args__ = (UniqueConstraint("case", "slot"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    case: Mapped[str]
    slot: Mapped[str]
    reader_id: Mapped[int] = mapped_column(ForeignKey("readers.id"), index=True)
    kind: Mapped[str]
    version: Mapped[int]
    decision: Mapped[str | None]
    remarks: Mapped[str]
    map_sha256: Mapped[str]
    created_at: Mapped[datetime]
    saved_at: Mapped[datetime]

    reader: Mapped[ReaderRow] = relationship(lazy="joined", innerjoin=True)
    marks: Mapped[list[MarkRow]] = relationship(order_by="MarkRow.position", lazy="selectin")


class MarkRow(Table):
    """The marks of the verdicts as they stand."""

    __tablename__ = "marks"
    __table_args__ = (UniqueConstraint("verdict_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    verdict_id: Mapped[int] = mapped_column(ForeignKey("verdicts.id"))
    position: Mapped[int]
    structure: Mapped[str]
    kind: Mapped[str]
    note: Mapped[str]
    point: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    box: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))


class RevisionRow(Table):
    """All that verdicts ever were; rows are only ever added."""

    __tablename__ = "revisions"
    __table_args__ = (UniqueConstraint("verdict_id", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    verdict_id: Mapped[int] = mapped_column(ForeignKey("verdicts.id"))
    version: Mapped[int]
    reader_id: Mapped[int] = mapped_column(ForeignKey("readers.id"), index=True)
    content: Mapped[dict[str, Any]]
    map_sha256: Mapped[str]
    at: Mapped[datetime]

    reader: Mapped[ReaderRow] = relationship(lazy="joined", innerjoin=True)


class ClaimRow(Table):
    """Who has which case in hand, and until when."""

    __tablename__ = "claims"
    __table_args__ = (Index(None, "until"),)

    case: Mapped[str] = mapped_column(primary_key=True)
    reader_id: Mapped[int] = mapped_column(ForeignKey("readers.id"), primary_key=True)
    until: Mapped[datetime]

    reader: Mapped[ReaderRow] = relationship(lazy="joined", innerjoin=True)


class PlanRow(Table):
    """The plan, in a single row; whoever hands out cases locks it."""

    __tablename__ = "plan"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    order: Mapped[str]
    sample: Mapped[int | None]
    seed: Mapped[int]
    readings: Mapped[int]
