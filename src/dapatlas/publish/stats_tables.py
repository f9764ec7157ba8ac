"""Tables of the report: structures to sort, and sizes out of line."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log2

from dapatlas.publish.cohort_statistics import GROUPS, Outlier, StructureSummary, quantiles
from dapatlas.publish.structure_charts import GROUP_NAMES, region_title
from dapatlas.publish.svg import rgb, round_number

MAX_OUTLIERS = 200
FULL_BAR = 4.0  # times larger or smaller than the median: the whole half of the bar


def structure_table(rows: Sequence[StructureSummary], groups: Sequence[str], *, with_hu: bool) -> str:
    """A line for every structure, seen or not; a click on a heading sorts."""
    by_sex = [group for group in GROUPS if group in groups] if len(groups) > 1 else []
    heads = [
        ("structure", "t"),
        ("id", "n"),
        ("region", "t"),
        ("tissue", "t"),
        ("cases", "n"),
        ("share", "n"),
    ]
    heads += [("median ml", "n"), *((f"{GROUP_NAMES[group]}", "n") for group in by_sex)]
    heads += [("least", "n"), ("greatest", "n")]
    heads += [("HU", "n"), ("sd", "n")] if with_hu else []
    heads += [("outliers", "n")]
    head = "".join(_heading(name, kind) for name, kind in heads)
    body = "".join(_structure_line(row, by_sex, with_hu=with_hu) for row in rows)
    return (
        f'<table class="sortable" id="table-of-structures"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _heading(name: str, kind: str) -> str:
    """Kind ``n`` sorts as numbers, ``t`` as text; the table comes in the order of ids."""
    side = ' class="l"' if kind == "t" else ""
    sorting = "ascending" if name == "id" else "none"
    return f'<th data-sort="{kind}" aria-sort="{sorting}"{side}>{name}</th>'


def _structure_line(row: StructureSummary, by_sex: Sequence[str], *, with_hu: bool) -> str:
    structure = row.structure
    volumes: dict[str, float] = quantiles(row.all_ml) if row.cases else {}
    cells = [
        f'<td class="l" data-v="{escape(structure.display_name)}"><i style="background:{rgb(structure.colour)}"></i>'
        f"{escape(structure.display_name)}</td>",
        _number(structure.id, str(structure.id)),
        f'<td class="l">{region_title(structure.region)}</td>',
        f'<td class="l">{structure.tissue.value}</td>',
        _number(row.cases, str(row.cases)),
        _number(row.share, f"{row.share:.1%}"),
        _volume(volumes.get("median")),
    ]
    cells += [
        _volume(quantiles(values)["median"] if (values := row.volumes_ml[group]) else None)
        for group in by_sex
    ]
    cells += [_volume(volumes.get("min")), _volume(volumes.get("max"))]
    if with_hu:
        for hu in (row.mean_hu, row.sd_hu):
            cells.append(_number(hu, "" if hu is None else f"{hu:.0f}".replace("-", "−")))
    cells.append(_number(len(row.outliers), str(len(row.outliers)) if row.outliers else ""))
    return f'<tr data-structure="{escape(structure.name)}" title="{escape(structure.name)}">{"".join(cells)}</tr>'


def _volume(ml: float | None) -> str:
    return _number(ml, "" if ml is None else round_number(ml))


def _number(value: float | None, words: str) -> str:
    exact = "" if value is None else f"{value:.6g}"
    return f'<td data-v="{exact}">{words}</td>'


def outlier_table(outliers: Sequence[Outlier], colours: dict[str, tuple[str, str]]) -> str:
    """Cases and structures that are out of line, gravest first.

    Parameters
    ----------
    outliers
        Of the data set.
    colours
        Name for people, and colour, of each structure.
    """
    head = (
        '<th class="l">case</th><th class="l">structure</th><th>volume, ml</th><th>median, ml</th>'
        '<th>times median</th><th class="ratio"></th><th>z</th>'
    )
    lines = []
    for one in outliers[:MAX_OUTLIERS]:
        name, colour = colours[one.structure]
        z = f"{one.z:+.1f}".replace("-", "−")
        lines.append(
            f'<tr><td class="l">{escape(one.case)}</td>'
            f'<td class="l"><i style="background:{colour}"></i>{escape(name)}</td>'
            f"<td>{round_number(one.volume_ml)}</td><td>{round_number(one.median_ml)}</td>"
            f'<td>{round_number(one.ratio)}</td><td class="ratio"><div>{_ratio_bar(one.ratio)}</div></td>'
            f"<td>{z}</td></tr>"
        )
    return f'<table id="outliers"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def _ratio_bar(ratio: float) -> str:
    """From the middle to the right for too large, to the left for too small."""
    width = min(abs(log2(ratio)) / log2(FULL_BAR), 1.0) * 50
    left = 50.0 if ratio > 1 else 50 - width
    return f'<b style="left:{left:.1f}%;width:{width:.1f}%"></b>'
