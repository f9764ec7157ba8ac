"""The chest: ribs and sternum, lungs with their lobes, airways, heart, thymus, breasts."""

from __future__ import annotations

import math

from dapatlas.phantom.anatomy_outline import BREAST, CAGE
from dapatlas.phantom.anatomy_spine import body_y, vertebra
from dapatlas.phantom.forms import Cut, Ellipsoid, HalfSpace, Loft, Plate, Point, Tube
from dapatlas.phantom.parts import Part, both_sides, pair, part
from dapatlas.phantom.subject import Subject

RIB_RADIUS = 5.0

# Anatomical rib (1 is the highest): height of its bony front end, and the angle at which it ends around the chest
# (0 degrees the midline of the back, 180 that of the front). The cartilage goes on from there.
RIB_ENDS = {
    1: (577, 128),
    2: (548, 138),
    3: (517, 142),
    4: (486, 143),
    5: (457, 142),
    6: (430, 139),
    7: (405, 134),
    8: (382, 126),
    9: (360, 117),
    10: (340, 106),
    11: (328, 84),
    12: (318, 56),
}
# Where the cartilages of ribs 1 to 7 reach the sternum: x, y, z.
STERNAL_ENDS: dict[int, Point] = {
    1: (17, 55, 566),
    2: (14, 64, 539),
    3: (14, 70, 516),
    4: (14, 76, 494),
    5: (14, 81, 474),
    6: (14, 85, 456),
    7: (13, 88, 442),
}


def rib_line(anatomical: int) -> list[Point]:
    """Middle line of a right rib from its vertebra to its bony front end."""
    v = vertebra(f"T{anatomical}")
    z, y = v.middle + 1, body_y(v.middle)
    end_z, end_angle = RIB_ENDS[anatomical]
    _, side, _, _ = CAGE.at(z)
    start_angle = math.degrees(math.asin(min(0.9, (50 / float(side)) ** (CAGE.power / 2))))
    if anatomical == 1:
        start_angle = 58.0
    line: list[Point] = [(v.half_width + 3, y - 7, z), (31, y - v.half_depth - 13, z + 1)]
    steps = max(3, round((end_angle - start_angle) / 9))
    for i in range(steps + 1):
        angle = start_angle + (end_angle - start_angle) * i / steps
        line.append(_on_cage(angle, z + (end_z - z) * (i / steps) ** 1.15))
    return line


def _on_cage(angle: float, z: float) -> Point:
    middle, side, back, front = (float(value) for value in CAGE.at(z))
    turn = math.radians(angle)
    power = 2 / CAGE.power
    deep = math.copysign(abs(math.cos(turn)) ** power, -math.cos(turn))
    return middle + side * math.sin(turn) ** power, (front + back) / 2 + (front - back) / 2 * deep, z


def ribs() -> list[Part]:
    """Twelve pairs; the scheme counts from below, so costa_1 is the anatomical twelfth."""
    parts: list[Part] = []
    for anatomical in range(1, 13):
        parts += pair(f"costa_{13 - anatomical}", Tube(rib_line(anatomical), RIB_RADIUS))
    return parts


def cartilages() -> list[Part]:
    """From the ribs to the sternum, and the margin that joins the eighth to tenth to the seventh."""
    tubes = []
    for anatomical, end in STERNAL_ENDS.items():
        start = rib_line(anatomical)[-1]
        middle = (
            0.5 * start[0] + 0.5 * end[0],
            0.35 * start[1] + 0.65 * end[1] + 1,
            0.7 * start[2] + 0.3 * end[2],
        )
        tubes.append(Tube([start, middle, end], 4.6))
    for anatomical in (8, 9, 10):
        start, above = rib_line(anatomical)[-1], rib_line(anatomical - 1)[-1]
        inward = (0.86 * above[0], above[1] + 4, above[2] - 2)
        tubes.append(Tube([start, (0.95 * start[0], start[1] + 6, start[2] - 1), inward], 4.6))
    return both_sides("rib_cartilage", *tubes)


def sternum() -> list[Part]:
    """Manubrium above, corpus with the xiphoid below."""
    manubrium = Loft(
        [(535, 0, 15, 58, 70), (552, 0, 20, 53, 65), (570, 0, 26, 47, 59), (579, 0, 22, 44, 55)], 2.6
    )
    corpus = Loft(
        [
            (412, 0, 5, 88, 95),
            (428, 0, 8, 84, 95),
            (448, 0, 17, 79, 91),
            (490, 0, 17, 71, 83),
            (533, 0, 14, 59, 71),
        ],
        2.6,
    )
    return part("sternum_manubrium", manubrium) + part("sternum_corpus", corpus)


# Lung beds: the chest's inside, away from the mediastinum, split by the fissures.
CHEST = CAGE.inset(side=8, back=8, front=8)
SIDE = HalfSpace((-1, 0, 0), -2.5)
MEDIASTINUM = Loft(
    [
        (326, -2, 36, -60, 88),
        (400, -4, 38, -58, 90),
        (425, -10, 46, -54, 90),
        (455, -14, 50, -52, 86),
        (490, -6, 38, -50, 76),
        (520, 2, 31, -48, 68),
        (560, 4, 30, -44, 58),
        (600, 2, 24, -36, 48),
        (619, 0, 20, -30, 40),
    ]
)
# Oblique fissure: from T4 at the back down to the diaphragm in front; below it lies the lower lobe.
OBLIQUE = HalfSpace((0, 0.93, 1), 478)
# Horizontal fissure of the right lung: below it (and above the oblique one) lies the middle lobe.
HORIZONTAL = HalfSpace((0, -0.05, 1), 489)


LOBES = tuple(
    f"lung_{lobe}"
    for lobe in (
        "lower_lobe_left",
        "upper_lobe_left",
        "lower_lobe_right",
        "middle_lobe_right",
        "upper_lobe_right",
    )
)


def lungs() -> list[Part]:
    """Five lobes."""
    bed = ("mediastinal_tissue",)
    above = HalfSpace((0, 0, -1), -326)
    one_side = Cut(CHEST, (SIDE, above))
    lower = Cut(one_side, (OBLIQUE,))
    upper_left = part("lung_upper_lobe_left", one_side, over=bed)
    lower_left = part("lung_lower_lobe_left", lower, over=("lung_upper_lobe_left",))
    return [
        *part("lung_upper_lobe_right", one_side, over=bed),
        *part("lung_middle_lobe_right", Cut(one_side, (HORIZONTAL,)), over=("lung_upper_lobe_right",)),
        *part("lung_lower_lobe_right", lower, over=("lung_upper_lobe_right", "lung_middle_lobe_right")),
        *(p.mirrored(p.structure) for p in upper_left + lower_left),
        *part("mediastinal_tissue", MEDIASTINUM, over=LOBES),
    ]


def airways() -> list[Part]:
    """Windpipe to its fork at T5, and the main bronchi into the lungs."""
    bronchi = [
        Tube([(5, -3, 541), (17, -6, 527), (32, -10, 512), (46, -16, 500)], [8, 7.5, 7, 5]),
        Tube([(30, -9, 514), (42, -3, 522), (54, 4, 530)], [5.5, 5, 4]),
        Tube([(5, -3, 541), (-14, -7, 525), (-36, -13, 510), (-48, -20, 498)], [8, 7, 6.5, 5]),
        Tube([(-34, -12, 511), (-46, -2, 508), (-56, 6, 510)], [5.5, 5, 4]),
    ]
    windpipe = Tube([(0, 20, 640), (0, 18, 620), (2, 10, 590), (5, 2, 560), (5, -3, 543)], 8.8)
    return part("trachea", windpipe) + part("bronchus", *bronchi)


# The heart's long axis points from its base to its apex: to the left, forwards and down.
HEART_AXIS: Point = (-0.70, 0.50, -0.51)


def heart(subject: Subject) -> list[Part]:
    """The heart in its sac: outer layer, wall, four chambers."""
    chambers = [
        *part("heart", Ellipsoid((-20, 34, 468), (68, 49, 49), HEART_AXIS)),
        *part("heart_tissue", Ellipsoid((-20, 34, 468), (63, 45, 45), HEART_AXIS)),
        *part("heart_ventricle_right", Ellipsoid((-18, 52, 456), (42, 24, 26), HEART_AXIS)),
        *part("heart_atrium_right", Ellipsoid((22, 33, 473), (21, 27, 30))),
        *part("heart_myocardium", Ellipsoid((-42, 34, 460), (43, 30, 29), HEART_AXIS)),
        *part("heart_ventricle_left", Ellipsoid((-38, 32, 463), (35, 20, 19), HEART_AXIS)),
        *part("heart_atrium_left", Ellipsoid((-5, 4, 490), (29, 17, 20))),
    ]
    # The sac moves as one: each chamber gets the placement that the first part drew.
    first = subject.vary(chambers[:1], times=0.7)[0].placement
    return [Part(p.structure, p.form, p.over, first) for p in chambers]


def thymus(subject: Subject) -> list[Part]:
    """Behind the manubrium, in front of the great vessels."""
    return subject.vary(part("thymus", Ellipsoid((0, 49, 538), (18, 8, 25))), times=0.6)


def breasts(subject: Subject) -> list[Part]:
    """Glandular tissue under the skin: full in women, a thin disc behind the nipple in men."""
    if subject.male:
        return pair("breast", Ellipsoid((72, 86, 478), (27, 7, 25)), over=("fat", "muscles"))
    gland = Ellipsoid(BREAST.centre, (44, 34, 42))
    return pair("breast", gland, over=("fat",))


def shoulder_blade() -> list[Part]:
    """Scapula with its spine, acromion, coracoid and socket."""
    upper, lower, lateral = (64.0, -88.0, 570.0), (72.0, -95.0, 458.0), (130.0, -48.0, 556.0)
    return pair(
        "scapula",
        Plate((upper, lower, lateral), 7.0),
        Tube([upper, (66, -94, 515), lower], 4.0),
        Tube([(70, -90, 548), (108, -67, 568), (138, -46, 583), (150, -26, 594)], [5, 5, 6, 6]),
        Tube([(128, -44, 566), (126, -20, 576), (118, -4, 572)], [6, 5.5, 5]),
        Ellipsoid((131, -42, 557), (9, 11, 19)),
    )


def collar_bone() -> list[Part]:
    """Clavicle from the manubrium to the acromion."""
    return pair(
        "clavicula", Tube([(25, 50, 576), (55, 46, 588), (100, 6, 599), (140, -16, 597)], [7.5, 6, 6, 6])
    )
