"""What a report is made from: plain records, gathered elsewhere, drawn here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from dapatlas.check.outliers import Spread
from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme, Sex
from dapatlas.publish.report.review_content import ReviewContent

# Whose cases are drawn apart; the key is the class of the colour.
GROUPS = ("F", "M", "unknown")


@dataclass(frozen=True, slots=True)
class Overlap:
    """How two experts agree on a structure: Dice and each one's volume in ml, of one case."""

    structure: str
    one: str
    other: str
    dice: float
    one_ml: float
    other_ml: float


@dataclass(frozen=True, slots=True)
class Expert:
    """One expert over all cases.

    Attributes
    ----------
    name
        As in the recipe.
    compared
        On how many structures it was compared with others, cases counted singly.
    dice
        Mean Dice with the other experts.
    with_result
        Mean Dice with the maps that were built.
    alone
        How often it agreed with nobody on a structure while others agreed.
    """

    name: str
    compared: int
    dice: float
    with_result: float
    alone: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the experts of a build agree.

    Attributes
    ----------
    experts
        Over all cases, in the order in which they are to be shown.
    overlaps
        Case id to what was compared in it.
    """

    experts: tuple[Expert, ...]
    overlaps: Mapping[str, tuple[Overlap, ...]]


@dataclass(frozen=True, slots=True)
class CaseContent:
    """One case.

    Attributes
    ----------
    case, subject
        Ids.
    sex
        Of the patient; ``None`` where it is not known.
    age_years
        At the time of the study; ``None`` where it is not known.
    volumes_ml
        Of every structure in view.
    whole
        Structures that touch no face of the field of view.
    hu
        Median HU of each structure; empty without a CT.
    notes
        What the build or the guidelines said of it, changes among them.
    refined
        Picture of before and after the guidelines, as a data URI; empty where there is none.
    pictures
        Caption and data URI of further pictures that the build left.
    failed
        Why it could not be checked; empty where it could.
    """

    case: str
    subject: str = ""
    sex: Sex | None = None
    age_years: float | None = None
    volumes_ml: Mapping[str, float] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()
    hu: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[Finding, ...] = ()
    refined: str = ""
    pictures: tuple[tuple[str, str], ...] = ()
    failed: str = ""

    @property
    def group(self) -> str:
        """One of :data:`GROUPS`."""
        return "unknown" if self.sex is None else self.sex.value


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding and the picture of its place, as a data URI; empty where there is none."""

    finding: Finding
    picture: str = ""


@dataclass(frozen=True, slots=True)
class ComparedCase:
    """One case that two data sets have: Dice of each structure that either map holds, and both volumes in ml.

    ``why_not`` tells why there is no Dice; empty where there is.
    """

    case: str
    dice: Mapping[str, float]
    here_ml: Mapping[str, float]
    there_ml: Mapping[str, float]
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The data set against another one of the same cases.

    Attributes
    ----------
    other
        What the other one is called.
    cases
        Those that both have.
    only_here, only_there
        Ids of those that one alone has.
    gained, lost
        Findings of common cases that are new here, and those that only the other one has; ranked.
    """

    other: str
    cases: tuple[ComparedCase, ...]
    only_here: tuple[str, ...] = ()
    only_there: tuple[str, ...] = ()
    gained: tuple[Finding, ...] = ()
    lost: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class ReportContent:
    """Everything in a report.

    Attributes
    ----------
    name
        Of the data set.
    scheme
        Names, regions and colours of structures.
    cases
        In name order, those that failed among them.
    findings
        Of checks, ranked.
    spreads
        How volumes spread over the cohort, where there are cases enough.
    refined
        Whether guidelines were applied, so that it can be said what they changed.
    agreement
        ``None`` where no experts were compared.
    comparison
        ``None`` where none was asked for.
    review
        What readers said; ``None`` where it was not asked for.
    """

    name: str
    scheme: LabelScheme
    cases: tuple[CaseContent, ...]
    findings: tuple[Shown, ...] = ()
    spreads: tuple[Spread, ...] = ()
    refined: bool = False
    agreement: Agreement | None = None
    comparison: Comparison | None = None
    review: ReviewContent | None = None

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Case id to its place among the cases."""
        return {each.case: number for number, each in enumerate(self.cases)}

    @cached_property
    def structures(self) -> tuple[str, ...]:
        """Every structure that is named anywhere, in the order of ids; those unknown to the scheme last."""
        named = {name for case in self.cases for name in case.volumes_ml}
        if self.agreement:
            named |= {each.structure for own in self.agreement.overlaps.values() for each in own}
        if self.comparison:
            named |= {name for case in self.comparison.cases for name in case.dice}
        named |= {shown.finding.structure for shown in self.findings if shown.finding.structure}
        known = sorted((name for name in named if name in self.scheme), key=lambda name: self.scheme[name].id)
        return (*known, *sorted(name for name in named if name not in self.scheme))

    @cached_property
    def holders(self) -> Mapping[int, int]:
        """Place of each pictured finding to that of the first one with the same picture, which alone carries it."""
        first: dict[str, int] = {}
        pictured = [(number, shown.picture) for number, shown in enumerate(self.findings) if shown.picture]
        return {number: first.setdefault(picture, number) for number, picture in pictured}

    def display(self, structure: str) -> str:
        """Name of a structure for people."""
        return self.scheme[structure].display_name if structure in self.scheme else structure


def serious(findings: Sequence[Shown]) -> list[Finding]:
    """Errors and warnings."""
    return [shown.finding for shown in findings if shown.finding.severity is not Severity.INFO]
