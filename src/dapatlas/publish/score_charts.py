"""Charts of scores: structures over cases, a benchmark beside what others published, and two predictors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from dapatlas.check.benchmark_table import BenchmarkTable
from dapatlas.check.comparison import Paired
from dapatlas.check.evaluate import EvaluatedCase
from dapatlas.check.summary import StructureScores, Summary, value
from dapatlas.labels import LabelScheme, Region
from dapatlas.publish.svg import dots, drawing, element, hover, rgb, text

WIDTH, LEFT, RIGHT = 900.0, 250.0, 780.0
ROW, HEAD, REGION_GAP = 17.0, 34.0, 24.0
MAX_NAME = 36
GOLDEN = 0.6180339887  # its multiples, without their whole part, fill a lane evenly in any number
FIRST_TICKS = (0.0, 0.25, 0.5, 0.75, 0.9)  # an axis begins at the largest of these that is below all means
STEPS = 5
SIGNIFICANT = 0.05

STYLE = """
svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
svg { background: #fff; }
text { fill: #1d2125; font-size: 12px; } .tick, .axis { fill: #6a7078; font-size: 10px; } .lab { font-weight: 600; }
.grid { stroke: #e4e2dc; fill: none; } .rule { stroke: #9aa0a8; fill: none; }
.pt { fill: none; stroke: #6a7078; stroke-width: 3; stroke-linecap: round; opacity: .35; }
.ci { stroke: #1d2125; stroke-width: 1.6; fill: none; } .dot { stroke: #fff; stroke-width: .7; }
.own { fill: #35698a; } .other { fill: none; stroke: #c8501e; stroke-width: 1.5; } .weak { fill: #9aa0a8; }
"""


@dataclass(frozen=True, slots=True)
class _Axis:
    """From a score to pixels, evenly from ``low`` to ``high``."""

    low: float
    high: float

    def __call__(self, score: float) -> float:
        share = (min(max(score, self.low), self.high) - self.low) / (self.high - self.low)
        return LEFT + share * (RIGHT - LEFT)

    @property
    def ticks(self) -> list[float]:
        steps = STEPS if self.low >= 0 else STEPS - 1  # an even number of them, so that 0 is among the ticks
        return [self.low + (self.high - self.low) * step / steps for step in range(steps + 1)]


def standalone(chart: str, style: str = STYLE) -> str:
    """A chart as a file of its own, which carries its styles."""
    opened = chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    end = opened.index(">") + 1
    return f"{opened[:end]}<style>{style}</style>{opened[end:]}\n"


def structure_scores(
    summary: Summary, cases: Sequence[EvaluatedCase], metric: str = "dice", title: str = "Dice"
) -> str:
    """A row a structure, by region: every case a point, their mean with its interval, and how many failed."""
    measured = [one for one in summary.structures if metric in one.measures]
    axis = _axis([one.measures[metric].mean for one in measured])
    points: dict[str, list[float]] = {}
    for case in cases:
        for score in case.scores:
            points.setdefault(score.structure, []).append(value(score, metric))
    order = list(Region)
    measured.sort(key=lambda one: (order.index(one.structure.region), one.structure.id))
    parts, y = [text(LEFT, 12, title, cls="axis")], HEAD
    for region, rows in groupby(measured, lambda one: one.structure.region):
        parts.append(text(0, y + 8, region.value.replace("_", " ").capitalize(), cls="lab"))
        y += REGION_GAP
        for row in rows:
            parts.append(_structure_row(row, points[row.structure.name], metric, axis, y))
            y += ROW
    return drawing(WIDTH, y, _grid(axis, y - ROW / 2) + "".join(parts), f"{title} of every structure")


def _structure_row(row: StructureScores, points: Sequence[float], metric: str, axis: _Axis, y: float) -> str:
    measured, name = row.measures[metric], row.structure.display_name
    words = f"{name}: mean {measured.mean:.3f}{_interval(measured.ci95)}, n = {measured.n}"
    counts = ((row.missed, "missed"), (row.invented, "invented"))
    failed = ", ".join(f"{number} {kind}" for number, kind in counts if number)
    spread = [
        (round(axis(point), 1), round(y + ((number * GOLDEN) % 1 - 0.5) * ROW * 0.5, 1))
        for number, point in enumerate(points)
        if math.isfinite(point)
    ]
    return element(
        "g",
        hover(words + (f"; {failed}" if failed else ""))
        + element("rect", x=8, y=y - 5, width=9, height=9, rx=2, fill=rgb(row.structure.colour))
        + text(24, y + 4, _short(name))
        + dots(spread, cls="pt")
        + _mean_and_interval(axis, measured.mean, measured.ci95, y, rgb(row.structure.colour))
        + text(RIGHT + 10, y + 4, failed, cls="tick"),
    )


def benchmark_chart(table: BenchmarkTable) -> str:
    """A row an organ, and the mean: own scores with their interval, and rings for what others published."""
    means = [row.dice.mean for row in table.rows if row.dice]
    known = [
        dice for row in table.rows for other in table.benchmark.published if (dice := row.published(other))
    ]
    known += [table.published_mean(other) for other in table.benchmark.published]
    axis = _axis([*means, *known])
    parts = [
        element("circle", cx=LEFT, cy=10, r=4, cls="own"),
        text(LEFT + 9, 14, "this evaluation, with 95 % interval", cls="tick"),
        element("circle", cx=LEFT + 210, cy=10, r=4, cls="other"),
        text(LEFT + 219, 14, "published, on other cases or trained on these: see the table", cls="tick"),
    ]
    y = HEAD + 30
    if not math.isnan(table.mean):
        interval = table.mean_of_cases.ci95 if table.mean_of_cases else None
        parts.append(_benchmark_row("Mean", "lab", axis, y, table.mean, interval))
    parts += [
        _ring(axis(table.published_mean(row)), y, row.method, table.published_mean(row))
        for row in table.benchmark.published
    ]
    for row in table.rows:
        y += ROW + 3
        if row.dice:
            parts.append(
                _benchmark_row(row.name.replace("_", " "), "", axis, y, row.dice.mean, row.dice.ci95)
            )
        for other in table.benchmark.published:
            dice = row.published(other)
            if dice is not None:
                parts.append(_ring(axis(dice), y, other.method, dice))
    label = f"Dice on {table.benchmark.title}"
    return drawing(WIDTH, y + ROW, _grid(axis, y + 8, HEAD + 18) + "".join(parts), label)


def _benchmark_row(
    name: str, style: str, axis: _Axis, y: float, mean: float, interval: tuple[float, float] | None
) -> str:
    words = f"{name}: {mean:.3f}{_interval(interval)}"
    return element(
        "g",
        hover(words)
        + text(0, y + 4, _short(name), cls=style or None)
        + _mean_and_interval(axis, mean, interval, y, None)
        + text(RIGHT + 12, y + 4, f"{mean:.3f}", cls="tick"),
    )


def _ring(x: float, y: float, method: str, dice: float) -> str:
    return element("circle", hover(f"{method}: {dice:.3f}"), cx=x, cy=y, r=4, cls="other")


def comparison_chart(lines: Sequence[Paired], scheme: LabelScheme, metric: str) -> str:
    """A row a structure: mean difference with its interval; grey where it may be chance."""
    ends = [abs(end) for line in lines for end in (line.difference, *(line.ci95 or ())) if math.isfinite(end)]
    reach = _round_up(max(ends, default=0.01))
    axis = _Axis(-reach, reach)
    parts = [
        text(LEFT, 12, f"difference of {metric.replace('_', ' ')}; right: the first is better", cls="axis")
    ]
    y = HEAD + 4
    for line in lines:
        sure = line.p_holm is not None and line.p_holm < SIGNIFICANT
        p = "" if line.p_holm is None else f", p = {line.p_holm:.2g} (Holm)"
        words = f"{line.structure}: {line.difference:+.4f}{_interval(line.ci95)}, n = {line.n}{p}"
        mark = element("circle", cx=axis(line.difference), cy=y, r=3.6, cls="own" if sure else "weak")
        parts.append(
            element(
                "g",
                hover(words)
                + text(0, y + 4, _short(scheme[line.structure].display_name))
                + _whisker(axis, line.ci95, y)
                + mark,
            )
        )
        y += ROW
    zero = element("path", d=f"M{axis(0):.1f} {HEAD - 8:.1f}V{y - 6:.1f}", cls="rule")
    return drawing(WIDTH, y, _grid(axis, y - 6) + zero + "".join(parts), "Differences of two predictors")


def _axis(scores: Sequence[float]) -> _Axis:
    least = min(scores, default=0.0)
    return _Axis(max(tick for tick in FIRST_TICKS if tick <= max(least - 0.02, 0.0)), 1.0)


def _round_up(number: float) -> float:
    power = 10.0 ** math.floor(math.log10(max(number, 1e-6)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= number * 0.999)


def _grid(axis: _Axis, bottom: float, top: float = HEAD) -> str:
    parts = []
    for tick in axis.ticks:
        parts.append(element("path", d=f"M{axis(tick):.1f} {top - 8:.1f}V{bottom:.1f}", cls="grid"))
        label = f"{tick:.3f}".rstrip("0").rstrip(".") if tick else "0"
        parts.append(text(axis(tick), top - 11, label.replace("-", "−"), cls="tick", text_anchor="middle"))
    return "".join(parts)


def _mean_and_interval(
    axis: _Axis, mean: float, interval: tuple[float, float] | None, y: float, fill: str | None
) -> str:
    style = "dot" if fill else "own"
    return _whisker(axis, interval, y) + element("circle", cx=axis(mean), cy=y, r=3.8, fill=fill, cls=style)


def _whisker(axis: _Axis, interval: tuple[float, float] | None, y: float) -> str:
    if interval is None:
        return ""
    return element("path", d=f"M{axis(interval[0]):.1f} {y:.1f}H{axis(interval[1]):.1f}", cls="ci")


def _interval(interval: tuple[float, float] | None) -> str:
    return f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
