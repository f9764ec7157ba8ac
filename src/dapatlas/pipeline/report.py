"""What a build says of one case: counts, volumes, findings, and a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dapatlas import __version__
from dapatlas.aggregate import Aggregate, Recipe
from dapatlas.aggregate.agreement import as_rows
from dapatlas.aggregate.provenance import dissent_palette, legend, palette
from dapatlas.dataset import Case
from dapatlas.dataset.reports import report_file
from dapatlas.errors import DapatlasError
from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme
from dapatlas.volumes import SOFT_TISSUE_HU, Grid, Volume, captioned, measure, stacked, three_planes

if TYPE_CHECKING:
    from PIL.Image import Image


def case_report(
    case: Case,
    label_map: NDArray[np.uint8],
    made: Aggregate,
    findings: Sequence[Finding],
    grid: Grid,
    recipe: Recipe,
) -> dict[str, Any]:
    """Everything worth knowing of one case's map, ready for JSON; structures in id order, volumes in ml."""
    found = measure(label_map, grid)
    return {
        "case": case.id,
        "subject": case.subject,
        "study": case.study,
        "recipe": recipe.name,
        "dapatlas": __version__,
        "grid": {
            "shape": list(grid.shape),
            "spacing_mm": list(grid.spacing),
            "orientation": grid.orientation,
        },
        "experts": list(made.experts),
        "structures": {
            recipe.atlas[id_].name: {
                "id": id_,
                "voxels": found[id_].voxels,
                "ml": round(found[id_].ml, 4),
                "centroid_mm": [round(mm, 2) for mm in found[id_].centroid_mm],
            }
            for id_ in found.ids.tolist()
            if id_
        },
        "decided": _shares(made, recipe),
        "agreement": as_rows(made.agreement),
        "agreement_with_result": as_rows(made.with_result),
        "findings": [finding.as_dict() for finding in findings],
    }


def _shares(made: Aggregate, recipe: Recipe) -> dict[str, float]:
    """Who decided which share of the labelled voxels, the largest first."""
    counts = made.provenance.decided.counts()
    total = max(1, int(counts[1:].sum()))
    names = legend([expert.name for expert in recipe.experts])
    shares = {name: round(counts[number] / total, 5) for number, name in names.items() if counts[number]}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def provenance_picture(ct: Volume, made: Aggregate, recipe: Recipe) -> Image:
    """Above who decided each voxel, below how many experts say otherwise; the legend tells the colours."""
    experts = [expert.name for expert in recipe.experts]
    numbers = np.flatnonzero(made.provenance.decided.counts()).tolist()
    dissent = made.provenance.dissent.inflated()
    most = int(dissent.max())
    colours = palette(len(experts))
    rows = [
        three_planes(
            ct.array,
            values,
            ct.grid,
            palette=table,
            centre=_most_of(dissent),
            window_hu=recipe.picture.window_hu,
            opacity=0.6,
            height_pixels=recipe.picture.height_pixels,
        )
        for values, table in ((made.provenance.decided.inflated(), colours), (dissent, dissent_palette()))
    ]
    entries = [(_colour(colours, n), legend(experts)[n]) for n in numbers if n]
    for n, text in ((1, "below: one expert says otherwise"), (2, "two"), (3, "three"), (4, "more")):
        if n <= most:
            entries.append((_colour(dissent_palette(), n), text))
    return captioned(stacked(rows), entries)


def _colour(table: NDArray[np.uint8], number: int) -> tuple[int, int, int]:
    red, green, blue = table[number].tolist()
    return red, green, blue


def _most_of(dissent: NDArray[np.uint8]) -> list[int] | None:
    """The voxel through whose three planes most disagreement goes; ``None`` where there is none."""
    some = dissent != 0
    if not some.any():
        return None
    profiles = [
        np.count_nonzero(some, axis=tuple(other for other in range(3) if other != axis)) for axis in range(3)
    ]
    return [int(profile.argmax()) for profile in profiles]


def case_picture(ct: Volume, label_map: NDArray[np.uint8], recipe: Recipe) -> Image:
    """Axial, coronal and sagittal planes through the middle of the body, labels over the windowed CT."""
    settings = recipe.picture
    return three_planes(
        ct.array,
        label_map,
        ct.grid,
        palette=recipe.atlas.palette(),
        window_hu=settings.window_hu,
        opacity=settings.opacity,
        height_pixels=settings.height_pixels,
    )


def before_and_after(
    ct: NDArray[np.generic],
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    grid: Grid,
    scheme: LabelScheme,
    findings: Sequence[Finding],
    *,
    window_hu: tuple[float, float] = SOFT_TISSUE_HU,
    opacity: float = 0.5,
    height_pixels: int = 480,
) -> Image:
    """Three planes through the largest change: above as it was, below as it is."""
    largest = max((f for f in findings if f.expected and f.box), key=lambda f: f.voxels, default=None)
    centre = None if largest is None or largest.box is None else _changed_near(before, after, largest.box)
    return stacked(
        [
            three_planes(
                ct,
                label_map,
                grid,
                palette=scheme.palette(),
                centre=centre,
                window_hu=window_hu,
                opacity=opacity,
                height_pixels=height_pixels,
            )
            for label_map in (before, after)
        ]
    )


def _changed_near(
    before: NDArray[np.uint8], after: NDArray[np.uint8], box: tuple[tuple[int, int], ...]
) -> list[int] | None:
    """The changed voxel nearest to the middle of a box."""
    corner = np.array([start for start, _ in box])
    changed = np.argwhere((before != after)[tuple(slice(start, stop) for start, stop in box)]) + corner
    if not len(changed):
        return None
    middle = np.array([(start + stop) / 2 for start, stop in box])
    nearest: list[int] = changed[((changed - middle) ** 2).sum(axis=1).argmin()].tolist()
    return nearest


def findings_page(case: str, findings: Sequence[Finding], pictures: Sequence[tuple[str, str]] = ()) -> str:
    """Findings of one case for people: Markdown, pictures (file name, caption) first, then the gravest.

    Changes are told by structure, from what to what; the rest by what to do.
    """
    lines = [f"# {case}", ""]
    for name, caption in pictures:
        lines += [f"![{caption}]({name})", "", f"*{caption}*", ""]
    changes = [finding for finding in findings if finding.expected and finding.found]
    others = [finding for finding in findings if finding not in changes]
    remarks = [finding for finding in others if finding.severity is Severity.INFO]
    order = list(Severity)
    serious = sorted(
        (finding for finding in others if finding.severity is not Severity.INFO),
        key=lambda finding: order.index(finding.severity),
    )
    if serious:
        lines += ["## To look at", "", *_table_of(serious), ""]
    if changes:
        lines += [
            "## Changed",
            "",
            "| was | became | voxels | code | where (i, j, k) |",
            "|---|---|---:|---|---|",
        ]
        lines += [
            f"| {f.found} | {f.expected} | {f.voxels} | {f.code} | {_where(f)} |"
            for f in sorted(changes, key=lambda f: -f.voxels)
        ]
        lines.append("")
    if remarks:
        lines += ["<details><summary>For the record</summary>", "", *_table_of(remarks), "", "</details>", ""]
    if not findings:
        lines += ["Nothing to say.", ""]
    return "\n".join(lines)


def _table_of(findings: Sequence[Finding]) -> list[str]:
    rows = [f"| {f.severity} | {f.code} | {_cell(f.message)} | {_cell(f.remedy)} |" for f in findings]
    return ["| severity | code | what | what to do |", "|---|---|---|---|", *rows]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _where(finding: Finding) -> str:
    return "" if finding.box is None else ", ".join(f"{start}–{stop - 1}" for start, stop in finding.box)


def story(error: Exception) -> str:
    """Why a case failed: ours say all there is to say; anything else is a fault of ours and keeps its traceback."""
    if isinstance(error, DapatlasError):
        return str(error)
    return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """A case's report in three numbers.

    Attributes
    ----------
    structures
        How many structures the map holds.
    litres
        Volume of everything labelled.
    findings
        How many findings are more than a remark.
    """

    structures: int
    litres: float
    findings: int


def read_summary(dataset: Path, case_id: str) -> CaseSummary:
    """Read a built case's report."""
    report = json.loads(report_file(dataset, case_id).read_text(encoding="utf-8"))
    structures = report["structures"].values()
    serious = [finding for finding in report["findings"] if finding["severity"] != Severity.INFO]
    return CaseSummary(len(structures), sum(item["ml"] for item in structures) / 1000, len(serious))
