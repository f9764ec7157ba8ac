"""Volumes over the cohort: a row a structure, a dot a case, on one axis for all: how many times the median.

Medians are those of the case's own sex where the checks compare sexes apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from math import exp, log2

from dapatlas.check.codes import Code
from dapatlas.check.outliers import FAR_Z, LEAST_N
from dapatlas.labels import Region
from dapatlas.publish.report.content import GROUPS, CaseContent, ReportContent
from dapatlas.publish.report.embedded import middles
from dapatlas.publish.report.markup import absent, count, section, swatch
from dapatlas.publish.svg import dots, element, round_number

REACH = 3.0  # ends of the axis: an eighth and eight times the median
WIDTH, HEIGHT, LANE = 1000.0, 30.0, 8.0
GOLDEN = 0.6180339887  # its multiples, without their whole part, fill a lane evenly in any number
TICKS = (("⅛", -3), ("¼", -2), ("½", -1), ("median", 0), ("2 ×", 1), ("4 ×", 2), ("8 ×", 3))
VOLUME_CODES = frozenset({Code.VOLUME_OUTLIER, Code.VOLUME_IMPOSSIBLE, Code.VOLUME_UNUSUAL})
Middles = Mapping[str, tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class _Dot:
    case: CaseContent
    ml: float
    x: float
    y: float


def cohort_section(content: ReportContent) -> str:
    """Rows of structures, a block a region."""
    measured = [case for case in content.cases if case.volumes_ml]
    if not measured:
        return section("cohort", "Volumes over the cohort", "", absent("No case could be measured."))
    flagged = _flagged(content)
    blocks = [_block(content, region, names, flagged) for region, names in _by_region(content)]
    words = (
        "Every dot is a case, placed by how many times the median its volume is; pale ones reach the edge of the view "
        "and are not judged. Rings are findings. "
    )
    words += (
        f"Shaded: within {FAR_Z:g} robust standard deviations of the median."
        if content.spreads
        else f"Fewer than {LEAST_N} cases have any structure wholly in view, so that none is called an outlier."
    )
    chips = "".join(
        f'<span><i class="chip {group}"></i>{name}</span>'
        for group, name in zip(GROUPS, ("female", "male", "sex unknown"), strict=True)
        if any(case.group == group for case in measured)
    )
    search = (
        '<p class="needs-script"><label>Structure <input type="search" id="by-row" autocomplete="off"></label>'
        '<label><input type="checkbox" id="odd-only"> only with findings</label>'
        '<span class="hint">Arrow keys in a row go from case to case, Enter opens one.</span></p>'
    )
    return section(
        "cohort",
        "Volumes over the cohort",
        words,
        f'<div class="chips">{chips}</div>{search}{"".join(blocks)}',
    )


def _by_region(content: ReportContent) -> Iterator[tuple[str, list[str]]]:
    regions = [region.value for region in Region]

    def region(name: str) -> str:
        return content.scheme[name].region.value if name in content.scheme else Region.WHOLE_BODY.value

    seen = {name for case in content.cases for name in case.volumes_ml}
    names = [name for name in content.structures if name in seen]
    for key, group in groupby(sorted(names, key=lambda name: regions.index(region(name))), region):
        yield key, list(group)


def _flagged(content: ReportContent) -> dict[tuple[str, str], str]:
    """Case and structure of every finding about a volume, with its severity."""
    found: dict[tuple[str, str], str] = {}
    for shown in content.findings:
        one = shown.finding
        if one.code in VOLUME_CODES:
            found.setdefault((one.case, one.structure), one.severity.value)
    return found


def _block(
    content: ReportContent, region: str, names: Sequence[str], flagged: Mapping[tuple[str, str], str]
) -> str:
    ticks = "".join(f'<span style="left:{100 * _share(at):.2f}%">{words}</span>' for words, at in TICKS)
    rows = "".join(_row(content, name, flagged) for name in names)
    title = region.replace("_", " ").capitalize()
    return (
        f'<details class="card region" open><summary>{title}<span>{count(len(names), "structure")}</span></summary>'
        f'<table class="strips"><caption class="unseen">Volumes of structures, {title.lower()}</caption><thead><tr>'
        '<th scope="col">structure</th><th scope="col" class="n">cases</th><th scope="col" class="n">median ml</th>'
        '<th scope="col"><span class="unseen">volumes by case</span>'
        f'<div class="ticks" aria-hidden="true">{ticks}</div></th>'
        f'<th scope="col" class="n">findings</th></tr></thead><tbody>{rows}</tbody></table></details>'
    )


def _row(content: ReportContent, name: str, flagged: Mapping[tuple[str, str], str]) -> str:
    medians = middles(content, name)
    having = list(_dots(content, name, medians))
    odd = [dot for dot in having if (dot.case.case, name) in flagged]
    typical = _typical(medians, having)
    rings = "".join(
        f'<b class="ring {flagged[dot.case.case, name]}" style="left:{dot.x / WIDTH:.2%};top:{dot.y / HEIGHT:.1%}" '
        f'title="{escape(dot.case.case)}: {round_number(dot.ml)} ml"></b>'
        for dot in odd
    )
    return (
        f'<tr data-structure="{content.structures.index(name)}">'
        f'<th scope="row">{swatch(content, name)}{escape(content.display(name))}</th>'
        f'<td class="n">{len(having)}</td><td class="n">{typical}</td>'
        f'<td><div class="plot">{_drawing(name, medians, having)}{rings}</div></td>'
        f'<td class="n">{len(odd) or "–"}</td></tr>'
    )


def _typical(medians: Middles, having: Sequence[_Dot]) -> str:
    """The median, or those of women and men where they are apart."""
    groups = {dot.case.group for dot in having}
    known = [group for group in GROUPS if group in groups and group != "unknown"] or ["unknown"]
    return " / ".join(dict.fromkeys(round_number(medians[group][0]) for group in known))


def _dots(content: ReportContent, name: str, medians: Middles) -> Iterator[_Dot]:
    groups = [group for group in GROUPS if any(case.group == group for case in content.cases)]
    top = (HEIGHT - LANE * len(groups)) / 2
    having = [case for case in content.cases if case.volumes_ml.get(name, 0) > 0]
    for number, case in enumerate(having):
        ml = case.volumes_ml[name]
        jitter = ((number * GOLDEN) % 1 - 0.5) * LANE * 0.7
        x = WIDTH * _share(log2(ml / medians[case.group][0])) if medians[case.group][0] else WIDTH / 2
        yield _Dot(case, ml, x, top + LANE * (groups.index(case.group) + 0.5) + jitter)


def _share(doublings: float) -> float:
    """Place on the axis, 0…1; what lies beyond its ends stands at them."""
    return 0.01 + 0.98 * (min(max(doublings, -REACH), REACH) + REACH) / (2 * REACH)


def _drawing(name: str, medians: Middles, having: Sequence[_Dot]) -> str:
    """The dots of a row; they stay round however wide the row becomes."""
    groups = dict.fromkeys(dot.case.group for dot in having)
    bands = {sd for group, (_, sd) in medians.items() if sd is not None and group in groups}
    parts = []
    for sd in sorted(bands, reverse=True):
        reach = log2(exp(FAR_Z * sd))
        left, right = WIDTH * _share(-reach), WIDTH * _share(reach)
        parts.append(element("rect", x=left, y=0.0, width=right - left, height=HEIGHT, cls="band"))
    parts += [
        element("path", d=f"M{WIDTH * _share(at):.1f} 0V{HEIGHT:.0f}", cls="zero" if at == 0 else "grid")
        for _, at in TICKS
    ]
    for group in groups:
        for whole in (False, True):
            own = [
                (round(dot.x, 1), round(dot.y, 1))
                for dot in having
                if dot.case.group == group and (name in dot.case.whole) is whole
            ]
            if own:
                parts.append(dots(own, cls=f"pt {group}{'' if whole else ' cut'}"))
    box = f'viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" preserveAspectRatio="none"'
    return f'<svg {box} aria-hidden="true">{"".join(parts)}</svg>'
