"""What a reader says of a case's map: a verdict, its marks, and all that it was before.

Nothing here knows of databases or of the web.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from dapatlas.errors import DapatlasError
from dapatlas.findings import Box

Point = tuple[int, int, int]

MAX_REMARKS = 10_000  # characters
MAX_NOTE = 2_000  # characters
MAX_MARKS = 500

_SHA256 = re.compile("[0-9a-f]{64}")


class BadVerdictError(DapatlasError):
    """A verdict that cannot be kept: too long, or with characters that no database takes."""


class Decision(StrEnum):
    """What becomes of the case."""

    APPROVE = "approve"
    REMARKS = "remarks"  # good enough, but something is to be said
    REJECT = "reject"


class MarkKind(StrEnum):
    """What is wrong with a structure."""

    MISSING = "missing"
    WRONG_SIDE = "wrong_side"
    LEAKS = "leaks"
    WRONG_IDENTITY = "wrong_identity"
    MISNUMBERED = "misnumbered"


class Kind(StrEnum):
    """Whether a verdict is one reader's own, or settles what readers disagree about."""

    READING = "reading"
    ADJUDICATION = "adjudication"


@dataclass(frozen=True, slots=True)
class Mark:
    """What is wrong with one structure.

    Attributes
    ----------
    structure
        Its canonical name.
    kind
        What is wrong.
    note
        A few words of the reader.
    point
        A voxel that shows it, along i, j, k of the map.
    box
        Where it is: start and stop along i, j, k of the map, stop exclusive.
    """

    structure: str
    kind: MarkKind
    note: str = ""
    point: Point | None = None
    box: Box | None = None

    def __post_init__(self) -> None:
        _check_text(self.structure, "the name of a structure", MAX_NOTE)
        _check_text(self.note, "a note", MAX_NOTE)

    def as_dict(self) -> dict[str, Any]:
        """Every field under its own name, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`as_dict`, by way of JSON."""
        point, box = row.get("point"), row.get("box")
        return cls(
            row["structure"],
            MarkKind(row["kind"]),
            row.get("note", ""),
            None if point is None else (int(point[0]), int(point[1]), int(point[2])),
            None if box is None else (_span(box[0]), _span(box[1]), _span(box[2])),
        )


@dataclass(frozen=True, slots=True)
class Content:
    """The part of a verdict that a reader edits; anything may be missing while it is in progress.

    Attributes
    ----------
    decision
        ``None`` while the reader has not made up their mind.
    remarks
        Free text about the case.
    marks
        In the order in which the reader set them.
    """

    decision: Decision | None = None
    remarks: str = ""
    marks: tuple[Mark, ...] = ()

    def __post_init__(self) -> None:
        _check_text(self.remarks, "the remarks", MAX_REMARKS)
        if len(self.marks) > MAX_MARKS:
            raise BadVerdictError(f"{len(self.marks)} marks on one case; at most {MAX_MARKS} can be kept")

    def as_dict(self) -> dict[str, Any]:
        """Every field under its own name, ready for JSON."""
        return {
            "decision": None if self.decision is None else self.decision.value,
            "remarks": self.remarks,
            "marks": [mark.as_dict() for mark in self.marks],
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`as_dict`, by way of JSON."""
        decision = row["decision"]
        return cls(
            None if decision is None else Decision(decision),
            row["remarks"],
            tuple(map(Mark.from_dict, row["marks"])),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reader says of a case's map, as it stands now.

    Attributes
    ----------
    case
        Case id.
    reader
        Who saved it last. A reading has one reader for ever; an adjudication may change hands.
    kind
        Reading or adjudication.
    content
        What is said.
    version
        Counts the saves from 1; whoever saves says which version they saw.
    map_sha256
        Digest of the map that the reader looked at; the verdict is stale once the map has another.
    created_at, saved_at
        When it was first and last saved, in UTC.
    id
        Of the verdict in its database.
    """

    case: str
    reader: str
    kind: Kind
    content: Content
    version: int
    map_sha256: str
    created_at: datetime
    saved_at: datetime
    id: int

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON: the content's fields beside the others, times in ISO 8601, without the id."""
        return {
            "case": self.case,
            "reader": self.reader,
            "kind": self.kind.value,
            "version": self.version,
            "map_sha256": self.map_sha256,
            **self.content.as_dict(),
            "created_at": self.created_at.isoformat(),
            "saved_at": self.saved_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Revision:
    """What a verdict was at one of its versions.

    Attributes
    ----------
    version
        Counted from 1.
    reader
        Who saved it.
    content
        What was said then.
    map_sha256
        Digest of the map that was looked at.
    at
        When it was saved, in UTC.
    """

    version: int
    reader: str
    content: Content
    map_sha256: str
    at: datetime

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON: the content's fields beside the others, the time in ISO 8601."""
        return {
            "version": self.version,
            "reader": self.reader,
            "at": self.at.isoformat(),
            "map_sha256": self.map_sha256,
            **self.content.as_dict(),
        }


class Conflict(DapatlasError):  # noqa: N818 - an answer that is expected, not a fault
    """Somebody saved the verdict in the meantime; nothing was changed.

    Attributes
    ----------
    current
        The verdict as it stands; ``None`` where a version was named and there is no verdict at all.
    """

    def __init__(self, case: str, version: int, current: Verdict | None) -> None:
        found = (
            "there is none yet"
            if current is None
            else f"{current.reader} has saved version {current.version}"
        )
        super().__init__(
            f"{case}: the verdict was to follow version {version}, but {found}; look at it and save again"
        )
        self.current = current


def check_digest(map_sha256: str) -> None:
    """Refuse what cannot be the digest of a map.

    Raises
    ------
    BadVerdictError
        It is not 64 hexadecimal digits.
    """
    if not _SHA256.fullmatch(map_sha256):
        raise BadVerdictError(f"{map_sha256[:80]!r} is no SHA-256 of a map; expected 64 hexadecimal digits")


def _span(pair: Any) -> tuple[int, int]:
    return int(pair[0]), int(pair[1])


def _check_text(text: str, what: str, most: int) -> None:
    if len(text) > most:
        raise BadVerdictError(f"{what} has {len(text)} characters; at most {most} can be kept")
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadVerdictError(f"{what} holds characters that are no text (NUL or half a surrogate pair)")
