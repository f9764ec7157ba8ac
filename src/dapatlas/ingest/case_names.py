"""Names that cases may have, and those that studies of the autoPET challenges get."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from dapatlas.dataset.names import PREFIX, SUFFIXES
from dapatlas.ingest.codes import Code
from dapatlas.ingest.fault import IngestError

LONGEST = 200  # characters; with suffixes, scratch files of the name still fit into a file system's 255
TRACERS = ("fdg", "psma")  # what names in the autoPET challenges begin with

_NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.-]*")
_STUDY5 = re.compile(r"(?:.*-)?([0-9]{5})", re.DOTALL)
_CHALLENGE = re.compile(
    rf"(?P<tracer>{'|'.join(TRACERS)})_(?P<subject>[0-9A-Za-z]+)_(?P<study>.+)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Named:
    """A case's name, and what it tells.

    Attributes
    ----------
    case
        Case id.
    subject
        Pseudonymous id of the person, as the case id tells it.
    study5
        Five digits of the study, as the case id tells them; empty where it tells none.
    """

    case: str
    subject: str
    study5: str


def case_name(text: str) -> str:
    """The name of a case, if it can be one.

    Returns
    -------
    str
        ``text`` itself.

    Raises
    ------
    IngestError
        It has characters other than letters, digits, ``_``, ``-`` and ``.``, begins with ``.`` or ``-``, ends in
        a suffix of NIfTI files or in a dot, or is too long.

    Examples
    --------
    >>> case_name("trauma-007.b")
    'trauma-007.b'
    """
    if not _NAME.fullmatch(text):
        why = "it must be of letters, digits, '_', '-' and '.', and begin with none of the last two"
    elif text.endswith((*SUFFIXES, ".gz", ".")):
        why = "it must not end in a dot, or in a suffix: the case is named, not its file"
    elif len(text) > LONGEST:
        why = f"it has {len(text)} characters; at most {LONGEST} make a file name everywhere"
    else:
        return text
    raise IngestError(Code.WRONG_SUBJECT, f"{text!r} cannot be the name of a case: {why}")


def study5_of_folder(name: str) -> str:
    """Five digits at the end of a study folder's name; empty where there are none.

    Examples
    --------
    >>> study5_of_folder("03-23-2003-NA-PET-CT Ganzkoerper  primaer mit KM-00445")
    '00445'
    >>> study5_of_folder("03-23-2003")
    ''
    """
    match = _STUDY5.fullmatch(name)
    return match[1] if match else ""


def challenge_name(text: str) -> Named | None:
    """Name for a study of the autoPET III, IV or V data, from its name there; ``None`` where it is not of them.

    FDG studies are those of TCIA's FDG-PET-CT-Lesions, ``fdg_<subject>_<name of TCIA's study folder>``, so that
    they get their own names back. PSMA studies are called ``psma_<subject>_<date>``. No study UID is known of
    them, so that five digits of a checksum over that name stand for it: a date does not belong in a case's name.
    Who has the challenge's name finds the case by this function. The subject keeps the tracer before it, as it
    does with FDG studies whose names have lost the digits of their UID, so that nothing is taken for the case
    that it is not.

    Examples
    --------
    >>> challenge_name("fdg_0011f3deaf_03-23-2003-NA-PET-CT Ganzkoerper  primaer mit KM-10445").case
    'AutoPET_0011f3deaf_10445'
    >>> challenge_name("psma_95b833d46f153cd2_2018-04-16").subject
    'psma-95b833d46f153cd2'
    """
    match = _CHALLENGE.fullmatch(text)
    if match is None:
        return None
    study5 = study5_of_folder(match["study"])
    if match["tracer"] == "fdg" and study5:
        subject = match["subject"]
    else:
        subject = f"{match['tracer']}-{match['subject']}"
        study5 = f"{zlib.crc32(text.encode()) % 100_000:05d}"
    return Named(f"{PREFIX}_{subject}_{study5}", subject, study5)
