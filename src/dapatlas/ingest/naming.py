"""From DICOM's identifiers to names of subjects and cases."""

from __future__ import annotations

import re

from dapatlas.dataset.names import PREFIX

PATIENT_PREFIXES = ("PETCT_", "PSMA_")  # of FDG-PET-CT-Lesions and PSMA-PET-CT-Lesions on TCIA

_SUBJECT = re.compile(r"[0-9A-Za-z-]+")


def subject_of(patient: str) -> str:
    """The subject: the PatientID without the prefix of its collection.

    The empty string where that makes no file name, for want of any character but letters, digits and hyphens.

    Examples
    --------
    >>> subject_of("PETCT_0011f3deaf")
    '0011f3deaf'
    >>> subject_of("../Smith, J.")
    ''
    """
    for prefix in PATIENT_PREFIXES:
        patient = patient.removeprefix(prefix)
    return patient if _SUBJECT.fullmatch(patient) else ""


def study5_of(study_uid: str) -> str:
    """Last five digits of a StudyInstanceUID, its dots left out; the empty string where it has fewer.

    Examples
    --------
    >>> study5_of("1.3.6.1.4.1.14519.5.2.1.4219.6651.1017.245.00445")
    '00445'
    """
    digits = "".join(character for character in study_uid if character in "0123456789")
    return digits[-5:] if len(digits) >= 5 else ""


def case_id(patient: str, study_uid: str) -> str:
    """``AutoPET_<subject>_<study5>``; the empty string where one of them cannot be told.

    Examples
    --------
    >>> case_id("PETCT_0011f3deaf", "1.3.6.1.4.1.14519.5.2.1.4219.6651.1017.245.00445")
    'AutoPET_0011f3deaf_00445'
    """
    subject, study5 = subject_of(patient), study5_of(study_uid)
    return f"{PREFIX}_{subject}_{study5}" if subject and study5 else ""
