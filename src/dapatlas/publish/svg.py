"""Drawings as text: the few forms that charts are made of, the same bytes for the same numbers.

Colours and fonts are classes of the page's style sheet, so that a chart follows a light or dark page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import asinh, ceil, floor, log10

TEN = 10.0
SHORT_AXIS = 2.6  # decades
HU_BEND = 80.0  # around 0 the axis is nearly even, beyond this it is nearly logarithmic


def element(name: str, content: str = "", /, **attributes: object) -> str:
    """An element; ``cls`` stands for ``class``, underscores for hyphens, numbers get at most two decimals."""
    pairs = "".join(
        f' {"class" if key == "cls" else key.replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{pairs}>{content}</{name}>" if content else f"<{name}{pairs}/>"


def text(x: float, y: float, words: str, **attributes: object) -> str:
    """Words at a place; they are escaped."""
    return element("text", escape(words, quote=False), x=x, y=y, **attributes)


def hover(words: str) -> str:
    """What shows when the pointer rests on the element that this stands in."""
    return element("title", escape(words, quote=False))


def drawing(width: float, height: float, content: str, label: str) -> str:
    """A whole drawing that scales with the page; ``label`` is for who cannot see it."""
    return element(
        "svg", content, viewBox=f"0 0 {_value(width)} {_value(height)}", role="img", aria_label=label
    )


def dots(points: Sequence[tuple[float, float]], **attributes: object) -> str:
    """Round dots in one path: lines without length and with round ends, a few bytes each."""
    return element("path", d="".join(f"M{_value(x)} {_value(y)}h0" for x, y in points), **attributes)


def rgb(colour: tuple[int, int, int]) -> str:
    """A colour as CSS writes it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


@dataclass(frozen=True, slots=True)
class LogScale:
    """From positive values to pixels, logarithmic; its ends are 1, 2 or 5 times a power of ten."""

    low: float
    high: float
    left: float
    right: float

    @classmethod
    def around(cls, values: Sequence[float], left: float, right: float) -> LogScale:
        """Just hold all of the positive values; 1…10 where there are none."""
        if not values:
            return cls(1.0, TEN, left, right)
        steps = _steps(floor(log10(min(values))) - 1, ceil(log10(max(values))) + 1)
        low = max(step for step in steps if step <= min(values))
        high = min(step for step in steps if step >= max(values) and step > low)
        return cls(low, high, left, right)

    def __call__(self, value: float) -> float:
        """Pixels of a positive value."""
        share = log10(value / self.low) / log10(self.high / self.low)
        return self.left + share * (self.right - self.left)

    @property
    def ticks(self) -> list[float]:
        """Powers of ten; of a short axis 2 and 5 times such, too."""
        low, high = log10(self.low), log10(self.high)
        steps = [step for step in _steps(floor(low), ceil(high)) if self.low <= step <= self.high]
        if high - low <= SHORT_AXIS:
            return steps
        return [step for step in steps if abs(log10(step) - round(log10(step))) < 1e-9]


def _steps(first: int, last: int) -> list[float]:
    """1, 2 and 5 times the powers of ten from 10**first to 10**last, read from text: no rounding on the way."""
    return [float(f"{step}e{power}") for power in range(first, last + 1) for step in (1, 2, 5)]


@dataclass(frozen=True, slots=True)
class HuScale:
    """From HU to pixels, wide around water, where most tissues are, and narrow towards air and bone."""

    left: float
    right: float
    low: float = -1050.0
    high: float = 1500.0

    def __call__(self, hu: float) -> float:
        """Pixels; beyond the ends of the axis its ends."""
        first, last = asinh(self.low / HU_BEND), asinh(self.high / HU_BEND)
        share = (asinh(min(max(hu, self.low), self.high) / HU_BEND) - first) / (last - first)
        return self.left + share * (self.right - self.left)


def round_number(value: float) -> str:
    """Three digits that matter, thousands parted by a thin space: 0.0123, 1.23, 12.3, 1 234."""
    if value == 0:
        return "0"
    digits = max(0, 2 - floor(log10(abs(value))))
    return f"{value:,.{min(digits, 6)}f}".replace(",", "\u2009")


def _value(value: object) -> str:
    if isinstance(value, float):
        short = f"{value:.2f}".rstrip("0").rstrip(".")
        return "0" if short == "-0" else short
    return escape(str(value))
