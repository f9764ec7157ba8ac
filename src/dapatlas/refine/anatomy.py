"""The case that guidelines work on: its pieces, what is known of the patient, and what they have noted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from dapatlas.findings import Severity
from dapatlas.labels import LabelScheme, Sex, Structure, dap
from dapatlas.refine.piece import Piece
from dapatlas.refine.pieces import Pieces
from dapatlas.volumes import Box

# What fills the space between structures, in every number of pieces.
FILLING = ("unknown_tissue", "muscles", "fat", "abdominal_tissue", "mediastinal_tissue")

# A piece that is wholly in view and smaller is not the organ: a good deal less than what adults have (Molina and
# DiMaio 2012 and 2015, Am J Forensic Med Pathol 33:368 and 36:182, give organ weights), so that a contracted
# gallbladder, an empty bladder, a shrunken kidney still count.
SMALLEST_ML = {
    "liver": 300.0, "spleen": 20.0, "kidney_left": 20.0, "kidney_right": 20.0, "stomach": 30.0, "pancreas": 10.0,
    "bladder": 8.0, "gallbladder": 2.0, "brain": 500.0, "heart_myocardium": 30.0,
}  # fmt: skip

# What lies beside what, within so many mm. The adrenals sit on the upper poles of the kidneys, a few mm of fat
# between; the gallbladder lies in its fossa under the liver (Standring, Gray's Anatomy, chapters on both).
BESIDE = {
    "gallbladder": ("liver", 15.0),
    "adrenal_gland_left": ("kidney_left", 60.0),
    "adrenal_gland_right": ("kidney_right", 60.0),
}


@dataclass(frozen=True, slots=True)
class Note:
    """Something seen and left as it is; the box is in the axes of the pieces."""

    severity: Severity
    code: str
    message: str
    structure: str = ""
    voxels: int = 0
    box: Box | None = None
    remedy: str = ""


@dataclass(eq=False)
class Anatomy:
    """One case in the words of the DAP scheme.

    Attributes
    ----------
    pieces
        Its map; positions are in mm to the right, the front, and up.
    sex
        Of the patient; ``None`` where it is not known.
    sex_doubt
        Why it is not known.
    notes
        What the guidelines saw and left as it is.
    scheme
        What the labels of the pieces mean.
    """

    pieces: Pieces
    sex: Sex | None = None
    sex_doubt: str = ""
    notes: list[Note] = field(default_factory=list)
    scheme: LabelScheme = field(default_factory=dap)
    _known: dict[Callable[..., Any], tuple[int, Any]] = field(default_factory=dict)
    _outlines: dict[str, int] = field(default_factory=dict)

    def id(self, name: str) -> int:
        """Voxel value of a structure."""
        return self.scheme[name].id

    def name(self, label: int) -> str:
        """Canonical name of a voxel value."""
        return self.scheme[label].name

    def structures(self) -> list[Structure]:
        """The structures in view, in the order of their ids."""
        return [self.scheme[label] for label in sorted(self.pieces.present())]

    def all_of(self, *names: str) -> list[Piece]:
        """The pieces of some structures, largest first."""
        return self.pieces.of(*map(self.id, names))

    def main(self, name: str) -> Piece | None:
        """The piece that is the structure itself, ``None`` where it is not in view.

        The largest one that can be it: what is wholly in view yet too small for the organ, or lies apart
        from its neighbour, gives way to a piece of which neither can be said.
        """
        pieces = self.all_of(name)
        if len(pieces) > 1:
            floor = SMALLEST_ML.get(name, 0.0)
            pieces = [p for p in pieces if p.at_edge or self.pieces.ml(p) >= floor] or pieces
        if len(pieces) > 1 and name in BESIDE:
            pieces = [p for p in pieces if self.lies_beside(p, *BESIDE[name])] or pieces
        return pieces[0] if pieces else None

    def lies_beside(self, piece: Piece, neighbour: str, reach_mm: float) -> bool:
        """Whether a piece is within reach of another structure's main piece; true where that is not in view."""
        other = self.main(neighbour)
        return other is None or self.pieces.distance_mm(piece, [other], reach_mm) <= reach_mm

    def encloser(self, piece: Piece, share: float = 0.8) -> int | None:
        """The label that makes up at least this share of what lies around a piece."""
        around = self.pieces.contacts(piece).labels
        label = max(around, key=lambda one: (around[one], -one), default=0)
        return label if label and around[label] >= share * sum(around.values()) else None

    def outline_is_new(self, to: str) -> bool:
        """Whether any background came or went since ``to`` asked last: what depends on that alone is slow to check."""
        before = self._outlines.get(to)
        self._outlines[to] = self.pieces.outline_version
        return before != self.pieces.outline_version

    def note(
        self,
        code: str,
        message: str,
        piece: Piece | None = None,
        *,
        severity: Severity = Severity.WARNING,
        remedy: str = "",
    ) -> None:
        """Report something without changing it."""
        if piece is None:
            self.notes.append(Note(severity, code, message, remedy=remedy))
            return
        structure = self.name(piece.label)
        self.notes.append(Note(severity, code, message, structure, piece.voxels, piece.box, remedy))

    def not_applicable(self, guideline: str, why: str) -> None:
        """Say that a guideline, or a part of it, has nothing to go by."""
        self.note(f"{guideline}-not-applicable", why, severity=Severity.INFO)


Answer = TypeVar("Answer")


def while_unchanged(question: Callable[[Anatomy], Answer]) -> Callable[[Anatomy], Answer]:
    """Remember the answer to a question about a case until a label or a piece of it changes."""

    @wraps(question)
    def ask(anatomy: Anatomy) -> Answer:
        version, answer = anatomy._known.get(question, (-1, None))
        if version != anatomy.pieces.version:
            answer = question(anatomy)
            anatomy._known[question] = anatomy.pieces.version, answer
        return answer  # type: ignore[no-any-return]  # what question gave

    return ask
