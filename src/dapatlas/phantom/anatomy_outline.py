"""The outside of the body, its fat and muscle, and the cavities of the trunk.

All coordinates are mm of the reference body: x = 0 in the midline, y = 0 half-way through the trunk, z = 0 at the
level of the ischial tuberosities, the crown at z = 873.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dapatlas.phantom.forms import Ellipsoid, Form, Loft, Tube
from dapatlas.phantom.parts import Part, both_sides, part
from dapatlas.phantom.subject import Subject

CROWN_Z = 873.0
FEET_END_Z = -120.0  # the thighs end here, below every field of view

# z, middle x, half-width, back y, front y
TRUNK = Loft(
    [
        (-34, 0, 30, -40, 20),
        (-24, 0, 70, -66, 44),
        (-8, 0, 128, -84, 62),
        (8, 0, 158, -96, 74),
        (40, 0, 170, -114, 88),
        (80, 0, 172, -119, 92),
        (120, 0, 168, -117, 95),
        (160, 0, 159, -109, 98),
        (200, 0, 148, -102, 102),
        (240, 0, 140, -98, 104),
        (280, 0, 138, -98, 104),
        (320, 0, 142, -101, 106),
        (360, 0, 147, -105, 108),
        (400, 0, 150, -108, 110),
        (440, 0, 152, -110, 109),
        (480, 0, 153, -111, 105),
        (520, 0, 153, -110, 96),
        (550, 0, 150, -106, 86),
        (575, 0, 141, -98, 75),
        (595, 0, 118, -89, 66),
        (612, 0, 88, -80, 58),
        (630, 0, 66, -72, 51),
        (650, 0, 58, -67, 47),
        (680, 0, 56, -65, 46),
        (705, 0, 56, -66, 44),
        (725, 0, 58, -72, 42),
        (745, 0, 58, -78, 42),
    ],
    power=2.4,
)
CRANIUM = Ellipsoid((0, 2, 798), (78, 98, 75))
FACE = Loft(
    [
        (661, 0, 12, 60, 90),
        (666, 0, 26, 45, 97),
        (676, 0, 40, 20, 101),
        (690, 0, 52, 0, 101),
        (708, 0, 59, -24, 101),
        (728, 0, 65, -52, 101),
        (748, 0, 69, -74, 102),
        (768, 0, 73, -86, 103),
        (790, 0, 75, -92, 103),
        (806, 0, 72, -92, 100),
    ],
    power=2.2,
)
NOSE = Ellipsoid((0, 104, 742), (13, 17, 20))
EAR = Ellipsoid((77, -8, 757), (6, 15, 27))
THIGH = Tube([(86, -8, 60), (84, -4, 0), (80, 0, -60), (78, 2, FEET_END_Z - 80)], [84, 80, 76, 72])
SCROTUM = Ellipsoid((0, 62, -18), (36, 34, 44))

ARM_DOWN = Tube(
    [(98, -22, 578), (152, -26, 560), (166, -28, 480), (169, -26, 400), (170, -14, 325), (170, 6, 286)],
    [46, 43, 36, 33, 32, 31],
)
FOREARM_DOWN = Tube([(168, 10, 284), (148, 78, 268), (118, 112, 254), (78, 119, 240)], [31, 29, 24, 19])
HAND_DOWN = Ellipsoid((45, 121, 232), (42, 12, 26), long_axis=(1, 0, 0.25))
ARM_UP = Tube(
    [(98, -22, 572), (140, -24, 580), (152, -22, 640), (152, -14, 720), (150, -4, 800), (146, 4, 862)],
    [48, 44, 38, 34, 32, 31],
)
FOREARM_UP = Tube([(146, 4, 862), (120, 0, 905), (70, -6, 960)], [31, 30, 26])

# The surface on which the middle of every rib lies.
CAGE = Loft(
    [
        (300, 0, 124, -70, 84),
        (345, 0, 130, -77, 90),
        (380, 0, 133, -81, 93),
        (420, 0, 134, -85, 93),
        (460, 0, 132, -87, 89),
        (500, 0, 126, -87, 81),
        (530, 0, 115, -83, 72),
        (555, 0, 99, -76, 63),
        (575, 0, 81, -67, 55),
        (590, 0, 66, -58, 49),
        (605, 0, 52, -49, 44),
        (618, 0, 38, -40, 40),
    ],
    power=2.3,
)
ABDOMEN = Loft(
    [
        (42, 0, 34, -66, 58),
        (70, 0, 52, -74, 68),
        (100, 0, 62, -78, 75),
        (130, 0, 74, -70, 80),
        (160, 0, 92, -58, 83),
        (200, 0, 112, -46, 86),
        (240, 0, 118, -50, 88),
        (280, 0, 119, -64, 89),
        (320, 0, 121, -72, 89),
        (347, 0, 122, -72, 88),
    ],
    power=2.5,
)
# The domes of the diaphragm: right, left, and the lower middle one under the heart.
DOMES = (
    Ellipsoid((58, 4, 345), (66, 78, 86)),
    Ellipsoid((-58, 4, 345), (66, 77, 75)),
    Ellipsoid((0, 26, 345), (72, 62, 68)),
)
DIAPHRAGM_MM = 4.0


def outline(subject: Subject) -> list[Part]:
    """Everything inside the skin, painted as fat; the rest is painted over it."""
    forms: list[Form] = [TRUNK, CRANIUM, FACE, NOSE]
    if subject.male:
        forms.append(SCROTUM)
    else:
        forms += [BREAST, replace(BREAST, centre=_left(BREAST.centre))]
    paired: list[Form] = [EAR, THIGH, *_arm(subject)]
    parts = part("fat", *forms) + both_sides("fat", *paired)
    return [replace(p, grows=True) for p in parts]


BREAST = Ellipsoid((68, 96, 474), (50, 40, 48))


def muscle_wall(subject: Subject) -> list[Part]:
    """The muscle under the fat of trunk, head and limbs."""
    fat = subject.fat
    trunk = TRUNK.inset(side=11 * fat, back=10 * fat, front=11 * fat)
    limbs = [
        _thinner(THIGH, 14 * fat),
        *(_thinner(tube, 8 * fat) for tube in _arm(subject) if _is_tube(tube)),
    ]
    head = (Ellipsoid(CRANIUM.centre, (75, 95, 71)), FACE.inset(side=6, back=0, front=6))
    return part("muscles", trunk, *head) + both_sides("muscles", *limbs)


def cavities(subject: Subject) -> list[Part]:
    """Chest and belly, the diaphragm between them, and the lungs' bed."""
    chest = CAGE.inset(side=7, back=7, front=7)
    domes = [
        Ellipsoid(d.centre, tuple(r + DIAPHRAGM_MM for r in d.radii))  # type: ignore[arg-type]
        for d in DOMES
    ]
    return [
        *part("mediastinal_tissue", chest),
        *part("muscles", *domes, over=("mediastinal_tissue",)),
        *part("abdominal_tissue", ABDOMEN, over=("muscles", "fat", "mediastinal_tissue")),
        *part("abdominal_tissue", *DOMES, over=("muscles", "fat", "mediastinal_tissue")),
    ]


def _arm(subject: Subject) -> Sequence[Form]:
    return (ARM_DOWN, FOREARM_DOWN, HAND_DOWN) if subject.arms == "down" else (ARM_UP, FOREARM_UP)


def _is_tube(form: Form) -> bool:
    return isinstance(form, Tube)


def _thinner(form: Form, by: float) -> Form:
    assert isinstance(form, Tube)
    radii = [max(r - by, 6.0) for r in form.radii]  # type: ignore[union-attr]
    return replace(form, radii=radii)


def _left(centre: tuple[float, float, float]) -> tuple[float, float, float]:
    return (-centre[0], centre[1], centre[2])
