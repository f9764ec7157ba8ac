"""Names of cases: ``AutoPET_<subject>_<last five digits of the study UID>``, and whatever else people use."""

from __future__ import annotations

import re
from dataclasses import dataclass

PREFIX = "AutoPET"
SUFFIXES = (".nii.gz", ".nii")  # in order of preference

_STANDARD = re.compile(rf"{PREFIX}_(?P<subject>[0-9A-Za-z-]+)_(?P<study>[0-9]{{5}})")


@dataclass(frozen=True, slots=True)
class CaseName:
    """Who was scanned, and in which study.

    Attributes
    ----------
    subject
        Identifier of the person; for a name that is not in the AutoPET form, the whole name.
    study
        Last five digits of the DICOM StudyInstanceUID, leading zeros kept; None where the name has none.
    """

    subject: str
    study: str | None

    @property
    def is_standard(self) -> bool:
        """Whether the name had the form ``AutoPET_<subject>_<study>``."""
        return self.study is not None

    def __str__(self) -> str:
        """The case id: the file name without its suffix."""
        return self.subject if self.study is None else f"{PREFIX}_{self.subject}_{self.study}"


def parse_case_name(case_id: str) -> CaseName:
    """Read subject and study from a case id; any other name is a subject of its own.

    ``str()`` of the answer is ``case_id`` again.

    Examples
    --------
    >>> parse_case_name("AutoPET_0011f3deaf_00445")
    CaseName(subject='0011f3deaf', study='00445')
    >>> parse_case_name("patient7")
    CaseName(subject='patient7', study=None)
    """
    match = _STANDARD.fullmatch(case_id)
    if match is None:
        return CaseName(case_id, None)
    return CaseName(match["subject"], match["study"])


def case_id_of(file_name: str) -> str | None:
    """Case id of a file in ``images/`` or ``masks/``; None where it is no NIfTI file, or hidden.

    Examples
    --------
    >>> case_id_of("AutoPET_0011f3deaf_00445.nii.gz")
    'AutoPET_0011f3deaf_00445'
    >>> case_id_of(".AutoPET_0011f3deaf_00445.partial.nii.gz") is None
    True
    """
    if file_name.startswith("."):  # hidden files, and files that are being written
        return None
    for suffix in SUFFIXES:
        if file_name.endswith(suffix) and len(file_name) > len(suffix):
            return file_name.removesuffix(suffix)
    return None
