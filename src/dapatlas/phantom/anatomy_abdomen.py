"""The organs of the belly and of the pelvis."""

from __future__ import annotations

import math

from dapatlas.phantom.forms import Cut, Ellipsoid, HalfSpace, Point, Tube
from dapatlas.phantom.parts import Part, both_sides, part
from dapatlas.phantom.subject import Subject

BED = ("abdominal_tissue",)
# The liver's lower face, from low on the right to high on the left.
VISCERAL_FACE = HalfSpace((-0.30, 0.10, -1.0), -327)


def digestive(subject: Subject) -> list[Part]:
    """Liver and gut, in the order in which they lie on each other."""
    return [
        *liver(subject),
        *stomach(subject),
        *spleen(subject),
        *gut(),
        *pancreas(subject),
        *gallbladder(subject),
    ]


def liver(subject: Subject) -> list[Part]:
    """Right lobe under the right dome, left lobe across the midline; the gallbladder lies under it."""
    right = Cut(Ellipsoid((61, 3, 346), (64, 77, 84)), (VISCERAL_FACE,))
    left = Cut(Ellipsoid((0, 38, 376), (60, 44, 36)), (VISCERAL_FACE,))
    return subject.vary(part("liver", right, left, over=BED), times=0.8)


def stomach(subject: Subject) -> list[Part]:
    """From the fundus under the left dome to the pylorus."""
    line: list[Point] = [
        (-56, -8, 390),
        (-60, 6, 372),
        (-58, 30, 346),
        (-42, 50, 324),
        (-14, 58, 312),
        (14, 50, 316),
    ]
    form = Tube(line, [24, 30, 27, 23, 19, 12])
    return subject.vary(part("stomach", form, over=(*BED, "liver")), times=0.5, growth=subject.stomach)


def spleen(subject: Subject) -> list[Part]:
    """High at the back on the left, against the diaphragm."""
    form = Ellipsoid((-96, -33, 366), (56, 26, 42), long_axis=(0.25, -0.25, 1))
    return subject.vary(part("spleen", form, over=(*BED, "stomach")), times=0.8)


def gut() -> list[Part]:
    """Duodenum, small bowel, and the colon as a frame around it, one tube each."""
    duodenum: list[Point] = [
        *((16, 50, 317), (34, 36, 320), (54, 24, 306), (57, 20, 276), (44, 28, 254), (12, 38, 246)),
        *((-18, 40, 250), (-30, 40, 266)),
    ]
    colon: list[Point] = [
        *(
            (0, -42, 22),
            (0, -46, 42),
            (0, -47, 62),
            (0, -47, 88),
            (-4, -34, 112),
            (-20, -8, 134),
            (-36, 24, 143),
        ),
        *((-64, 52, 158), (-92, 40, 186), (-99, 5, 218), (-98, -12, 260), (-97, -8, 300), (-92, 30, 326)),
        *((-76, 62, 312), (-42, 72, 282), (0, 74, 270), (44, 72, 280), (78, 58, 298), (95, 22, 288)),
        *((97, 0, 252), (96, 6, 214), (86, 30, 180), (74, 36, 164)),
    ]
    radii = [9, 14, 18, 18, 16, 13, 13, 13, 13, 14, 14, 14, 15, 16, 17, 17, 17, 18, 19, 21, 23, 24, 20]
    over = ("fat", "muscles", *BED, "liver", "stomach")
    return [
        *part("duodenum", Tube(duodenum, 11.5), over=(*BED, "liver", "stomach")),
        *part("small_bowel", Tube(small_bowel_line(), 12.0), over=(*BED, "duodenum")),
        *part("colon", Tube(colon, radii), over=(*over, "small_bowel")),
    ]


def small_bowel_line() -> list[Point]:
    """Loops from the end of the duodenum to the caecum, row under row, winding between back and front."""
    line: list[Point] = [(-30, 40, 264), (-44, 42, 250)]
    for row, (z, reach) in enumerate(((238, 70), (215, 72), (192, 70), (169, 54), (147, 40))):
        for step in range(14):
            back = step < 7
            across = -reach + 2 * reach * (step if back else 13 - step) / 6
            wave = math.sin(1.7 * step + 2.1 * row)
            line.append(
                (across, (36 if back else 66) + 5 * wave, z + 5 * math.cos(2.3 * step + row) - 4 * (not back))
            )
    return [*line, (-18, 50, 132), (20, 46, 134), (48, 40, 150), (66, 42, 160)]


def pancreas(subject: Subject) -> list[Part]:
    """Head in the loop of the duodenum, tail at the spleen."""
    line: list[Point] = [
        (34, 24, 290),
        (26, 30, 306),
        (8, 34, 320),
        (-16, 30, 334),
        (-46, 4, 346),
        (-72, -16, 350),
    ]
    form = Tube(line, [15, 15, 12, 12, 11.5, 9])
    return subject.vary(part("pancreas", form, over=(*BED, "stomach", "liver", "duodenum")), times=0.4)


def gallbladder(subject: Subject) -> list[Part]:
    """Under the liver's right lobe, its bottom at the front."""
    return subject.vary(
        part("gallbladder", Tube([(46, 38, 336), (52, 54, 322), (56, 66, 308)], [8, 13, 13])), times=0.6
    )


def kidneys(subject: Subject) -> list[Part]:
    """Kidneys, the left one higher, each with an adrenal gland on top."""
    right = Ellipsoid((62, -37, 290), (56, 27, 26.5), long_axis=(-0.2, -0.12, 1))
    left = Ellipsoid((-61, -37, 302), (56, 27, 26.5), long_axis=(0.2, -0.12, 1))
    glands = {
        "right": ((37, -19, 364), (47, -27, 346), (35, -36, 344)),
        "left": ((-35, -17, 372), (-47, -25, 356), (-34, -33, 353)),
    }
    parts = subject.vary(part("kidney_right", right) + part("kidney_left", left), times=0.8)
    for side, (apex, lateral, medial) in glands.items():
        parts += part(
            f"adrenal_gland_{side}", Tube([apex, lateral], [5, 4.2]), Tube([apex, medial], [5, 4.2])
        )
    return parts


def pelvic(subject: Subject) -> list[Part]:
    """Bladder and the organs of the subject's sex."""
    growth = subject.bladder
    bladder = subject.vary(part("bladder", Ellipsoid((0, 26, 89), (35, 29, 29))), times=0.3, growth=growth)
    if subject.male:
        prostate = subject.vary(part("prostate", Ellipsoid((0, 10, 45), (22, 16, 17))), times=0.4)
        return [*bladder, *prostate, *both_sides("gonads", Ellipsoid((17, 64, -26), (13, 15, 21)))]
    return [
        *part("uterocervix", Tube([(0, -8, 108), (0, -14, 78)], [13, 13])),
        *subject.vary(part("uterus", Ellipsoid((0, 2, 132), (26, 22, 27))), times=0.3),
        *bladder,
        *both_sides("gonads", Ellipsoid((38, 6, 114), (9, 8, 14))),
    ]
