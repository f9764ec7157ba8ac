"""Tables of an evaluation's page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from dapatlas.check.benchmark_table import BenchmarkTable
from dapatlas.check.comparison import Paired
from dapatlas.check.evaluate import EvaluatedCase
from dapatlas.check.summary import GroupSummary, Spread, StructureScores, value
from dapatlas.labels import LabelScheme
from dapatlas.publish.svg import rgb

Cell = tuple[str, float | None]  # words, and the number to sort by

MEASURES = (
    ("dice", "Dice", ".3f"),
    ("iou", "IoU", ".3f"),
    ("sensitivity", "sensitivity", ".3f"),
    ("precision", "precision", ".3f"),
    ("volume_difference_ml", "Δ volume, ml", ".2f"),
    ("surface_dice", "surface Dice", ".3f"),
    ("hd95_mm", "HD95, mm", ".2f"),
    ("mean_surface_distance_mm", "mean distance, mm", ".2f"),
)


def structure_table(rows: Sequence[StructureScores]) -> str:
    """A line a structure: means over cases, Dice with its interval."""
    shown = _shown(row.measures for row in rows)
    heads = ["structure", "cases", "missed", "invented"]
    for name, title, _ in shown:
        heads += [title, "95 % interval"] if name == "dice" else [title]
    lines = [
        (
            f'<i style="background:{rgb(row.structure.colour)}"></i>{escape(row.structure.display_name)}',
            row.structure.name,
            [_count(row.cases), _count(row.missed), _count(row.invented), *_cells(row.measures, shown)],
        )
        for row in rows
    ]
    return _table("table-of-structures", heads, lines)


def group_table(groups: Iterable[GroupSummary]) -> str:
    """A line a group: means over cases of the cases' means."""
    rows = list(groups)
    shown = _shown(row.measures for row in rows)
    heads = ["group", "structures", "micro Dice", "mean of structures"]
    for name, title, _ in shown:
        heads += [title, "95 % interval"] if name == "dice" else [title]
    lines = [
        (
            escape(row.name.replace("_", " ")),
            row.name,
            [
                _count(row.structures),
                _number(row.micro_dice, ".3f"),
                _number(row.mean_of_structures, ".3f"),
                *_cells(row.measures, shown),
            ],
        )
        for row in rows
    ]
    return _table("table-of-groups", heads, lines)


def case_table(cases: Sequence[EvaluatedCase]) -> str:
    """A line a case: its means over structures, and its worst structure."""
    names = [name for name, _, _ in MEASURES if name != "volume_difference_ml"]
    titles = {name: (title, style) for name, title, style in MEASURES}
    columns = [name for name in names if any(math.isfinite(_mean(case, name)) for case in cases)]
    heads = ["case", "structures", *(titles[name][0] for name in columns), "worst by Dice"]
    lines = []
    for case in cases:
        worst = min(case.scores, key=lambda one: one.dice, default=None)
        words = f"{worst.structure} {worst.dice:.3f}" if worst else ""
        numbers = [_number(_mean(case, name), titles[name][1]) for name in columns]
        lines.append(
            (escape(case.case), case.case, [_count(len(case.scores)), *numbers, (escape(words), None)])
        )
    return _table("table-of-cases", heads, lines)


def comparison_table(lines: Sequence[Paired], scheme: LabelScheme) -> str:
    """A line a structure: both means, their difference, and what the test says."""
    heads = [
        "structure",
        "pairs",
        "first",
        "second",
        "difference",
        "95 % interval",
        "better",
        "worse",
        "effect",
    ]
    heads += ["p", "p (Holm)"]
    rows = []
    for one in lines:
        cells = [
            _count(one.n), _number(one.mean, ".3f"), _number(one.other_mean, ".3f"), _number(one.difference, "+.4f"),
            (_interval(one.ci95), None), _count(one.better), _count(one.worse), _number(one.effect, "+.2f"),
            _number(one.p, ".2g"), _number(one.p_holm, ".2g"),
        ]  # fmt: skip
        rows.append((escape(scheme[one.structure].display_name), one.structure, cells))
    return _table("table-of-comparison", heads, rows)


def benchmark_tables(table: BenchmarkTable) -> tuple[str, str]:
    """Organs beside the published numbers that have organs; and the means of all."""
    detailed = [row for row in table.benchmark.published if row.dice]
    heads = ["organ", "Dice, %", "95 % interval", "cases", *(row.method for row in detailed)]
    lines = []
    for row in table.rows:
        own = row.dice
        interval = "…".join(f"{100 * end:.1f}" for end in own.ci95) if own and own.ci95 else ""
        cells = [_per_cent(own.mean if own else None), (interval, None), _count(own.n if own else 0)]
        cells += [_per_cent(row.published(other)) for other in detailed]
        lines.append((escape(row.name.replace("_", " ")), row.name, cells))
    organs = _table("table-of-organs", heads, lines)
    return organs, _means(table)


def _means(table: BenchmarkTable) -> str:
    own = '<tr class="us"><td class="l">this evaluation</td>'
    mean = _per_cent(table.mean)[0]
    lines = [own + f'<td>{mean}</td><td class="l">{table.cases} cases</td><td class="l"></td></tr>']
    for row in table.benchmark.published:
        lines.append(
            f'<tr><td class="l">{escape(row.method)}</td><td>{100 * table.published_mean(row):.4g}</td>'
            f'<td class="l">{escape(row.how)}</td><td class="l">{escape(row.citation)}</td></tr>'
        )
    head = '<th class="l">method</th><th>mean Dice, %</th><th class="l">how</th><th class="l">citation</th>'
    body = "".join(lines)
    return f'<table id="table-of-published"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _shown(measures: Iterable[Mapping[str, Spread]]) -> list[tuple[str, str, str]]:
    known = {name for row in measures for name in row}
    return [column for column in MEASURES if column[0] in known]


def _cells(measures: Mapping[str, Spread], shown: Sequence[tuple[str, str, str]]) -> list[Cell]:
    cells: list[Cell] = []
    for name, _, style in shown:
        spread = measures.get(name)
        cells.append(_number(spread.mean if spread else None, style))
        if name == "dice":
            cells.append((_interval(spread.ci95 if spread else None), None))
    return cells


def _mean(case: EvaluatedCase, metric: str) -> float:
    values = [number for one in case.scores if math.isfinite(number := value(one, metric))]
    return math.fsum(values) / len(values) if values else math.nan


def _table(anchor: str, heads: Sequence[str], lines: Sequence[tuple[str, str, Sequence[Cell]]]) -> str:
    """The first column is words; the others sort as numbers."""
    head = f'<th data-sort="t" aria-sort="none" class="l">{heads[0]}</th>' + "".join(
        f'<th data-sort="n" aria-sort="none">{escape(name)}</th>' for name in heads[1:]
    )
    body = "".join(
        f'<tr data-structure="{escape(key)}"><td class="l">{first}</td>'
        + "".join(f'<td data-v="{_exact(number)}">{words}</td>' for words, number in cells)
        + "</tr>"
        for first, key, cells in lines
    )
    return (
        f'<table class="sortable" id="{anchor}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    )


def _exact(number: float | None) -> str:
    return "" if number is None else f"{number:.6g}"


def _count(number: int) -> Cell:
    return str(number), float(number)


def _number(number: float | None, style: str) -> Cell:
    if number is None or not math.isfinite(number):
        return "", None
    words = format(number, style)
    return words if "e" in words else words.replace("-", "−"), number


def _per_cent(share: float | None) -> Cell:
    return _number(None if share is None else 100 * share, ".1f")


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f}…{interval[1]:.3f}".replace("-", "−")
