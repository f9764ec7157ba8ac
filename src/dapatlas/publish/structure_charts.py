"""Charts of structures: which are there, how large they are, how dense."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from dapatlas.labels import Region, TissueClass
from dapatlas.publish.cohort_statistics import GROUPS, Outlier, StructureSummary, quantiles
from dapatlas.publish.svg import HuScale, LogScale, dots, drawing, element, hover, rgb, round_number, text

WIDTH = 1080.0
GROUP_NAMES = {"F": "female", "M": "male", "unknown": "sex unknown"}
# HU of reference. Air is at -1000 by definition, as water is at 0; adipose tissue and skeletal muscle as in body
# composition (Aubrey et al. 2014, Acta Physiologica 210:489, doi 10.1111/apha.12224). A band is (name, from, to).
BANDS = (("air", -1050.0, -950.0), ("fat", -190.0, -30.0), ("muscle", -29.0, 150.0))
HU_TICKS = (-1000, -300, -100, 0, 50, 100, 300, 1000)

TILE, TILE_GAP, WALL_LEFT = 19.0, 3.0, 106.0
KIND_GAP = 10.0  # between kinds of tissue

SHARE_LEFT, SHARE_WIDTH, VOLUME_LEFT = 232.0, 54.0, 344.0
LANE = 9.0
MAX_NAME = 34  # letters that fit before the bar
GOLDEN = 0.6180339887  # its multiples, without their whole part, fill a lane evenly in any number
FEW = 5  # up to here points alone say it all


def region_title(region: Region) -> str:
    """A region as a heading."""
    return region.value.replace("_", " ").capitalize()


def by_region(summaries: Iterable[StructureSummary]) -> list[tuple[Region, list[StructureSummary]]]:
    """Structures of each region, head to foot as the regions are declared, and by tissue and id within."""
    regions, tissues = list(Region), list(TissueClass)

    def order(one: StructureSummary) -> tuple[int, int, int]:
        structure = one.structure
        return regions.index(structure.region), tissues.index(structure.tissue), structure.id

    ordered = sorted(summaries, key=order)
    return [(region, list(rows)) for region, rows in groupby(ordered, lambda one: one.structure.region)]


def presence_wall(summaries: Iterable[StructureSummary], cases: int) -> str:
    """A tile for every structure of the scheme, filled as high as the share of cases that have it."""
    parts, top = [], 4.0
    for region, rows in by_region(summaries):
        parts.append(text(0, top + 14, region_title(region), cls="lab"))
        places, lines = _places([row.structure.tissue for row in rows])
        parts += [
            _tile(x, top + line * (TILE + TILE_GAP), row, cases)
            for (x, line), row in zip(places, rows, strict=True)
        ]
        top += lines * (TILE + TILE_GAP) + 8
    return drawing(WIDTH, top, "".join(parts), "Share of cases that have each structure")


def _places(kinds: Sequence[TissueClass]) -> tuple[list[tuple[float, int]], int]:
    """Left edge and line of each tile, and how many lines; a gap comes before a new kind."""
    places, x, line, last = list[tuple[float, int]](), WALL_LEFT, 0, kinds[0]
    for kind in kinds:
        x, last = x + (KIND_GAP if kind is not last else 0.0), kind
        if x + TILE > WIDTH:
            x, line = WALL_LEFT, line + 1
        places.append((x, line))
        x += TILE + TILE_GAP
    return places, line + 1


def _tile(x: float, y: float, row: StructureSummary, cases: int) -> str:
    filled = TILE * row.share
    words = f"{row.structure.display_name}: {row.cases} of {cases} cases ({row.share:.0%})"
    track = element("rect", x=x, y=y, width=TILE, height=TILE, rx=2.5, cls="track" if row.cases else "none")
    fill = element(
        "rect", x=x, y=y + TILE - filled, width=TILE, height=filled, rx=2.5, fill=rgb(row.structure.colour)
    )
    return element("g", hover(words) + track + (fill if row.cases else ""))


def structure_rows(
    rows: Sequence[StructureSummary], groups: Sequence[str], cases: int, *, with_hu: bool
) -> str:
    """A row a structure: its share of cases, its volumes by group on a logarithmic axis, and its HU.

    Parameters
    ----------
    rows
        Structures of one region that some case has.
    groups
        Those of ``F``, ``M`` and ``unknown`` that the data set has.
    cases
        Of the data set.
    with_hu
        Whether there are CTs to take HU from.
    """
    volume_right = 706.0 if with_hu else WIDTH - 14
    scale = LogScale.around([ml for row in rows for ml in row.all_ml], VOLUME_LEFT, volume_right)
    hu = HuScale(770.0, WIDTH - 10)
    row_height = max(20.0, LANE * len(groups) + 6)
    bottom = 30 + row_height * len(rows)
    parts = [_grid(scale, bottom)]
    if with_hu:
        parts.append(_hu_grid(hu, 30, bottom, named=False))
    for place, row in enumerate(rows):
        y = 30 + row_height * (place + 0.5)
        parts.append(_name_and_share(row, y, cases))
        parts += _volumes(row, groups, scale, y)
        if with_hu and row.mean_hu is not None:
            parts.append(_whisker(row, hu, y, 3.4))
    heads = [
        text(SHARE_LEFT, 10, "cases", cls="axis"),
        text(VOLUME_LEFT, 10, "volume, ml", cls="axis"),
        text(hu.left, 10, "HU, mean ± sd", cls="axis") if with_hu else "",
    ]
    return drawing(
        WIDTH, bottom + 6, "".join(heads + parts), "Presence, volumes and HU of every structure of the region"
    )


def _grid(scale: LogScale, bottom: float) -> str:
    parts = []
    for tick in scale.ticks:
        x = scale(tick)
        parts.append(element("path", d=f"M{x:.1f} 28V{bottom:.1f}", cls="grid"))
        label = f"{tick:,.0f}".replace(",", "\u2009") if tick >= 1 else f"{tick:g}"
        parts.append(text(x, 23, label, cls="tick", text_anchor="middle"))
    return "".join(parts)


def _name_and_share(row: StructureSummary, y: float, cases: int) -> str:
    name = row.structure.display_name
    shown = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
    swatch = element("rect", x=0, y=y - 5, width=10, height=10, rx=2, fill=rgb(row.structure.colour))
    words = hover(f"{row.structure.name} (id {row.structure.id}): {row.cases} of {cases} cases")
    bar = element("rect", x=SHARE_LEFT, y=y - 3, width=SHARE_WIDTH, height=6, rx=3, cls="track")
    width = max(2.0, SHARE_WIDTH * row.share)
    fill = element("rect", x=SHARE_LEFT, y=y - 3, width=width, height=6, rx=3, cls="share")
    share = text(SHARE_LEFT + SHARE_WIDTH + 32, y + 3.6, f"{row.share:.0%}", cls="tick", text_anchor="end")
    return element("g", words + swatch + text(17, y + 4, shown, cls="name") + bar + fill + share)


def _volumes(row: StructureSummary, groups: Sequence[str], scale: LogScale, y: float) -> list[str]:
    top = y - LANE * len(groups) / 2
    lanes = [_lane(row, group, scale, top + LANE * (number + 0.5)) for number, group in enumerate(groups)]
    rings = [
        _ring(one, scale(one.volume_ml), top + LANE * (groups.index(one.group) + 0.5)) for one in row.outliers
    ]
    return lanes + rings


def _ring(one: Outlier, x: float, y: float) -> str:
    words = f"{one.case}: {one.structure} {round_number(one.volume_ml)} ml, {one.ratio:.2g} × the median"
    return element("circle", hover(words), cx=x, cy=y, r=3.4, cls="odd")


def _lane(row: StructureSummary, group: str, scale: LogScale, y: float) -> str:
    """Points, and for more than a few of them the quartiles' box with whiskers from least to greatest usual one."""
    values = row.volumes_ml[group]
    if not values:
        return ""
    q = quantiles(values)
    words = (
        f"{row.structure.display_name}, {GROUP_NAMES[group]}, n = {len(values)}: median {round_number(q['median'])} "
        f"ml, quartiles {round_number(q['q1'])} and {round_number(q['q3'])}, range {round_number(q['min'])}…"
        f"{round_number(q['max'])}"
    )
    strip = dots(
        [
            (round(scale(ml), 1), round(y + ((number * GOLDEN) % 1 - 0.5) * LANE * 0.62, 1))
            for number, ml in enumerate(values)
        ],
        cls="pt",
    )
    x1, x2, x3 = scale(q["q1"]), scale(q["median"]), scale(q["q3"])
    centre = element("path", d=f"M{x2:.1f} {y - 4:.1f}v8", cls="med")
    box = ""
    if len(values) > FEW:
        unusual = {one.volume_ml for one in row.outliers if one.group == group}
        usual = [ml for ml in values if ml not in unusual] or values
        span = f"M{scale(min(usual)):.1f} {y:.1f}H{scale(max(usual)):.1f}"
        box = element("path", d=span, cls="wh")
        box += element("rect", x=x1, y=y - 3, width=max(x3 - x1, 0.8), height=6, rx=1.2, cls="box")
    return element("g", hover(words) + strip + box + centre, cls=f"g{group}")


def density_lanes(rows: Sequence[StructureSummary]) -> str:
    """HU of every structure, a lane a kind of tissue, the lightest kind on top, over bands of reference."""
    measured = [row for row in rows if row.mean_hu is not None]
    kinds = [
        (kind, sorted(group, key=lambda one: (one.mean_hu or 0.0, one.structure.id)))
        for kind in TissueClass
        if (group := [row for row in measured if row.structure.tissue is kind])
    ]
    kinds.sort(key=lambda pair: quantiles([row.mean_hu or 0.0 for row in pair[1]])["median"])
    hu = HuScale(106.0, WIDTH - 10)
    top, parts = 40.0, list[str]()
    for kind, group in kinds:
        step = 5.2 if len(group) > FEW else 9.0
        height = max(22.0, step * len(group) + 8)
        first = top + (height - step * (len(group) - 1)) / 2
        parts.append(text(0, top + height / 2 + 4, _kind_title(kind), cls="lab"))
        parts += [_whisker(row, hu, first + step * number, 3.0) for number, row in enumerate(group)]
        top += height
        parts.append(element("path", d=f"M0 {top:.1f}H{WIDTH:.0f}", cls="rule"))
    return drawing(
        WIDTH,
        top + 4,
        _hu_grid(hu, 40, top, named=True) + "".join(parts),
        "HU of structures by kind of tissue",
    )


def _kind_title(kind: TissueClass) -> str:
    return {TissueClass.RESIDUAL: "Other tissue"}.get(kind, kind.value.capitalize())


def _hu_grid(hu: HuScale, top: float, bottom: float, *, named: bool) -> str:
    parts = []
    for name, low, high in BANDS:
        x, right = hu(low), hu(high)
        parts.append(element("rect", x=x, y=top - 2, width=right - x, height=bottom - top + 2, cls="band"))
        if named:
            parts.append(text((x + right) / 2, 12, name, cls="axis", text_anchor="middle"))
    for tick in HU_TICKS:
        x = hu(tick)
        parts.append(element("path", d=f"M{x:.1f} {top - 2:.1f}V{bottom:.1f}", cls="grid"))
        if named or tick not in (50, -300, 300):
            label = f"{tick}".replace("-", "−")
            parts.append(text(x, top - 7, label, cls="tick", text_anchor="middle"))
    return "".join(parts)


def _whisker(row: StructureSummary, hu: HuScale, y: float, radius: float) -> str:
    mean, sd = row.mean_hu or 0.0, row.sd_hu or 0.0
    words = hover(f"{row.structure.display_name}: {mean:.0f} ± {sd:.0f} HU".replace("-", "−"))
    span = element("path", d=f"M{hu(mean - sd):.1f} {y:.1f}H{hu(mean + sd):.1f}", cls="sd")
    return element(
        "g",
        words
        + span
        + element("circle", cx=hu(mean), cy=y, r=radius, fill=rgb(row.structure.colour), cls="dot"),
    )


def groups_of(groups: Iterable[str]) -> list[str]:
    """The groups that occur, in their order."""
    present = set(groups)
    return [group for group in GROUPS if group in present]
