"""Limits: what is usual, what is possible, and how far out a value is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Quantity(StrEnum):
    """What is measured."""

    VOLUME = "volume"
    RATIO = "ratio"
    SHARE = "share"
    HU = "HU"


@dataclass(frozen=True, slots=True)
class Range:
    """From low to high, both ends inclusive; infinite where there is no bound."""

    low: float = -math.inf
    high: float = math.inf

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def hull(self, other: Range) -> Range:
        """The range from the lower low to the higher high."""
        return Range(min(self.low, other.low), max(self.high, other.high))


@dataclass(frozen=True, slots=True)
class Expected:
    """What a quantity should be: the usual range, the possible one, and who says so."""

    quantity: Quantity
    usual: Range
    possible: Range
    sources: tuple[str, ...] = ()

    def far_out(self, value: float) -> float:
        """How far beyond the usual range, in half-widths of it (on the scale on which margins are equal)."""
        if value in self.usual:
            return 0.0
        low, high, at = (self._scaled(v) for v in (self.usual.low, self.usual.high, value))
        beyond = max(low - at, at - high)
        half = (high - low) / 2
        return beyond / (half if math.isfinite(half) and half > 0 else self._scale_unit)

    @property
    def _scale_unit(self) -> float:
        """Half-width of a range that is open on one side: 100 HU, or a factor of two."""
        return 100.0 if self.quantity is Quantity.HU else math.log(2)

    def _scaled(self, value: float) -> float:
        if self.quantity is Quantity.HU or not math.isfinite(value):
            return value
        if value <= 0:
            return -math.inf
        if self.quantity is Quantity.SHARE:
            return math.log(value / (1 - value)) if value < 1 else math.inf
        return math.log(value)
