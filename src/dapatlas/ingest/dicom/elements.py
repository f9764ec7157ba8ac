"""Values of DICOM elements in the kinds that we want; nothing where a file says nothing sensible.

Text is interned, and tuples are shared: half a million images must not hold half a million copies.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

_A_YEAR_HAS = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}


def value_of(item: Any, keyword: str) -> Any:
    """Value of an element; ``None`` where it is absent, empty, or cannot be understood."""
    if item is None:
        return None
    try:
        return item.get(keyword)
    except Exception:  # a value against the rules of its kind is as good as none
        return None


def first_of(item: Any, sequence: str) -> Any:
    """First item of a sequence; ``None`` where it is absent or empty."""
    items = value_of(item, sequence)
    return items[0] if items else None


def text_of(item: Any, keyword: str) -> str:
    """Text, without padding; the empty string where there is none."""
    value = value_of(item, keyword)
    if value is None:
        return ""
    if not isinstance(value, str) and isinstance(value, Iterable):  # several where one should be
        value = "/".join(map(str, value))
    return sys.intern(str(value).strip(" \0"))


def texts_of(item: Any, keyword: str) -> tuple[str, ...]:
    """All texts of an element that may have several."""
    value = value_of(item, keyword)
    if value is None or value == "":
        return ()
    texts: tuple[str, ...] = shared((value,) if isinstance(value, str) else tuple(map(str, value)))
    return texts


def number_of(item: Any, keyword: str) -> float | None:
    """A finite number; ``None`` where there is none."""
    try:
        number = float(value_of(item, keyword))
    except (TypeError, ValueError):
        return None
    return number if number - number == 0 else None  # neither infinite nor NaN


def positive_of(item: Any, keyword: str) -> float | None:
    """A number above 0; ``None`` where there is none: anonymisers write 0 for what they take out."""
    number = number_of(item, keyword)
    return number if number is not None and number > 0 else None


def whole_of(item: Any, keyword: str) -> int | None:
    """A whole number; ``None`` where there is none."""
    number = number_of(item, keyword)
    return None if number is None else int(number)


def vector_of(item: Any, keyword: str, size: int) -> Any:
    """Tuple of so many numbers; ``None`` where there are fewer or more."""
    value = value_of(item, keyword)
    if value is None or isinstance(value, (str, bytes)):
        return None
    try:
        numbers = tuple(float(number) for number in value)
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == size else None


def sex_of(item: Any) -> str:
    """``M``, ``F`` or ``O``; the empty string where the header says nothing."""
    text = text_of(item, "PatientSex").upper()
    return text if text in ("M", "F", "O") else ""


def years_of(item: Any) -> float | None:
    """Age in years, from an age string such as ``063Y`` or ``007M`` (PS3.5 table 6.2-1)."""
    text = text_of(item, "PatientAge").upper()
    if not text[:-1].isdecimal() or text[-1] not in _A_YEAR_HAS:
        return None
    return int(text[:-1]) / _A_YEAR_HAS[text[-1]]


@lru_cache(maxsize=4096)
def shared(value: Any) -> Any:
    """The one tuple of this content."""
    return value
