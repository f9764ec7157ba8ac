"""Reference ranges: published values from data files, and the limits that follow from them.

Two limits follow from a row. Outside the *usual* one somebody should look: it is the published range with a margin,
or the mean and three standard deviations. Outside the *possible* one the map is wrong: the published range three times
over (twice the margin where that is more), or five standard deviations; where disease enlarges or wastes an organ
without bound there is none.

Volumes and their ratios are positive and skewed, so that standard deviations are taken of their logarithm (those of the
log-normal distribution that has the mean and the standard deviation published) and margins are factors. For shares
margins are factors on the odds; for HU they are added.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dapatlas.check.limits import Expected, Quantity, Range
from dapatlas.check.measured_case import Patient
from dapatlas.errors import DapatlasError
from dapatlas.labels import Sex, dap

USUAL_SD, POSSIBLE_SD = 3.0, 5.0
USUAL_FACTOR, POSSIBLE_FACTOR = 1.25, 3.0  # around a published range of volumes
MARGIN_HU = 20.0
TISSUE_G_PER_ML = 1.05
ADULT_YEARS = 18
IQR_SD = 1.349  # standard deviations between the quartiles of a normal distribution


class BadRangesError(DapatlasError):
    """A data file of reference ranges is not as it should be."""


UNITS = {Quantity.VOLUME: ("ml", "g"), Quantity.RATIO: ("1",), Quantity.SHARE: ("1",), Quantity.HU: ("HU",)}


class Source(BaseModel):
    """Where a row was published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(min_length=10)
    journal: str = Field(min_length=2)
    year: int = Field(0, ge=0, le=2100)
    authors: str = ""
    doi: str = Field("", pattern=r"^(10\.\d{4,}/\S+)?$")
    pmid: int = 0
    url: str = ""

    @property
    def short(self) -> str:
        """First author, or the journal where authors are not listed, and the year."""
        names = self.authors.split(",")
        who = f"{names[0].split()[0]} et al." if len(names) > 1 else self.authors
        return f"{who or self.journal.split(' (')[0].rstrip('0123456789():-, ')} {self.year or ''}".rstrip()


class Row(BaseModel):
    """One published value of one quantity; columns as told in the data files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    structures: tuple[str, ...] = Field(min_length=1)
    unit: str
    source: str = ""
    low_source: str = ""
    high_source: str = ""
    of: tuple[str, ...] = ()
    name: str = ""
    sex: Sex | None = None
    ages: tuple[float, float] | None = None
    n: int = Field(0, ge=0)
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    sd: float | None = Field(None, gt=0)
    median: float | None = None
    q1: float | None = None
    q3: float | None = None
    margin: float | None = Field(None, gt=0)
    least: float | None = None
    most: float | None = None
    grows: bool = False
    shrinks: bool = False
    note: str = ""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        """Exactly one way of telling a range, and every range from low to high."""
        kinds = (
            self.low is not None or self.high is not None,
            self.mean is not None and self.sd is not None,
            None not in (self.median, self.q1, self.q3),
        )
        if sum(kinds) != 1:
            raise ValueError("give low and high, or mean and sd, or median, q1 and q3")
        pairs = (
            (self.least, self.low), (self.low, self.high), (self.high, self.most), (self.q1, self.median),
            (self.median, self.q3), (0.0 if self.sd else None, self.mean), self.ages or (None, None),
        )  # fmt: skip
        if any(a is not None and b is not None and a > b for a, b in pairs):
            raise ValueError("numbers do not rise from low to high")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """Keys of all sources that it cites."""
        return tuple(key for key in (self.source, self.low_source, self.high_source) if key)

    def holds_for(self, patient: Patient) -> bool:
        """Whether a patient may be one of those whom it was measured in."""
        if patient.sex is not None and self.sex not in (None, patient.sex):
            return False
        if patient.age_years is None or self.ages is None:
            return True
        return self.ages[0] <= patient.age_years <= self.ages[1]

    @property
    def log_spread(self) -> tuple[float, float]:
        """Median and standard deviation of the logarithm, of what is positive.

        A published range of n persons is as wide as that of n draws from a normal distribution is on average.
        """
        if self.mean is not None and self.sd is not None:
            variance = math.log1p((self.sd / self.mean) ** 2)
            return math.log(self.mean / self.per_ml) - variance / 2, math.sqrt(variance)
        if self.median is not None and self.q1 is not None and self.q3 is not None:
            return math.log(self.median / self.per_ml), math.log(self.q3 / self.q1) / IQR_SD
        if self.low is None or self.high is None or self.low == self.high or not self.n:
            return math.nan, math.nan
        half = math.log(self.high / self.low) / 2
        return math.log(math.sqrt(self.low * self.high) / self.per_ml), half / expected_extreme(self.n)

    @property
    def per_ml(self) -> float:
        """What one ml has of its unit."""
        return TISSUE_G_PER_ML if self.unit == "g" else 1.0

    def limits(self, quantity: Quantity) -> tuple[Range, Range]:
        """The usual and the possible range that follow from it, in ml, HU, or parts of one."""
        usual = self._usual(quantity)
        if quantity is Quantity.HU:
            return usual, Range(*_or_infinite(self.least, self.most))
        if self.low is None and self.high is None:
            middle, sd = self.log_spread
            possible = Range(math.exp(middle - POSSIBLE_SD * sd), math.exp(middle + POSSIBLE_SD * sd))
        else:
            possible = self._published(quantity, max(POSSIBLE_FACTOR, 2 * (self.margin or USUAL_FACTOR)))
        low, high = -math.inf if self.shrinks else possible.low, math.inf if self.grows else possible.high
        return usual, Range(low, high)

    def _usual(self, quantity: Quantity) -> Range:
        if self.low is None and self.high is None:
            middle, sd = self.log_spread
            return Range(math.exp(middle - USUAL_SD * sd), math.exp(middle + USUAL_SD * sd))
        if quantity is Quantity.HU:
            low, high = _or_infinite(self.low, self.high)
            return Range(low - (self.margin or MARGIN_HU), high + (self.margin or MARGIN_HU))
        return self._published(quantity, self.margin or USUAL_FACTOR)

    def _published(self, quantity: Quantity, factor: float) -> Range:
        """The published range, widened by a factor."""
        low, high = _or_infinite(self.low, self.high)
        if quantity is Quantity.SHARE:
            return Range(_odds(low, 1 / factor), _odds(high, factor))
        return Range(low / factor / self.per_ml, high * factor / self.per_ml)


def _or_infinite(low: float | None, high: float | None) -> tuple[float, float]:
    return -math.inf if low is None else low, math.inf if high is None else high


def _odds(share: float, factor: float) -> float:
    """The share whose odds are so many times as high."""
    odds = factor * share / (1 - share)
    return odds / (1 + odds)


def expected_extreme(n: int) -> float:
    """How many standard deviations the largest of n normal values lies above the mean, on average (Blom 1958)."""
    from statistics import NormalDist

    return NormalDist().inv_cdf((n - 0.375) / (n + 0.25)) if n > 1 else math.nan


@dataclass(frozen=True, slots=True)
class Table:
    """A data file: its quantity, rows with the names of structures spelt out, and sources."""

    quantity: Quantity
    rows: tuple[Row, ...]
    sources: Mapping[str, Source]

    def expected(self, rows: Iterable[Row]) -> Expected | None:
        """The widest limits of some rows; none where there is no row."""
        rows = tuple(rows)
        if not rows:
            return None
        usual, possible = rows[0].limits(self.quantity)
        for row in rows[1:]:
            more_usual, more_possible = row.limits(self.quantity)
            usual, possible = usual.hull(more_usual), possible.hull(more_possible)
        cited = dict.fromkeys(self.sources[key].short for row in rows for key in row.sources)
        return Expected(self.quantity, usual, possible, tuple(cited))


@cache
def table(name: str) -> Table:
    """Load ``check/data/NAME.toml``; the same object every time.

    Raises
    ------
    BadRangesError
        A row names an unknown structure, unit or source, or its numbers do not rise; a source is never cited.
    """
    text = (files("dapatlas.check") / "data" / f"{name}.toml").read_text(encoding="utf-8")
    return parse(tomllib.loads(text), name)


def parse(data: Mapping[str, Any], name: str) -> Table:
    """Read what a data file says; errors as :func:`table`."""
    try:
        quantity = Quantity(data["quantity"])
        sources = {key: Source.model_validate(source) for key, source in data["sources"].items()}
        lists = data.get("lists", {})
        rows = tuple(_row(row, lists, name) for row in data["rows"]["table"])
    except (KeyError, ValueError, ValidationError) as error:
        raise BadRangesError(f"{name}.toml: {error}") from None
    for row in rows:
        if row.unit not in UNITS[quantity]:
            raise BadRangesError(f"{name}.toml: {row.structures[0]}: a {quantity} in {row.unit!r}")
        if not row.sources or set(row.sources) - set(sources):
            raise BadRangesError(
                f"{name}.toml: {row.structures[0]}: cites unknown or no sources {row.sources}"
            )
    unused = set(sources) - {key for row in rows for key in row.sources}
    if unused:
        raise BadRangesError(f"{name}.toml: sources that no row cites: {', '.join(sorted(unused))}")
    return Table(quantity, rows, sources)


def _row(data: Mapping[str, Any], lists: Mapping[str, list[str]], name: str) -> Row:
    spelt = {key: _names(data.get(key, ()), lists, name) for key in ("structures", "of")}
    return Row.model_validate({**data, **spelt})


def _names(words: Iterable[str], lists: Mapping[str, list[str]], name: str) -> tuple[str, ...]:
    """Names of the DAP scheme for words that may be a list's name (``@bone``) or hold a ``*``."""
    found: list[str] = []
    for word in words:
        if word.startswith("@"):
            found += _names(lists[word[1:]], lists, name)
            continue
        matches = [known for known in dap().names if fnmatchcase(known, word)]
        if not matches:
            raise BadRangesError(f"{name}.toml: DAP has no structure {word!r}")
        found += matches
    return tuple(dict.fromkeys(found))
