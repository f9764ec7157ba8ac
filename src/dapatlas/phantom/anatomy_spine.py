"""The vertebral column: 24 vertebrae, discs, sacrum, the canal, and the muscles along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dapatlas.phantom.forms import Form, Loft, Tube
from dapatlas.phantom.parts import Part, both_sides, pair, part

# Lower edge of each level and upper edge of C1, mm: discs are shared half and half with their neighbours. Heights
# of the levels follow the usual proportions of the column (lumbar 36, thoracic 19-30, cervical 16-18 mm).
LEVELS = (
    *(("L5", 150.0), ("L4", 187.0), ("L3", 224.0), ("L2", 261.0), ("L1", 297.0)),
    *(("T12", 332.0), ("T11", 362.0), ("T10", 390.0), ("T9", 417.0), ("T8", 443.0), ("T7", 468.0)),
    *(("T6", 492.0), ("T5", 515.0), ("T4", 537.0), ("T3", 558.0), ("T2", 578.0), ("T1", 597.5)),
    *(
        ("C7", 616.5),
        ("C6", 634.0),
        ("C5", 650.5),
        ("C4", 667.0),
        ("C3", 683.5),
        ("C2", 700.0),
        ("C1", 718.0),
    ),
)
TOP_OF_C1 = 735.0

# Height z and where the middle of the vertebral bodies lies from back to front, y, lying on the back.
_CURVE_Z = (
    140,
    150,
    165,
    187,
    224,
    261,
    297,
    332,
    362,
    390,
    417,
    443,
    468,
    492,
    515,
    537,
    558,
    578,
    597,
    616,
    634,
)
_CURVE_Y = (
    -30,
    -25,
    -18,
    -11,
    -10,
    -14,
    -20,
    -26,
    -31,
    -36,
    -40,
    -42,
    -43,
    -42,
    -40,
    -37,
    -33,
    -28,
    -21,
    -14,
    -8,
)
_NECK_Z = (650, 667, 683, 700, 718, 735, 750)
_NECK_Y = (-4, -2, -3, -5, -6, -6, -6)


@dataclass(frozen=True, slots=True)
class Vertebra:
    """Measures of one vertebra, mm: z of its lower and upper edge (half-discs included), and its middle."""

    name: str
    bottom: float
    top: float

    @property
    def middle(self) -> float:
        """Height of the middle."""
        return (self.bottom + self.top) / 2

    @property
    def half_width(self) -> float:
        """Half-width of the body."""
        return float(np.interp(self.middle, (165, 320, 420, 600, 634, 720), (25, 21, 16, 14.5, 12, 11)))

    @property
    def half_depth(self) -> float:
        """Half the body's depth from back to front."""
        return float(np.interp(self.middle, (165, 320, 600, 634, 720), (17, 15.5, 10, 8.5, 8)))

    @property
    def disc(self) -> float:
        """Half the height of the disc above and below."""
        return float(np.interp(self.middle, (165, 300, 420, 720), (4.5, 3.5, 2, 1.5)))


VERTEBRAE = tuple(
    Vertebra(name, bottom, top)
    for (name, bottom), top in zip(LEVELS, [*(z for _, z in LEVELS[1:]), TOP_OF_C1], strict=True)
)


def body_y(z: float) -> float:
    """Where the middle of the vertebral body at height ``z`` lies from back to front, mm."""
    return float(np.interp(z, _CURVE_Z + _NECK_Z, _CURVE_Y + _NECK_Y))


def vertebra(name: str) -> Vertebra:
    """Return the measures of one vertebra, such as ``"T7"``."""
    return next(v for v in VERTEBRAE if v.name == name)


def canal_y(z: float) -> float:
    """Middle of the spinal canal at height ``z``, mm."""
    depth = float(np.interp(z, (165, 320, 600, 634, 720), (17, 15.5, 10, 8.5, 8)))
    return body_y(z) - depth - float(np.interp(z, (165, 600, 720), (8.5, 7.0, 8.0)))


def column() -> list[Part]:
    """Discs, vertebrae from below to above, sacrum and canal."""
    discs = Loft(
        [(v.middle, 0, 0.92 * v.half_width, *_depth(v.middle, 0.92 * v.half_depth)) for v in VERTEBRAE[:-2]]
    )
    parts = part("unknown_tissue", discs)
    for each in VERTEBRAE:
        parts += _first_cervical(each) if each.name == "C1" else _vertebra(each)
    return parts + _dens() + sacrum() + canal()


def _depth(z: float, half: float) -> tuple[float, float]:
    return body_y(z) - half, body_y(z) + half


def _vertebra(v: Vertebra) -> list[Part]:
    low, high, middle = v.bottom + v.disc, v.top - v.disc, v.middle
    waist = 0.93
    body = Loft(
        [
            (low, 0, v.half_width, *_depth(low, v.half_depth)),
            (middle, 0, waist * v.half_width, *_depth(middle, waist * v.half_depth)),
            (high, 0, v.half_width, *_depth(high, v.half_depth)),
        ],
        power=2.3,
    )
    height = v.top - v.bottom
    front = body_y(middle) - v.half_depth + 3
    arch = [
        (z, 0, 0.55 * v.half_width + 9, canal_y(z) - 14.5, front)
        for z in (v.bottom + 0.12 * height, middle, v.top - 0.12 * height)
    ]
    return part(f"vertebrae_{v.name}", body, Loft(arch, power=2.2), *_spinous(v)) + _transverse(v)


def _spinous(v: Vertebra) -> tuple[Form, ...]:
    """The process that is felt under the skin: steep in the chest, level at the loins, short in the neck."""
    z, root = v.middle, canal_y(v.middle) - 9
    length = float(np.interp(z, (165, 230, 420, 600, 625, 650, 700), (22, 28, 26, 30, 32, 20, 22)))
    drop = float(np.interp(z, (165, 300, 380, 560, 625, 700), (3, 4, 8, 9, 6, 5)))
    radius = float(np.interp(z, (165, 300, 400, 700), (4.5, 4.5, 3.6, 3.4)))
    return (Tube([(0, root, z), (0, root - length + 4, z - drop)], [radius + 1, radius]),)


def _transverse(v: Vertebra) -> list[Part]:
    z, y = v.middle + 2, canal_y(v.middle)
    reach = float(np.interp(z, (165, 230, 310, 345, 590, 625, 710), (42, 46, 38, 27, 34, 28, 24)))
    back = float(np.interp(z, (165, 300, 345, 590, 625, 660), (0, 0, 8, 12, 3, -5)))
    root = (0.5 * v.half_width + 5, y + 1, z)
    process = Tube([root, (reach, y - back, z + 1)], [5.0, 4.0])
    return both_sides(f"vertebrae_{v.name}", process)


def _first_cervical(v: Vertebra) -> list[Part]:
    low, high = v.bottom + 1.5, v.top - 1.5
    y = body_y(v.middle)
    ring = Loft([(z, 0, 25, y - 33, y + 13) for z in (low, v.middle, high)], power=2.2)
    return part("vertebrae_C1", ring) + both_sides(
        "vertebrae_C1", Tube([(20, y - 8, v.middle), (36, y - 8, v.middle)], [7, 5])
    )


def _dens() -> list[Part]:
    c1 = vertebra("C1")
    return part("vertebrae_C2", Tube([(0, body_y(708), 708), (0, body_y(722) + 2, c1.top - 5)], [7.5, 6]))


def sacrum() -> list[Part]:
    """Sacrum and coccyx as one bone."""
    block = Loft(
        [
            (32, 0, 6, -71, -60),
            (48, 0, 11, -82, -67),
            (65, 0, 19, -91, -71),
            (90, 0, 33, -98, -68),
            (115, 0, 45, -93, -50),
            (135, 0, 51, -82, -28),
            (146, 0, 52, -72, -10),
            (151, 0, 46, -64, -6),
        ],
        power=2.3,
    )
    return part("sacrum", block)


def canal() -> list[Part]:
    """The spinal canal from the great foramen of the skull into the sacrum."""
    heights = [TOP_OF_C1 + 8, 718, 690, 650, 616, 560, 500, 440, 380, 320, 260, 200, 155]
    points = [(0.0, canal_y(z), float(z)) for z in heights]
    radii = [float(np.interp(z, (155, 300, 400, 600, 640, 740), (9, 9, 7.5, 8, 9, 10))) for z in heights]
    points += [(0, canal_y(150) - 12, 132), (0, -78, 110), (0, -82, 84)]
    return part("spinal_canal", Tube(points, [*radii, 8, 7, 5]))


def back_muscles() -> list[Part]:
    """Autochthonous muscles of the back on either side of the spinous processes, and the quadratus lumborum."""
    stack = Loft(
        [
            (84, 15, 7, -104, -94),
            (115, 20, 14, -102, -84),
            (150, 27, 20, -94, -60),
            (187, 33, 24, -88, -40),
            (240, 35, 25, -86, -38),
            (300, 33, 24, -88, -44),
            (345, 29, 21, -91, -56),
            (400, 26, 18, -96, -68),
            (470, 25, 17, -99, -73),
            (540, 25, 17, -95, -66),
            (580, 23, 17, -85, -56),
            (620, 20, 15, -68, -38),
            (660, 18, 13, -56, -24),
            (700, 18, 12, -54, -23),
            (726, 17, 10, -54, -30),
        ],
        power=2.4,
    )
    quadratus = Tube([(56, -66, 312), (64, -60, 262), (74, -48, 212)], [9, 13, 13])
    return both_sides("muscles", quadratus, over=("abdominal_tissue",)) + pair("autochthon", stack)
