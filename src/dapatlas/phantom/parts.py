"""Parts: a form that carries the name of a structure and a place in the body."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dapatlas.phantom.forms import Form, Point


@dataclass(frozen=True, slots=True)
class Placement:
    """A scaling and shift per axis: a form's own coordinate = scale · body coordinate + shift (mm).

    Keeping the axes apart lets forms stay cheap: size of the subject, growth of an organ and the mirror image
    of the other body side are all of this kind.
    """

    scale: Point = (1.0, 1.0, 1.0)
    shift: Point = (0.0, 0.0, 0.0)

    def after(self, other: Placement) -> Placement:
        """Return the placement that applies ``other`` first, then this one."""
        scale = tuple(a * b for a, b in zip(self.scale, other.scale, strict=True))
        shift = tuple(a * t + s for a, t, s in zip(self.scale, other.shift, self.shift, strict=True))
        return Placement(scale, shift)  # type: ignore[arg-type]


MIRROR = Placement(scale=(-1.0, 1.0, 1.0))


@dataclass(frozen=True, slots=True)
class Part:
    """A form painted with the label of a structure.

    Attributes
    ----------
    structure
        Canonical name in the DAP scheme.
    form
        Its shape.
    over
        Names of the structures it may be painted over; none for any voxel of the body.
    placement
        How the form sits in the body frame.
    grows
        Whether it makes body where there was air (the outlines do).
    """

    structure: str
    form: Form
    over: tuple[str, ...] | None = None
    placement: Placement = Placement()
    grows: bool = False

    def mirrored(self, structure: str) -> Part:
        """Return the mirror image on the other side of the body."""
        return replace(self, structure=structure, placement=self.placement.after(MIRROR))


def part(structure: str, *forms: Form, over: tuple[str, ...] | None = None) -> list[Part]:
    """Return one structure made of one or several forms."""
    return [Part(structure, form, over) for form in forms]


def pair(structure: str, *forms: Form, over: tuple[str, ...] | None = None) -> list[Part]:
    """Return a right-sided structure, drawn at positive x, and its mirror image on the left.

    ``structure`` is the name without ``_left`` or ``_right``.
    """
    right = [Part(f"{structure}_right", form, over) for form in forms]
    return right + [p.mirrored(f"{structure}_left") for p in right]


def both_sides(structure: str, *forms: Form, over: tuple[str, ...] | None = None) -> list[Part]:
    """Return an unsided structure that has the form on the right and its mirror image on the left."""
    right = part(structure, *forms, over=over)
    return right + [p.mirrored(structure) for p in right]
