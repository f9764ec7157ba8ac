"""What the page's script reads: findings and measurements of all cases, and the notes of each, as JSON in the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import floor, log10
from statistics import median
from typing import Any

from dapatlas.check.outliers import LEAST_LOG_SD, MAD_TO_SD, Spread
from dapatlas.findings import Finding, Severity
from dapatlas.labels import Sex
from dapatlas.publish.report.changes import is_change
from dapatlas.publish.report.content import GROUPS, CaseContent, ReportContent
from dapatlas.publish.svg import rgb

DIGITS = 4  # of a volume
MOST_NOTES = 25  # of each kind that a case's page shows; the reports beside the data set have all
SEVERITIES = tuple(Severity)


def script(name: str, value: Any) -> str:
    """A block of JSON that no browser runs; nothing in it can end it early."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    safe = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{safe}</script>'


def cohort(content: ReportContent) -> dict[str, Any]:
    """Findings and measurements, a column a structure; numbers stand for strings that come often."""
    names = content.structures
    places = {name: number for number, name in enumerate(names)}
    words = _Words()
    rows = [
        [*_finding(shown.finding, content.places, places, words), content.holders.get(number, -1)]
        for number, shown in enumerate(content.findings)
    ]
    return {
        "cases": [
            [case.case, case.subject, case.group, case.age_years, int(bool(case.failed))]
            for case in content.cases
        ],
        "structures": [_structure(content, name) for name in names],
        "ml": [[_rounded(case.volumes_ml.get(name)) for case in content.cases] for name in names],
        "hu": [[_rounded(case.hu.get(name), 0) for case in content.cases] for name in names]
        if any(case.hu for case in content.cases)
        else [],
        "whole": ["".join("1" if name in case.whole else "0" for case in content.cases) for name in names],
        "findings": rows,
        "words": words.all,
    }


def case_notes(content: ReportContent, case: CaseContent) -> dict[str, Any]:
    """What only the page of one case shows: notes of the build, changes, agreement, pictures."""
    changes = sorted((note for note in case.notes if is_change(note)), key=lambda note: -note.voxels)
    others = [note for note in case.notes if not is_change(note)]
    others.sort(key=lambda note: SEVERITIES.index(note.severity))
    overlaps = content.agreement.overlaps.get(case.case, ()) if content.agreement else ()
    compared = (
        [each for each in content.comparison.cases if each.case == case.case] if content.comparison else []
    )
    return {
        "failed": case.failed,
        "pictures": [list(picture) for picture in case.pictures],
        "changes": [
            [change.found, change.expected, change.voxels, change.code] for change in changes[:MOST_NOTES]
        ],
        "changed": len(changes),
        "notes": [[note.severity.value, note.code, note.message] for note in others[:MOST_NOTES]],
        "noted": len(others),
        "overlaps": [
            [each.structure, each.one, each.other, round(each.dice, 3), each.one_ml, each.other_ml]
            for each in sorted(overlaps, key=lambda each: (each.dice, each.structure))[:MOST_NOTES]
        ],
        "overlapped": len(overlaps),
        "compared": [
            [name, round(dice, 3), _rounded(each.there_ml.get(name)), _rounded(each.here_ml.get(name))]
            for each in compared
            for name, dice in sorted(each.dice.items(), key=lambda pair: pair[1])[:MOST_NOTES]
        ],
    }


def middles(content: ReportContent, structure: str) -> dict[str, tuple[float, float | None]]:
    """Median volume by group of cases and, where the cohort is large enough, the spread of its logarithm.

    Where there is no spread, the median is that of all whole ones, and of all where none is whole.
    """
    own = [spread for spread in content.spreads if spread.structure == structure]
    found = {group: (spread.median_ml, _log_sd(spread)) for spread in own for group in _groups(spread)}
    if own:
        pooled = [ml for spread in own for ml in spread.ml.values()]
    else:
        having = [case for case in content.cases if case.volumes_ml.get(structure, 0) > 0]
        pooled = [case.volumes_ml[structure] for case in having if structure in case.whole]
        pooled = pooled or [case.volumes_ml[structure] for case in having]
    rest = (median(pooled), None) if pooled else (0.0, None)
    return {group: found.get(group, rest) for group in GROUPS}


def _groups(spread: Spread) -> tuple[str, ...]:
    return GROUPS if spread.sex is None else (Sex(spread.sex).value,)


def _log_sd(spread: Spread) -> float:
    return max(MAD_TO_SD * spread.log_mad, LEAST_LOG_SD)


class _Words:
    """Strings by number, each once; the empty one is 0."""

    def __init__(self) -> None:
        self._places = {"": 0}

    def __call__(self, text: str) -> int:
        return self._places.setdefault(text, len(self._places))

    @property
    def all(self) -> list[str]:
        return list(self._places)


def _finding(
    finding: Finding, cases: Mapping[str, int], places: Mapping[str, int], words: _Words
) -> list[Any]:
    return [
        cases.get(finding.case, -1),
        SEVERITIES.index(finding.severity),
        words(finding.code),
        places.get(finding.structure, -1),
        finding.message,
        words(finding.expected),
        finding.found,
        words(finding.remedy),
        [list(side) for side in finding.box] if finding.box else 0,
    ]


def _structure(content: ReportContent, name: str) -> list[Any]:
    known = name in content.scheme
    colour = rgb(content.scheme[name].colour) if known else ""
    medians = [
        [_rounded(ml), None if sd is None else round(sd, 4)] for ml, sd in middles(content, name).values()
    ]
    return [name, content.display(name), colour, medians]


def _rounded(value: float | None, digits: int | None = None) -> float | int | None:
    """Four digits that matter, or so many after the point; ``None`` stays."""
    if value is None or value == 0:
        return value
    places = DIGITS - 1 - floor(log10(abs(value))) if digits is None else digits
    short = round(value, places)
    return int(short) if short == int(short) else short
