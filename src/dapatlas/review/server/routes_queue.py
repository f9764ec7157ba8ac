"""The queue: what is read next, and in which order."""

from __future__ import annotations

from fastapi import APIRouter

from dapatlas.review.accounts import Login, Role
from dapatlas.review.plan import Claimed, Plan
from dapatlas.review.queue import Next, next_case
from dapatlas.review.server.access import Administering, Asking, Shared, need
from dapatlas.review.server.context import Review, utc_now
from dapatlas.review.server.errors import answers
from dapatlas.review.server.schemas.queue import NextAsked, NextBody, PlanBody
from dapatlas.review.verdict import Kind

router = APIRouter(prefix="/api/queue", tags=["queue"])

TRIES = 20  # while others are quicker


@router.post("/next", responses=answers(401, 403, 413))
def take_next(asked: NextAsked, shared: Shared, login: Asking) -> NextBody:
    """The next case, taken in hand; one that the reader leaves unread is given back."""
    if asked.kind is Kind.ADJUDICATION:
        need(login, Role.ADJUDICATOR)
    found = Next(None, 0)
    for _ in range(TRIES):
        with shared.handing_out:  # who come at once would all reach for the same case
            found, taken = _try(asked, shared, login)
        if taken:
            return NextBody(case=found.case, left=found.left)
    return NextBody(case=None, left=found.left)


def _try(asked: NextAsked, shared: Review, login: Login) -> tuple[Next, bool]:
    """Look for the next case and take it; not where somebody was quicker."""
    now, me, plan, facts = utc_now(), login.reader.name, shared.store.plan(), shared.known().facts
    claims = shared.store.claims(now)
    found, order = shared.standing.outcomes(facts, plan), shared.standing.order(facts, plan)
    before = found.get(asked.after or "")
    mine = {claim.case for claim in claims if claim.reader == me}
    if before is not None and before.case in mine and me not in before.read_by:
        with shared.writing:
            shared.store.release(before.case, me)
    nearest = next_case(order, found, claims, me, now, kind=asked.kind, after=asked.after)
    if nearest.case is None:
        return nearest, True
    outcome = found[nearest.case]
    read_by, needed = outcome.read_by, outcome.needed
    if asked.kind is Kind.ADJUDICATION:  # one more, who settles it
        needed = len(read_by - {me}) + 1
    try:
        with shared.writing:
            shared.store.claim(nearest.case, me, now, shared.settings.claim_minutes, needed, read_by)
    except Claimed:
        return nearest, False
    return nearest, True


@router.get("/plan", responses=answers(401))
def plan(shared: Shared, login: Asking) -> PlanBody:
    """Which cases are read, in what order, by how many."""
    return PlanBody.model_validate(shared.store.plan().as_dict())


@router.put("/plan", responses=answers(401, 403, 413))
def set_plan(asked: PlanBody, shared: Shared, login: Administering) -> PlanBody:
    """Hand cases out in another way from now on."""
    fresh = Plan(asked.order, asked.sample, asked.seed, asked.readings)
    return PlanBody.model_validate(shared.store.set_plan(fresh).as_dict())
