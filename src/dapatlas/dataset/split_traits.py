"""What splits need to know of each case: subject, sex and field of view, without a look into any volume."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from dapatlas.dataset.case import Case
from dapatlas.dataset.dataset import Dataset
from dapatlas.dataset.reports import report_file
from dapatlas.dataset.splits import CaseTraits
from dapatlas.errors import DapatlasError
from dapatlas.labels import LabelScheme, Region
from dapatlas.volumes import Grid, read_header

# From head to foot. The spine crosses all of them, and tissue is everywhere: neither tells where a scan ends.
REGIONS = (Region.HEAD, Region.NECK, Region.THORAX, Region.ABDOMEN, Region.PELVIS, Region.LIMBS)
# A PET/CT from skull base to mid-thigh, the usual one of AutoPET (Gatidis et al. 2022), is about 1 m long; one
# from head to toe more than 1.5 m; one of a single region at most 0.6 m.
TRUNK_MM, WHOLE_BODY_MM = 600.0, 1300.0


def traits_of(dataset: Dataset, sexes: Mapping[str, str]) -> tuple[list[CaseTraits], str]:
    """Traits of every case that has a label map, CT or no CT.

    Parameters
    ----------
    dataset
        The data set.
    sexes
        Case id to ``F`` or ``M``; a case that is not there is of unknown sex.

    Returns
    -------
    traits
        One a case, by id.
    fov_from
        Where the fields of view are from: ``reports`` where every case has one that lists structures, else
        ``height``, so that no two measures are mixed.
    """
    cases = cases_to_split(dataset)
    regions = [regions_in_view(report_file(dataset.path, case.id), dataset.scheme) for case in cases]
    views = [view for view in regions if view is not None]
    fov_from = "reports" if len(views) == len(cases) else "height"
    if fov_from == "height":
        views = [_height_class(case) for case in cases]
    return [
        CaseTraits(case.id, case.subject, sexes.get(case.id, "unknown"), view)
        for case, view in zip(cases, views, strict=True)
    ], fov_from


def cases_to_split(dataset: Dataset) -> list[Case]:
    """The cases with a label map, by id; without one there is nothing to learn from or to test on.

    Raises
    ------
    DapatlasError
        There is none.
    """
    found = [case for case in (*dataset.cases, *dataset.unpaired) if case.mask_path is not None]
    if not found:
        raise DapatlasError(
            f"{dataset.path} has no case with a label map in masks/; there is nothing to split"
        )
    return sorted(found, key=lambda case: case.id)


def regions_in_view(report: Path, scheme: LabelScheme) -> str | None:
    """The regions that a case's report shows, e.g. ``neck to pelvis``; ``None`` without a report of structures.

    A region is in view where the map has at least half of the structures that both sexes have in it: a tip of the
    lung is no thorax.
    """
    try:
        structures = json.loads(report.read_text(encoding="utf-8"))["structures"]
        names = {name for name in structures if name in scheme}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    everything = Counter(s.region for s in scheme if s.sex is None)
    found = Counter(scheme[name].region for name in names if scheme[name].sex is None)
    return _span([region for region in REGIONS if 0 < everything[region] <= 2 * found[region]])


def _span(regions: Iterable[Region]) -> str:
    """Neighbours in a row as "first to last", gaps marked by "+"."""
    runs: list[list[int]] = []
    for place in (REGIONS.index(region) for region in regions):
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    words = [
        REGIONS[run[0]].value if len(run) == 1 else f"{REGIONS[run[0]].value} to {REGIONS[run[-1]].value}"
        for run in runs
    ]
    return " + ".join(words) or "no region"


def _height_class(case: Case) -> str:
    assert case.mask_path is not None  # cases_to_split saw to it
    height = height_mm(read_header(case.mask_path)[0])
    if height <= TRUNK_MM:
        return f"up to {TRUNK_MM:.0f} mm"
    return (
        f"over {WHOLE_BODY_MM:.0f} mm"
        if height > WHOLE_BODY_MM
        else f"{TRUNK_MM:.0f} to {WHOLE_BODY_MM:.0f} mm"
    )


def height_mm(grid: Grid) -> float:
    """How far a volume reaches from foot to head, in mm, however it is oriented."""
    return float(abs(grid.affine[2, :3]) @ grid.shape)
