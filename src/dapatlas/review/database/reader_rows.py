"""Readers within a transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dapatlas.review.accounts import AccountError, Reader, Role, check_name, is_name
from dapatlas.review.database.tables import ReaderRow


def reader_of(row: ReaderRow) -> Reader:
    """What a row says."""
    return Reader(row.name, Role(row.role), row.active, row.created_at, row.password_hash is not None)


def find_reader(session: Session, name: str) -> ReaderRow | None:
    """The reader of this name, in upper or lower case."""
    if not is_name(name):  # what others lower() to is another name, and some a database would not take
        return None
    return session.scalar(select(ReaderRow).where(ReaderRow.key == name.lower()))


def lock_reader(session: Session, name: str) -> ReaderRow | None:
    """The same; nobody else changes them until the transaction ends, and who was about to has done it."""
    if not is_name(name):
        return None
    row = select(ReaderRow).where(ReaderRow.key == name.lower())
    return session.scalar(row.with_for_update(key_share=True))  # saving verdicts of theirs goes on


def known_reader(session: Session, name: str) -> ReaderRow:
    """The reader of this name.

    Raises
    ------
    AccountError
        There is none.
    """
    row = find_reader(session, name)
    if row is None:
        raise AccountError(f"there is no reader named {name!r}")
    return row


def add_reader(
    session: Session, name: str, role: Role, password_hash: str | None, now: datetime
) -> ReaderRow:
    """A new reader.

    Raises
    ------
    AccountError
        The name is taken, or none that a reader may have.
    """
    row = ReaderRow(
        name=check_name(name),
        key=name.lower(),
        role=role.value,
        password_hash=password_hash,
        active=True,
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise AccountError(f"there is a reader named {known_reader(session, name).name} already") from None
    return row


def change_reader(
    session: Session, name: str, role: Role | None, active: bool | None, password_hash: str | None
) -> ReaderRow:
    """Change what is given, leave the rest.

    Raises
    ------
    AccountError
        There is no such reader, or nobody could change readers any more.
    """
    admins = _lock_admins(session)
    row = known_reader(session, name)
    stays = (row.active if active is None else active) and (role is None or role is Role.ADMIN)
    if row in admins and not stays and not _another_admin(row, admins):
        raise AccountError(f"{row.name} is the last admin; make somebody else one first")
    if role is not None:
        row.role = role.value
    if active is not None:
        row.active = active
    if password_hash is not None:
        row.password_hash = password_hash
    session.flush()
    return row


def _lock_admins(session: Session) -> list[ReaderRow]:
    """Active admins, who stay so until the transaction ends; SQLite has one writer at a time anyway."""
    admins = select(ReaderRow).where(ReaderRow.role == Role.ADMIN.value, ReaderRow.active)
    return list(session.scalars(admins.order_by(ReaderRow.id).with_for_update()))


def _another_admin(row: ReaderRow, admins: list[ReaderRow]) -> bool:
    """Whether somebody else can do what this admin can: one without a password cannot log in everywhere."""
    return any(other is not row and (other.password_hash or not row.password_hash) for other in admins)
