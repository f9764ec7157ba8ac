"""One synthetic case from a specification."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import DapatlasError
from dapatlas.labels import Sex, dap
from dapatlas.phantom import surface
from dapatlas.phantom.anatomy import IN_SEVERAL_PIECES, anatomy
from dapatlas.phantom.anatomy_outline import CROWN_Z
from dapatlas.phantom.field_of_view import FieldOfView, slices_in_view
from dapatlas.phantom.painter import Canvas, Labels
from dapatlas.phantom.scan import scan
from dapatlas.phantom.subject import Arms, Subject, make_subject
from dapatlas.volumes import Grid, reorient

Choice = TypeVar("Choice", bound=StrEnum)

# What the whole grid spans when no spacing is asked for, right-left, back-front, feet-head.
FULL_EXTENT_MM = (410.0, 410.0, 975.0)
AIR_OVER_CROWN_MM = 10.0


@dataclass(frozen=True, slots=True)
class PhantomSpec:
    """What to make; the same specification gives the same bytes.

    Attributes
    ----------
    seed
        The synthetic person: build, organs, noise.
    shape
        Voxels of the full scan along the array's own axes, in the order of ``orientation``. A partial field of
        view has fewer slices along the body.
    spacing
        mm along the array's own axes; none spreads the shape over 410 x 410 x 975 mm, which
        holds crown to mid-thigh.
    orientation
        Where the three array axes point to, such as ``"LPS"``.
    sex, arms
        Of the person; arms hang beside the body or are raised beside the head.
    field_of_view
        A ``FieldOfView`` or its name.
    noise_hu
        Standard deviation of the CT's noise, HU; 0 leaves neither noise nor texture.
    study
        0 for the person's first study; others differ in noise, fillings and place on the couch.
    """

    seed: int = 0
    shape: tuple[int, int, int] = (128, 128, 128)
    spacing: tuple[float, float, float] | None = None
    orientation: str = "LPS"
    sex: Sex = Sex.FEMALE
    arms: Arms = "down"
    field_of_view: FieldOfView | str = FieldOfView.FULL
    noise_hu: float = 15.0
    study: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sex", _member(Sex, self.sex, "sex"))
        object.__setattr__(self, "field_of_view", _member(FieldOfView, self.field_of_view, "field_of_view"))
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        if self.spacing is not None:
            object.__setattr__(self, "spacing", tuple(float(s) for s in self.spacing))
        self._check()

    def _check(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 8:
            raise DapatlasError(f"Phantom shape {self.shape} is too small: give three numbers of 8 or more")
        if self.spacing is not None and (len(self.spacing) != 3 or min(self.spacing) <= 0):
            raise DapatlasError(
                f"Phantom spacing {self.spacing} cannot be: give three positive numbers in mm"
            )
        if not re.fullmatch("[LRAPIS]{3}", self.orientation) or len(set(self.axes)) != 3:
            raise DapatlasError(
                f"Phantom orientation {self.orientation!r} cannot be: "
                "give one letter each of L/R, A/P and S/I, such as 'LPS'"
            )
        if self.arms not in ("down", "up"):
            raise DapatlasError(f"Phantom arms {self.arms!r} cannot be: give 'down' or 'up'")
        if self.seed < 0 or self.study < 0 or self.noise_hu < 0:
            raise DapatlasError("Phantom seed, study and noise_hu must not be negative")

    @property
    def axes(self) -> tuple[int, int, int]:
        """For each array axis, which body axis it runs along: 0 right-left, 1 back-front, 2 feet-head."""
        along = {letter: axis for axis, letters in enumerate(("RL", "AP", "SI")) for letter in letters}
        first, second, third = (along[letter] for letter in self.orientation)
        return first, second, third

    def full_grid(self, subject: Subject) -> Grid:
        """Grid of the full scan with axes running right, front, up; it hangs from the subject's crown."""
        shape = [0, 0, 0]
        spacing = [0.0, 0.0, 0.0]
        for own, body in enumerate(self.axes):
            shape[body] = self.shape[own]
            spacing[body] = (
                FULL_EXTENT_MM[body] / self.shape[own] if self.spacing is None else self.spacing[own]
            )
        top = CROWN_Z * subject.scale[2] + subject.offset[2] + AIR_OVER_CROWN_MM
        affine = np.diag([*spacing, 1.0])
        affine[:2, 3] = [-s * (n - 1) / 2 for s, n in zip(spacing[:2], shape[:2], strict=True)]
        affine[2, 3] = top - spacing[2] * (shape[2] - 0.5)
        return Grid((shape[0], shape[1], shape[2]), affine)

    def subject(self) -> Subject:
        """The synthetic person and day."""
        return make_subject(self.seed, self.sex, self.arms, self.study)


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """A synthetic case.

    Attributes
    ----------
    ct
        int16, HU.
    label_map
        uint8, ids of the DAP scheme; non-zero inside the body and zero outside.
    grid
        Shape and affine of both.
    spec
        What was asked for.
    """

    ct: NDArray[np.int16]
    label_map: Labels
    grid: Grid
    spec: PhantomSpec


def make_phantom(spec: PhantomSpec | None = None) -> Phantom:
    """Make the CT and the dense label map of a specification.

    The body is painted in axes running right, front, up, and then turned: the phantom in any orientation is
    exactly the one in another, reoriented. A partial field of view is exactly a crop of the full scan.

    Raises
    ------
    DapatlasError
        When the field of view asked for lies outside of a grid that is shorter than the body.
    """
    spec = spec or PhantomSpec()
    subject = spec.subject()
    grid = spec.full_grid(subject)
    world = _axes(grid)
    canvas = _paint(subject, grid, world)
    ct = scan(canvas.labels, canvas, world, subject, spec.noise_hu)
    view = slices_in_view(FieldOfView(spec.field_of_view), canvas.axes[2].tolist())
    if view.start >= view.stop:
        raise DapatlasError(
            f"The field of view {str(spec.field_of_view)!r} is not within the grid of {spec.shape} voxels: "
            "ask for more slices or a larger spacing along the body"
        )
    cropped = _crop(grid, view)
    turned, final = reorient(canvas.labels[:, :, view], cropped, spec.orientation)
    turned_ct, _ = reorient(ct[:, :, view], cropped, spec.orientation)
    return Phantom(np.asfortranarray(turned_ct), np.asfortranarray(turned), final, spec)


def _paint(subject: Subject, grid: Grid, world: tuple[NDArray[np.float64], ...]) -> Canvas:
    """Paint the subject's anatomy on a grid with axes running right, front, up."""
    placement = subject.body_to_reference()
    x, y, z = (a * s + t for a, s, t in zip(world, placement.scale, placement.shift, strict=True))
    scheme = dap()
    labels = np.zeros(grid.shape, np.uint8, order="F")
    canvas = Canvas(labels, (x, y, z), {structure.name: structure.id for structure in scheme})
    canvas.paint(anatomy(subject))
    surface.close_pockets(labels, canvas.ids["fat"])
    surface.paint_skin(labels, grid.spacing, canvas.ids["skin"])
    surface.remove_crumbs(labels, [s.id for s in scheme if s.name not in IN_SEVERAL_PIECES])
    return canvas


def _axes(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    x, y, z = (grid.affine[a, 3] + grid.affine[a, a] * np.arange(n) for a, n in enumerate(grid.shape))
    return x, y, z


def _crop(grid: Grid, view: slice) -> Grid:
    affine = grid.affine.copy()
    affine[:3, 3] = affine[:3, :3] @ (0, 0, view.start) + affine[:3, 3]
    return Grid((grid.shape[0], grid.shape[1], view.stop - view.start), affine)


def _member(kind: type[Choice], value: str, what: str) -> Choice:
    try:
        return kind(value)
    except ValueError:
        options = ", ".join(repr(member.value) for member in kind)
        raise DapatlasError(f"Phantom {what} {value!r} is not known: give one of {options}") from None
