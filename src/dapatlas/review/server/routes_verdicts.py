"""Verdicts: saving them, and what they were."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from dapatlas.dataset import Case
from dapatlas.review.accounts import Login, Role
from dapatlas.review.outcome import outcome_of
from dapatlas.review.plan import Claimed
from dapatlas.review.server.access import Adjudicating, Asking, Shared, need
from dapatlas.review.server.context import Review, utc_now
from dapatlas.review.server.errors import Refusal, answers
from dapatlas.review.server.present import also_read, verdict_body
from dapatlas.review.server.schemas.verdicts import (
    AlsoRead,
    ClaimBody,
    ClaimedBody,
    ConflictBody,
    History,
    RevisionBody,
    VerdictAsked,
    VerdictBody,
    Verdicts,
)
from dapatlas.review.verdict import Conflict, Content, Kind, Mark

router = APIRouter(prefix="/api/cases/{case_id}", tags=["verdicts"])


@router.post(
    "/claim", responses={**answers(401, 403, 404), 409: {"model": ClaimedBody, "description": "Conflict"}}
)
def claim(case_id: str, shared: Shared, login: Asking) -> ClaimBody:
    """Take a case in hand; that others have it stops nobody from reading it all the same."""
    case, now, me = shared.case(case_id), utc_now(), login.reader.name
    minutes = shared.settings.claim_minutes
    for mine in shared.store.claims(now):
        if (mine.case, mine.reader) == (case.id, me) and mine.until - now > timedelta(minutes=minutes / 2):
            return ClaimBody(until=mine.until)  # as after `next`
    verdicts = shared.store.verdicts(case.id)
    outcome = outcome_of(case.id, verdicts, shared.map_sha256(case), shared.store.plan().readings)
    try:
        with shared.writing:
            taken = shared.store.claim(case.id, me, now, minutes, outcome.needed, outcome.read_by)
    except Claimed as error:
        more = {"by": error.claim.reader, "until": error.claim.until.isoformat()}
        wait = max(1, round((error.claim.until - now) / timedelta(minutes=1)))
        detail = f"{error.claim.reader} has this case in hand for {wait} more minutes."
        raise Refusal(409, detail, "claimed", more) from None
    return ClaimBody(until=taken.until)


@router.put(
    "/verdict",
    responses={
        **answers(401, 403, 404, 413),
        409: {"model": ConflictBody, "description": "Conflict"},
    },
)
def save(case_id: str, asked: VerdictAsked, shared: Shared, login: Asking) -> VerdictBody:
    """Save a verdict; 409 where another version stands than the one that was seen."""
    if asked.kind is Kind.ADJUDICATION:
        need(login, Role.ADJUDICATOR)
    case = shared.case(case_id)
    content = _content(asked, case, shared)
    digest = shared.map_sha256(case)
    try:
        with shared.writing:
            saved = shared.store.save(
                case.id, login.reader.name, asked.kind, content, asked.map_sha256, asked.version
            )
    except Conflict as error:
        others = _others(shared, case, login)
        current = None if error.current is None else verdict_body(error.current, digest, others)
        more = {"current": None if current is None else current.model_dump(mode="json")}
        raise Refusal(409, "This verdict was saved from elsewhere meanwhile.", "conflict", more) from None
    return verdict_body(saved, digest, _others(shared, case, login))


@router.get("/verdict/history", responses=answers(401, 403, 404))
def history(
    case_id: str, shared: Shared, login: Asking, kind: Annotated[Kind, Query()] = Kind.READING
) -> History:
    """All that one's own reading, or the adjudication, ever was."""
    if kind is Kind.ADJUDICATION:
        need(login, Role.ADJUDICATOR)
    revisions = shared.store.history(shared.case(case_id).id, login.reader.name, kind)
    return History(revisions=[RevisionBody.model_validate(each.as_dict()) for each in revisions])


@router.get("/verdicts", responses=answers(401, 403, 404))
def verdicts(case_id: str, shared: Shared, login: Adjudicating) -> Verdicts:
    """What everybody says of a case."""
    case = shared.case(case_id)
    said, digest = shared.store.verdicts(case.id), shared.map_sha256(case)
    others = also_read(said, login)
    return Verdicts(verdicts=[verdict_body(each, digest, others) for each in said])


def _others(shared: Review, case: Case, login: Login) -> list[AlsoRead]:
    """Who else has read the case."""
    return [
        AlsoRead(reader=name, saved_at=at)
        for name, at in shared.standing.readings(case.id)
        if name != login.reader.name
    ]


def _content(asked: VerdictAsked, case: Case, shared: Review) -> Content:
    """What is to be kept, after a look at whether it can be true of this map.

    Raises
    ------
    Refusal
        A structure that the scheme does not have, or a place outside of the map.
    """
    marks = tuple(Mark.from_dict(each.model_dump()) for each in asked.marks)
    names = set(shared.scheme.names[1:])
    for number, mark in enumerate(marks, 1):
        if mark.structure not in names:
            raise Refusal(422, f"Mark {number}: the scheme has no structure of this name.")
        if mark.point is None and mark.box is None:
            continue
        shape = shared.map_grid(case).shape
        spans = mark.box or ()
        if any(not 0 <= start < stop <= n for (start, stop), n in zip(spans, shape, strict=False)):
            raise Refusal(422, f"Mark {number}: its box is not inside the map, whose shape is {shape}.")
        if any(not 0 <= at < n for at, n in zip(mark.point or (), shape, strict=False)):
            raise Refusal(422, f"Mark {number}: its point is not inside the map, whose shape is {shape}.")
    return Content(asked.decision, asked.remarks, marks)
