"""What a build says of one case: counts, volumes, findings, and a picture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dapatlas import __version__
from dapatlas.aggregate import Aggregate, Recipe
from dapatlas.dataset import Case
from dapatlas.findings import Severity
from dapatlas.volumes import Grid, Volume, measure, three_planes

if TYPE_CHECKING:
    from PIL.Image import Image

REPORTS = "reports"


def case_report(case: Case, made: Aggregate, grid: Grid, recipe: Recipe) -> dict[str, Any]:
    """Everything worth knowing of one case's map, ready for JSON; structures in id order, volumes in ml."""
    found = measure(made.label_map, grid)
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
        "findings": [finding.as_dict() for finding in made.findings],
    }


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
    report = json.loads((dataset / REPORTS / f"{case_id}.json").read_text(encoding="utf-8"))
    structures = report["structures"].values()
    serious = [finding for finding in report["findings"] if finding["severity"] != Severity.INFO]
    return CaseSummary(len(structures), sum(item["ml"] for item in structures) / 1000, len(serious))
