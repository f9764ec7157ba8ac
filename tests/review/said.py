"""Short ways to say what readers said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dapatlas.review.case_index import CaseFacts
from dapatlas.review.verdict import Content, Decision, Kind, Mark, MarkKind, Verdict

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MAP, OLD_MAP = "a" * 64, "b" * 64


def mark(structure: str = "liver", kind: MarkKind = MarkKind.LEAKS, note: str = "") -> Mark:
    return Mark(structure, kind, note)


def verdict(
    reader: str = "r-01",
    decision: str | None = "approve",
    *marks: Mark,
    case: str = "one",
    kind: Kind = Kind.READING,
    digest: str = MAP,
    remarks: str = "",
    minutes: int = 0,
) -> Verdict:
    content = Content(None if decision is None else Decision(decision), remarks, marks)
    at = NOON + timedelta(minutes=minutes)
    return Verdict(case, reader, kind, content, 1, digest, at, at, 0)


def adjudication(decision: str | None = "approve", reader: str = "chief", **more: object) -> Verdict:
    return verdict(reader, decision, kind=Kind.ADJUDICATION, **more)  # type: ignore[arg-type]


def facts(*cases: str, **more: object) -> dict[str, CaseFacts]:
    known = {"map_sha256": MAP, **more}
    return {case: CaseFacts(case, case, **known) for case in cases}  # type: ignore[arg-type]
