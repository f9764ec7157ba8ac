"""Geometric forms from which the phantom's anatomy is built.

Every form answers two questions in millimetres of the body frame (x to the patient's right,
y to the front, z to the head): in which box it lies, and which points are inside. Points come as three
axes that broadcast against each other, ``x`` of shape (nx, 1, 1), ``y`` (1, ny, 1), ``z`` (1, 1, nz), so that what
depends on one or two axes alone is never computed for all voxels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Point = tuple[float, float, float]
Box = tuple[Point, Point]

CORE_POINTS = 12  # samples of the centre line in each straight piece of a tube


class Form(Protocol):
    """A solid in the body frame."""

    def bounds(self) -> Box:
        """Lower and upper corner of a box around the form, mm."""
        ...

    def inside(self, x: Floats, y: Floats, z: Floats) -> Bools:
        """Whether each point of the broadcast axes is inside, shape (nx, ny, nz)."""
        ...

    def pieces(self) -> Iterable[Form]:
        """Forms whose union is this one, each with a box of its own (long forms have many)."""
        ...

    def core(self) -> NDArray[np.float64]:
        """Points, shape (n, 3), whose voxels belong to the form however coarse the grid is."""
        ...


class _Solid:
    """What forms of a single piece have in common."""

    def pieces(self) -> Iterable[Form]:
        """Return forms whose union it is."""
        return (self,)  # type: ignore[return-value]

    def core(self) -> NDArray[np.float64]:
        """Return the points that always belong to it."""
        return np.empty((0, 3))


@dataclass(frozen=True)
class Ellipsoid(_Solid):
    """An ellipsoid; ``long_axis`` turns its first radius into that direction.

    Attributes
    ----------
    centre, radii
        mm; radii are half-lengths along x, y, z, or along (long_axis, and two axes across) when turned.
    long_axis
        Direction of the first radius, or none for an ellipsoid along the body axes.
    """

    centre: Point
    radii: Point
    long_axis: Point | None = None

    @cached_property
    def _frame(self) -> NDArray[np.float64]:
        """Rows: unit directions of the three radii."""
        if self.long_axis is None:
            return np.eye(3)
        first = np.asarray(self.long_axis, float)
        first /= np.linalg.norm(first)
        # The third direction is as near to the patient's back-front line as it can be.
        second = np.cross((0.0, 1.0, 0.0), first)
        second /= np.linalg.norm(second)
        return np.stack([first, second, np.cross(first, second)])

    def bounds(self) -> Box:
        """Return a box around it, mm."""
        reach = np.sqrt(((self._frame * np.asarray(self.radii)[:, None]) ** 2).sum(axis=0))
        return _box(np.asarray(self.centre) - reach, np.asarray(self.centre) + reach)

    def inside(self, x: Floats, y: Floats, z: Floats) -> Bools:
        """Say which of the points are inside."""
        dx, dy, dz = (axis - np.float32(c) for axis, c in zip((x, y, z), self.centre, strict=True))
        if self.long_axis is None:
            rx, ry, rz = self.radii
            plane = (dx / np.float32(rx)) ** 2 + (dy / np.float32(ry)) ** 2
            return np.asarray(plane + (dz / np.float32(rz)) ** 2 <= 1)
        rows = (self._frame / np.asarray(self.radii)[:, None]).astype(np.float32)
        return np.asarray(sum((dx * a + dy * b + dz * c) ** 2 for a, b, c in rows) <= 1)

    def core(self) -> NDArray[np.float64]:
        """Return the points that always belong to it."""
        return np.asarray([self.centre], float)


@dataclass(frozen=True)
class _Segment(_Solid):
    """One straight round cone of a tube."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    start_radius: float
    end_radius: float

    def bounds(self) -> Box:
        """Return a box around it, mm."""
        low = np.minimum(self.start - self.start_radius, self.end - self.end_radius)
        return _box(low, np.maximum(self.start + self.start_radius, self.end + self.end_radius))

    def inside(self, x: Floats, y: Floats, z: Floats) -> Bools:
        """Say which of the points are inside."""
        way = (self.end - self.start).astype(np.float32)
        length2 = np.float32(max(float(way @ way), 1e-6))
        dx, dy, dz = (axis - np.float32(a) for axis, a in zip((x, y, z), self.start, strict=True))
        along = dx * way[0] + dy * way[1] + dz * way[2]
        t = np.clip(along / length2, 0, 1)
        distance2 = (dx * dx + dy * dy + dz * dz) - t * (2 * along - t * length2)
        radius = np.float32(self.start_radius) + t * np.float32(self.end_radius - self.start_radius)
        return np.asarray(distance2 <= radius * radius)


@dataclass(frozen=True)
class Tube:
    """A tube with rounded ends along a smooth line.

    Attributes
    ----------
    points
        Knots of its centre line, mm, shape (n, 3).
    radii
        Radius at each knot, or one for all, mm.
    step
        Length of the straight pieces that the line is divided into, mm.
    """

    points: Sequence[Point]
    radii: float | Sequence[float]
    step: float = 8.0

    @cached_property
    def _line(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        knots = np.asarray(self.points, float)
        radii = np.broadcast_to(np.asarray(self.radii, float), (len(knots),))
        lengths = np.linalg.norm(np.diff(knots, axis=0), axis=1)
        way = np.concatenate([[0.0], np.cumsum(lengths)])
        stops = np.linspace(0, way[-1], max(2, round(way[-1] / self.step) + 1))
        values = PchipInterpolator(way, np.column_stack([knots, radii]), axis=0)(stops)
        return values[:, :3], values[:, 3]

    def bounds(self) -> Box:
        """Return a box around it, mm."""
        points, radii = self._line
        return _box((points - radii[:, None]).min(axis=0), (points + radii[:, None]).max(axis=0))

    def inside(self, x: Floats, y: Floats, z: Floats) -> Bools:
        """Say which of the points are inside."""
        shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
        mask = np.zeros(shape, bool)
        for piece in self.pieces():
            mask |= piece.inside(x, y, z)
        return mask

    def pieces(self) -> Iterable[Form]:
        """Return forms whose union it is."""
        points, radii = self._line
        for i in range(len(points) - 1):
            yield _Segment(points[i], points[i + 1], float(radii[i]), float(radii[i + 1]))

    def core(self) -> NDArray[np.float64]:
        """Return the centre line, closely sampled: a tube is never broken by a coarse grid."""
        points, _ = self._line
        fine = np.linspace(points[:-1], points[1:], CORE_POINTS, endpoint=False).reshape(-1, 3)
        return np.concatenate([fine, points[-1:]])


@dataclass(frozen=True)
class Loft(_Solid):
    """A stack of super-ellipses along z, as a trunk or a vertebral body is.

    Attributes
    ----------
    sections
        Rows of (z, middle x, half-width, y of the back, y of the front), mm, z ascending.
        Between rows the values follow a monotone cubic.
    power
        2 is an ellipse; more is squarer.
    """

    sections: Sequence[tuple[float, float, float, float, float]]
    power: float = 2.0

    @cached_property
    def _table(self) -> NDArray[np.float64]:
        return np.asarray(self.sections, float)

    @cached_property
    def _curves(self) -> PchipInterpolator:
        return PchipInterpolator(self._table[:, 0], self._table[:, 1:], axis=0)

    def at(self, z: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """(middle x, half-width, back y, front y) at ``z``; outside the stack, of its nearest end."""
        return np.asarray(self._curves(np.clip(z, self._table[0, 0], self._table[-1, 0])))

    def inset(self, side: float, back: float, front: float) -> Loft:
        """Return the same stack with its walls moved inwards by so many mm."""
        move = np.array([0, 0, -side, back, -front])
        rows = [tuple(row) for row in (self._table + move).tolist()]
        return Loft(rows, self.power)

    def bounds(self) -> Box:
        """Return a box around it, mm."""
        z = np.linspace(self._table[0, 0], self._table[-1, 0], 200)
        x, side, back, front = self.at(z).T
        low = ((x - side).min(), back.min(), z[0])
        return _box(low, ((x + side).max(), front.max(), z[-1]))

    def inside(self, x: Floats, y: Floats, z: Floats) -> Bools:
        """Say which of the points are inside."""
        heights = z.reshape(-1).astype(np.float64)
        middle, side, back, front = self.at(heights).T.astype(np.float32)
        across = np.abs((x[:, :, 0] - middle) / np.maximum(side, np.float32(1e-3)))
        half = np.maximum((front - back) / 2, np.float32(1e-3))
        deep = np.abs((y[0].reshape(-1, 1) - (front + back) / 2) / half)
        deep, across = deep**self.power, across**self.power
        within = (heights >= self._table[0, 0]) & (heights <= self._table[-1, 0])
        deep[:, ~within] = np.inf
        return np.asarray(across[:, None, :] + deep[None] <= 1)


@dataclass(frozen=True)
class Plate(_Solid):
    """A flat triangle with thickness, for bones such as the shoulder blade."""

    corners: tuple[Point, Point, Point]
    thickness: float

    @cached_property
    def _planes(self) -> list[tuple[NDArray[np.float32], np.float32]]:
        """Half-spaces n·p <= d whose intersection is the plate; its rim stands out by half the thickness."""
        a, b, c = (np.asarray(corner, float) for corner in self.corners)
        normal = np.cross(b - a, c - a)
        normal /= np.linalg.norm(normal)
        half = self.thickness / 2
        planes = [(normal, normal @ a + half), (-normal, -normal @ a + half)]
        for start, end in ((a, b), (b, c), (c, a)):
            outward = np.cross(end - start, normal)
            outward /= np.linalg.norm(outward)
            planes.append((outward, outward @ start + half))
        return [(n.astype(np.float32), np.float32(d)) for n, d in planes]

    def bounds(self) -> Box:
        """Return a box around it, mm."""
        corners = np.asarray(self.corners, float)
        return _box(corners.min(axis=0) - self.thickness, corners.max(axis=0) + self.thickness)

    def inside(self, x: Floats, y: Floats, z: Floats) -> Bools:
        """Say which of the points are inside."""
        mask: Bools = np.ones(np.broadcast_shapes(x.shape, y.shape, z.shape), bool)
        for normal, limit in self._planes:
            mask &= (x * normal[0] + y * normal[1]) + z * normal[2] <= limit
        return mask


@dataclass(frozen=True)
class HalfSpace:
    """The points p with ``normal``·p <= ``limit`` (mm, once the normal is a unit vector)."""

    normal: Point
    limit: float

    def inside(self, x: Floats, y: Floats, z: Floats) -> Bools:
        """Whether each point lies in it."""
        a, b, c = (np.float32(value) for value in self.normal)
        return np.asarray((x * a + y * b) + z * c <= np.float32(self.limit))


@dataclass(frozen=True)
class Cut(_Solid):
    """A form, but only what of it lies inside all of the half-spaces and other forms."""

    form: Form
    keep: tuple[HalfSpace | Form, ...]

    def bounds(self) -> Box:
        """Return a box around it, mm."""
        return self.form.bounds()

    def inside(self, x: Floats, y: Floats, z: Floats) -> Bools:
        """Say which of the points are inside."""
        mask = self.form.inside(x, y, z)
        for other in self.keep:
            mask &= other.inside(x, y, z)
        return mask


def _box(low: Iterable[float], high: Iterable[float]) -> Box:
    x0, y0, z0 = (float(value) for value in low)
    x1, y1, z1 = (float(value) for value in high)
    return (x0, y0, z0), (x1, y1, z1)
