"""How the experts of a build agree: each of them, and a heat table of structures by pairs of experts."""

from __future__ import annotations

from collections import defaultdict
from html import escape
from statistics import fmean

from dapatlas.publish.report.content import Agreement, Overlap, ReportContent
from dapatlas.publish.report.markup import absent, scrolling, section, swatch, table

TITLE = "Agreement between experts"
NOTHING = "No two experts were compared: no report of a build with several experts lies in reports/."
MOST_PAIRS = 12  # columns of the heat table; with more experts, each one against all others
STEPS = 8  # shades of heat


def agreement_section(content: ReportContent) -> str:
    """The table of experts, then the heat."""
    found = content.agreement
    if found is None or not any(found.overlaps.values()):
        return section("agreement", TITLE, "", absent(NOTHING))
    words = (
        "Dice where both see a structure, mean over cases: 0 is no voxel in common, 1 is the same voxels. "
        "The worst first."
    )
    heat = scrolling(_heat(content, found), "Dice by structure and experts")
    return section("agreement", TITLE, words, scrolling(_experts(found), "Experts", sideways=True) + heat)


def _experts(found: Agreement) -> str:
    heads = [
        ("expert", ""),
        ("compared", "n"),
        ("Dice with others", "n"),
        ("with the result", "n"),
        ("alone", "n"),
    ]
    rows = [
        f'<tr><th scope="row">{escape(one.name)}</th><td class="n">{one.compared}</td>{dice_cell(one.dice)}'
        f'{dice_cell(one.with_result)}<td class="n">{one.alone}</td></tr>'
        for one in found.experts
    ]
    return table(heads, rows, "Experts")


def _heat(content: ReportContent, found: Agreement) -> str:
    overlaps = [each for own in found.overlaps.values() for each in own]
    names = dict.fromkeys(name for each in overlaps for name in (each.one, each.other))
    pairs = dict.fromkeys((each.one, each.other) for each in overlaps)
    singly = len(pairs) > MOST_PAIRS
    columns = (
        [f"{name} and others" for name in names] if singly else [f"{one} and {other}" for one, other in pairs]
    )
    cells: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    by_structure: defaultdict[str, list[Overlap]] = defaultdict(list)
    for each in overlaps:
        by_structure[each.structure].append(each)
        for column in (
            [f"{name} and others" for name in (each.one, each.other)]
            if singly
            else [f"{each.one} and {each.other}"]
        ):
            cells[each.structure, column].append(each.dice)
    order = sorted(by_structure, key=lambda name: (fmean(each.dice for each in by_structure[name]), name))
    rows = []
    for name in order:
        own = by_structure[name]
        apart = fmean(abs(each.one_ml - each.other_ml) for each in own)
        dice = "".join(_mean_cell(cells.get((name, column), [])) for column in columns)
        rows.append(
            f'<tr><th scope="row">{swatch(content, name)}{escape(content.display(name))}</th>'
            f'<td class="n">{len(own)}</td>{dice}<td class="n">{apart:.1f}</td></tr>'
        )
    heads = [
        ("structure", ""),
        ("compared", "n"),
        *((column, "n") for column in columns),
        ("difference ml", "n"),
    ]
    return table(heads, rows, "Dice by structure and experts, the worst first")


def _mean_cell(values: list[float]) -> str:
    return dice_cell(fmean(values)) if values else '<td class="n">–</td>'


def dice_cell(dice: float) -> str:
    """A cell whose shade tells the Dice as its number does."""
    return f'<td class="n heat h{min(STEPS - 1, int(dice * STEPS))}">{dice:.3f}</td>'
