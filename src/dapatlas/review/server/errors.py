"""Every error in one form: a code for scripts, a sentence for people."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from dapatlas.errors import DapatlasError
from dapatlas.review.accounts import AccountError
from dapatlas.review.database.connect import DatabaseError
from dapatlas.review.server.schemas.common import ErrorBody
from dapatlas.review.verdict import BadVerdictError

log = logging.getLogger("dapatlas.review")

CODES = {
    400: "bad-request",
    401: "not-logged-in",
    403: "not-allowed",
    404: "not-found",
    405: "wrong-method",
    408: "too-slow",
    413: "too-large",
    415: "wrong-type",
    416: "wrong-range",
    422: "invalid",
    500: "fault",
    503: "unavailable",
}
SENTENCES = {
    404: "There is no such page.",
    405: "This address does not take such requests.",
    416: "The file has no such part.",
    500: "The server made a mistake; its log tells more.",
}


class Refusal(Exception):  # noqa: N818 - most of them are answers that are expected
    """An answer that is no success.

    Parameters
    ----------
    status
        Of HTTP.
    detail
        One sentence for a person.
    code
        Where the status alone does not tell scripts enough.
    more
        Further keys of the answer.
    headers
        Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        code: str = "",
        more: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.code = code or CODES[status]
        self.more, self.headers = more or {}, headers


def error_body(status: int, detail: str = "", code: str = "") -> bytes:
    """The body of an error that no handler sees."""
    sentence = detail or SENTENCES.get(status) or f"{HTTPStatus(status).phrase}."
    return json.dumps({"code": code or CODES.get(status, f"http-{status}"), "detail": sentence}).encode()


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors that an endpoint may answer, for its description; what any may answer is among them."""
    return {
        status: {"model": ErrorBody, "description": HTTPStatus(status).phrase}
        for status in sorted({*statuses, 400, 422, 503})
    }


def handle_errors(app: FastAPI) -> None:
    """Give every error the one form."""
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(DapatlasError, _ours)


def _answer(
    status: int, detail: str, code: str = "", more: dict[str, Any] | None = None, headers: Any = None
) -> JSONResponse:
    content = {"code": code or CODES.get(status, f"http-{status}"), "detail": detail, **(more or {})}
    return JSONResponse(content, status, headers)


def _refusal(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return _answer(error.status, error.detail, error.code, error.more, error.headers)


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = SENTENCES.get(error.status_code) or str(error.detail)
    return _answer(error.status_code, detail, headers=error.headers)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    """The first thing that is wrong, by the name of its field; never what was sent: it may be a password."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:])
    message = str(first["msg"])
    return _answer(422, f"{field}: {message}" if field else message)


def _ours(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, BadVerdictError | AccountError):
        return _answer(422, str(error))
    log.error("%s", error)
    if isinstance(error, DatabaseError):
        return _answer(
            503, "The database does not answer; what you did was not saved. Try again.", "database"
        )
    return _answer(500, SENTENCES[500])
