"""Contents of reports made up from nothing but a seed: no volume is read, so that a cohort of any size takes no time."""

from __future__ import annotations

import math
from base64 import b64encode
from io import BytesIO

import numpy as np
from PIL import Image

from dapatlas.check.codes import Code
from dapatlas.check.judged import rank
from dapatlas.check.outliers import cohort_outliers, spreads
from dapatlas.findings import Finding, Severity
from dapatlas.labels import Sex, dap
from dapatlas.publish.report import (
    Agreement,
    CaseContent,
    ComparedCase,
    Comparison,
    Expert,
    Overlap,
    ReportContent,
    Shown,
)

HOSTILE = '<img src=x onerror=alert(1)> & "quoted" </script><b>'


def picture(seed: int, width: int = 672, height: int = 220) -> str:
    """Some picture of the size that places have, as a data URI."""
    coarse = np.random.default_rng(seed).integers(0, 255, (20, 60, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "WEBP", quality=70)
    return f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode()}"


def finding(case: str, code: Code, structure: str, message: str) -> Finding:
    return Finding(
        case, code.severity, code.value, message, structure=structure, voxels=10, expected="10 to 20 ml (Somebody 2001)",
        found="35 ml", remedy=code.remedy, box=((3, 9), (4, 8), (10, 12)),
    )  # fmt: skip


def made_content(
    cases: int = 30,
    *,
    structures: int = 40,
    findings: int = 8,
    pictures: int = 10,
    compared: bool = True,
    seed: int = 5,
) -> ReportContent:
    """A cohort of so many cases; ``findings`` a case, the first ``pictures`` of all with a picture."""
    draw = np.random.default_rng(seed)
    names = [structure.name for structure in dap().structures[1 : structures + 1]]
    typical = np.exp(draw.normal(4, 1.5, len(names)))
    made = [_case(number, names, typical, draw) for number in range(cases)]
    volumes = {case.case: case.volumes_ml for case in made}
    whole = {case.case: set(case.whole) for case in made}
    sexes = {case.case: case.sex for case in made}
    codes = [code for code in Code if code.severity is not Severity.ERROR or code is Code.WRONG_SIDE]
    found = [
        finding(
            case.case,
            codes[int(draw.integers(len(codes)))],
            names[int(draw.integers(len(names)))],
            f"something {n} of {case.case} is amiss",
        )
        for case in made
        for n in range(findings)
    ]
    ranked = rank([*found, *cohort_outliers(volumes, whole, sexes)])
    shown = [Shown(one, picture(n) if n < pictures else "") for n, one in enumerate(ranked)]
    return ReportContent(
        "made-up cohort", dap(), tuple(made), tuple(shown), tuple(spreads(volumes, whole, sexes)), True,
        _agreement(made, names, draw), _comparison(made, names, draw) if compared else None,
    )  # fmt: skip


def _case(number: int, names: list[str], typical: np.ndarray, draw: np.random.Generator) -> CaseContent:
    case = f"AutoPET_{number:010x}_{number % 100000:05d}"
    sex = (Sex.FEMALE, Sex.MALE, None)[number % 8 // 3]
    ml = typical * np.exp(draw.normal(0, 0.2, len(names)))
    seen = draw.random(len(names)) < 0.95
    volumes = {name: float(value) for name, value, there in zip(names, ml, seen, strict=True) if there}
    notes = [
        Finding(case, Severity.INFO, "wrong-side", f"a piece of {names[0]} became {names[1]}", structure=names[0], voxels=100 + number, found=names[0], expected=names[1]),
        Finding(case, Severity.WARNING, "experts-apart", "experts are apart on it", structure=names[2]),
    ]  # fmt: skip
    return CaseContent(
        case, f"{number // 2:010x}", sex, 40 + number % 40, volumes, frozenset(n for n in volumes if draw.random() < 0.9),
        {name: float(round(draw.normal(50, 30))) for name in volumes}, tuple(notes),
        picture(1000 + number, 400, 300) if number < 3 else "",
        (("the finished map over the CT", picture(2000 + number, 400, 200)),) if number < 3 else (),
    )  # fmt: skip


def _agreement(made: list[CaseContent], names: list[str], draw: np.random.Generator) -> Agreement:
    pairs = [("specialist", "generalist"), ("specialist", "other"), ("generalist", "other")]
    overlaps = {
        case.case: tuple(
            Overlap(name, one, other, float(draw.beta(8, 1)), 10.0, 12.0)
            for name in names[::2]
            for one, other in pairs
        )
        for case in made
    }
    experts = tuple(Expert(name, 100, 0.8, 0.9, 2) for name in ("specialist", "generalist", "other"))
    return Agreement(experts, overlaps)


def _comparison(made: list[CaseContent], names: list[str], draw: np.random.Generator) -> Comparison:
    cases = tuple(
        ComparedCase(
            case.case,
            {name: float(draw.beta(9, 1)) for name in names},
            case.volumes_ml,
            {name: ml * math.exp(float(draw.normal(0, 0.05))) for name, ml in case.volumes_ml.items()},
        )
        for case in made
    )
    gained = (finding(made[0].case, Code.VOLUME_UNUSUAL, names[0], "new here"),)
    return Comparison("earlier", cases, ("alone_here",), (), gained, ())
