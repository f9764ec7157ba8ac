"""All checks of a case together: clean phantoms have no errors, planted ones have theirs, findings are ranked."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from measured_blocks import blocks

from dapatlas.check import composition, hounsfield, ratios, sexes, volumes
from dapatlas.check.case import Check, check_case
from dapatlas.check.codes import Code
from dapatlas.check.judged import Judged, judged, rank
from dapatlas.check.measured_case import MeasuredCase, Patient, measured_case
from dapatlas.findings import Finding, Severity
from dapatlas.labels import Sex, dap
from dapatlas.phantom import ErrorKind, FieldOfView, PhantomSpec, make_phantom, plant

# Those about values; what is about place has tests of its own.
VALUES: dict[str, Check] = {
    "volumes": volumes.check,
    "ratios": ratios.check,
    "hounsfield": hounsfield.check,
    "sexes": sexes.check,
    "composition": composition.check,
}
COARSE = PhantomSpec(seed=11, shape=(82, 82, 195), spacing=(5.0, 5.0, 5.0))


def phantom_case(spec: PhantomSpec, error: ErrorKind | None = None) -> MeasuredCase:
    phantom = make_phantom(spec)
    labels = phantom.label_map
    if error is not None:
        labels, _ = plant(labels, phantom.grid, [error], seed=4)
    return measured_case("a", labels, phantom.ct, phantom.grid, dap(), Patient(spec.sex))


@pytest.mark.parametrize("sex", Sex)
@pytest.mark.parametrize(
    "field_of_view", [FieldOfView.FULL, FieldOfView.ABDOMEN, FieldOfView.THORAX, FieldOfView.PELVIS]
)
def test_a_clean_phantom_has_no_errors(sex: Sex, field_of_view: FieldOfView) -> None:
    spec = PhantomSpec(12, COARSE.shape, COARSE.spacing, sex=sex, field_of_view=field_of_view)
    found = check_case(phantom_case(spec), VALUES)
    assert [f for f in found if f.severity is not Severity.INFO] == []


def test_orientation_changes_nothing() -> None:
    one = check_case(phantom_case(COARSE, ErrorKind.PROSTATE_IN_WOMAN), VALUES)
    turned = PhantomSpec(11, (82, 195, 82), COARSE.spacing, orientation="RIA")
    other = check_case(phantom_case(turned, ErrorKind.PROSTATE_IN_WOMAN), VALUES)
    assert [(f.code, f.message, f.voxels) for f in one] == [(f.code, f.message, f.voxels) for f in other]


@pytest.mark.parametrize(
    ("kind", "sex", "structure"),
    [(ErrorKind.PROSTATE_IN_WOMAN, Sex.FEMALE, "prostate"), (ErrorKind.UTERUS_IN_MAN, Sex.MALE, "uterus")],
)
def test_organs_of_the_other_sex_are_found(kind: ErrorKind, sex: Sex, structure: str) -> None:
    case = phantom_case(PhantomSpec(11, COARSE.shape, COARSE.spacing, sex=sex, field_of_view="pelvis"), kind)
    assert (Code.OTHER_SEX, structure) in {(f.code, f.structure) for f in check_case(case, VALUES)}


def test_boxes_are_told_in_the_axes_of_the_file() -> None:
    phantom = make_phantom(COARSE)
    labels = phantom.label_map.copy(order="F")
    labels[labels == dap()["spleen"].id] = dap()["prostate"].id
    case = measured_case("a", labels, None, phantom.grid, dap(), Patient(Sex.FEMALE))
    (found,) = sexes.check(case)
    assert found.box is not None
    i, j, k = (slice(*side) for side in found.box)
    mask = labels == dap()["prostate"].id
    assert mask[i, j, k].sum() == mask.sum() == found.voxels
    assert all(np.any(mask[i, j, k], axis=axes)[[0, -1]].all() for axes in ((1, 2), (0, 2), (0, 1)))


def test_errors_come_first_and_the_farthest_out_within_a_severity() -> None:
    case = blocks(
        {"liver": 4000.0, "spleen": 900.0, "brain": 100.0, "prostate": 2.0}, Sex.FEMALE, voxel_ml=0.5
    )
    found = check_case(case, {"volumes": volumes.check, "sexes": sexes.check})
    assert [(f.severity, f.structure) for f in found] == [
        (Severity.ERROR, "prostate"),
        (Severity.ERROR, "brain"),
        (Severity.WARNING, "liver"),
        (Severity.WARNING, "spleen"),
    ]
    assert all(isinstance(f, Judged) for f in found)


def test_findings_without_degrees_come_before_those_with() -> None:
    case = blocks({"liver": 100.0})
    graded, plain = (
        judged(case, Code.ORDER, "graded", far_out=9.0),
        case.finding("order", Severity.ERROR, "plain"),
    )
    assert [f.message for f in rank([graded, plain])] == ["plain", "graded"]


def test_a_check_that_fails_is_told_and_silences_no_other() -> None:
    def broken(case: MeasuredCase) -> Iterator[Finding]:
        yield judged(case, Code.NOT_JUDGED, "said before it broke")
        raise ZeroDivisionError("by zero")

    found = check_case(blocks({"prostate": 2.0}, Sex.FEMALE), {"broken": broken, "sexes": sexes.check})
    assert sorted(f.code for f in found) == ["check-failed", "not-judged", "other-sex"]


def test_codes_and_remedies_ride_along() -> None:
    finding = judged(blocks({"liver": 100.0}), Code.OTHER_SEX, "x")
    assert (finding.code, finding.severity) == ("other-sex", Severity.ERROR)
    assert finding.remedy
    assert json.loads(json.dumps(finding.as_dict(), allow_nan=False))["far_out"] is None
    assert all(code.meaning for code in Code)
    assert all(code.remedy for code in Code if code.severity is not Severity.INFO)
