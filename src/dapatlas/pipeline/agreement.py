"""How experts agree over a whole cohort: on what they differ most, which cases to look at first, who stands alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from dapatlas.files import write_json, write_text

FIRST = 10  # rows that the page shows of what may be long
TROUBLE = ("odd-expert", "experts-apart")


@dataclass(frozen=True, slots=True)
class StructureAgreement:
    """One structure over all cases.

    Attributes
    ----------
    structure
        Its name.
    cases
        In how many cases at least two experts could be compared.
    dice
        Mean over cases and pairs of experts.
    difference_ml
        Mean absolute difference of volume.
    worst_case, worst_pair, worst_dice
        Where the overlap was least, and whose.
    """

    structure: str
    cases: int
    dice: float
    difference_ml: float
    worst_case: str
    worst_pair: str
    worst_dice: float


@dataclass(frozen=True, slots=True)
class CaseAgreement:
    """One case: how many structures experts are apart on, and their mean Dice over all structures and pairs."""

    case: str
    apart: int
    dice: float


@dataclass(frozen=True, slots=True)
class ExpertAgreement:
    """One expert over all cases.

    Attributes
    ----------
    expert
        Its name.
    structures
        How many structures it was compared on, cases counted singly.
    dice
        Mean Dice with the other experts.
    with_result
        Mean Dice with the maps that were built.
    alone
        How often it agreed with nobody on a structure while others agreed.
    alone_on
        The structures, those it was alone on most often first.
    """

    expert: str
    structures: int
    dice: float
    with_result: float
    alone: int
    alone_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CohortAgreement:
    """All three, the worst first."""

    structures: tuple[StructureAgreement, ...]
    cases: tuple[CaseAgreement, ...]
    experts: tuple[ExpertAgreement, ...]


def summarise(reports: Sequence[dict[str, Any]]) -> CohortAgreement:
    """Sum the case reports of a build up; empty where no two experts know one structure."""
    rows = [row | {"case": report["case"]} for report in reports for row in report.get("agreement", ())]
    by_structure: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_structure[row["structure"]].append(row)
    structures = sorted(
        (_of_structure(name, own) for name, own in by_structure.items()), key=lambda s: (s.dice, s.structure)
    )
    cases = [_of_case(report) for report in reports if report.get("agreement")]
    return CohortAgreement(
        tuple(structures),
        tuple(sorted(cases, key=lambda c: (-c.apart, c.dice, c.case))),
        tuple(sorted(_of_experts(reports, rows), key=lambda e: (-e.alone, e.with_result, e.expert))),
    )


def _of_structure(name: str, rows: list[dict[str, Any]]) -> StructureAgreement:
    worst = min(rows, key=lambda row: (row["dice"], row["case"]))
    return StructureAgreement(
        name,
        len({row["case"] for row in rows}),
        fmean(row["dice"] for row in rows),
        fmean(abs(row["one_ml"] - row["other_ml"]) for row in rows),
        worst["case"],
        f"{worst['one']} and {worst['other']}",
        worst["dice"],
    )


def _of_case(report: dict[str, Any]) -> CaseAgreement:
    apart = {finding["structure"] for finding in report["findings"] if finding["code"] in TROUBLE}
    return CaseAgreement(report["case"], len(apart), fmean(row["dice"] for row in report["agreement"]))


def _of_experts(reports: Sequence[dict[str, Any]], rows: list[dict[str, Any]]) -> list[ExpertAgreement]:
    results = [row for report in reports for row in report.get("agreement_with_result", ())]
    names = dict.fromkeys(name for row in rows for name in (row["one"], row["other"]))
    found = []
    for name in names:
        own = [row["dice"] for row in rows if name in (row["one"], row["other"])]
        alone = [
            finding["structure"]
            for report in reports
            for finding in report["findings"]
            if finding["code"] == "odd-expert" and finding["found"] == name
        ]
        found.append(
            ExpertAgreement(
                name,
                len(own),
                fmean(own),
                fmean([row["dice"] for row in results if row["one"] == name] or [0.0]),
                len(alone),
                tuple(sorted(set(alone), key=lambda s: (-alone.count(s), s))),
            )
        )
    return found


def write_agreement(reports_dir: Path, cases: Sequence[str]) -> CohortAgreement | None:
    """Write ``agreement.json`` and ``agreement.md`` from the case reports; ``None`` where there is nothing to compare.

    Files of an earlier build whose experts could be compared go when this one's cannot.
    """
    paths = [reports_dir / f"{case}.json" for case in cases]
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
    found = summarise(reports)
    table, page = reports_dir / "agreement.json", reports_dir / "agreement.md"
    if not found.structures:
        table.unlink(missing_ok=True)
        page.unlink(missing_ok=True)
        return None
    write_json(table, asdict(found))
    write_text(page, agreement_page(found))
    return found


def agreement_page(found: CohortAgreement) -> str:
    """The summary for people, as Markdown."""
    lines = [
        "# How the experts agree",
        "",
        "Dice between each two experts who know a structure, where both see; the worst first.",
        "",
        "## Experts",
        "",
        "| expert | compared | Dice with others | Dice with the result | alone | alone on |",
        "|---|---:|---:|---:|---:|---|",
        *(
            f"| {e.expert} | {e.structures} | {e.dice:.3f} | {e.with_result:.3f} | {e.alone} "
            f"| {', '.join(e.alone_on[:FIRST])}{' …' if len(e.alone_on) > FIRST else ''} |"
            for e in found.experts
        ),
        "",
        "## Cases to look at first",
        "",
        "| case | structures on which experts are apart | mean Dice |",
        "|---|---:|---:|",
        *(f"| [{c.case}]({c.case}.md) | {c.apart} | {c.dice:.3f} |" for c in found.cases[:FIRST]),
        "",
        "## Structures",
        "",
        "| structure | cases | Dice | difference, ml | least overlap |",
        "|---|---:|---:|---:|---|",
        *(
            f"| {s.structure} | {s.cases} | {s.dice:.3f} | {s.difference_ml:.1f} "
            f"| {s.worst_dice:.3f}: {s.worst_pair}, {s.worst_case} |"
            for s in found.structures
        ),
        "",
    ]
    return "\n".join(lines)
