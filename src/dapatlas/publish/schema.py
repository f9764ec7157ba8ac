"""The preview table's columns: names and types, in order."""

from __future__ import annotations

PREVIEW_FEATURES: tuple[tuple[str, str], ...] = (
    ("sample_id", "string"),
    ("subject_id", "string"),
    ("study_uid_last5", "string"),
    ("num_slices", "int32"),
    ("ct_middle_slice", "image"),
    ("mask_middle_slice", "image"),
    ("overlay_middle_slice", "image"),
)
"""Columns of the preview table: name and type as a Hugging Face dataset card spells them."""
