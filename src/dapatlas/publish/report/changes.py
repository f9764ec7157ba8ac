"""What the guidelines changed: counts by guideline, and the pictures of before and after."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from html import escape
from types import MappingProxyType

from dapatlas.findings import Finding
from dapatlas.publish.report.content import ReportContent
from dapatlas.publish.report.markup import absent, case_link, count, scrolling, section, table, whole
from dapatlas.refine.settings import GUIDELINES

# Which guideline speaks in which code when it changes a label.
GUIDELINE_OF: Mapping[str, str] = MappingProxyType(
    {
        "wrong-side": "laterality",
        "wrong-side-part": "laterality",
        "rejoined-at-plane": "laterality",
        "vertebra-fragment": "spine",
        "vertebra-crumb": "spine",
        "vertebra-renumbered": "spine",
        "rib-joined": "ribs",
        "ribs-separated": "ribs",
        "rib-renumbered": "ribs",
        "rib-followed": "ribs",
        "bronchus-above-lungs": "regions",
        "renamed-by-region": "regions",
        "impossible-place": "regions",
        "other-sex": "sex",
        "island": "fragments",
        "hole": "fragments",
        "background-hole": "fragments",
        "outside-body": "containment",
        "skin-inside": "containment",
        "off-the-heart": "containment",
        "off-the-column": "containment",
    }
)
MOST_PAIRS = 3  # changes named of each guideline
NOTHING = "Nothing is known of changes: reports/ holds no report of a build with guidelines, or of `dapatlas refine`."


def is_change(finding: Finding) -> bool:
    """Whether a guideline says here what became what."""
    return finding.code in GUIDELINE_OF and bool(finding.found) and bool(finding.expected)


def changes_section(content: ReportContent) -> str:
    """Counts by guideline, then before and after of the cases that changed most."""
    if not content.refined:
        return section("changes", "What the guidelines changed", "", absent(NOTHING))
    changes = [note for case in content.cases for note in case.notes if is_change(note)]
    cases = len({change.case for change in changes})
    words = (
        f"{count(len(changes), 'change')} of one structure into another, in {cases} of "
        f"{count(len(content.cases), 'case')}. A voxel that two guidelines changed counts twice."
    )
    return section(
        "changes", "What the guidelines changed", words, _table(content, changes) + _gallery(content)
    )


def _table(content: ReportContent, changes: list[Finding]) -> str:
    groups: defaultdict[str, list[Finding]] = defaultdict(list)
    for change in changes:
        groups[GUIDELINE_OF[change.code]].append(change)
    most = max((sum(one.voxels for one in own) for own in groups.values()), default=1)
    rows = [_row(content, name, groups[name], most) for name in GUIDELINES]
    heads = [
        ("guideline", ""),
        ("cases", "n"),
        ("changes", "n"),
        ("voxels", "n"),
        ("share", "bar"),
        ("most often", ""),
    ]
    return scrolling(table(heads, rows, "Changes by guideline"), "Changes by guideline", sideways=True)


def _row(content: ReportContent, guideline: str, changes: list[Finding], most: int) -> str:
    voxels = sum(change.voxels for change in changes)
    cases = len({change.case for change in changes})
    pairs: defaultdict[tuple[str, str], int] = defaultdict(int)
    for change in changes:
        pairs[change.found, change.expected] += 1
    often = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[:MOST_PAIRS]
    named = "; ".join(f"{content.display(was)} → {content.display(became)}" for was, became in often)
    says = GUIDELINES[guideline].says
    bar = f'<span class="meter"><span style="width:{100 * voxels / most:.1f}%"></span></span>'
    numbers = "".join(f'<td class="n">{whole(number)}</td>' for number in (cases, len(changes), voxels))
    return (
        f'<tr><th scope="row"><b>{guideline}</b><small>{escape(says)}</small></th>{numbers}'
        f"<td>{bar}</td><td>{escape(named) or '–'}</td></tr>"
    )


def _gallery(content: ReportContent) -> str:
    figures = [
        f'<figure><img src="{case.refined}" loading="lazy" data-refined="{number}" '
        f'alt="Three planes through the largest change of {escape(case.case)}: above before, below after">'
        f"<figcaption>{case_link(content, case.case)}</figcaption></figure>"
        for number, case in enumerate(content.cases)
        if case.refined
    ]
    if not figures:
        return ""
    words = "<p>Above before, below after, through the largest change of the cases that changed most.</p>"
    return f'{words}<div class="gallery">{"".join(figures)}</div>'
