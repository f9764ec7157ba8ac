"""Scores as tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dapatlas.check.evaluation import flat
from dapatlas.cli.console import output

if TYPE_CHECKING:
    from rich.console import Console

    from dapatlas.check.benchmark_table import BenchmarkTable
    from dapatlas.check.evaluation import Comparison, Evaluation
    from dapatlas.check.summary import GroupSummary, Spread

COLUMNS = (
    ("dice", "Dice", ".3f"),
    ("iou", "IoU", ".3f"),
    ("sensitivity", "sens.", ".3f"),
    ("precision", "prec.", ".3f"),
    ("volume_difference_ml", "Δ ml", "+.2f"),
    ("surface_dice", "surf. Dice", ".3f"),
    ("hd95_mm", "HD95 mm", ".2f"),
    ("mean_surface_distance_mm", "mean mm", ".2f"),
)
WORST_CASES = 5
LEFT_OUT_SHOWN = 8
SIGNIFICANT = 0.05


def print_evaluation(found: Evaluation) -> None:
    """Structures, groups, what it is compared with, the worst cases, and what went wrong."""
    console = output()
    _schemes(found, console)
    if found.summary:
        if found.benchmark:
            _benchmark(found.benchmark, console)
        elif found.single:
            _pair(found, console)
        else:
            _cohort(found, console)
    if found.comparison:
        _comparison(found.comparison, console)
    for case, why in found.failed.items():
        console.print(f"[red]{escape(case)}[/]: {escape(why)}", soft_wrap=True)
    if found.comparison:
        for case, why in found.comparison.failed.items():
            console.print(f"[red]{escape(case)}[/] of the other: {escape(why)}", soft_wrap=True)
    _lonely("no prediction for", found.without_prediction, console, style="red")
    _lonely("no reference for", found.without_reference, console, style="yellow")
    if found.comparison:
        _lonely("no prediction of the other for", found.comparison.without_prediction, console, style="red")
    console.print(Text(found.settings.rule, style="dim"), soft_wrap=True)


def _pair(found: Evaluation, console: Console) -> None:
    rows = [(one.structure, flat(one)) for one in found.cases[0].scores]
    columns = [column for column in COLUMNS if any(column[0] in numbers for _, numbers in rows)]
    table = _table(["structure", *(title for _, title, _ in columns)])
    for name, numbers in rows:
        table.add_row(Text(name), *(_number(numbers.get(key), style) for key, _, style in columns))
    console.print(table)
    _groups(found, console)


def _cohort(found: Evaluation, console: Console) -> None:
    if not found.summary:
        return
    rows = found.summary.structures
    columns = _known(COLUMNS, [row.measures for row in rows])
    table = _table(["structure", "n", "missed", "invented", *_titles(columns)])
    for row in rows:
        counts = [str(row.cases), *(str(n) if n else "" for n in (row.missed, row.invented))]
        table.add_row(Text(row.structure.name), *counts, *_measures(row.measures, columns))
    console.print(table)
    _groups(found, console)
    means = {case.case: [one.dice for one in case.scores if math.isfinite(one.dice)] for case in found.cases}
    worst = sorted((math.fsum(dice) / len(dice), case) for case, dice in means.items() if dice)
    listed = ", ".join(f"{escape(case)} {dice:.3f}" for dice, case in worst[:WORST_CASES])
    console.print(
        f"{len(found.cases)} case{'s' * (len(found.cases) != 1)}; lowest mean Dice: {listed}", soft_wrap=True
    )


def _groups(found: Evaluation, console: Console) -> None:
    if not found.summary:
        return
    groups: list[GroupSummary] = [found.summary.everything, *found.summary.tissues]
    columns = _known(COLUMNS, [group.measures for group in groups])
    table = _table(["group", "structures", "micro Dice", *_titles(columns)])
    for group in groups:
        counts = [str(group.structures), _number(group.micro_dice, ".3f")]
        table.add_row(Text(group.name, style="bold"), *counts, *_measures(group.measures, columns))
    console.print(table)


def _benchmark(found: BenchmarkTable, console: Console) -> None:
    """Organs, then means; in per cent, as such tables are published."""
    published = [row for row in found.benchmark.published if row.dice]
    table = _table(["Dice, %", "n", "mean", "95 %", *(row.method for row in published)])
    for line in found.rows:
        own = line.dice
        numbers = [str(own.n), _per_cent(own.mean), _interval(own.ci95, 100, ".1f")] if own else ["0", "", ""]
        table.add_row(Text(line.name), *numbers, *(_per_cent(line.published(row)) for row in published))
    console.print(table)
    citations = list(dict.fromkeys(row.citation for row in found.benchmark.published))
    means = _table(["mean Dice, %", "mean", "how", ""], words=2)
    cases = f"{found.cases} case{'s' * (found.cases != 1)}"
    means.add_row(Text("this evaluation", style="bold"), _per_cent(found.mean), cases, "")
    for row in found.benchmark.published:
        mark = Text(f"[{citations.index(row.citation) + 1}]")
        means.add_row(Text(row.method), f"{100 * found.published_mean(row):.4g}", Text(row.how), mark)
    console.print(means)
    for number, citation in enumerate(citations, start=1):
        console.print(Text(f"[{number}] {citation}", style="dim"), soft_wrap=True)
    if found.left_out:
        console.print(f"not comparable in this scheme: {escape(', '.join(found.left_out))}", soft_wrap=True)
    console.print(Text(found.benchmark.protocol, style="dim"), soft_wrap=True)


def _comparison(found: Comparison, console: Console) -> None:
    table = _table(
        [
            "structure",
            "pairs",
            "first",
            "second",
            "difference",
            "95 %",
            "better",
            "worse",
            "effect",
            "p (Holm)",
        ]
    )
    for one in found.structures:
        sure = one.p_holm is not None and one.p_holm < SIGNIFICANT
        table.add_row(
            Text(one.structure, style="bold" if sure else ""),
            str(one.n),
            _number(one.mean, ".3f"),
            _number(one.other_mean, ".3f"),
            _number(one.difference, "+.4f"),
            _interval(one.ci95),
            str(one.better),
            str(one.worse),
            _number(one.effect, "+.2f"),
            _number(one.p_holm, ".2g"),
        )
    console.print(table)
    console.print(f"second: {escape(found.other)}; {found.metric} on {found.cases} cases", soft_wrap=True)


def _schemes(found: Evaluation, console: Console) -> None:
    for one in found.common.merged:
        parts = " + ".join(one.parts[:LEFT_OUT_SHOWN]) + (" …" if len(one.parts) > LEFT_OUT_SHOWN else "")
        console.print(f"merged: {escape(one.structure)} = {escape(parts)} of {one.scheme}", soft_wrap=True)
    for scheme in dict.fromkeys(one.scheme for one in found.common.left_out):
        names = [one.structure for one in found.common.left_out if one.scheme == scheme]
        listed = ", ".join(names[:LEFT_OUT_SHOWN]) + (" …" if len(names) > LEFT_OUT_SHOWN else "")
        console.print(f"left out of {scheme}: {len(names)} ({escape(listed)})", soft_wrap=True)


def _lonely(words: str, cases: Sequence[str], console: Console, *, style: str) -> None:
    if cases:
        listed = ", ".join(cases[:LEFT_OUT_SHOWN]) + (" …" if len(cases) > LEFT_OUT_SHOWN else "")
        console.print(f"[{style}]{words}[/] {len(cases)}: {escape(listed)}", soft_wrap=True)


def _table(heads: Sequence[str], words: int = 0) -> Table:
    """Numbers to the right, but for the first column and so many at the end."""
    table = Table(*heads, box=None, pad_edge=False)
    for column in table.columns[1 : len(heads) - words]:
        column.justify = "right"
    return table


def _known(
    columns: Sequence[tuple[str, str, str]], rows: Iterable[Mapping[str, Spread]]
) -> list[tuple[str, str, str]]:
    names = {name for row in rows for name in row}
    return [column for column in columns if column[0] in names]


def _titles(columns: Sequence[tuple[str, str, str]]) -> list[str]:
    return [
        words for name, title, _ in columns for words in ((title, "95 %") if name == "dice" else (title,))
    ]


def _measures(measures: Mapping[str, Spread], columns: Sequence[tuple[str, str, str]]) -> list[str]:
    cells = []
    for name, _, style in columns:
        spread = measures.get(name)
        cells.append(_number(spread.mean if spread else None, style))
        if name == "dice":
            cells.append(_interval(spread.ci95 if spread else None))
    return cells


def _number(number: float | None, style: str) -> str:
    return "" if number is None or not math.isfinite(number) else format(number, style)


def _per_cent(share: float | None) -> str:
    return "" if share is None or not math.isfinite(share) else f"{100 * share:.1f}"


def _interval(interval: tuple[float, float] | None, times: int = 1, style: str = ".3f") -> str:
    return "" if interval is None else "…".join(format(times * end, style) for end in interval)
