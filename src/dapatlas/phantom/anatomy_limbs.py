"""Arms and thighs, and the muscles of the hip."""

from __future__ import annotations

from dapatlas.phantom.anatomy_outline import FEET_END_Z, FOREARM_DOWN, FOREARM_UP
from dapatlas.phantom.forms import Ellipsoid, Plate, Tube
from dapatlas.phantom.parts import Part, both_sides, pair
from dapatlas.phantom.subject import Subject


def humerus(subject: Subject) -> list[Part]:
    """The upper arm's bone, hanging or raised."""
    if subject.arms == "down":
        shaft = Tube(
            [(155, -26, 556), (165, -28, 490), (168, -27, 400), (169, -16, 325), (169, -2, 292)],
            [16, 12, 10, 11, 15],
        )
        return pair("humerus", Ellipsoid((152, -26, 564), (22, 22, 23)), shaft)
    shaft = Tube(
        [(150, -24, 590), (152, -22, 640), (152, -14, 720), (150, -4, 800), (147, 4, 850)],
        [16, 12, 10, 11, 15],
    )
    return pair("humerus", Ellipsoid((148, -24, 580), (22, 22, 23)), shaft)


def forearm_bones(subject: Subject) -> Tube:
    """Radius and ulna as one bar; the scheme has no structure for them."""
    way = FOREARM_DOWN.points if subject.arms == "down" else FOREARM_UP.points
    return Tube(way, 9.0)


def forearm(subject: Subject) -> list[Part]:
    """The bones of the forearm, which the scheme leaves to unknown tissue."""
    return both_sides("unknown_tissue", forearm_bones(subject), over=("fat", "muscles"))


def hip_muscles() -> list[Part]:
    """Gluteal muscles, the outermost first, and the iliopsoas."""
    maximus = [
        Tube([(30, -90, 132), (60, -86, 95), (95, -70, 55), (124, -46, 18)], [22, 34, 36, 20]),
        Tube([(56, -84, 158), (88, -78, 115), (114, -60, 72), (128, -42, 30)], [18, 30, 30, 14]),
    ]
    medius = Ellipsoid((123, -10, 150), (62, 21, 50), long_axis=(0.12, -0.1, 1))
    minimus = Ellipsoid((110, 4, 136), (42, 11, 31), long_axis=(0.2, -0.05, 1))
    return [
        *pair("gluteus_maximus", *maximus, over=("muscles",)),
        *pair("gluteus_medius", medius, over=("muscles", "abdominal_tissue")),
        *pair("gluteus_minimus", minimus, over=("muscles", "abdominal_tissue", *_BOTH_MEDIUS)),
        *pair("iliopsoas", *iliopsoas(), over=("fat", "muscles", "abdominal_tissue", *_GLUTEI)),
    ]


_BOTH_MEDIUS = ("gluteus_medius_left", "gluteus_medius_right")
_GLUTEI = (*_BOTH_MEDIUS, "gluteus_minimus_left", "gluteus_minimus_right")


def iliopsoas() -> list[Tube]:
    """Psoas from L1 to the lesser trochanter, iliacus from the wing of the ilium."""
    psoas = Tube(
        [
            (24, -26, 318),
            (31, -20, 280),
            (38, -14, 240),
            (46, -4, 190),
            (58, 14, 140),
            (70, 36, 95),
            (76, 20, 40),
        ],
        [8, 13, 18, 21, 19, 18, 11],
    )
    iliacus = Tube([(92, -6, 196), (88, 6, 165), (78, 22, 125), (72, 34, 98)], [12, 17, 17, 15])
    return [psoas, iliacus]


def hip_bones() -> list[Part]:
    """Ilium, ischium and pubis of either side, and the femora in their sockets."""
    joint, wing_back, spine_front = (86.0, -6.0, 96.0), (44.0, -78.0, 150.0), (120.0, 50.0, 176.0)
    crest = (112.0, -20.0, 216.0)
    hip = pair(
        "hip",
        Plate((joint, wing_back, crest), 12.0),
        Plate((joint, crest, spine_front), 11.0),
        Tube([wing_back, (78, -58, 190), crest, (124, 20, 204), spine_front], 7.0),
        Ellipsoid((49, -70, 126), (9, 22, 28), long_axis=(1, 0.5, 0)),
        Tube([(50, -68, 112), (70, -40, 100), (84, -10, 92)], [9, 12, 16]),
        Ellipsoid((84, 4, 82), (30, 31, 32)),
        Tube([(80, -14, 64), (68, -36, 34), (60, -40, 12)], [17, 13, 13]),
        Tube([(60, -38, 12), (38, -5, 22), (14, 45, 44)], [9, 7, 8]),
        Tube([(82, 22, 88), (50, 52, 78), (15, 58, 62), (11, 56, 46)], [11, 8, 9, 9]),
    )
    joint_gap = both_sides(
        "unknown_tissue", Ellipsoid((91, 4, 80), (25, 25, 25)), over=("hip_left", "hip_right")
    )
    femur = pair(
        "femur",
        Ellipsoid((91, 4, 80), (23, 23, 23)),
        Tube([(91, 4, 80), (112, -4, 68), (130, -10, 52)], [15, 14, 17]),
        Ellipsoid((134, -14, 60), (15, 17, 20)),
        Tube(
            [(128, -10, 50), (118, -4, 10), (108, 0, -50), (102, 2, FEET_END_Z), (100, 2, FEET_END_Z - 60)],
            [18, 15, 14, 14, 14],
        ),
    )
    return hip + joint_gap + femur
