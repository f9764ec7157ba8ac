"""Checks of the values of a CT: can they be Hounsfield units?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dapatlas.dataset.codes import Code, finding
from dapatlas.findings import Finding

AIR_HU = -200.0  # every CT that shows skin, lung or bowel gas has voxels below this; air itself is at -1000
BONE_HU = 100.0  # every CT that shows bone or contrast medium has voxels above this
LOWEST_HU = -4096.0  # scanners pad the corners with -1024, -2000, -2048, -3024 or -3072
HIGHEST_HU = 32767.0  # metal on an extended scale reaches some 30 000
GREY_VALUES = 255.0  # highest value of an 8-bit picture
NARROWEST_RANGE_HU = 100.0  # fat and muscle alone lie further apart; normalised images do not
LOST_OFFSET = 1024  # stored = HU + 1024 on nearly every scanner


@dataclass(frozen=True, slots=True)
class HuRange:
    """What the voxels of a CT span, in HU, and how they are stored."""

    lowest: float
    highest: float
    not_finite: int  # voxels that are NaN or infinite
    stored: str  # e.g. "int16"


def check_hu(case: str, file: str, ct: HuRange) -> Iterator[Finding]:
    """Can the values be Hounsfield units? At most one finding: the gravest."""
    span = f"{ct.lowest:g} to {ct.highest:g}"
    if ct.not_finite:
        yield finding(
            case,
            Code.HU_NOT_FINITE,
            f"the CT holds {ct.not_finite} voxels that are NaN or infinite",
            file=file,
            voxels=ct.not_finite,
            expected="finite HU",
            found=f"{ct.not_finite} of another kind",
            remedy="set voxels outside the scan to -1024 and save the CT as int16",
        )
        return
    for verdict in _HU_VERDICTS:
        if verdict.applies(ct):
            message = f"the CT spans {span}, stored as {ct.stored}: {verdict.why}"
            yield finding(
                case,
                verdict.code,
                message,
                file=file,
                expected="about -1024 to 3071 HU",
                found=span,
                remedy=verdict.remedy,
            )
            return


def check_hu_storage(case: str, file: str, lowest: float, stored: str) -> Iterator[Finding]:
    """Can the type hold Hounsfield units at all? ``lowest`` is the smallest HU that it could hold.

    For a look at the header alone; :func:`check_hu` sees the same and more in the values.
    """
    if lowest >= 0:
        yield finding(
            case,
            Code.HU_RANGE,
            f"the CT is stored as {stored}, in which no voxel can be below 0: those are no HU",
            file=file,
            expected="a type for negative numbers, or an intercept",
            found=stored,
            remedy="see with --deep what the values are, and convert the series from DICOM again",
        )


@dataclass(frozen=True, slots=True)
class _HuVerdict:
    code: Code
    applies: Callable[[HuRange], bool]
    why: str
    remedy: str


# In order: the first that applies is told.
_HU_VERDICTS = (
    _HuVerdict(
        Code.HU_RANGE,
        lambda ct: ct.highest - ct.lowest < NARROWEST_RANGE_HU,
        "too narrow for HU, so it was normalised, or holds nothing",
        "convert the series from DICOM again and keep HU",
    ),
    _HuVerdict(
        Code.HU_RANGE,
        lambda ct: ct.lowest >= 0 and ct.highest <= GREY_VALUES,
        "grey values of a picture, not HU",
        "convert the series from DICOM again and keep HU",
    ),
    _HuVerdict(
        Code.HU_RANGE,
        lambda ct: ct.lowest >= 0 and ct.highest > HIGHEST_HU,
        "negative HU were read as unsigned and wrapped round",
        "read the stored values as int16",
    ),
    _HuVerdict(
        Code.HU_RANGE,
        lambda ct: ct.lowest >= 0,
        "no voxel is below 0, so the DICOM rescale intercept was lost",
        f"subtract {LOST_OFFSET} (or set scl_slope 1 and scl_inter -{LOST_OFFSET}) "
        "once DICOM tag (0028,1052) confirms the number",
    ),
    _HuVerdict(
        Code.HU_UNUSUAL,
        lambda ct: ct.lowest > AIR_HU,
        "no air in view, so it may be cropped or windowed",
        "see whether a CT window was applied; keep the full range",
    ),
    _HuVerdict(
        Code.HU_UNUSUAL,
        lambda ct: ct.highest < BONE_HU,
        "no bone in view, so it may be windowed",
        "see whether a CT window was applied; keep the full range",
    ),
    _HuVerdict(
        Code.HU_UNUSUAL,
        lambda ct: ct.lowest < LOWEST_HU,
        "lower than any scanner's padding",
        "set voxels outside the scan to -1024",
    ),
    _HuVerdict(
        Code.HU_UNUSUAL,
        lambda ct: ct.highest > HIGHEST_HU,
        "higher than metal on an extended CT scale",
        "check the rescale slope against DICOM tag (0028,1053)",
    ),
)
