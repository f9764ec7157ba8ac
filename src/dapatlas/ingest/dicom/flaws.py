"""Which code a finding has about each flaw of a stack."""

from __future__ import annotations

from dapatlas.formats.dicom_stack import Flaw
from dapatlas.ingest.codes import Code

CODE_OF = {
    Flaw.BAD_GEOMETRY: Code.BAD_GEOMETRY,
    Flaw.MIXED_ORIENTATIONS: Code.MIXED_ORIENTATIONS,
    Flaw.MIXED_SIZES: Code.MIXED_SIZES,
    Flaw.SINGLE_SLICE: Code.SINGLE_SLICE,
    Flaw.DUPLICATE_SLICES: Code.DUPLICATE_SLICES,
    Flaw.MISSING_SLICES: Code.MISSING_SLICES,
    Flaw.UNEVEN_SLICES: Code.UNEVEN_SLICES,
    Flaw.OFF_LINE: Code.OFF_LINE,
    Flaw.GANTRY_TILT: Code.GANTRY_TILT,
}
