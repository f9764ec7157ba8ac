"""Checks of what a label map holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dapatlas.dataset.codes import Code, finding
from dapatlas.errors import first_few
from dapatlas.findings import Finding
from dapatlas.labels import LabelScheme, Sex

_FIND_THE_STEP = "find the step that wrote them; voxels of no structure are unknown_tissue or background"
_NUMBERED_THROUGH = (
    "a program that numbers structures without gaps shifts every id after the gap: compare with labels.json"
)


def check_mask_type(case: str, file: str, stored: str, scaled: bool) -> Iterator[Finding]:
    """Are the ids stored as uint8, without a scale factor?"""
    if stored == "uint8" and not scaled:
        return
    how = f"{stored} with a scale factor" if scaled else stored
    yield finding(
        case,
        Code.MASK_DTYPE,
        f"the label map is stored as {how}, not as uint8",
        file=file,
        expected="uint8",
        found=how,
        remedy="read it with dapatlas.volumes.read_label_map and save it with write_label_map",
    )


def check_ids(case: str, file: str, voxels: Mapping[int, int], scheme: LabelScheme) -> Iterator[Finding]:
    """Are all ids in the scheme, and is there anything but background? ``voxels`` counts each id."""
    unknown = {label: count for label, count in sorted(voxels.items()) if label not in scheme}
    if unknown:
        listed = first_few(f"{label} ({count} voxels)" for label, count in unknown.items())
        gaps = [label for label in unknown if 0 < label < scheme.max_id]
        aside = f"; {_and(gaps)} left out of the scheme {scheme.name!r} on purpose" if gaps else ""
        yield finding(
            case,
            Code.UNKNOWN_ID,
            f"the label map holds ids that are no structure: {listed}{aside}",
            file=file,
            voxels=sum(unknown.values()),
            expected=f"ids of the scheme {scheme.name!r}, at most {scheme.max_id}",
            found=listed,
            remedy=_NUMBERED_THROUGH if gaps else _FIND_THE_STEP,
        )
    elif not any(count for label, count in voxels.items() if label != 0):
        yield finding(
            case,
            Code.EMPTY_MAP,
            "the label map is empty: every voxel is background",
            file=file,
            expected="at least one structure",
            found="background only",
            remedy="segment the case again, or take it out of the data set",
        )


def sexes_in(voxels: Mapping[int, int], scheme: LabelScheme) -> dict[Sex, list[str]]:
    """Structures in the map that only one sex has, by sex."""
    found: dict[Sex, list[str]] = {}
    for label in sorted(voxels):
        if label in scheme and (sex := scheme[label].sex) is not None:
            found.setdefault(sex, []).append(scheme[label].name)
    return found


def check_sexes(case: str, file: str, voxels: Mapping[int, int], scheme: LabelScheme) -> Iterator[Finding]:
    """Does one body have organs of one sex only?"""
    sexes = sexes_in(voxels, scheme)
    if len(sexes) > 1:
        counted = [f"{name} ({voxels[scheme[name].id]} voxels)" for names in sexes.values() for name in names]
        yield finding(
            case,
            Code.BOTH_SEXES,
            f"the label map has organs of both sexes: {', '.join(counted)}",
            file=file,
            expected="organs of one sex",
            found=", ".join(counted),
            remedy="look up the patient's sex and clear the organs of the other",
        )


def _and(gaps: Sequence[int]) -> str:
    return f"id {gaps[0]} is" if len(gaps) == 1 else f"ids {first_few(gaps)} are"
