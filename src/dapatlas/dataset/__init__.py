"""The folder on disk: cases and their names, pairing, and whether it all is sound."""

from __future__ import annotations

from dapatlas.dataset.case import Case
from dapatlas.dataset.codes import Code
from dapatlas.dataset.dataset import Dataset
from dapatlas.dataset.names import CaseName, case_id_of, parse_case_name
from dapatlas.dataset.validation import validate

__all__ = ["Case", "CaseName", "Code", "Dataset", "case_id_of", "parse_case_name", "validate"]
