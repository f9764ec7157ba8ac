"""All that a review keeps, and the only way to it: each method is one transaction."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select

from dapatlas.review.database.claim_rows import claim_case, live_claims, lock_plan, plan_of
from dapatlas.review.database.connect import reading, writing
from dapatlas.review.database.reader_rows import known_reader
from dapatlas.review.database.tables import ClaimRow, PlanRow, RevisionRow, VerdictRow
from dapatlas.review.database.verdict_rows import (
    find_verdict,
    revision_of,
    save_verdict,
    slot_of,
    verdict_of,
)
from dapatlas.review.plan import Claim, Plan
from dapatlas.review.reader_store import ReaderStore, or_now
from dapatlas.review.verdict import Content, Kind, Revision, Verdict, check_digest


class Store(ReaderStore):
    """Verdicts, readers, logins, claims and the plan of one data set's review.

    Every method is one transaction and safe to call from many threads and processes at once; a process that
    is killed in the middle leaves what was there before or what was to be there, never half of it.

    Parameters
    ----------
    engine
        From :func:`dapatlas.review.database.connect.connect`.
    passwords
        How passwords are hashed.

    Notes
    -----
    Every method may raise :class:`dapatlas.review.database.connect.DatabaseError` where the database cannot be
    reached, and those that take a reader's name :class:`dapatlas.review.accounts.AccountError` where there is
    none of that name. Times are aware and in UTC; ``now`` is the present unless it is given.
    """

    def save(
        self,
        case: str,
        reader: str,
        kind: Kind,
        content: Content,
        map_sha256: str,
        version: int,
        now: datetime | None = None,
    ) -> Verdict:
        """Keep a verdict, and a revision of it.

        Parameters
        ----------
        case
            Case id.
        reader
            Who saves.
        kind
            A reading is the reader's own; an adjudication there is one of, whoever saves it.
        content
            What is said.
        map_sha256
            Digest of the map that was looked at.
        version
            The version that the reader saw; 0 where there was none.
        now
            When.

        Returns
        -------
        Verdict
            As it stands. If it said this already (same reader, content and map), it is the one that stood:
            nothing is written, no matter which version was named.

        Raises
        ------
        Conflict
            Another version stands; it comes with the error, and nothing is written.
        BadVerdictError
            The digest is no SHA-256.
        """
        check_digest(map_sha256)
        with writing(self.engine) as session:
            row = known_reader(session, reader)
            return save_verdict(session, case, row, kind, content, map_sha256, version, or_now(now))

    def verdict(self, case: str, reader: str, kind: Kind) -> Verdict | None:
        """A reader's own reading, or the adjudication, whoever made it."""
        with reading(self.engine) as session:
            row = find_verdict(session, case, slot_of(kind, known_reader(session, reader).id))
            return None if row is None else verdict_of(row)

    def verdicts(self, case: str | None = None) -> tuple[Verdict, ...]:
        """Every verdict as it stands, of all cases or one, by case and in the order in which they were begun."""
        rows = select(VerdictRow).order_by(VerdictRow.case, VerdictRow.id)
        if case is not None:
            rows = rows.where(VerdictRow.case == case)
        with reading(self.engine) as session:
            return tuple(map(verdict_of, session.scalars(rows)))

    def history(self, case: str, reader: str, kind: Kind) -> tuple[Revision, ...]:
        """All that a verdict ever was, oldest first; empty where there is none."""
        with reading(self.engine) as session:
            slot = slot_of(kind, known_reader(session, reader).id)
            rows = (
                select(RevisionRow)
                .join(VerdictRow, RevisionRow.verdict_id == VerdictRow.id)
                .where(VerdictRow.case == case, VerdictRow.slot == slot)
                .order_by(RevisionRow.version)
            )
            return tuple(map(revision_of, session.scalars(rows)))

    def claim(
        self,
        case: str,
        reader: str,
        now: datetime,
        minutes: float,
        needed: int,
        read_by: Collection[str] = (),
    ) -> Claim:
        """Put a case into a reader's hands; if they have it, they have it for longer.

        Parameters
        ----------
        case
            Case id.
        reader
            Who asks.
        now
            When the asker began to look at the queue. What others saved since then counts as a claim: the
            asker cannot have seen it.
        minutes
            How long.
        needed
            How many readers the case needs, those counted who have read it. At least one may have it,
            whatever is said.
        read_by
            Names of those whose readings count; whether they still have it in hand makes no difference then.

        Raises
        ------
        Claimed
            So many others have read it or have it in hand.
        """
        with writing(self.engine) as session:
            return claim_case(session, case, known_reader(session, reader), now, minutes, needed, read_by)

    def claims(self, now: datetime) -> tuple[Claim, ...]:
        """Claims that have not fallen back, by case."""
        with reading(self.engine) as session:
            return live_claims(session, now)

    def release(self, case: str, reader: str) -> None:
        """Give a case back; nothing happens where it was not claimed."""
        with writing(self.engine) as session:
            row = known_reader(session, reader)
            session.execute(delete(ClaimRow).where(ClaimRow.case == case, ClaimRow.reader_id == row.id))

    def plan(self) -> Plan:
        """How cases are handed out."""
        with reading(self.engine) as session:
            return plan_of(session.scalars(select(PlanRow)).one())

    def set_plan(self, plan: Plan) -> Plan:
        """Hand cases out in another way from now on."""
        with writing(self.engine) as session:
            row = lock_plan(session)
            row.order, row.sample = plan.order.value, plan.sample
            row.seed, row.readings = plan.seed, plan.readings
        return plan
