"""The codes that ingest speaks in: stable names, one severity each, what each one means and what to do."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from dapatlas.findings import Finding, Severity

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


class Code(StrEnum):
    """One thing that can be amiss with what people download; scripts may match on its value, which never changes."""

    severity: Severity
    meaning: str
    remedy: str

    def __new__(cls, value: str, severity: Severity, meaning: str, remedy: str) -> Code:
        """Member whose value is the code alone; severity, meaning and remedy ride along."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.severity = severity
        member.meaning = meaning
        member.remedy = remedy
        return member

    # files
    NO_FILES = "no-files", _ERROR, "nothing to ingest was found", "give the folder that holds the download"
    NOT_DICOM = (
        "not-dicom",
        _WARNING,
        "a file among the DICOM files is none",
        "move it elsewhere; it was left out",
    )
    TRUNCATED_FILE = (
        "truncated-file",
        _ERROR,
        "a file ends before its header says so",
        "download or copy it again",
    )
    CORRUPT_FILE = "corrupt-file", _ERROR, "a file cannot be decoded", "download or copy it again"
    UNSUPPORTED_TRANSFER_SYNTAX = (
        "unsupported-transfer-syntax",
        _ERROR,
        "no installed decoder reads this compression",
        "install dapatlas[dicom], or decompress the file (dcmdjpeg, gdcmconv --raw)",
    )
    MISSING_FIELD = (
        "missing-field",
        _ERROR,
        "a header lacks a field that cannot be done without",
        "export the series again with all its fields",
    )

    # who and what
    SEVERAL_PATIENTS = (
        "several-patients",
        _ERROR,
        "files of two patients stand in one place",
        "give each patient a folder of its own",
    )
    SEVERAL_STUDIES = (
        "several-studies",
        _ERROR,
        "CTs of several studies stand where one is expected",
        "give each study a folder of its own",
    )
    WRONG_SUBJECT = (
        "wrong-subject",
        _ERROR,
        "the patient id makes no file name, or belongs to somebody else",
        "give the subject an id of letters, digits and hyphens",
    )
    NAME_TAKEN = (
        "name-taken",
        _ERROR,
        "two cases would get one name",
        "take one of them out, or ingest it under another name",
    )
    UNKNOWN_NAME = (
        "unknown-name",
        _WARNING,
        "a file's name says no subject and study",
        "rename it, or name the case yourself",
    )
    NO_CT = "no-ct", _ERROR, "a study has no CT that can be used", "download its CT, or leave the study out"
    NO_PET = "no-pet", _WARNING, "a study has no PET that can be used", "download its PET, or go without"
    NO_SEG = (
        "no-seg",
        _WARNING,
        "a study has no lesion mask that can be used",
        "download its SEG, or go without",
    )
    SEVERAL_CT = (
        "several-ct",
        _WARNING,
        "a study has several CT series; one was chosen",
        "take the others out if another should have been",
    )
    SEVERAL_PET = (
        "several-pet",
        _WARNING,
        "a study has several PET series; one was chosen",
        "take the others out if another should have been",
    )
    SEVERAL_SEG = (
        "several-seg",
        _WARNING,
        "a study has several segmentations; one was chosen",
        "take the others out if another should have been",
    )

    # slices
    SINGLE_SLICE = "single-slice", _ERROR, "a series has one slice only", "download the whole series"
    TOO_SHORT = (
        "too-short",
        _ERROR,
        "a series has too few slices for a volume",
        "check that the whole series is there",
    )
    MISSING_SLICES = (
        "missing-slices",
        _ERROR,
        "slices are missing within a series",
        "download the series again",
    )
    DUPLICATE_SLICES = (
        "duplicate-slices",
        _ERROR,
        "several slices stand at one place",
        "keep one of each; a 4D series must be split",
    )
    UNEVEN_SLICES = (
        "uneven-slices",
        _ERROR,
        "the distance between slices changes",
        "take another reconstruction of the scan",
    )
    GANTRY_TILT = (
        "gantry-tilt",
        _ERROR,
        "slices are stacked at a slant: the gantry was tilted",
        "resample the series to upright slices first, or take another",
    )
    OFF_LINE = (
        "slices-off-line",
        _ERROR,
        "slices do not lie on one straight line",
        "export the series again; check that it is one scan",
    )
    MIXED_SIZES = (
        "mixed-sizes",
        _ERROR,
        "slices of one series differ in rows, columns or pixel spacing",
        "give each size a series of its own",
    )
    MIXED_ORIENTATIONS = (
        "mixed-orientations",
        _ERROR,
        "slices of one series point in different directions",
        "take the localizer or the reformatted slices out",
    )
    MIXED_FRAMES = (
        "mixed-frames-of-reference",
        _WARNING,
        "slices of one series are of different frames of reference",
        "check that the patient was not moved in between",
    )
    MIXED_SERIES = (
        "mixed-series",
        _ERROR,
        "files of several series or modalities are taken for one series",
        "give each series a folder of its own",
    )
    BAD_GEOMETRY = (
        "bad-geometry",
        _ERROR,
        "orientation, position or pixel spacing make no grid",
        "export the series again from the source",
    )
    CUT_SERIES = (
        "cut-series",
        _ERROR,
        "files of a series cannot be read, so that slices are missing",
        "download the series again",
    )

    # PET and lesions
    SUV_FIELD_MISSING = (
        "suv-field-missing",
        _ERROR,
        "a field that SUV needs is missing or makes no sense",
        "take the PET from the source; SUV cannot be computed without it",
    )
    SUV_UNITS = (
        "suv-units",
        _ERROR,
        "the PET is in units that cannot be turned into SUV",
        "take the series in BQML",
    )
    SUV_DECAY = (
        "suv-decay-correction",
        _ERROR,
        "the PET is decay-corrected in a way that SUV cannot be computed from",
        "take a series with DecayCorrection START or ADMIN",
    )
    SUV_UNCORRECTED = (
        "suv-uncorrected",
        _ERROR,
        "the PET is not corrected for attenuation and decay, so that its numbers are no activity",
        "take the attenuation-corrected series",
    )
    SUV_UNLIKELY = (
        "suv-unlikely",
        _WARNING,
        "SUV are far from any patient's",
        "check weight, dose and injection time",
    )
    LESIONS_OFF_GRID = (
        "lesions-off-grid",
        _ERROR,
        "the lesion mask does not lie on the grid of the PET",
        "check which series the segmentation is of",
    )
    LESIONS_OTHER_SERIES = (
        "lesions-of-another-series",
        _ERROR,
        "the lesion mask refers to another PET series",
        "check which series the segmentation is of",
    )

    # NIfTI, masks and archives
    NO_PARTNER = (
        "no-partner",
        _WARNING,
        "a file has no partner of its name",
        "get the other half, or leave this one out",
    )
    GRID_DIFFERS = (
        "grid-differs",
        _ERROR,
        "two volumes that belong together are not on one grid, whatever their axes",
        "take the CT that the mask was made on",
    )
    AXES_TURNED = (
        "axes-turned",
        _INFO,
        "a volume's axes were flipped or swapped to match its partner's; no voxel was changed",
        "",
    )
    UNSAFE_MEMBER = (
        "unsafe-archive-member",
        _ERROR,
        "an archive holds a path outside itself, or a link",
        "do not trust this archive; get it from its source",
    )
    ENCRYPTED_ARCHIVE = (
        "encrypted-archive",
        _ERROR,
        "an archive is locked with a password",
        "unlock it first",
    )
    UNKNOWN_FORMAT = (
        "unknown-format",
        _ERROR,
        "a file is of no format that is read here",
        "give DICOM, a zip of DICOM, .nii, .nii.gz, .nrrd or .mha",
    )
    NOT_3D = "not-3d", _ERROR, "a volume has no three axes", "give one volume a file"
    UNUSED_FILE = "unused-file", _INFO, "a file was not needed", ""
    NOT_A_CT = (
        "not-a-ct",
        _ERROR,
        "the values of a volume are no Hounsfield units",
        "give the CT itself, converted from DICOM with its rescale slope and intercept",
    )
    CT_RESAMPLED = (
        "ct-resampled",
        _INFO,
        "a CT was resampled to the grid of its PET, so that masks made on the CT do not fit it",
        "for the released masks take the CTs themselves, from TCIA",
    )
    STORED_ANEW = (
        "stored-anew",
        _INFO,
        "a volume was written in another form, with the same values in the same places",
        "",
    )
    MASK_STANDS = (
        "mask-stands",
        _ERROR,
        "a mask of that name stands already, with other content; it was left",
        "say that it is to be overwritten, or move it away",
    )

    SEX_DIFFERS = (
        "sex-differs",
        _WARNING,
        "studies of one subject contradict each other, or subjects.csv, on the patient's sex",
        "look it up, and write it into subjects.csv",
    )
    INGEST_FAILED = (
        "ingest-failed",
        _ERROR,
        "a case could not be brought in for a reason without a code of its own",
        "see the message; if it speaks of no fault of the files, please report it",
    )

    # the outside world
    NO_SPACE = "no-space", _ERROR, "the disk is full", "make room, then start again: what is done stays done"
    NO_NETWORK = (
        "no-network",
        _ERROR,
        "the source cannot be reached",
        "check the connection, or fetch the file by hand",
    )
    CHECKSUM_DIFFERS = (
        "checksum-differs",
        _ERROR,
        "a file is not the published one",
        "delete it and download it again",
    )
    LICENSE_NOT_ACCEPTED = (
        "license-not-accepted",
        _ERROR,
        "the licence of a source was not accepted",
        "read it, then say so with the option named",
    )


def finding(case: str, code: Code, message: str, **details: Any) -> Finding:
    """A finding with the severity of its code, and its remedy where none is given.

    ``details`` are the other fields of a finding.
    """
    return Finding(case, code.severity, code.value, message, **{"remedy": code.remedy, **details})


def code_of(found: Finding) -> Code:
    """The code that a finding of ingest bears; ``INGEST_FAILED`` for one of another room."""
    return next((code for code in Code if code == found.code), Code.INGEST_FAILED)
