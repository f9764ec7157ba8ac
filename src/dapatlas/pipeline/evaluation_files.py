"""Files of an evaluation: scores as CSV, the page, and the chart."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from dapatlas.check.evaluation import Evaluation, flat
from dapatlas.check.summary import METRICS
from dapatlas.errors import DapatlasError
from dapatlas.files import write_text
from dapatlas.publish.score_charts import benchmark_chart, comparison_chart, standalone, structure_scores
from dapatlas.publish.score_report import score_report

COUNTS = ("reference_voxels", "predicted_voxels", "common_voxels")


def write_scores(found: Evaluation, path: Path) -> None:
    """A line a structure and case, with every measure; empty where it is not defined."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "structure", "id", "tissue", "region", *COUNTS, *METRICS])
    for case in found.cases:
        for one in case.scores:
            structure, numbers = found.common.scheme[one.id], flat(one)
            head = [case.case, one.structure, one.id, str(structure.tissue), str(structure.region)]
            writer.writerow([*head, *(numbers.get(name) for name in (*COUNTS, *METRICS))])
    write_text(path, text.getvalue())


def write_page(found: Evaluation, path: Path) -> None:
    """The page."""
    write_text(path, score_report(found))


def write_plot(found: Evaluation, path: Path) -> None:
    """The benchmark's chart, of a comparison its differences, else the structures, as SVG.

    Raises
    ------
    DapatlasError
        No case was scored.
    """
    if found.summary is None:
        raise DapatlasError(f"{path}: nothing to plot, for no case was scored")
    if found.benchmark:
        chart = benchmark_chart(found.benchmark)
    elif found.comparison:
        chart = comparison_chart(found.comparison.structures, found.common.scheme, found.comparison.metric)
    else:
        chart = structure_scores(found.summary, found.cases)
    write_text(path, standalone(chart))
