"""Who asks, and whether they may: what endpoints depend on."""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, APIKeyHeader

from dapatlas.review.accounts import Login, Role
from dapatlas.review.server.context import Review
from dapatlas.review.server.errors import Refusal
from dapatlas.review.server.security import SAFE

COOKIE = "dapatlas_session"
CSRF = "X-CSRF-Token"

_cookie = APIKeyCookie(name=COOKIE, auto_error=False)
_csrf = APIKeyHeader(name=CSRF, auto_error=False)


async def review(request: Request) -> Review:
    """What the endpoints share."""
    shared: Review = request.app.state.review
    return shared


Shared = Annotated[Review, Depends(review)]
Token = Annotated[str | None, Security(_cookie)]


def logged_in(
    request: Request, shared: Shared, token: Token, csrf: Annotated[str | None, Security(_csrf)]
) -> Login:
    """The login of whoever asks; who wants to change something also sends the token of their pages.

    Raises
    ------
    Refusal
        Nobody is logged in, or the token is missing or wrong.
    """
    login = None if token is None else shared.store.logged_in(token)
    if login is None:
        raise Refusal(401, "You are not logged in, or your login has run out.")
    sent = (csrf or "").encode("utf-8", "replace")
    if request.method not in SAFE and not compare_digest(sent, login.csrf.encode()):
        raise Refusal(403, "This page is out of date; load it again.", "wrong-token")
    return login


Asking = Annotated[Login, Depends(logged_in)]


def _at_least(role: Role) -> Callable[[Login], Login]:
    def allowed(login: Asking) -> Login:
        need(login, role)
        return login

    return allowed


def need(login: Login, role: Role) -> None:
    """Refuse whoever has not this role."""
    if not login.reader.role.may(role):
        raise Refusal(403, f"Only an {role.value} may do this.")


Adjudicating = Annotated[Login, Depends(_at_least(Role.ADJUDICATOR))]
Administering = Annotated[Login, Depends(_at_least(Role.ADMIN))]
