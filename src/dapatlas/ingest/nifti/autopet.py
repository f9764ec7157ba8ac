"""The NIfTI tree of AutoPET: what the data set's own converter makes of TCIA's FDG-PET-CT-Lesions.

``PETCT_<subject>/<date>-NA-<description>-<study5>/`` holds CT.nii.gz (by dicom2nifti, the grid that the
released masks have), CTres.nii.gz (that CT resampled to the PET), PET.nii.gz, SUV.nii.gz and SEG.nii.gz; see
github.com/lab-midas/TCIA_processing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from dapatlas.dataset.names import PREFIX, SUFFIXES
from dapatlas.findings import Finding
from dapatlas.ingest.case_names import study5_of_folder
from dapatlas.ingest.codes import Code, finding
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.naming import subject_of
from dapatlas.ingest.nifti.found import Found, Item, on_grid_of_pet, without_clashes

CT, RESAMPLED_CT, SUV, PET, LESIONS = "CT", "CTres", "SUV", "PET", "SEG"
VOLUMES = (CT, RESAMPLED_CT, SUV, PET, LESIONS)
PATIENT_PREFIX = "PETCT_"

_WHY_NOT_RESAMPLED = (
    "it was resampled to the PET, and the masks of the atlas lie on the grid of the CT itself"
)


def find_autopet(source: Path) -> Found:
    """Find the studies in a tree of AutoPET's converter.

    Parameters
    ----------
    source
        The tree, a folder above it, or one patient's or one study's folder. Links to folders are not followed.

    Returns
    -------
    Found
        One item a study that has a CT: case ``AutoPET_<subject>_<study5>``. Findings are on studies without a CT,
        on names that tell no subject or study, on names that two studies would have, on a CT that has the PET's
        grid, and on a tree without any study.

    Raises
    ------
    IngestError
        There is no such folder.
    """
    check_folder(source)
    items, findings = [], []
    for folder in _study_folders(source):
        told = _item(folder)
        if isinstance(told, Item):
            items.append(told)
        else:
            findings.append(told)
    taken, clashes = without_clashes(items)
    findings += [*clashes, *(_resampled(item) for item in taken if on_grid_of_pet(item))]
    if not items and not findings:
        findings.append(_nothing(source))
    return Found(taken, tuple(findings))


def check_folder(source: Path) -> None:
    """Raise IngestError where a source is no folder."""
    if not source.is_dir():
        what = "a file; unpack it if it is an archive" if source.exists() else "nothing of that name"
        raise IngestError(Code.NO_FILES, f"{source}: expected a folder, found {what}")


def _study_folders(source: Path) -> Iterator[Path]:
    """Folders that hold a volume of the converter's, or bear the name of a study of a patient, in order."""
    for place, folders, names in os.walk(source.absolute()):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        folder = Path(place)
        named = folder.parent.name.startswith(PATIENT_PREFIX) and study5_of_folder(folder.name)
        if named or any(_volume(name, names) for name in VOLUMES):
            yield folder
            folders.clear()


def _volume(name: str, names: Sequence[str]) -> str | None:
    return next((name + suffix for suffix in SUFFIXES if name + suffix in names), None)


def _item(folder: Path) -> Item | Finding:
    """What a study's folder gives."""
    names = [entry.name for entry in folder.iterdir() if entry.is_file()]
    files = {name: folder / file for name in VOLUMES if (file := _volume(name, names))}
    patient, study5 = folder.parent.name, study5_of_folder(folder.name)
    subject = subject_of(patient) if patient.startswith(PATIENT_PREFIX) else ""
    case = f"{PREFIX}_{subject}_{study5}" if subject and study5 else ""
    if CT not in files:
        return _no_ct(case, folder, files)
    if not case:
        return finding(
            "",
            Code.UNKNOWN_NAME,
            f"{folder}: the names of study and patient tell no case, so it was left out",
            file=str(files[CT]),
            expected=f"{PATIENT_PREFIX}<subject>/<…>-<last five digits of the study UID>",
            found=f"{patient}/{folder.name}",
        )
    return Item(
        case, subject, study5, files[CT], files.get(SUV), files.get(LESIONS), f"{patient}/{folder.name}"
    )


def _no_ct(case: str, folder: Path, files: dict[str, Path]) -> Finding:
    found = ", ".join(file.name for file in files.values()) or "no volume of AutoPET's"
    message = f"{folder}: no CT.nii.gz; found {found}"
    if RESAMPLED_CT in files:
        message += f"; {files[RESAMPLED_CT].name} will not do: {_WHY_NOT_RESAMPLED}"
    elif any(folder.rglob("*.dcm")):
        message += "; there are DICOM files: `dapatlas ingest tcia` reads them"
    return finding(case, Code.NO_CT, message, file=str(folder), expected="CT.nii.gz", found=found)


def _resampled(item: Item) -> Finding:
    return finding(
        item.case,
        Code.CT_RESAMPLED,
        f"{item.ct} has the grid of its PET: {_WHY_NOT_RESAMPLED}",
        file=str(item.ct),
    )


def _nothing(source: Path) -> Finding:
    return finding(
        "",
        Code.NO_FILES,
        f"{source}: no study of AutoPET's was found",
        file=str(source),
        expected=f"{PATIENT_PREFIX}<subject>/<…>-<study>/CT.nii.gz",
        remedy="give the folder that AutoPET's converter wrote; for DICOM use `dapatlas ingest tcia`",
    )
