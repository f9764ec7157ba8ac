"""Pictures for a report, drawn in workers and kept: the place of each finding, and what a build left, made smaller."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from dapatlas.check.measured_case import in_dap
from dapatlas.dataset import Case
from dapatlas.files import write_json
from dapatlas.findings import Box, Finding, Severity
from dapatlas.labels import LabelScheme, TissueClass, dap
from dapatlas.pipeline.journal import FOLDER, Journal
from dapatlas.pipeline.stage import Outcome, Progress, Work, run_stage
from dapatlas.publish.report import place_picture
from dapatlas.volumes import SOFT_TISSUE_HU, Measurements, measure

if TYPE_CHECKING:
    from PIL.Image import Image

STAGE = "report-pictures"
KEPT = Path(FOLDER) / "report"
VERSION = 1  # raise it when the same finding gives another picture
LEAST_A_CASE = 4  # findings of a case that get a picture though others are graver
QUALITY = 72  # of WebP: labels stay sharp, a place takes 10 to 20 kB
SMALLER_PIXELS = 760  # width of what a build left
LUNG_HU, BONE_HU = (-1350.0, 150.0), (-250.0, 1250.0)  # level -600, width 1500; level 500, width 1500
WINDOWS = {TissueClass.LUNG: LUNG_HU, TissueClass.AIRWAY: LUNG_HU, TissueClass.BONE: BONE_HU}


@dataclass(frozen=True, slots=True)
class Place:
    """What to draw: a structure, and where; the whole of the structure when there is no box."""

    structure: str
    box: Box | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be drawn of one case: places, and files that a build left."""

    places: tuple[Place, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """Data URIs by place and by file name."""

    places: Mapping[Place, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def place_of(finding: Finding) -> Place | None:
    """Where a finding is; ``None`` where it is nowhere in particular."""
    if finding.box is None and not finding.structure:
        return None
    return Place(finding.structure, finding.box)


def wanted_places(findings: Sequence[Finding], number: int) -> dict[str, tuple[Place, ...]]:
    """Choose places by case from ranked findings: the gravest, but no case takes all of them.

    Parameters
    ----------
    findings
        Ranked; remarks get no picture.
    number
        At most so many in all. A case gets its even share, or :data:`LEAST_A_CASE` if that is more.
    """
    told = [one for one in findings if one.severity is not Severity.INFO and one.case and place_of(one)]
    share = max(LEAST_A_CASE, number // max(1, len({one.case for one in told})))
    taken: Counter[str] = Counter()
    chosen: defaultdict[str, dict[Place, None]] = defaultdict(dict)
    for one in told:
        place = place_of(one)
        if place and taken[one.case] < share and taken.total() < number and place not in chosen[one.case]:
            chosen[one.case][place] = None
            taken[one.case] += 1
    return {case: tuple(places) for case, places in chosen.items()}


def draw(
    cases: Mapping[str, Case],
    wanted: Mapping[str, Wanted],
    folder: Path,
    journal: Journal,
    *,
    jobs: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> tuple[dict[str, Drawn], list[Outcome[None]]]:
    """Draw what is wanted of each case, unless it stands; a case that fails has no pictures and stops no other.

    Parameters
    ----------
    cases
        By id; those wanted among them.
    wanted
        Case id to what is wanted.
    folder
        Where pictures are kept, under ``.dapatlas/report``.
    journal
        Of that folder, open.
    jobs, force, progress
        As everywhere.
    """
    works = [_work(cases[case], wanted[case], folder) for case in sorted(wanted)]
    do = partial(_draw, cases=cases, wanted=wanted)
    outcomes = run_stage(STAGE, works, do, journal, jobs=jobs, force=force, progress=progress)
    failed = {outcome.case for outcome in outcomes if outcome.state == "failed"}
    made = {work.case: _read(work.outputs[0], wanted[work.case]) for work in works if work.case not in failed}
    return made, outcomes


def _work(case: Case, wanted: Wanted, folder: Path) -> Work:
    volumes = [path.resolve() for path in (case.mask_path, case.image_path) if path is not None]
    inputs = (*(volumes if wanted.places else ()), *(path.resolve() for path in wanted.files))
    settings = [VERSION, case.scheme.name, [[place.structure, place.box] for place in wanted.places]]
    return Work(case.id, inputs, (folder / KEPT / f"{case.id}.json",), settings)


def _read(path: Path, wanted: Wanted) -> Drawn:
    kept = json.loads(path.read_text(encoding="utf-8"))
    pairs = zip(wanted.places, kept["places"], strict=True)
    return Drawn({place: uri for place, uri in pairs if uri}, kept["files"])


def _draw(work: Work, cases: Mapping[str, Case], wanted: Mapping[str, Wanted]) -> None:
    """In a worker: all pictures of one case."""
    own = wanted[work.case]
    document = {
        "places": _places(cases[work.case], own.places) if own.places else [],
        "files": {path.name: _smaller(path) for path in own.files},
    }
    write_json(work.outputs[0], document)


def _places(case: Case, places: Sequence[Place]) -> list[str]:
    volume = case.label_map()
    ids = in_dap(volume.array, case.scheme)
    ct = None if case.image_path is None else case.ct().array
    if ct is not None and ct.shape != ids.shape:
        ct = None  # the checks say so; labels alone are better than no picture
    scheme = dap()
    palette = scheme.palette()
    measured = measure(ids, volume.grid) if any(place.box is None for place in places) else None
    uris = []
    for place in places:
        id_ = scheme[place.structure].id if place.structure in scheme else None
        box = place.box or _box_of(measured, id_)
        if box is None:
            uris.append("")
            continue
        picture = place_picture(
            ct, ids, volume.grid, box, palette=palette, structure_id=id_, window_hu=_window(scheme, place)
        )
        uris.append(as_uri(picture))
    return uris


def _box_of(measured: Measurements | None, id_: int | None) -> Box | None:
    if measured is None or id_ is None or id_ not in measured:
        return None
    i, j, k = ((side.start, side.stop) for side in measured[id_].box)
    return i, j, k


def _window(scheme: LabelScheme, place: Place) -> tuple[float, float]:
    tissue = scheme[place.structure].tissue if place.structure in scheme else TissueClass.ORGAN
    return WINDOWS.get(tissue, SOFT_TISSUE_HU)


def _smaller(path: Path) -> str:
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB")
    if small.width > SMALLER_PIXELS:
        height = round(small.height * SMALLER_PIXELS / small.width)
        small = small.resize((SMALLER_PIXELS, height), Image.Resampling.LANCZOS)
    return as_uri(small)


def as_uri(picture: Image) -> str:
    """A picture as WebP in a data URI."""
    buffer = BytesIO()
    picture.save(buffer, "WEBP", quality=QUALITY, method=4)
    return f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode()}"
