"""Claims and the plan within a transaction."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from dapatlas.review.database.tables import ClaimRow, PlanRow, ReaderRow, VerdictRow
from dapatlas.review.plan import Claim, Claimed, Order, Plan


def claim_of(row: ClaimRow) -> Claim:
    """What a row says."""
    return Claim(row.case, row.reader.name, row.until)


def plan_of(row: PlanRow) -> Plan:
    """What the row says."""
    return Plan(Order(row.order), row.sample, row.seed, row.readings)


def lock_plan(session: Session) -> PlanRow:
    """The plan; whoever has it locked is the only one who hands out cases or changes the plan."""
    return session.scalars(select(PlanRow).where(PlanRow.id == 1).with_for_update()).one()


def live_claims(session: Session, now: datetime) -> tuple[Claim, ...]:
    """Claims that have not fallen back, by case and time."""
    rows = (
        select(ClaimRow)
        .where(ClaimRow.until > now)
        .order_by(ClaimRow.case, ClaimRow.until, ClaimRow.reader_id)
    )
    return tuple(map(claim_of, session.scalars(rows)))


def claim_case(
    session: Session,
    case: str,
    reader: ReaderRow,
    now: datetime,
    minutes: float,
    needed: int,
    read_by: Collection[str],
) -> Claim:
    """Put a case into a reader's hands, or leave it there for longer; see ``Store.claim``.

    Raises
    ------
    Claimed
        As many others as are needed have it or have read it.
    """
    lock_plan(session)
    session.execute(delete(ClaimRow).where(ClaimRow.until <= now))
    others = _in_others_hands(session, case, reader, now)
    if others and len(others.keys() | (set(read_by) - {reader.name})) >= max(needed, 1):
        raise Claimed(max(others.values(), key=lambda claim: claim.until))
    until = now + timedelta(minutes=minutes)
    row = session.get(ClaimRow, (case, reader.id))
    if row is None:
        session.add(ClaimRow(case=case, reader_id=reader.id, until=until))
    else:
        row.until = until
    session.flush()
    return Claim(case, reader.name, until)


def _in_others_hands(session: Session, case: str, reader: ReaderRow, now: datetime) -> dict[str, Claim]:
    """Who else has the case: by a claim, or because they saved after the asker began to look at the queue."""
    saved = select(VerdictRow).where(VerdictRow.case == case, VerdictRow.saved_at >= now)
    claimed = select(ClaimRow).where(ClaimRow.case == case)
    found = {row.reader.name: Claim(case, row.reader.name, row.saved_at) for row in session.scalars(saved)}
    found |= {row.reader.name: claim_of(row) for row in session.scalars(claimed)}
    found.pop(reader.name, None)
    return found
