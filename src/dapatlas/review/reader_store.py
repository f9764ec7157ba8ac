"""The readers of a review and their logins; each method is one transaction."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine, select

from dapatlas.review.accounts import (
    AccountError,
    Login,
    Passwords,
    Reader,
    Role,
    WrongLogin,
    check_name,
    new_token,
)
from dapatlas.review.database.connect import reading, writing
from dapatlas.review.database.login_rows import (
    end_login,
    end_logins,
    find_login,
    is_worth_noting,
    log_in,
    login_of,
    use_login,
)
from dapatlas.review.database.reader_rows import (
    add_reader,
    change_reader,
    find_reader,
    lock_reader,
    reader_of,
)
from dapatlas.review.database.tables import ReaderRow


class ReaderStore:
    """The part of the store that knows people; see :class:`dapatlas.review.store.Store`."""

    def __init__(self, engine: Engine, passwords: Passwords | None = None) -> None:
        self.engine = engine
        self._passwords = Passwords() if passwords is None else passwords

    def close(self) -> None:
        """Close every connection to the database."""
        self.engine.dispose()

    def readers(self) -> tuple[Reader, ...]:
        """Everybody who ever was a reader, by name."""
        with reading(self.engine) as session:
            return tuple(map(reader_of, session.scalars(select(ReaderRow).order_by(ReaderRow.key))))

    def reader(self, name: str) -> Reader | None:
        """The reader of this name, in upper or lower case."""
        with reading(self.engine) as session:
            row = find_reader(session, name)
            return None if row is None else reader_of(row)

    def add_reader(
        self, name: str, role: Role = Role.READER, password: str | None = None, now: datetime | None = None
    ) -> Reader:
        """A new reader.

        Raises
        ------
        AccountError
            The name is taken or cannot be one, or the password is too short or too long.
        """
        check_name(name)
        kept = None if password is None else self._passwords.hash(password)
        with writing(self.engine) as session:
            return reader_of(add_reader(session, name, role, kept, or_now(now)))

    def change_reader(
        self,
        name: str,
        *,
        role: Role | None = None,
        active: bool | None = None,
        password: str | None = None,
        keep: str | None = None,
    ) -> Reader:
        """Change what is given; a new password or deactivation logs the reader out everywhere.

        Parameters
        ----------
        name
            Whom.
        role, active, password
            What they become; ``None`` leaves it.
        keep
            Token of a login that a new password leaves alone: that of the reader who changes their own.

        Raises
        ------
        AccountError
            There is no such reader, the password is too short or too long, or the last admin would go.
        """
        kept = None if password is None else self._passwords.hash(password)
        with writing(self.engine) as session:
            row = change_reader(session, name, role, active, kept)
            if kept is not None or active is False:
                spared = None if active is False else keep
                end_logins(session, row.id, spared)
            return reader_of(row)

    def login(self, name: str, password: str, now: datetime | None = None) -> tuple[str, Login]:
        """Log a reader in by their password; give the token for their browser, and the login.

        Raises
        ------
        WrongLogin
            There is no such reader, they have no password or another, or they were deactivated; it takes as
            long to find out in either case.
        """
        with reading(self.engine) as session:
            row = find_reader(session, name)
            kept = row.password_hash if row is not None and row.active else None
        if not self._passwords.fits(password, kept) or kept is None:
            raise WrongLogin
        fresh = self._passwords.renewed(password, kept)
        token = new_token()
        with writing(self.engine) as session:
            row = lock_reader(session, name)
            if row is None or not row.active or row.password_hash != kept:  # changed while we hashed
                raise WrongLogin
            row.password_hash = fresh
            return token, log_in(session, row, token, or_now(now))

    def login_local(self, name: str, now: datetime | None = None) -> tuple[str, Login]:
        """Log a reader in without a password, where the server is open to this machine alone.

        A name that nobody has becomes a reader who may do everything.

        Raises
        ------
        AccountError
            The name cannot be one.
        WrongLogin
            The reader was deactivated.
        """
        moment, token = or_now(now), new_token()
        if self.reader(name) is None:
            try:
                self.add_reader(name, Role.ADMIN, now=moment)
            except AccountError:
                if self.reader(name) is None:  # otherwise somebody was quicker
                    raise
        with writing(self.engine) as session:
            row = lock_reader(session, name)
            if row is None or not row.active:
                raise WrongLogin
            return token, log_in(session, row, token, moment)

    def logged_in(self, token: str, now: datetime | None = None) -> Login | None:
        """Whose login a token is; ``None`` where it is over. Asking counts as using it."""
        moment = or_now(now)
        with reading(self.engine) as session:
            row = find_login(session, token, moment)
            if row is None or not is_worth_noting(row, moment):
                return None if row is None else login_of(row)
        with writing(self.engine) as session:
            use_login(session, token, moment)
            row = find_login(session, token, moment)
            return None if row is None else login_of(row)

    def logout(self, token: str) -> None:
        """End a login; nothing happens where it is over already."""
        with writing(self.engine) as session:
            end_login(session, token)


def or_now(now: datetime | None) -> datetime:
    """The time that was given, or the present."""
    return datetime.now(UTC) if now is None else now
