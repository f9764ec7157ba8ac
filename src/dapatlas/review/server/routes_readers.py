"""The readers, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from dapatlas.review.accounts import AccountError
from dapatlas.review.server.access import Administering, Shared, Token
from dapatlas.review.server.errors import Refusal, answers
from dapatlas.review.server.schemas.readers import NewReader, ReaderBody, ReaderChange, Readers

router = APIRouter(prefix="/api/readers", tags=["readers"])


@router.get("", responses=answers(401, 403))
def readers(shared: Shared, login: Administering) -> Readers:
    """Everybody who ever was a reader."""
    return Readers(readers=[ReaderBody.model_validate(each.as_dict()) for each in shared.store.readers()])


@router.post("", status_code=201, responses=answers(401, 403, 409, 413))
def add(asked: NewReader, shared: Shared, login: Administering) -> ReaderBody:
    """A new reader; without a password they cannot log in where passwords are asked for."""
    if shared.store.reader(asked.name) is not None:
        raise Refusal(409, "There is a reader of this name.", "taken")
    added = shared.store.add_reader(asked.name, asked.role, asked.password)
    return ReaderBody.model_validate(added.as_dict())


@router.patch("/{name}", responses=answers(401, 403, 404, 409, 413))
def change(
    name: Annotated[str, Path(max_length=64)],
    asked: ReaderChange,
    shared: Shared,
    login: Administering,
    token: Token,
) -> ReaderBody:
    """Change a reader; who is deactivated or gets a new password is logged out everywhere else."""
    known = shared.store.reader(name)
    if known is None:
        raise Refusal(404, "There is no such reader.", "no-reader")
    own = known.name == login.reader.name
    try:
        changed = shared.store.change_reader(
            known.name,
            role=asked.role,
            active=asked.active,
            password=asked.password,
            keep=token if own else None,
        )
    except AccountError as error:
        if asked.password is not None:
            raise
        raise Refusal(409, f"{str(error)[:1].upper()}{str(error)[1:]}.", "last-admin") from None
    return ReaderBody.model_validate(changed.as_dict())
