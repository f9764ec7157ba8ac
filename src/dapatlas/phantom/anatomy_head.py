"""Head and neck: skull and brain, face, airway to the larynx, thyroid."""

from __future__ import annotations

from dapatlas.phantom.forms import Cut, Ellipsoid, Form, HalfSpace, Tube
from dapatlas.phantom.parts import Part, both_sides, pair, part
from dapatlas.phantom.subject import Subject

SKULL = Ellipsoid((0, 2, 798), (71, 91, 66))
BRAIN = Ellipsoid((0, 2, 798), (65.5, 85.5, 58.5))
# The base of the skull rises to the front: what the brain keeps is z >= 750 + 0.35 y.
BASE = HalfSpace((0, 0.35, -1), -750)
UNDER_BASE = HalfSpace((0, 0.35, -1), -742)


def head(subject: Subject) -> list[Part]:
    """Everything of the head, from the outside inwards."""
    return [
        *face_soft(),
        *skull(),
        *subject.vary(part("brain", Cut(BRAIN, (BASE,)))[:1], times=0.3),
        *part("brain", Tube([(0, -4, 785), (0, -12, 755), (0, -16, 744)], [18, 13, 10])),
        *orbits(),
        *part("nasal_cavity", Ellipsoid((0, 72, 740), (14, 31, 23))),
        *both_sides("unknown_tissue", MAXILLARY_SINUS),
        *part("unknown_tissue", FRONTAL_SINUS, over=("skull",)),
        *part("unknown_tissue", PHARYNX),
    ]


MAXILLARY_SINUS = Ellipsoid((27, 64, 738), (10, 14, 13))
FRONTAL_SINUS = Ellipsoid((0, 85, 792), (16, 4, 7))
# Air from behind the nose to the vocal cords; the scheme has no structure for it.
PHARYNX = Tube([(0, 42, 735), (0, 32, 725), (0, 26, 700), (0, 24, 672), (0, 22, 640)], [9, 8, 7, 7, 7])


def face_soft() -> list[Part]:
    """Cheeks, painted before the bones that they lie on."""
    return pair("cheek", Ellipsoid((44, 64, 712), (13, 24, 23)))


def skull() -> list[Part]:
    """Cranium, face and lower jaw as one structure."""
    middle: list[Form] = [
        Cut(SKULL, (UNDER_BASE,)),
        Ellipsoid((0, -6, 748), (42, 40, 8)),
        Ellipsoid((0, 62, 736), (42, 32, 36)),
        Tube([(0, 84, 780), (0, 96, 760), (0, 97, 748)], [6, 5, 4]),
    ]
    right: list[Form] = [
        Tube([(44, 72, 746), (53, 50, 747), (57, 22, 750), (58, 0, 757)], [7, 5.5, 5, 6]),
        Tube([(50, 72, 750), (54, 72, 770), (54, 68, 795)], [6, 5, 6]),
        Tube([(53, 6, 757), (51, 4, 735), (46, 12, 700), (35, 52, 685), (18, 78, 679), (0, 86, 678)], 6.5),
        Tube([(36, 50, 706), (26, 74, 704), (0, 87, 703)], 7),
        Ellipsoid((60, -16, 752), (10, 18, 18)),
    ]
    return part("skull", *middle) + both_sides("skull", *right)


def orbits() -> list[Part]:
    """Fat of the eye sockets and the eyeballs in it."""
    socket = Ellipsoid((32, 74, 769), (18, 24, 17))
    eye = Ellipsoid((32, 82, 769), (12.3, 12.3, 12.3))
    return both_sides("fat", socket, over=("skull", "brain", "muscles", "fat")) + pair("eyeball", eye)


def thyroid(subject: Subject) -> list[Part]:
    """Two lobes beside the upper windpipe."""
    return subject.vary(pair("thyroid", Ellipsoid((16, 19, 630), (8.5, 10, 21))))
