"""The one protocol that every expert follows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dapatlas.dataset import Case
from dapatlas.findings import Finding
from dapatlas.labels import LabelScheme
from dapatlas.volumes import Grid


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one expert says about one CT.

    Attributes
    ----------
    expert
        The expert's name.
    scheme
        What the ids of ``label_map`` mean.
    label_map
        Unsigned integers, shape and axis order of the CT's grid; 0 where the expert says nothing.
    findings
        What was noticed while it was made.
    seen
        How far the expert saw: the grid of its own files where that is not the CT's. Outside of it ``label_map``
        is 0 because nobody looked. ``None`` where it saw all of the CT.
    """

    expert: str
    scheme: LabelScheme
    label_map: NDArray[np.unsignedinteger]
    findings: tuple[Finding, ...] = ()
    seen: Grid | None = None


class Expert(Protocol):
    """Somebody or something that labels CTs in a scheme of its own."""

    @property
    def name(self) -> str:
        """How recipes and reports call it."""
        ...

    def inputs(self, case: Case) -> tuple[Path, ...]:
        """Every file beside the CT that a proposal for this case depends on; empty if it has none."""
        ...

    def propose(self, case: Case) -> Proposal:
        """Label the case's CT on the CT's own grid.

        Raises
        ------
        DapatlasError
            Where this case cannot be labelled; the message says why and what to do.
        """
        ...
