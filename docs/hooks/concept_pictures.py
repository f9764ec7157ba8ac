"""Make the pictures of the concept pages: ``python docs/hooks/concept_pictures.py [NAME…]``.

Everything on them is the synthetic body of ``dapatlas.phantom``. A guideline's picture shows a planted error, and what
that guideline alone makes of it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import concept_drawing as draw
import numpy as np
from concept_drawing import BLUE, CYAN, GREEN, ORANGE, PINK, RED, SAND, VIOLET, Colour, Look, View
from concept_errors import ERRORS, SHAPE, Body, Labels, Point, body
from numpy.typing import NDArray
from PIL import Image

from dapatlas.files import whole_file
from dapatlas.labels import Sex, crosswalk, dap, load_scheme
from dapatlas.refine import RefineSettings, refine
from dapatlas.volumes import Box

FOLDER = Path(__file__).parents[1] / "images" / "concepts"
PANEL_PIXELS = 390
SMALL_PANEL_PIXELS = 280  # of three


@dataclass(frozen=True)
class Scene:
    """What of a guideline's error is drawn.

    Attributes
    ----------
    view
        A plane, or bones from behind.
    colours
        Of the structures that matter; the rest stays grey.
    through
        Structures whose middle the plane goes through; the changed voxels' where there are none.
    around
        Structures that must be in the picture; the changed voxels where there are none.
    margin_mm
        Shown around them.
    words
        What is written on structures.
    outlined
        Whether a line is drawn around what is wrong.
    """

    view: View
    colours: Mapping[str, Colour]
    through: tuple[str, ...] = ()
    around: tuple[str, ...] = ()
    margin_mm: float = 40.0
    words: Mapping[str, str] = field(default_factory=dict)
    outlined: bool = True


_RING = (ORANGE, BLUE, GREEN, PINK, CYAN, VIOLET)
_LUMBAR = {f"vertebrae_{n}": _RING[place] for place, n in enumerate(("T12", "L1", "L2", "L3", "L4", "L5"))}
_THORACIC = {f"vertebrae_T{n}": SAND for n in range(1, 13)}
_LEFT_RIBS = {f"costa_{n}_left": _RING[n % 6] for n in range(1, 13)}

SCENES = {
    "laterality": Scene(
        "coronal", {"kidney_left": BLUE, "kidney_right": ORANGE, "liver": SAND, "spleen": VIOLET},
        around=("kidney_left", "kidney_right"),
    ),
    "spine": Scene(
        "behind", _LUMBAR, around=("vertebrae_L1", "vertebrae_L5"), margin_mm=8,
        words={name: name.removeprefix("vertebrae_") for name in _LUMBAR},
    ),
    "ribs": Scene(
        "behind", _THORACIC | _LEFT_RIBS, around=("costa_1_left", "costa_7_left", "costa_12_left", "vertebrae_T8"),
        margin_mm=12, outlined=False,
        words={f"costa_{n}_left": str(13 - n) for n in range(1, 13)} | {n: n[-3:].strip("_") for n in _THORACIC},
    ),
    "regions": Scene(
        "axial", {"gonads": ORANGE, "eyeball_left": BLUE, "eyeball_right": CYAN, "colon": PINK, "brain": SAND},
        around=("brain",), margin_mm=25,
    ),
    "sex": Scene(
        "sagittal", {"prostate": PINK, "bladder": ORANGE, "uterus": VIOLET, "colon": GREEN, "sacrum": SAND},
        around=("bladder", "uterus", "sacrum"), margin_mm=20,
    ),
    "fragments": Scene(
        "coronal", {"spleen": VIOLET, "liver": SAND, "stomach": GREEN, "fat": ORANGE},
        around=("liver", "stomach"), margin_mm=15,
    ),
    "containment": Scene(
        "axial", {"skin": ORANGE, "spinal_canal": GREEN, "muscles": RED, "vertebrae_L3": SAND},
        through=("vertebrae_L3",), around=("skin",), margin_mm=0,
    ),
}  # fmt: skip


def mended(subject: Body, spoiled: Labels, guideline: str) -> Labels:
    """What one guideline alone makes of a map."""
    settings = RefineSettings(guidelines=(guideline,))
    return refine(spoiled, subject.grid, settings=settings, sex=subject.sex)[0]


def guideline_picture(guideline: str, shape: Point = SHAPE) -> Image.Image:
    """Before and after, cut to the place."""
    sex, spoil = ERRORS[guideline]
    subject, scene = body(sex, shape), SCENES[guideline]
    spoiled = spoil(subject)
    after = mended(subject, spoiled, guideline)
    wrong = spoiled != subject.truth
    look = _look(subject, scene, wrong)
    if scene.view == "behind":
        ids = np.flatnonzero(draw.palette_of(scene.colours).any(axis=1))
        marked = look.behind(spoiled, ids)[0] != look.behind(after, ids)[0]
    else:
        marked = np.asarray(look.flat(wrong), np.bool_)
    palette = draw.palette_of(scene.colours)
    panels = [
        draw.panel(
            look,
            subject.ct,
            labels,
            palette,
            width=PANEL_PIXELS,
            title=title,
            marked=outline,
            words=scene.words,
        )
        for title, labels, outline in (
            ("before", spoiled, marked if scene.outlined else None),
            ("after", after, None),
        )
    ]
    return draw.side_by_side(panels, _legend(scene))


def _look(subject: Body, scene: Scene, wrong: NDArray[np.bool_]) -> Look:
    place = subject.where(*scene.around) if scene.around else wrong
    points = np.argwhere(wrong)
    middle = subject.middle(*scene.through) if scene.through else tuple(points.mean(axis=0).astype(int))
    axis = {"sagittal": 0, "coronal": 1, "behind": 1, "axial": 2}[scene.view]
    box = draw.box_around(place, scene.margin_mm, subject.grid.spacing)
    if scene.view == "behind":
        box = _back_of(subject, box)
    if scene.view == "axial":  # the height of the box is of no concern
        box = (*box[:2], slice(0, place.shape[2]))
    return Look(scene.view, int(middle[axis]), subject.grid.spacing, box)


def _back_of(subject: Body, box: Box) -> Box:
    """A box without the front of the chest, which would show between the ribs."""
    front = subject.middle("spinal_canal")[1] + round(60 / subject.grid.spacing[1])
    return box[0], slice(box[1].start, front), box[2]


def _legend(scene: Scene) -> dict[str, Colour]:
    """Structures and their colours, but for those that the picture itself names."""
    return {name: colour for name, colour in scene.colours.items() if name not in scene.words}


def _front(subject: Body) -> Look:
    """The whole body from the front, through the middle of its organs."""
    return Look("coronal", subject.middle("liver", "heart_myocardium", "thyroid_left")[1], subject.grid.spacing,
                draw.box_around(subject.truth != 0, 4, subject.grid.spacing), 0.8)  # fmt: skip


def dense_and_partial(shape: Point = SHAPE) -> Image.Image:
    """One body in three schemes: dense, many structures, few."""
    subject = body(Sex.FEMALE, shape)
    look = _front(subject)
    maps = [(subject.truth, "DAP: dense", dap().palette())]
    for name, title in (("totalsegmentator", "TotalSegmentator: partial"), ("amos", "AMOS: partial")):
        way = crosswalk("dap", name)
        theirs = way.lookup()[subject.truth]
        maps.append((theirs, title, way.target.palette()))
    return _in_their_colours(subject, look, maps)


def translated(subject: Body) -> tuple[Labels, Labels]:
    """A DAP map in TotalSegmentator's ids, and those in DAP's again."""
    theirs = crosswalk("dap", "totalsegmentator").lookup()[subject.truth]
    return theirs, crosswalk("totalsegmentator", "dap").lookup()[theirs]


def there_and_back(shape: Point = SHAPE) -> Image.Image:
    """A DAP map in TotalSegmentator's words, and those translated back: the neck, where most is lost."""
    subject = body(Sex.FEMALE, shape)
    theirs, again = translated(subject)
    around = subject.where("thyroid_left", "thyroid_right", "vertebrae_C6", "cheek_left", "cheek_right")
    box = draw.box_around(around, 45, subject.grid.spacing)
    look = Look("coronal", subject.middle("thyroid_left")[1], subject.grid.spacing, box, 0.8)
    maps = [
        (subject.truth, "in DAP", dap().palette()),
        (theirs, "in TotalSegmentator", load_scheme("totalsegmentator").palette()),
        (again, "and back in DAP", dap().palette()),
    ]
    return _in_their_colours(subject, look, maps)


def _in_their_colours(
    subject: Body, look: Look, maps: Sequence[tuple[Labels, str, NDArray[np.uint8]]]
) -> Image.Image:
    """Maps with their titles and the colours of their schemes, side by side."""
    return draw.side_by_side(
        [
            draw.panel(look, subject.ct, labels, palette, width=SMALL_PANEL_PIXELS, title=title)
            for labels, title, palette in maps
        ]
    )


def rib_numbers(shape: Point = SHAPE) -> Image.Image:
    """The left ribs from behind: their DAP names, and their anatomical numbers."""
    subject = body(Sex.FEMALE, shape)
    palette = draw.palette_of(_THORACIC | _LEFT_RIBS)
    box = draw.box_around(subject.where(*_LEFT_RIBS, "vertebrae_T8"), 12, subject.grid.spacing)
    look = Look("behind", 0, subject.grid.spacing, _back_of(subject, box))
    levels = {name: name.removeprefix("vertebrae_") for name in _THORACIC}
    panels = [
        draw.panel(look, subject.ct, subject.truth, palette, width=PANEL_PIXELS, title=title, words=levels | words)
        for title, words in (
            ("id in DAP: costa_n_left", {f"costa_{n}_left": str(n) for n in range(1, 13)}),
            ("anatomical number", {f"costa_{n}_left": str(13 - n) for n in range(1, 13)}),
        )
    ]  # fmt: skip
    return draw.side_by_side(panels)


PICTURES: dict[str, Callable[..., Image.Image]] = {
    **{f"guideline_{name}": partial(guideline_picture, name) for name in ERRORS},
    "schemes": dense_and_partial,
    "crosswalk": there_and_back,
    "ribs": rib_numbers,
}


def main(names: list[str]) -> None:
    """Write the pictures of these names, or all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names or PICTURES:
        buffer = io.BytesIO()
        PICTURES[name]().save(buffer, "PNG", optimize=True)
        with whole_file(FOLDER / f"{name}.png") as temporary:
            temporary.write_bytes(buffer.getvalue())
        print(f"{name}.png {len(buffer.getvalue()) / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
