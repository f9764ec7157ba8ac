"""No prostate in a woman, no uterus in a man.

Bladder neck, vagina and rectum look like a prostate, seminal vesicles like a cervix, so the organs of the other sex
are a frequent error. Where the sex is not known nothing is changed: the map itself is no witness, for an error is what
it may hold.
"""

from __future__ import annotations

from dapatlas.findings import Severity
from dapatlas.labels import Sex
from dapatlas.refine.anatomy import Anatomy
from dapatlas.refine.guideline import Guideline, Thresholds
from dapatlas.refine.piece import Reason

WORDS = {Sex.FEMALE: "a woman", Sex.MALE: "a man"}


class SexThresholds(Thresholds):
    """None: an organ of the other sex is wrong at any size."""


def apply(anatomy: Anatomy, thresholds: SexThresholds) -> None:
    """Replace the organs of the other sex by what surrounds them."""
    present = [structure for structure in anatomy.structures() if structure.sex is not None]
    if not present:
        return
    if anatomy.sex is None:
        names = ", ".join(structure.name for structure in present)
        both = len({structure.sex for structure in present}) > 1
        anatomy.note(
            "sex-unknown",
            f"{anatomy.sex_doubt or 'the sex is not known'}; {names} left as "
            f"{'they are, though no one has all of them' if both else 'found'}",
            severity=Severity.WARNING if both or anatomy.sex_doubt else Severity.INFO,
            remedy="give a table of subjects and sexes (--sex-table)",
        )
        return
    wrong = [structure.name for structure in present if structure.sex is not anatomy.sex]
    reason = Reason("other-sex", f"{WORDS[anatomy.sex]} has none; replaced by what surrounds it")
    anatomy.pieces.dissolve(anatomy.all_of(*wrong), reason)


GUIDELINE = Guideline("sex", "Organs of one sex are found in that sex alone.", SexThresholds, apply)
