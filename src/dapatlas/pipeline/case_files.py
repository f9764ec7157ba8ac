"""The files that a build writes of one case beside its map, and where they go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate import Aggregate, Recipe
from dapatlas.dataset import Case
from dapatlas.dataset.reports import REPORTS
from dapatlas.files import place_file, whole_file
from dapatlas.findings import Finding
from dapatlas.pipeline.report import before_and_after, findings_page, provenance_picture
from dapatlas.volumes import Volume, read_volume, write_label_map, write_volume

PROVENANCE, DISAGREEMENT = "provenance", "disagreement"  # folders


def refinement_picture_file(out: Path, case_id: str) -> Path:
    """Where the picture of a case before and after the guidelines goes."""
    return out / REPORTS / f"{case_id}.refined.png"


def provenance_picture_file(out: Path, case_id: str) -> Path:
    """Where the picture of who decided where goes."""
    return out / REPORTS / f"{case_id}.provenance.png"


def provenance_files(out: Path, case_id: str) -> tuple[Path, Path]:
    """Where the maps of who decided, and of how many disagree, go."""
    return out / PROVENANCE / f"{case_id}.nii.gz", out / DISAGREEMENT / f"{case_id}.nii.gz"


def picture_file(out: Path, case_id: str) -> Path:
    """Where a case's overlay picture goes."""
    return out / REPORTS / f"{case_id}.png"


def write_refinement_picture(
    out: Path,
    case: Case,
    ct: Volume,
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    findings: Sequence[Finding],
    recipe: Recipe,
) -> None:
    """Three planes through the largest change, before and after; none where nothing changed."""
    path = refinement_picture_file(out, case.id)
    if np.array_equal(before, after):
        path.unlink(missing_ok=True)  # of an earlier build
        return
    with whole_file(path) as scratch:
        before_and_after(
            ct.array,
            before,
            after,
            ct.grid,
            recipe.atlas,
            findings,
            window_hu=recipe.picture.window_hu,
            opacity=recipe.picture.opacity,
        ).save(scratch, optimize=True)


def write_provenance(out: Path, case: Case, ct: Volume, made: Aggregate, recipe: Recipe) -> None:
    """Who decided where and who disagreed: a picture, and maps on the CT's grid where the recipe asks for them."""
    picture = provenance_picture_file(out, case.id)
    if recipe.provenance.picture:
        with whole_file(picture) as scratch:
            provenance_picture(ct, made, recipe).save(scratch, optimize=True)
    else:
        picture.unlink(missing_ok=True)
    slabs = (made.provenance.decided, made.provenance.dissent)
    for path, values in zip(provenance_files(out, case.id), slabs, strict=True):
        if recipe.provenance.maps:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_label_map(path, values.inflated(), ct.grid, ct.header)
        else:
            path.unlink(missing_ok=True)


def case_page(out: Path, case: Case, findings: Sequence[Finding]) -> str:
    """A case's findings as a page, with the pictures that there are."""
    pictures = [(picture_file(out, case.id).name, "the finished map over the CT")]
    refinement = refinement_picture_file(out, case.id)
    if refinement.exists():
        pictures.append((refinement.name, "above before, below after the guidelines"))
    provenance = provenance_picture_file(out, case.id)
    if provenance.exists():
        pictures.append((provenance.name, "above who decided, below how many experts say otherwise"))
    return findings_page(case.id, findings, pictures)


def place_image(source: Path, target: Path, *, link: bool) -> None:
    """Link or copy a CT into the data set; one that is not compressed is written anew as .nii.gz."""
    if source.resolve() == target.resolve():
        return
    if not source.name.endswith(".gz"):
        volume = read_volume(source)
        write_volume(target, volume.array, volume.grid, volume.header)
    else:
        place_file(target, source, "symbolic" if link else "copy")
