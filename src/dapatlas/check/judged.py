"""Findings of checks, which know how far out they are, and the order in which people should look at them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dapatlas.check.codes import Code
from dapatlas.check.limits import Expected, Quantity, Range
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.findings import Finding, Severity
from dapatlas.volumes import Box

_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class Judged(Finding):
    """A finding of a check.

    Attributes
    ----------
    far_out
        How far beyond the limit, in half-widths of what is expected; ``None`` where there are no degrees, as with a
        uterus in a man.
    """

    far_out: float | None = None


def judged(
    case: MeasuredCase,
    code: Code,
    message: str,
    structure: str = "",
    *,
    severity: Severity | None = None,
    far_out: float | None = None,
    box: Box | None = None,
    expected: str = "",
    found: str = "",
    remedy: str = "",
) -> Judged:
    """A finding about a case with the severity and the remedy of its code, unless others are given."""
    plain = case.finding(
        code.value,
        code.severity if severity is None else severity,
        message,
        structure,
        box=box,
        expected=expected,
        found=found,
        remedy=remedy or code.remedy,
    )
    degrees = far_out if far_out is not None and math.isfinite(far_out) else None  # JSON has no infinity
    return Judged(**{name: getattr(plain, name) for name in plain.__slots__}, far_out=degrees)


def rank(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, within a severity what is farthest out; then by case, code and structure."""
    return sorted(findings, key=_place)


def _place(finding: Finding) -> tuple[int, float, str, str, str]:
    known = finding.far_out if isinstance(finding, Judged) else None
    far_out = math.inf if known is None else known
    return _ORDER[finding.severity], -far_out, finding.case, finding.code, finding.structure


def out_of_range(
    case: MeasuredCase,
    expected: Expected,
    value: float,
    what: str,
    codes: tuple[Code, Code],
    structure: str = "",
) -> Iterator[Judged]:
    """Say that a value is impossible, or unusual, if it is.

    Parameters
    ----------
    case
        It was measured in.
    expected
        Its limits.
    value
        In ml, HU, or parts of one.
    what
        Begins the message: what was measured.
    codes
        Of what is impossible, and of what is unusual.
    structure
        It is about; empty where it is about several.
    """
    impossible = value not in expected.possible
    if not impossible and value in expected.usual:
        return
    limits = expected.possible if impossible else expected.usual
    words = "below" if value < limits.low else "above"
    limit = amount(limits.low if value < limits.low else limits.high, expected.quantity)
    kind = "possible" if impossible else "usual"
    yield judged(
        case,
        codes[0] if impossible else codes[1],
        f"{what}: {amount(value, expected.quantity)}, {words} what is {kind} ({limit})",
        structure,
        far_out=expected.far_out(value),
        expected=f"{told(expected.usual, expected.quantity)} ({'; '.join(expected.sources)})",
        found=amount(value, expected.quantity),
    )


def told(limits: Range, quantity: Quantity) -> str:
    """A range for people; open ends in words."""
    low, high = (amount(limit, quantity) for limit in (limits.low, limits.high))
    if math.isinf(limits.low) and math.isinf(limits.high):
        return "anything"
    if math.isinf(limits.low):
        return f"at most {high}"
    if math.isinf(limits.high):
        return f"at least {low}"
    return f"{low} to {high}"


def amount(value: float, quantity: Quantity) -> str:
    """A number with its unit, as exact as it matters."""
    if quantity is Quantity.HU:
        return f"{value:.0f} HU"
    if quantity is Quantity.SHARE:
        return f"{100 * value:.1f} %"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}{' ml' if quantity is Quantity.VOLUME else ''}"
