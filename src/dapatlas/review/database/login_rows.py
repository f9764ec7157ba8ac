"""Logins within a transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from dapatlas.review.accounts import IDLE, LONGEST, Login, new_token, token_digest
from dapatlas.review.database.reader_rows import reader_of
from dapatlas.review.database.tables import LoginRow, ReaderRow

NOTED_EVERY = timedelta(minutes=1)  # that a login is used is written down at most so often


def login_of(row: LoginRow) -> Login:
    """What a row says."""
    return Login(reader_of(row.reader), row.csrf, row.created_at, row.expires_at)


def log_in(session: Session, reader: ReaderRow, token: str, now: datetime) -> Login:
    """A new login; those that are over are swept away."""
    session.execute(delete(LoginRow).where(LoginRow.expires_at <= now))
    row = LoginRow(
        id=token_digest(token),
        reader_id=reader.id,
        csrf=new_token(),
        created_at=now,
        expires_at=now + IDLE,
    )
    session.add(row)
    session.flush()
    return login_of(row)


def find_login(session: Session, token: str, now: datetime) -> LoginRow | None:
    """The login of a token, unless it is over or its reader was deactivated."""
    row = session.get(LoginRow, token_digest(token), populate_existing=True)
    return row if row is not None and row.expires_at > now and row.reader.active else None


def is_worth_noting(row: LoginRow, now: datetime) -> bool:
    """Whether using the login now would make it last notably longer."""
    return _end(row.created_at, now) - row.expires_at > NOTED_EVERY


def use_login(session: Session, token: str, now: datetime) -> None:
    """Let a login last longer, if it is still there."""
    row = find_login(session, token, now)
    if row is not None:
        end = _end(row.created_at, now)
        session.execute(update(LoginRow).where(LoginRow.id == row.id).values(expires_at=end))


def end_login(session: Session, token: str) -> None:
    """Forget a login."""
    session.execute(delete(LoginRow).where(LoginRow.id == token_digest(token)))


def end_logins(session: Session, reader_id: int, keep: str | None = None) -> None:
    """Log a reader out everywhere, except where the token is ``keep``."""
    spared = "" if keep is None else token_digest(keep)
    session.execute(delete(LoginRow).where(LoginRow.reader_id == reader_id, LoginRow.id != spared))


def _end(created_at: datetime, now: datetime) -> datetime:
    return min(now + IDLE, created_at + LONGEST)
