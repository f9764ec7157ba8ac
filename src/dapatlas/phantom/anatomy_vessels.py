"""Great vessels and the gullet."""

from __future__ import annotations

from dapatlas.phantom.forms import Point, Tube
from dapatlas.phantom.parts import Part, pair, part

AORTA: list[Point] = [
    *(
        (-10, 30, 496),
        (6, 33, 518),
        (12, 31, 542),
        (2, 27, 560),
        (-14, 13, 568),
        (-24, -7, 560),
        (-26, -24, 538),
    ),
    *(
        (-24, -25, 490),
        (-20, -21, 440),
        (-14, -11, 390),
        (-9, 1, 345),
        (-8, 12, 297),
        (-7, 17, 260),
        (-4, 19, 222),
    ),
    (-1, 19, 206),
]
AORTA_RADII = [15, 15, 14, 13, 12.5, 12, 12, 12, 11.5, 11, 10.5, 10, 9.5, 9, 8.5]


def arteries() -> list[Part]:
    """Aorta from the heart to its fork at L4, and its great branches."""
    carotid: list[Point] = [(26, 14, 616), (27, 12, 645), (28, 6, 676)]
    internal: list[Point] = [(28, 6, 678), (29, 1, 700), (27, 2, 722), (26, 6, 742)]
    beyond: list[Point] = [(46, 2, 613), (64, 10, 607), (90, 8, 590), (120, -6, 574)]
    iliac: list[Point] = [
        (2, 18, 205),
        (20, 14, 182),
        (36, 12, 156),
        (44, 20, 130),
        (54, 44, 98),
        (62, 66, 66),
        (66, 68, 48),
    ]
    return [
        *part("aorta", Tube(AORTA, AORTA_RADII)),
        *pair("iliac_artery", Tube(iliac, [6, 5.5, 5.5, 5, 5, 4.5, 4.5])),
        *part("celiac_trunk", Tube([(-9, 10, 352), (-5, 24, 355)], 4.0), *_celiac_branches()),
        *part("artery_brachiocephalic", Tube([(0, 27, 572), (13, 24, 588), (24, 16, 602)], 6.2)),
        *part("artery_common_carotid_right", Tube([(24, 17, 603), *carotid], 4.0)),
        *part("artery_common_carotid_left", Tube([(-12, 16, 578), (-21, 14, 598), *_left(carotid)], 4.0)),
        *pair("artery_internal_carotid", Tube(internal, 3.6)),
        *part("artery_subclavian_right", Tube([(27, 14, 603), *beyond], 4.8)),
        *part("artery_subclavian_left", Tube([(-22, -3, 573), (-30, -2, 598), *_left(beyond)], 4.8)),
    ]


def _celiac_branches() -> tuple[Tube, Tube]:
    """Its fork towards liver and spleen."""
    fork = (-5, 24, 355)
    return Tube([fork, (14, 28, 358)], 3.5), Tube([fork, (-26, 20, 360)], 3.5)


def veins() -> list[Part]:
    """Caval, iliac, portal and neck veins, and the pulmonary artery."""
    cava: list[Point] = [
        *(
            (17, 15, 188),
            (18, 17, 222),
            (19, 17, 260),
            (21, 13, 297),
            (23, 6, 345),
            (25, 4, 395),
            (25, 14, 428),
        ),
        (23, 28, 450),
    ]
    lower: list[Point] = [(38, 2, 140), (46, 14, 112), (50, 38, 84), (52, 58, 60), (54, 60, 46)]
    portal: list[Point] = [
        *((-78, -30, 357), (-46, -14, 351), (-20, 12, 339), (10, 21, 329), (30, 22, 348), (46, 16, 368)),
    ]
    jugular: list[Point] = [(32, -2, 736), (37, 2, 700), (39, 12, 650), (36, 24, 604)]
    lung: list[Point] = [(-26, 52, 500), (-22, 36, 519), (-17, 20, 527)]
    return [
        *part("inferior_vena_cava", Tube(cava, [10, 10.5, 10.5, 10.5, 11, 11, 11, 12])),
        *part("iliac_vena_right", Tube([(18, 14, 188), (28, 6, 165), *lower], 6.2)),
        *part("iliac_vena_left", Tube([(14, 13, 186), (-2, 10, 174), (-24, 4, 160), *_left(lower)], 6.2)),
        *part("portal_vein_and_splenic_vein", Tube(portal, [4.5, 4.8, 5, 6, 6.5, 6])),
        *pair("internal_jugular_vein", Tube(jugular, [4.5, 5, 5.5, 6.5])),
        *part("vein_brachiocephalic_right", Tube([(36, 25, 602), (36, 27, 578), (34, 24, 558)], 7.0)),
        *part(
            "mediastinal_tissue", Tube([(34, 24, 550), (31, 25, 525), (26, 28, 500)], 9.0), over=_BESIDE_CAVA
        ),
        *part(
            "vein_brachiocephalic_left",
            Tube([(-36, 25, 602), (-18, 36, 584), (4, 39, 574), (22, 34, 564), (31, 26, 555)], 6.5),
        ),
        *part(
            "pulmonary_artery",
            Tube(lung, [13, 13, 11]),
            Tube([(-17, 20, 527), (8, 11, 518), (36, 9, 503)], [10, 9, 7.5]),
            Tube([(-17, 20, 527), (-34, 8, 536), (-48, -8, 534)], [10, 9, 7.5]),
        ),
    ]


# The superior vena cava has no id in the scheme: it counts as mediastinal tissue, and only pushes the lung aside.
_BESIDE_CAVA = ("lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right", "heart")


def gullet() -> list[Part]:
    """Esophagus from behind the windpipe through the diaphragm to the stomach."""
    line: list[Point] = [
        *(
            (0, 4, 640),
            (-2, 0, 612),
            (-4, -11, 572),
            (-3, -20, 541),
            (-3, -20, 510),
            (-3, -21, 480),
            (-6, -18, 450),
        ),
        *((-12, -2, 424), (-24, 6, 408), (-40, 0, 395)),
    ]
    return part("esophagus", Tube(line, [5.5, 5.5, 6.5, 7, 7, 7, 7, 7, 7, 7.5]))


def _left(points: list[Point]) -> list[Point]:
    return [(-x, y, z) for x, y, z in points]
