"""Verdicts, their marks and revisions within a transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dapatlas.review.database.tables import ADJUDICATION_SLOT, MarkRow, ReaderRow, RevisionRow, VerdictRow
from dapatlas.review.verdict import Conflict, Content, Decision, Kind, Mark, Revision, Verdict


def slot_of(kind: Kind, reader_id: int) -> str:
    """Each reader has one reading of a case; an adjudication there is only one."""
    return ADJUDICATION_SLOT if kind is Kind.ADJUDICATION else f"reader:{reader_id}"


def verdict_of(row: VerdictRow) -> Verdict:
    """What a row and its marks say."""
    return Verdict(
        row.case,
        row.reader.name,
        Kind(row.kind),
        Content(
            None if row.decision is None else Decision(row.decision),
            row.remarks,
            tuple(map(_mark_of, row.marks)),
        ),
        row.version,
        row.map_sha256,
        row.created_at,
        row.saved_at,
        row.id,
    )


def revision_of(row: RevisionRow) -> Revision:
    """What a row says."""
    return Revision(row.version, row.reader.name, Content.from_dict(row.content), row.map_sha256, row.at)


def find_verdict(session: Session, case: str, slot: str) -> VerdictRow | None:
    """The verdict in a slot, as the database has it now."""
    wanted = select(VerdictRow).where(VerdictRow.case == case, VerdictRow.slot == slot)
    return session.scalar(wanted.execution_options(populate_existing=True))


def lock_verdict(session: Session, case: str, slot: str) -> VerdictRow | None:
    """The same; nobody else changes it until the transaction ends. SQLite has one writer at a time anyway.

    The lock is a query of its own: in one that joins the reader too, PostgreSQL drops a row whose reader
    was changed while it waited for the lock.
    """
    row = select(VerdictRow.id).where(VerdictRow.case == case, VerdictRow.slot == slot)
    session.execute(row.with_for_update())
    return find_verdict(session, case, slot)


def save_verdict(
    session: Session,
    case: str,
    reader: ReaderRow,
    kind: Kind,
    content: Content,
    map_sha256: str,
    version: int,
    now: datetime,
) -> Verdict:
    """Write verdict, marks and revision, if ``version`` is the one that stands.

    Raises
    ------
    Conflict
        It is not, and what stands is not what is to be saved.
    """
    slot = slot_of(kind, reader.id)
    row = lock_verdict(session, case, slot)
    if row is None and version == 0:
        row = _first(session, case, slot, reader, kind, map_sha256, now)
    if row is None or row.version != version:
        return _unless_saved_already(row, case, reader, content, map_sha256, version)
    if version > 0 and _says(row, reader, content, map_sha256):
        return verdict_of(row)
    row.version = version + 1
    row.reader_id, row.map_sha256 = reader.id, map_sha256
    row.decision = None if content.decision is None else content.decision.value
    row.remarks = content.remarks
    row.saved_at = max(now, row.saved_at)  # a clock that was set back does not turn the history round
    _write_marks(session, row.id, content.marks)
    _add_revision(session, row, content)
    session.flush()
    created, saved = row.created_at, row.saved_at
    return Verdict(case, reader.name, kind, content, row.version, map_sha256, created, saved, row.id)


def _first(
    session: Session, case: str, slot: str, reader: ReaderRow, kind: Kind, map_sha256: str, now: datetime
) -> VerdictRow | None:
    """An empty verdict of version 0; or the one that somebody else has put there meanwhile."""
    row = VerdictRow(
        case=case,
        slot=slot,
        reader_id=reader.id,
        kind=kind.value,
        version=0,
        decision=None,
        remarks="",
        map_sha256=map_sha256,
        created_at=now,
        saved_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return lock_verdict(session, case, slot)
    return row


def _unless_saved_already(
    row: VerdictRow | None, case: str, reader: ReaderRow, content: Content, map_sha256: str, version: int
) -> Verdict:
    """A save that is repeated because its answer was lost is no conflict."""
    if row is not None and _says(row, reader, content, map_sha256):
        return verdict_of(row)
    raise Conflict(case, version, None if row is None else verdict_of(row))


def _says(row: VerdictRow, reader: ReaderRow, content: Content, map_sha256: str) -> bool:
    return row.reader_id == reader.id and row.map_sha256 == map_sha256 and verdict_of(row).content == content


def _write_marks(session: Session, verdict_id: int, marks: tuple[Mark, ...]) -> None:
    session.execute(delete(MarkRow).where(MarkRow.verdict_id == verdict_id))
    session.add_all(
        MarkRow(
            verdict_id=verdict_id,
            position=position,
            structure=mark.structure,
            kind=mark.kind.value,
            note=mark.note,
            point=mark.point,
            box=mark.box,
        )
        for position, mark in enumerate(marks)
    )


def _add_revision(session: Session, row: VerdictRow, content: Content) -> None:
    session.add(
        RevisionRow(
            verdict_id=row.id,
            version=row.version,
            reader_id=row.reader_id,
            content=content.as_dict(),
            map_sha256=row.map_sha256,
            at=row.saved_at,
        )
    )


def _mark_of(row: MarkRow) -> Mark:
    return Mark.from_dict(
        {"structure": row.structure, "kind": row.kind, "note": row.note, "point": row.point, "box": row.box}
    )
