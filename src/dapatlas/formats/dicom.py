"""What all that reads DICOM files shares: opening them, and errors that name them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.extras import needed

EXTRA = "dicom"


@contextmanager
def our_errors(path: Path) -> Iterator[None]:
    """Whatever pydicom and highdicom raise about a bad file becomes a BadFileError that names it.

    They raise nearly every built-in error, depending on which element of the file is missing or broken.
    """
    try:
        yield
    except (DapatlasError, MemoryError):
        raise
    except FileNotFoundError:
        raise BadFileError(f"{path}: no such file") from None
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise BadFileError(
            f"{path}: broken, or no DICOM file of the kind expected ({type(error).__name__}: {said}); "
            "copy or export it again"
        ) from None


def read_dicom(path: Path, modality: str) -> Any:
    """Read a DICOM file of one modality, such as RTSTRUCT.

    Raises
    ------
    BadFileError
        The file is missing, broken, or of another modality.
    DapatlasError
        pydicom is not installed.
    """
    pydicom = needed("pydicom", EXTRA, f"to read {path}")
    with our_errors(path):
        dataset = pydicom.dcmread(path)
        check_modality(dataset, modality, path)
    return dataset


def check_modality(dataset: Any, modality: str, path: Path) -> None:
    """Raise BadFileError where a file is of another modality."""
    found = dataset.get("Modality", "")
    if found != modality:
        raise BadFileError(f"{path}: modality {found or 'unknown'}; expected {modality}")
