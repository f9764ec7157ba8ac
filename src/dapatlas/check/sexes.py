"""No prostate in a woman, no uterus in a man, and never both."""

from __future__ import annotations

from collections.abc import Iterator

from dapatlas.check.codes import Code
from dapatlas.check.judged import judged
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.findings import Finding
from dapatlas.labels import Sex

WORDS = {Sex.FEMALE: "a woman", Sex.MALE: "a man"}


def check(case: MeasuredCase) -> Iterator[Finding]:
    """Judge organs that one sex alone has, at any size and wherever they are cut."""
    present = [case.scheme[name] for name in case.names if case.scheme[name].sex is not None]
    known = case.patient.sex
    if known is not None:
        for structure in present:
            if structure.sex is not known:
                message = f"{structure.display_name} ({case.ml(structure.name):.1f} ml) in {WORDS[known]}"
                yield judged(case, Code.OTHER_SEX, message, structure.name)
        return
    if len({structure.sex for structure in present}) > 1:
        names = ", ".join(
            f"{structure.display_name} ({case.ml(structure.name):.1f} ml)" for structure in present
        )
        smallest = min(present, key=lambda structure: case.ml(structure.name))
        yield judged(case, Code.BOTH_SEXES, f"nobody has all of {names}", smallest.name)
