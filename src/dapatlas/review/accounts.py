"""Readers, what they may do, and how they show who they are: passwords and tokens."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from threading import BoundedSemaphore
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from dapatlas.errors import DapatlasError

IDLE = timedelta(hours=12)  # a login that nobody used for so long is over
LONGEST = timedelta(days=7)  # and so is one that was used all the time
MIN_PASSWORD, MAX_PASSWORD = 10, 1_000  # characters
HASHES_AT_ONCE = 4  # each takes 64 MB

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class AccountError(DapatlasError):
    """A change of readers that cannot be made; the message says why."""


class WrongLogin(DapatlasError):  # noqa: N818 - an answer that is expected, not a fault
    """Name and password do not belong together; which of them is wrong is not said."""

    def __init__(self) -> None:
        super().__init__("name or password is wrong")


class Role(StrEnum):
    """What a reader may do; each may all that the one before may."""

    READER = "reader"  # read cases
    ADJUDICATOR = "adjudicator"  # settle disagreements, see and export everybody's verdicts
    ADMIN = "admin"  # change the plan and the readers

    def may(self, needed: Role) -> bool:
        """Whether this role is enough where ``needed`` is asked for.

        Examples
        --------
        >>> Role.ADMIN.may(Role.READER), Role.READER.may(Role.ADJUDICATOR)
        (True, False)
        """
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who reads cases.

    Attributes
    ----------
    name
        A pseudonym such as ``r-01``; upper and lower case make no difference.
    role
        What they may do.
    active
        Whether they may log in.
    created_at
        Since when they are known, in UTC.
    has_password
        Whether they can log in where passwords are asked for.
    """

    name: str
    role: Role
    active: bool
    created_at: datetime
    has_password: bool

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "name": self.name,
            "role": self.role.value,
            "active": self.active,
            "created_at": self.created_at.isoformat(),
            "has_password": self.has_password,
        }


@dataclass(frozen=True, slots=True)
class Login:
    """A reader who is logged in.

    Attributes
    ----------
    reader
        Who.
    csrf
        What the pages of this login must send along with every change.
    created_at, expires_at
        From when and until when it holds unless it is used, in UTC.
    """

    reader: Reader
    csrf: str
    created_at: datetime
    expires_at: datetime


def is_name(name: str) -> bool:
    """Whether a reader may be called so: 1 to 64 letters, digits, ``.``, ``_`` and ``-``."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """Give the name back if a reader may be called so.

    Raises
    ------
    AccountError
        It has other characters than letters, digits, ``.``, ``_`` and ``-``, or not 1 to 64 of them.
    """
    if not is_name(name):
        raise AccountError(
            f"{name!r} cannot be a reader's name; use 1 to 64 of the letters A-Z a-z 0-9 . _ -"
        )
    return name


def new_token() -> str:
    """256 random bits, safe in a URL."""
    return secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """What the database keeps of a token: whoever reads the database cannot log in with it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Passwords:
    """Hashes and checks passwords with Argon2id.

    Parameters
    ----------
    hasher
        Its settings; by default those that RFC 9106 recommends where memory is short (64 MiB, 3 passes).
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = PasswordHasher() if hasher is None else hasher
        self._room = BoundedSemaphore(HASHES_AT_ONCE)

    def hash(self, password: str) -> str:
        """What the database keeps of a password.

        Raises
        ------
        AccountError
            The password is too short or too long.
        """
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise AccountError(
                f"the password has {len(password)} characters; expected {MIN_PASSWORD} to {MAX_PASSWORD}"
            )
        with self._room:
            return self._hasher.hash(_bytes(password))

    def fits(self, password: str, kept: str | None) -> bool:
        """Whether a password is the one that was kept; takes as long where none was kept."""
        nobodys = self._nobodys  # made at the first login, whoever's that is
        secret = _bytes(password[: MAX_PASSWORD + 1])
        try:
            with self._room:
                self._hasher.verify(nobodys if kept is None else kept, secret)
        except (Argon2Error, InvalidHashError):
            return False
        return kept is not None

    def renewed(self, password: str, kept: str) -> str:
        """What is to be kept of a password that fits: the same, unless it was hashed with other settings."""
        if not self._hasher.check_needs_rehash(kept):
            return kept
        with self._room:
            return self._hasher.hash(_bytes(password))

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(new_token())


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
