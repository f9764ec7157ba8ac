"""What readers said of the cases, as a report tells it: plain records, gathered elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ReviewReader:
    """One reader: how many readings ended in which decision, and when they last saved anything."""

    name: str
    decisions: Mapping[str, int]
    last: str


@dataclass(frozen=True, slots=True)
class ReviewPair:
    """Two readers: on how many cases both decided, the share of equal decisions, Cohen's kappa where it is defined."""

    readers: tuple[str, str]
    cases: int
    agreement: float
    kappa: float | None


@dataclass(frozen=True, slots=True)
class ReviewedStructure:
    """A structure: readings with it in view, those with a mark on it, the share without and its interval, the marks."""

    structure: str
    read: int
    marked: int
    rate: float
    low: float
    high: float
    kinds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ReviewVerdict:
    """What one reader says of a case.

    Attributes
    ----------
    reader
        Who.
    kind
        ``reading`` or ``adjudication``.
    decision
        ``approve``, ``remarks``, ``reject``; ``None`` while there is none.
    remarks
        Free text.
    marks
        Structure, kind and note of each.
    saved
        When, in words.
    stale
        Whether the map has changed since.
    """

    reader: str
    kind: str
    decision: str | None
    remarks: str
    marks: tuple[tuple[str, str, str], ...]
    saved: str
    stale: bool


@dataclass(frozen=True, slots=True)
class ReviewedCase:
    """A case that somebody has looked at: how it stands, and what was said."""

    case: str
    state: str
    verdicts: tuple[ReviewVerdict, ...]


@dataclass(frozen=True, slots=True)
class ReviewContent:
    """A review.

    Attributes
    ----------
    states
        How many of the cases that are to be read stand so.
    needed
        How many readings a case needs.
    readers, pairs, structures
        As the section shows them.
    cases
        Those that somebody has looked at; those first on which readings differ.
    """

    states: Mapping[str, int] = field(default_factory=dict)
    needed: int = 1
    readers: tuple[ReviewReader, ...] = ()
    pairs: tuple[ReviewPair, ...] = ()
    structures: tuple[ReviewedStructure, ...] = ()
    cases: tuple[ReviewedCase, ...] = ()
