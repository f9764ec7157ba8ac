"""The error that ingest raises: one that a finding can be made of."""

from __future__ import annotations

from typing import Any

from dapatlas.errors import BadFileError
from dapatlas.ingest.codes import Code


class IngestError(BadFileError):
    """A series or file cannot be ingested.

    Attributes
    ----------
    code
        What is amiss; the message says the same about the very file, with what was found and expected.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        # exceptions come back from worker processes by pickle, which hands only their message on
        return type(self), (self.code, str(self))
