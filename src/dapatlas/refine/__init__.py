"""Refinement: the anatomical guidelines, one module each, that make a label map consistent.

>>> from dapatlas.refine import refine
>>> clean, findings = refine(label_map, grid)  # doctest: +SKIP
"""

from dapatlas.refine.guideline import Guideline
from dapatlas.refine.refine import refine
from dapatlas.refine.settings import GUIDELINES, RefineSettings

__all__ = ["GUIDELINES", "Guideline", "RefineSettings", "refine"]
