"""What was planted in a case of a synthetic cohort, on disk beside the data set.

``ground_truth/<case>.json`` has the specification and a summary of every planted error. Where errors were planted,
``<case>_truth.nii.gz`` is the clean label map, and ``<case>_errors.nii.gz`` says for each voxel which of the errors (1
for the first) changed it, 0 for none. The JSON file is written last: where it stands, the case is finished.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dapatlas.errors import BadFileError
from dapatlas.files import write_json
from dapatlas.phantom.planted import ErrorKind, Labels, PlantedError
from dapatlas.volumes import Grid, read_label_map, write_label_map

FOLDER = "ground_truth"
SYNTHETIC_NOTE = "synthetic phantom, drawn from geometric forms; no patient"


def write_ground_truth(
    folder: Path,
    case_id: str,
    made_from: dict[str, Any],
    truth: Labels,
    grid: Grid,
    errors: Sequence[PlantedError],
) -> None:
    """Write the ground truth of one case under ``folder``/ground_truth.

    Parameters
    ----------
    folder
        The data set's folder.
    case_id
        Name of the case.
    made_from
        What it was made from, ready for JSON; a later run compares it to tell whether the case is still the same.
    truth
        The clean label map; written only where errors were planted.
    grid
        Its grid.
    errors
        What was planted, at most 255.
    """
    place = folder / FOLDER
    if errors:
        which = np.zeros(truth.shape, np.uint8, order="F")
        flat = which.reshape(-1, order="F")
        for number, error in enumerate(errors, start=1):
            flat[error.indices] = number
        write_label_map(place / f"{case_id}_truth.nii.gz", truth, grid)
        write_label_map(place / f"{case_id}_errors.nii.gz", which, grid)
    write_json(
        record_path(folder, case_id),
        {"note": SYNTHETIC_NOTE, "case": case_id, **made_from, "planted": [e.as_dict() for e in errors]},
    )


def record_path(folder: Path, case_id: str) -> Path:
    """Where the JSON record of a case is."""
    return folder / FOLDER / f"{case_id}.json"


def read_summary(folder: Path, case_id: str) -> dict[str, Any] | None:
    """Return the JSON record of a case; none where it is not there or not whole."""
    try:
        record = json.loads(record_path(folder, case_id).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def read_planted(folder: str | Path, case_id: str) -> list[PlantedError]:
    """Read the errors planted in a case, with their voxels and the truth there; ``restore`` takes them.

    Raises
    ------
    BadFileError
        When the case has no ground truth.
    """
    folder = Path(folder)
    record = read_summary(folder, case_id)
    if record is None:
        raise BadFileError(f"{record_path(folder, case_id)} is missing or cannot be read")
    if not record["planted"]:
        return []
    truth = read_label_map(folder / FOLDER / f"{case_id}_truth.nii.gz").array.reshape(-1, order="F")
    errors = read_label_map(folder / FOLDER / f"{case_id}_errors.nii.gz").array
    flat = errors.reshape(-1, order="F")
    found = []
    for number, entry in enumerate(record["planted"], start=1):
        indices = np.flatnonzero(flat == number).astype(np.int64)
        found.append(
            PlantedError(
                ErrorKind(entry["kind"]),
                tuple(entry["structures"]),
                entry["detail"],
                (errors.shape[0], errors.shape[1], errors.shape[2]),
                indices,
                truth[indices].astype(np.uint8),
            )
        )
    return found
