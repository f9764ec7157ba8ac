"""The report on a data set: one HTML file with its pictures, charts and styles inside; it needs no network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from statistics import median

from dapatlas import __version__
from dapatlas.labels import LabelScheme, Region
from dapatlas.publish.cohort_statistics import (
    MIN_WHOLE,
    OUTLIER_Z,
    CohortStatistics,
    StructureSummary,
    is_named,
)
from dapatlas.publish.coronal import MM_PER_PIXEL
from dapatlas.publish.histograms import histogram
from dapatlas.publish.stats_tables import MAX_OUTLIERS, outlier_table, structure_table
from dapatlas.publish.structure_charts import (
    GROUP_NAMES,
    by_region,
    density_lanes,
    groups_of,
    presence_wall,
    region_title,
    structure_rows,
)
from dapatlas.publish.svg import rgb, round_number

# Even a picture or a style that slipped in could load nothing from elsewhere.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


STRETCH = 1.2  # how much wider than its picture a tile may become to fill its row


@dataclass(frozen=True, slots=True)
class Picture:
    """A case as it is shown: its id and the bytes of a PNG."""

    case: str
    png: bytes


def stats_report(
    found: CohortStatistics, scheme: LabelScheme, pictures: Sequence[Picture], failed: Mapping[str, str]
) -> str:
    """The whole page; the same for the same numbers and pictures.

    Parameters
    ----------
    found
        The data set in numbers.
    scheme
        What its ids mean.
    pictures
        Cases to show, in order.
    failed
        Cases that could not be measured, and why.
    """
    sections = [
        _header(found, failed),
        _montage(found, pictures),
        _presence(found),
        _structures(found),
        _density(found),
        _geometry(found),
        _outliers(found),
        _table(found),
        _footer(found, scheme),
    ]
    data = files("dapatlas.publish") / "data"
    style, script = ((data / f"stats_report.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(found.name)}: statistics</title><style>\n{style}</style></head><body><main>\n"
        + "\n".join(section for section in sections if section)
        + f"\n</main><script>\n{script}</script></body></html>\n"
    )


def _has_ct(found: CohortStatistics) -> bool:
    return found.without_ct < len(found.cases)


def _section(anchor: str, title: str, words: str, content: str) -> str:
    return f'<section><h2 id="{anchor}">{title}</h2><p>{words}</p>{content}</section>'


def _header(found: CohortStatistics, failed: Mapping[str, str]) -> str:
    numbers = found.as_dict()
    by_sex = numbers["cases_by_sex"]
    bars = "".join(f'<div class="b{g}" style="flex:{n}"></div>' for g, n in by_sex.items() if n)
    sexes = ", ".join(f"{n} {GROUP_NAMES[g]}" for g, n in by_sex.items() if n)
    named = sum(is_named(row.structure) for row in found.structures)
    height = median(case.height_mm for case in found.cases)
    cards = [
        (
            "cases",
            str(numbers["cases"]),
            "case" + "s" * (numbers["cases"] != 1),
            f'{sexes}<div class="split">{bars}</div>',
        ),
        ("subjects", str(numbers["subjects"]), "subject" + "s" * (numbers["subjects"] != 1), _studies(found)),
        ("structures", str(numbers["structures"]), "structures seen", f"of {named} in the scheme"),
        ("litres", round_number(numbers["labelled_litres"]), "litres labelled", "all that is not background"),
        ("height", f"{height:.0f} mm", "median height in view", "from head to foot"),
    ]
    tiles = "".join(
        f'<div class="card" data-number="{key}"><b>{big}</b>{label}<br><span>{small}</span></div>'
        for key, big, label, small in cards
    )
    links = {"cases": "Cases", "presence": "Presence", "structures": "Size and density", "density": "HU"}
    links |= {"views": "Fields of view", "outliers-title": "Out of line", "table": "Table"}
    if not _has_ct(found):
        del links["density"]
        links["structures"] = "Size"
    nav = "".join(f'<a href="#{anchor}">{words}</a>' for anchor, words in links.items())
    return (
        f"<header><h1>{escape(found.name)}</h1><nav>{nav}</nav></header>"
        f'<div class="numbers">{tiles}</div>{_notes(found, failed)}'
    )


def _studies(found: CohortStatistics) -> str:
    """How many persons were scanned more than once."""
    subjects = [case.subject for case in found.cases]
    often = len({subject for subject in subjects if subjects.count(subject) > 1})
    return f"{often} with several studies" if often else "one study each"


def _notes(found: CohortStatistics, failed: Mapping[str, str]) -> str:
    notes = []
    if found.without_ct:
        which = (
            "No case has" if not _has_ct(found) else f"{found.without_ct} of {len(found.cases)} cases have no"
        )
        notes.append(f"{which}{'' if _has_ct(found) else ' a'} CT, so HU {_hu_consequence(found)}.")
    if failed:
        lines = "".join(
            f"<li>{escape(case)}: {escape(error.splitlines()[0])}</li>"
            for case, error in sorted(failed.items())
        )
        notes.append(f"{len(failed)} case{'s' * (len(failed) != 1)} could not be measured:<ul>{lines}</ul>")
    return "".join(f'<div class="note">{note}</div>' for note in notes)


def _hu_consequence(found: CohortStatistics) -> str:
    return "are those of the others" if _has_ct(found) else "are left out"


def _montage(found: CohortStatistics, pictures: Sequence[Picture]) -> str:
    if not pictures:
        return ""
    figures = "".join(map(_figure, pictures))
    few = len(pictures) < len(found.cases)
    number = f"{len(pictures)} of {len(found.cases)} cases, spread evenly over all" if few else "Every case"
    words = (
        f"{number}: the coronal plane through the most structures, the patient's left on the right, all at one scale "
        f"({MM_PER_PIXEL:g} mm a pixel)."
    )
    return _section("cases", "Cases", words, f'<div class="montage">{figures}</div>')


def _figure(one: Picture) -> str:
    width, height = (
        int.from_bytes(one.png[start : start + 4], "big") for start in (16, 20)
    )  # of the PNG header
    data = b64encode(one.png).decode()
    return (
        f'<figure style="max-width:{round(width * STRETCH)}px"><img alt="coronal picture of {escape(one.case)}" '
        f'width="{width}" height="{height}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(one.case).replace('_', '_<wbr>')}</figcaption></figure>"
    )


def _presence(found: CohortStatistics) -> str:
    words = (
        "A tile for every structure, filled as high as the share of cases that have it; dashed where none has. Rest "
        "the pointer on a tile for its name."
    )
    wall = presence_wall(found.structures, len(found.cases))
    return _section("presence", "What is there", words, f'<div class="card">{wall}</div>')


def _structures(found: CohortStatistics) -> str:
    groups, with_hu = groups_of(found.groups.values()), _has_ct(found)
    chips = "".join(f'<span><i class="b{group}"></i>{GROUP_NAMES[group]}</span>' for group in groups)
    chips += '<span><i class="ring"></i>out of line</span>'
    parts = [_region(region, rows, groups, found) for region, rows in by_region(found.seen)]
    words = (
        "Share of cases, volumes (every point a case; box of the quartiles, thick line at the median, logarithmic axis)"
        + (", and HU (mean of the cases, sd within the structure)" if with_hu else "")
        + ". What the edge of the view cuts counts as it is."
    )
    content = f'<div class="chips">{chips}</div>{"".join(parts)}'
    return _section("structures", "Size and density" if with_hu else "Size", words, content)


def _region(
    region: Region, rows: Sequence[StructureSummary], groups: Sequence[str], found: CohortStatistics
) -> str:
    count = f"{len(rows)} structure{'s' * (len(rows) != 1)}"
    chart = structure_rows(rows, groups, len(found.cases), with_hu=_has_ct(found))
    summary = f"<summary>{region_title(region)}<span>{count}</span></summary>"
    return f'<details class="card" open>{summary}{chart}</details>'


def _density(found: CohortStatistics) -> str:
    if not _has_ct(found):
        return ""
    words = (
        "Every dot a structure: mean of the cases, line of ± one sd within it. From air over fat and "
        "soft tissue to bone, kinds of tissue should come in the order of the shaded bands. The axis is wide around 0."
    )
    return _section(
        "density", "HU by kind of tissue", words, f'<div class="card">{density_lanes(found.seen)}</div>'
    )


def _geometry(found: CohortStatistics) -> str:
    cases = found.cases
    charts = [
        histogram([case.height_mm for case in cases], "Height in view, mm"),
        histogram([float(case.shape[2]) for case in cases], "Slices"),
        histogram([case.spacing_mm[2] for case in cases], "Spacing from head to foot, mm"),
        histogram([case.spacing_mm[0] for case in cases], "Spacing from left to right, mm"),
        histogram([float(case.shape[0]) for case in cases], "Voxels from left to right"),
        histogram([case.shape[0] * case.spacing_mm[0] for case in cases], "Width in view, mm"),
    ]
    cards = "".join(f'<div class="card">{chart}</div>' for chart in charts)
    return _section(
        "views", "Fields of view", "How many cases have which grid.", f'<div class="histograms">{cards}</div>'
    )


def _outliers(found: CohortStatistics) -> str:
    outliers = found.outliers
    words = (
        f"Structures whose volume is more than {OUTLIER_Z:g} robust standard deviations from the median of the case's "
        "own sex, or of all where it is unknown (median and MAD of the logarithm). What the edge of the view cuts does "
        f"not make the median, and is only listed when it is too large; at least {MIN_WHOLE} whole ones are needed."
    )
    if not outliers:
        return _section("outliers-title", "Out of line", words, '<div class="card">None.</div>')
    if len(outliers) > MAX_OUTLIERS:
        words += f" The {MAX_OUTLIERS} gravest of {len(outliers)}; <code>--json</code> gives all."
    colours = {
        row.structure.name: (row.structure.display_name, rgb(row.structure.colour))
        for row in found.structures
    }
    table = f'<div class="card scroll">{outlier_table(outliers, colours)}</div>'
    return _section("outliers-title", "Out of line", words, table)


def _table(found: CohortStatistics) -> str:
    groups = groups_of(found.groups.values())
    table = structure_table(found.structures, groups, with_hu=_has_ct(found))
    words = "Volumes in ml over the cases that have the structure. A click on a heading sorts."
    search = '<input type="search" id="filter" placeholder="structure, region or tissue" aria-label="filter">'
    return _section("table", "All structures", words, f'{search}<div class="card scroll">{table}</div>')


def _footer(found: CohortStatistics, scheme: LabelScheme) -> str:
    source = f"Structures and colours: {escape(scheme.title or scheme.name)}."
    if scheme.home_page:
        source += f' {escape(scheme.citation)} (<a href="{escape(scheme.home_page)}">home page</a>).'
    return (
        f"<footer>{source} Limits of what is out of line: Iglewicz and Hoaglin, How to Detect and Handle Outliers, "
        "1993. Bands of HU: air by definition of the scale; fat and muscle by Aubrey et al., Acta Physiologica 2014. "
        f"Made with dapatlas {__version__} from {len(found.cases)} label maps.</footer>"
    )
