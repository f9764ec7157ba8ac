"""The codes that validation speaks in: stable names, one severity each, and what each one means."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from dapatlas.findings import Finding, Severity


class Code(StrEnum):
    """One rule of the data set's contract; scripts may match on its value, which never changes."""

    severity: Severity
    meaning: str

    def __new__(cls, value: str, severity: Severity, meaning: str) -> Code:
        """Member whose value is the code alone; severity and meaning ride along."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.severity = severity
        member.meaning = meaning
        return member

    NO_CASES = "no-cases", Severity.ERROR, "neither folder holds a single NIfTI file"
    NO_MASKS = "no-masks", Severity.INFO, "there are CTs, and not one label map"
    STRAY_FILE = "stray-file", Severity.WARNING, "a file in images/ or masks/ is no .nii.gz or .nii"
    LABELS_MISSING = "labels-json-missing", Severity.ERROR, "there is no labels.json"
    LABELS_UNREADABLE = "labels-json-unreadable", Severity.ERROR, "labels.json is no JSON object of id → name"
    LABELS_DIFFER = "labels-json-differs", Severity.ERROR, "labels.json names other ids than the label scheme"

    CASE_NAME = (
        "case-name",
        Severity.WARNING,
        "the name is not AutoPET_<subject>_<5 digits of the study UID>",
    )
    MISSING_IMAGE = "missing-image", Severity.ERROR, "a label map has no CT of the same name"
    MISSING_MASK = "missing-mask", Severity.ERROR, "a CT has no label map of the same name"
    DUPLICATE_STUDY = "duplicate-study", Severity.ERROR, "one study stands under two file names"
    DUPLICATE_IMAGE = "duplicate-image", Severity.ERROR, "two CTs hold exactly the same voxels"
    DUPLICATE_MASK = ("duplicate-mask", Severity.WARNING, "two different CTs have exactly the same label map")

    UNREADABLE_FILE = "unreadable-file", Severity.ERROR, "the file is no three-dimensional NIfTI volume"
    TRUNCATED_FILE = "truncated-file", Severity.ERROR, "the file ends before its last voxel"
    CORRUPT_FILE = "corrupt-file", Severity.ERROR, "the gzip stream is damaged"
    WRONG_SUFFIX = (
        "wrong-suffix",
        Severity.ERROR,
        "the name ends in .gz, the content is not compressed, or vice versa",
    )
    WORKER_DIED = "worker-died", Severity.ERROR, "the process that checked the case died, twice"
    CHECK_FAILED = "check-failed", Severity.ERROR, "the check itself failed on this case: a fault in dapatlas"

    GRID_SHAPE = "grid-shape", Severity.ERROR, "CT and label map have different numbers of voxels"
    GRID_SPACING = "grid-spacing", Severity.ERROR, "CT and label map have different voxel sizes"
    GRID_ORIENTATION = "grid-orientation", Severity.ERROR, "axes of CT and label map point different ways"
    GRID_AFFINE = "grid-affine", Severity.ERROR, "the label map is shifted or turned against the CT"
    VOXEL_SIZE = "voxel-size", Severity.ERROR, "the voxels are too small or too large for a CT in mm"
    ORIENTATION_UNKNOWN = (
        "orientation-unknown",
        Severity.WARNING,
        "the header says nothing of orientation (qform and sform codes are 0)",
    )
    ORIENTATION_AMBIGUOUS = (
        "orientation-ambiguous",
        Severity.WARNING,
        "qform and sform of one header place the volume differently",
    )

    MASK_DTYPE = "mask-dtype", Severity.ERROR, "the label map is not stored as uint8"
    MASK_NOT_INTEGER = "mask-not-integer", Severity.ERROR, "the label map holds fractions or negative numbers"
    UNKNOWN_ID = "unknown-id", Severity.ERROR, "the label map holds ids outside the scheme (11, or above 144)"
    EMPTY_MAP = "empty-map", Severity.ERROR, "the label map is background only"
    BOTH_SEXES = "both-sexes", Severity.WARNING, "one label map has organs of both sexes"
    SUBJECT_SEX = "subject-sex", Severity.WARNING, "studies of one subject have organs of different sexes"

    HU_NOT_FINITE = "hu-not-finite", Severity.ERROR, "the CT holds NaN or infinite values"
    HU_RANGE = ("hu-range", Severity.ERROR, "the values cannot be HU: no rescale, windowed or normalised")
    HU_UNUSUAL = "hu-unusual", Severity.WARNING, "the CT has no air, no bone, or values beyond any scanner's"

    MANIFEST_CHANGED = "manifest-changed", Severity.ERROR, "a file is not the one that the manifest lists"
    MANIFEST_MISSING = "manifest-missing", Severity.ERROR, "a file that the manifest lists is gone"
    MANIFEST_NEW = "manifest-new", Severity.WARNING, "a file is there that the manifest does not list"
    MANIFEST_UNREADABLE = "manifest-unreadable", Severity.ERROR, "manifest.jsonl is no list of files"


def finding(case: str, code: Code, message: str, **details: Any) -> Finding:
    """A finding with the severity of its code; ``details`` are the other fields of a finding."""
    return Finding(case, code.severity, code.value, message, **details)
