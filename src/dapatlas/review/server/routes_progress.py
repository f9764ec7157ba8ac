"""How far the review is, and everything that was said, as a file."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from dapatlas.review.accounts import Role
from dapatlas.review.export import MEDIA_TYPES, Format, exported
from dapatlas.review.progress import progress_of
from dapatlas.review.server.access import Adjudicating, Asking, Shared
from dapatlas.review.server.errors import answers
from dapatlas.review.server.schemas.progress import ProgressBody

router = APIRouter(prefix="/api", tags=["progress"])


@router.get("/progress", responses=answers(401))
def progress(shared: Shared, login: Asking) -> ProgressBody:
    """How far the review is; a plain reader does not learn which cases are disagreed about."""
    store = shared.store
    told = progress_of(shared.known().facts, store.verdicts(), store.plan(), store.readers())
    row = told.as_dict()
    if not login.reader.role.may(Role.ADJUDICATOR):
        row["disagreements"] = []
    return ProgressBody.model_validate(row)


@router.get(
    "/export",
    response_class=Response,
    responses={
        **answers(401, 403),
        200: {
            "description": "All verdicts",
            "content": {
                "text/csv": {},
                "application/json": {},
                "application/vnd.apache.parquet": {},
            },
        },
    },
)
def export(
    shared: Shared, login: Adjudicating, form: Annotated[Format, Query(alias="format")] = Format.CSV
) -> Response:
    """All verdicts and marks as a table."""
    store = shared.store
    content = exported(form, store.verdicts(), shared.known().facts, store.plan())
    headers = {"Content-Disposition": f'attachment; filename="verdicts.{form.value}"'}
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)
