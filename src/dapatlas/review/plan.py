"""How the cases are handed out: the plan of a review, and the claims of those who read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from dapatlas.errors import DapatlasError


class Order(StrEnum):
    """Which case comes first."""

    WORST = "worst"  # those with the gravest findings
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Plan:
    """Which cases are to be read, in what order, by how many.

    Attributes
    ----------
    order
        Which case comes first.
    sample
        How many cases, drawn at random; ``None`` for all of them.
    seed
        For everything that is drawn at random.
    readings
        How many readers each case needs: 1 or 2.
    """

    order: Order = Order.WORST
    sample: int | None = None
    seed: int = 0
    readings: int = 1

    def __post_init__(self) -> None:
        if self.readings not in (1, 2):
            raise DapatlasError(f"a plan of {self.readings} readings a case; expected 1 or 2")
        if self.sample is not None and not 1 <= self.sample < 2**31:
            raise DapatlasError(
                f"a sample of {self.sample} cases; expected at least 1, or none for all cases"
            )
        if not 0 <= self.seed < 2**31:
            raise DapatlasError(f"the seed {self.seed}; expected a number from 0 to {2**31 - 1}")

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self) | {"order": self.order.value}


@dataclass(frozen=True, slots=True)
class Claim:
    """A case that is in a reader's hands for a while.

    Attributes
    ----------
    case, reader
        Which case, and whose.
    until
        When it falls back, in UTC.
    """

    case: str
    reader: str
    until: datetime


class Claimed(DapatlasError):  # noqa: N818 - an answer that is expected, not a fault
    """As many readers as the case needs have it in hand.

    Attributes
    ----------
    claim
        The one that falls back last.
    """

    def __init__(self, claim: Claim) -> None:
        super().__init__(f"{claim.case}: {claim.reader} has it in hand until {claim.until:%H:%M} UTC")
        self.claim = claim
