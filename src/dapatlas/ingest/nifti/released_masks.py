"""The released masks of the atlas, in their zip or a folder: which there are, and which CT each belongs to.

Names alone are looked at; :mod:`dapatlas.ingest.nifti.mask_placing` brings the masks in.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from dapatlas.dataset import Case, Dataset, case_id_of
from dapatlas.errors import first_few
from dapatlas.findings import Finding
from dapatlas.ingest.archive import Archive, Member
from dapatlas.ingest.case_names import case_name
from dapatlas.ingest.codes import Code, finding
from dapatlas.ingest.fault import IngestError
from dapatlas.labels import LabelScheme


@dataclass(frozen=True, slots=True)
class Masks:
    """Label maps in a zip or a folder.

    Attributes
    ----------
    members
        One a case, by case id.
    findings
        On names that several have, on what is no mask, and on what is not safe to take.
    """

    members: dict[str, Member]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """A mask and where it belongs.

    Attributes
    ----------
    case
        Case id.
    source, member
        The zip or folder, and the mask in there.
    ct
        The CT that it must lie on; ``None`` where there is none.
    target
        Where it goes.
    stands
        The mask that the case has already; ``None`` where it has none.
    scheme
        What its ids may be.
    """

    case: str
    source: Path
    member: Member
    ct: Path | None
    target: Path
    stands: Path | None
    scheme: LabelScheme

    @property
    def where(self) -> str:
        """The mask's place in its zip or folder, for messages."""
        return f"{self.source}/{self.member.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What can be placed, by case, and what is to be said before."""

    pairs: tuple[Pair, ...]
    findings: tuple[Finding, ...]


def find_masks(source: Path) -> Masks:
    """Find label maps by their names, wherever in a zip or a folder they lie; nothing is unpacked.

    Raises
    ------
    BadFileError
        There is no such file, it is no zip, or it is broken; the error is an ``IngestError``, with its code.
    """
    with Archive(source) as archive:
        members, findings = archive.members(), list(archive.findings)
    named: defaultdict[str, list[Member]] = defaultdict(list)
    others = []
    for member in members:
        case = case_id_of(member.file_name)
        if case is None:
            others.append(member.name)
        else:
            named[case.casefold()].append(member)  # as file systems see it that know no case
    alone = [group[0] for group in named.values() if len(group) == 1]
    findings += [_twice(source, group) for group in named.values() if len(group) > 1]
    if others:
        said = f"{source}: {len(others)} files are no masks: {first_few(others)}"
        findings.append(finding("", Code.UNUSED_FILE, said, file=str(source)))
    if not named:
        raise IngestError(
            Code.NO_FILES,
            f"{source}: expected masks named <case>.nii.gz; none of its {len(members)} files is one",
        )
    by_case = {case_id_of(member.file_name) or "": member for member in alone}
    return Masks(dict(sorted(by_case.items())), tuple(findings))


def plan(source: Path, dataset: Dataset, *, keep_unpaired: bool = False) -> Plan:
    """Pair the masks of a zip or a folder with the CTs of a data set, by name.

    Parameters
    ----------
    source
        As for :func:`find_masks`.
    dataset
        Where they go; its ``images/`` have the CTs.
    keep_unpaired
        Place masks without a CT too.

    Raises
    ------
    BadFileError
        As :func:`find_masks`.
    """
    masks = find_masks(source)
    cases = {case.id: case for case in (*dataset.cases, *dataset.unpaired)}
    findings = list(masks.findings)
    pairs = []
    for name, member in masks.members.items():
        case = cases.get(name) or Case(name, None, None, dataset.scheme)
        pair = Pair(
            name, source, member, case.image_path, dataset.mask_path(name), case.mask_path, dataset.scheme
        )
        objection = None if pair.ct else _without_ct(pair, keep_unpaired)
        findings += [objection] if objection else []
        if pair.ct or (keep_unpaired and objection is not None and objection.code == Code.NO_PARTNER):
            pairs.append(pair)
    findings += [
        _without_mask(case) for case in cases.values() if not (case.mask_path or case.id in masks.members)
    ]
    return Plan(tuple(pairs), tuple(findings))


def _without_ct(pair: Pair, keep_unpaired: bool) -> Finding:
    try:
        case_name(pair.case)
    except IngestError as error:
        return finding(pair.case, Code.UNKNOWN_NAME, f"{pair.where}: {error}", file=pair.where)
    what = "it is placed all the same" if keep_unpaired else "it is left out"
    return finding(
        pair.case,
        Code.NO_PARTNER,
        f"{pair.where}: the data set has no CT {pair.case}.nii.gz; {what}",
        file=pair.where,
        remedy="bring in its CT first, or ask for masks without CT",
    )


def _without_mask(case: Case) -> Finding:
    return finding(
        case.id,
        Code.NO_PARTNER,
        f"{case.image_path}: no mask of this name is among the masks",
        file=str(case.image_path),
        remedy="the released masks are of 533 studies out of 1014: leave the CT out, or have it segmented",
    )


def _twice(source: Path, group: list[Member]) -> Finding:
    case, names = case_id_of(group[0].file_name) or "", [member.name for member in group]
    return finding(
        case,
        Code.NAME_TAKEN,
        f"{source}: {len(group)} masks would be called {case}, so none of them was taken: {first_few(names)}",
        file=str(source),
        expected="one mask of that name",
        found=f"{len(group)}",
    )
