"""What a guideline is: a name, thresholds, and a function that looks at a case and mends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from dapatlas.refine.anatomy import Anatomy


class Thresholds(BaseModel):
    """Named limits of one guideline, in mm, ml or as shares; a name that it does not have is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Guideline:
    """One anatomical guideline.

    Attributes
    ----------
    name
        As in recipes and on the command line; also the module that holds it.
    says
        What it demands, in one sentence.
    thresholds
        Its limits, a model with defaults.
    apply
        Mends the case in place; the second argument is an instance of ``thresholds``.
    """

    name: str
    says: str
    thresholds: type[Thresholds]
    apply: Callable[[Anatomy, Any], None]
