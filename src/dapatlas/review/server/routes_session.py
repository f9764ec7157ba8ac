"""Logging in and out, and what the pages need to know first."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from dapatlas import __version__
from dapatlas.review.accounts import Login, WrongLogin
from dapatlas.review.server.access import COOKIE, Asking, Shared, Token
from dapatlas.review.server.context import Review
from dapatlas.review.server.errors import Refusal, answers
from dapatlas.review.server.present import scheme_body
from dapatlas.review.server.schemas.session import DatasetNow, LoginAsked, ReaderNow, Scheme, Session
from dapatlas.review.server.settings import Mode

router = APIRouter(prefix="/api", tags=["session"])


@router.get("/session", responses=answers())
def session(shared: Shared, token: Token) -> Session:
    """Who is logged in; strangers learn nothing of the data set."""
    return _session(shared, None if token is None else shared.store.logged_in(token))


@router.post("/session", responses=answers(401, 403, 413, 429))
def log_in(asked: LoginAsked, request: Request, response: Response, shared: Shared, token: Token) -> Session:
    """Log in. In local mode the name is enough, and a new one becomes a reader."""
    address = request.client.host if request.client else ""
    with shared.limits.attempt(asked.name, address) as attempt:
        try:
            fresh, login = _logged_in(shared, asked)
        except WrongLogin as error:
            attempt.failed = True
            raise Refusal(401, f"{str(error).capitalize()}.", "wrong-login") from None
    if token is not None:
        shared.store.logout(token)  # a browser has one login at a time
    response.set_cookie(
        COOKIE, fresh, httponly=True, samesite="strict", secure=shared.settings.secure, path="/"
    )
    return _session(shared, login)


@router.delete("/session", status_code=204, responses=answers(401, 403))
def log_out(response: Response, shared: Shared, token: Token, login: Asking) -> None:
    """Log out."""
    if token is not None:
        shared.store.logout(token)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=shared.settings.secure, path="/")


@router.get("/scheme", responses=answers(401))
def scheme(shared: Shared, login: Asking) -> Scheme:
    """What the numbers of every map mean."""
    return scheme_body(shared.scheme)


def _logged_in(shared: Review, asked: LoginAsked) -> tuple[str, Login]:
    if shared.settings.mode is Mode.LOCAL:
        return shared.store.login_local(asked.name)
    return shared.store.login(asked.name, asked.password or "")


def _session(shared: Review, login: Login | None) -> Session:
    if login is None:
        return Session(
            mode=shared.settings.mode.value, reader=None, csrf=None, version=__version__, dataset=None
        )
    return Session(
        mode=shared.settings.mode.value,
        reader=ReaderNow(name=login.reader.name, role=login.reader.role),
        csrf=login.csrf,
        version=__version__,
        dataset=DatasetNow(name=shared.settings.dataset.path.resolve().name, cases=len(shared.known().facts)),
    )
