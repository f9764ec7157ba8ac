"""The page of an evaluation: one HTML file with its charts and styles inside; it needs no network."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from pathlib import PurePath

from dapatlas import __version__
from dapatlas.check.evaluation import Evaluation
from dapatlas.publish.score_charts import benchmark_chart, comparison_chart, structure_scores
from dapatlas.publish.score_tables import (
    benchmark_tables,
    case_table,
    comparison_table,
    group_table,
    structure_table,
)

# Everything stands in the file; it may load nothing from elsewhere.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
OWN_STYLE = """
svg .pt { stroke: var(--soft); stroke-width: 3; opacity: .3; } svg .ci { stroke: var(--ink); stroke-width: 1.5; }
svg .own { fill: var(--accent); } svg .other { fill: none; stroke: var(--odd); stroke-width: 1.5; }
svg .weak { fill: var(--soft); } #table-of-published td { white-space: normal; } tr.us td { font-weight: 650; }
section > p { color: var(--soft); max-width: 90ch; } section .card + .card { margin-top: 14px; }
"""


def score_report(found: Evaluation) -> str:
    """The whole page; the same for the same scores."""
    parts = [
        _header(found),
        _benchmark(found),
        _groups(found),
        _structures(found),
        _comparison(found),
        _cases(found),
    ]
    parts += [_left_out(found), _footer(found)]
    data = files("dapatlas.publish") / "data"
    style, script = ((data / f"stats_report.{kind}").read_text("utf-8") for kind in ("css", "js"))
    title = escape(f"{_name(found.prediction)} against {_name(found.reference)}")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{title}: evaluation</title><style>\n{style}{OWN_STYLE}</style></head><body><main>\n"
        + "\n".join(part for part in parts if part)
        + f"\n</main>{f'<script>{script}</script>' if found.summary else ''}</body></html>\n"
    )


def _section(anchor: str, title: str, words: str, *cards: str) -> str:
    """A heading, words, and cards; a table scrolls within its card."""
    framed = "".join(
        f'<div class="card{"" if card.startswith("<svg") else " scroll"}">{card}</div>' for card in cards
    )
    return f'<section><h2 id="{anchor}">{title}</h2><p>{words}</p>{framed}</section>'


def _header(found: Evaluation) -> str:
    notes = [f"{escape(case)}: {escape(why)}" for case, why in found.failed.items()]
    notes += [f"{escape(case)}: no prediction" for case in found.without_prediction]
    listed = (
        f'<div class="note"><ul>{"".join(f"<li>{note}</li>" for note in notes)}</ul></div>' if notes else ""
    )
    cards = [
        ("cases", str(len(found.cases)), "cases scored"),
        ("failed", str(len(notes)), "cases not scored"),
    ]
    if found.summary:
        everything = found.summary.everything
        cards.insert(1, ("structures", str(everything.structures), "structures"))
        cards += [("dice", f"{everything.mean_of_structures:.3f}", "mean Dice of structures")]
        cards += [("micro", f"{everything.micro_dice:.3f}", "Dice of all voxels")]
    tiles = "".join(
        f'<div class="card" data-number="{key}"><b>{big}</b>{label}</div>' for key, big, label in cards
    )
    names = f"{escape(found.prediction)} ({found.schemes[0]}) against {escape(found.reference)} ({found.schemes[1]})"
    return (
        f"<header><h1>{escape(_name(found.prediction))}</h1><p>{names}</p><p>{found.settings.rule}</p></header>"
        f'<div class="numbers">{tiles}</div>{listed}'
    )


def _benchmark(found: Evaluation) -> str:
    table = found.benchmark
    if table is None:
        return ""
    words = f"{escape(table.benchmark.protocol)} {escape(table.benchmark.citation)}."
    if table.left_out:
        words += f" Not comparable in this scheme: {', '.join(table.left_out)}."
    return _section(
        "benchmark", escape(table.benchmark.title), words, benchmark_chart(table), *benchmark_tables(table)
    )


def _groups(found: Evaluation) -> str:
    if not found.summary:
        return ""
    words = (
        "Every structure counts alike within a case (macro), then every case; micro Dice pools all voxels. Intervals "
        "are 95 %, bootstrapped over cases."
    )
    summary = found.summary
    return _section(
        "groups", "Groups", words, group_table([summary.everything, *summary.tissues, *summary.regions])
    )


def _structures(found: Evaluation) -> str:
    if not found.summary:
        return ""
    words = (
        "Points are cases, the mark is their mean, the line its 95 % interval. Missed: only in the reference; "
        "invented: only predicted."
    )
    chart = structure_scores(found.summary, found.cases)
    search = '<input type="search" id="filter" placeholder="search" aria-label="search structures">'
    table = _section(
        "structures",
        "All structures",
        "A click on a heading sorts.",
        structure_table(found.summary.structures),
    )
    return _section("chart", "Dice of structures", words, chart) + search + table


def _comparison(found: Evaluation) -> str:
    other = found.comparison
    if other is None or not other.structures:
        return ""
    words = (
        f"First: {escape(found.prediction)}; second: {escape(other.other)}; {other.cases} cases. Pairs are cases whose "
        "reference has the structure; Wilcoxon signed-rank test, two-sided, p-values adjusted by Holm over structures; "
        "effect is the rank-biserial correlation."
    )
    chart = comparison_chart(other.structures, found.common.scheme, other.metric)
    table = comparison_table(other.structures, found.common.scheme)
    return _section("comparison", "Two predictors", words, chart, table)


def _cases(found: Evaluation) -> str:
    if not found.cases:
        return ""
    return _section("cases", "Cases", "Means over each case's structures.", case_table(found.cases))


def _left_out(found: Evaluation) -> str:
    common = found.common
    if common.same or not (common.merged or common.left_out):
        return ""
    merged = "".join(
        f"<li>{escape(one.structure)}: {escape(' + '.join(one.parts))} of {escape(one.scheme)}</li>"
        for one in common.merged
    )
    left = "".join(
        f"<li>{escape(one.structure)} ({escape(one.scheme)}): {escape(one.reason)}</li>"
        for one in common.left_out
    )
    content = f"<h3>Merged</h3><ul>{merged}</ul><h3>Left out</h3><ul>{left}</ul>"
    return _section("schemes", "Two schemes", "What was done to compare them.", content)


def _footer(found: Evaluation) -> str:
    tolerance = f"Surface Dice at {found.settings.tolerance_mm:g} mm. " if found.settings.surface else ""
    convention = "HD95 and surface Dice as DeepMind's surface-distance has them. " if tolerance else ""
    return f"<footer>{tolerance}{convention}dapatlas {__version__}</footer>"


def _name(path: str) -> str:
    return PurePath(path).name or path
