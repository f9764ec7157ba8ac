"""The last table as data: kept, rendered, and compared with what is measured now.

Times of two machines cannot be compared, and neither can those of one machine on two days. What is compared is how many
times as long as the peer, or as what is possible at best, ours takes: both were measured side by side.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dapatlas.files import write_json, write_text

HERE = Path(__file__).parent
LAST, PAGE = HERE / "last.json", HERE / "README.md"
BEGIN, END = "<!-- table: python -m benchmarks --save -->", "<!-- end of table -->"
SURE_S = 0.005  # what takes less is lost in the noise of a clock and a cache


@dataclass(frozen=True)
class Measured:
    """One row of the table; seconds and MB, ``None`` where there is nothing to compare with.

    Attributes
    ----------
    what
        The job.
    ours_s, ours_mb
        Time, and peak memory of the process.
    peer, peer_s, peer_mb
        How it is commonly done, and what that takes.
    best, best_s
        What any way must at least do, and what that takes.
    when, where
        Day and machine of the measurement.
    """

    what: str
    ours_s: float
    ours_mb: float
    peer: str = ""
    peer_s: float | None = None
    peer_mb: float | None = None
    best: str = ""
    best_s: float | None = None
    when: str = ""
    where: str = ""

    def ratios(self) -> dict[str, float]:
        """Ours to each of the others, by the name of what it is compared with."""
        others = (("peer", self.peer_s), ("best", self.best_s))
        return {name: self.ours_s / other for name, other in others if other}


@dataclass(frozen=True)
class Worse:
    """A ratio that grew more than it may: of which job, to what, and from what to what."""

    what: str
    other: str
    before: float
    now: float

    def __str__(self) -> str:
        """One line."""
        times = f"{self.now / self.before:.1f}×"
        return f"{self.what}: ours / {self.other} was {self.before:.3g}, is {self.now:.3g} ({times})"


def worsened(
    before: Mapping[str, Measured], now: Iterable[Measured], tolerance: float
) -> tuple[list[Worse], list[str]]:
    """Ratios that grew by more than ``tolerance`` times, and rows that have nothing to be compared with.

    Two ratios of one row may tell different things where the peer or the limit itself was disturbed; either counts. Of
    jobs that take less than 5 ms neither does.
    """
    found, mute = [], []
    for row in now:
        old = before[row.what].ratios() if row.what in before else {}
        both = [name for name in row.ratios() if name in old]
        if not both or row.ours_s < SURE_S:
            mute.append(row.what)
            continue
        found += [
            Worse(row.what, name, old[name], row.ratios()[name])
            for name in both
            if row.ratios()[name] > tolerance * old[name]
        ]
    return found, mute


def load(shape: tuple[int, int, int], path: Path = LAST) -> dict[str, Measured]:
    """The rows that are kept for volumes of this shape, by job; none where there are none."""
    rows = _read(path).get(_key(shape), [])
    return {row["what"]: Measured(**row) for row in rows}


def save(
    shape: tuple[int, int, int], rows: Iterable[Measured], order: Iterable[str], path: Path = LAST
) -> None:
    """Keep rows in place of older ones of the same jobs, in the order given; jobs that are no more are dropped."""
    kept = load(shape, path) | {row.what: _rounded(row) for row in rows}
    document = _read(path) | {_key(shape): [asdict(kept[what]) for what in order if what in kept]}
    write_json(path, document)


def show(rows: Mapping[str, Measured], path: Path = PAGE) -> None:
    """Write the table into the page, between its two marks."""
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    write_text(path, f"{head}{BEGIN}\n{markdown(rows.values())}{END}{tail}")


def markdown(rows: Iterable[Measured]) -> str:
    """The table."""
    lines = [
        "| job | ours | peer | peer / ours | at best | ours / best | MB ours | MB peer |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *(f"| {' | '.join(_cells(row))} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def cells(row: Measured) -> list[str]:
    """The same for a terminal, names of the others in columns of their own."""
    job, ours, _, peer_ratio, _, best_ratio, ours_mb, peer_mb = _cells(row)
    peer, best = _seconds(row.peer_s), _seconds(row.best_s)
    return [job, ours, peer, row.peer, peer_ratio, best, row.best, best_ratio, ours_mb, peer_mb]


def _cells(row: Measured) -> list[str]:
    ratios = row.ratios()
    return [
        row.what,
        _seconds(row.ours_s),
        f"{_seconds(row.peer_s)} {row.peer}".strip(),
        f"{_short(1 / ratios['peer'])}×" if "peer" in ratios else "",
        f"{_seconds(row.best_s)} {row.best}".strip(),
        f"{_short(ratios['best'])}×" if "best" in ratios else "",
        f"{row.ours_mb:.0f}",
        "" if row.peer_mb is None else f"{row.peer_mb:.0f}",
    ]


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f} s" if value >= 20 else f"{value:.3f} s"


def _rounded(row: Measured) -> Measured:
    numbers = {
        name: round(value, 4 if name.endswith("_s") else 0)
        for name, value in asdict(row).items()
        if isinstance(value, float)
    }
    return replace(row, **numbers)


def _read(path: Path) -> dict[str, list[dict[str, Any]]]:
    if not path.is_file():
        return {}
    document: dict[str, list[dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _key(shape: tuple[int, int, int]) -> str:
    return "×".join(map(str, shape))
